# SPDX-License-Identifier: MIT
"""Boot memory by region, and what follows for each: its zone, kexec, the dump, whether it can go.

Source: Linux mm/memblock.c `should_skip_region`; include/linux/memblock.h on MEMBLOCK_HOTPLUG,
MEMBLOCK_DRIVER_MANAGED and `for_each_mem_range`; kernel/kexec_file.c `kexec_walk_memblock`, in whose place
arch/powerpc/kexec/file_load_64.c had a search of its own from 5.9 to 6.14; drivers/dax/kmem.c.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drmemctl.formats.pmemory import NODE as PERSISTENT_MEMORY
from drmemctl.formats.pmemory import Pmemory, decode_pmemory
from drmemctl.kernel.boot_faults import deadly_faults
from drmemctl.kernel.boot_input import boot_associativity, read_drmem
from drmemctl.kernel.capabilities import KEXEC_IN_HOTPLUG
from drmemctl.kernel.cmdline import command_line, has_flag
from drmemctl.kernel.early_memory import EarlyMemory
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.memblock import Memblock, MemblockRegion
from drmemctl.kernel.movable_zone import Begins, movable_begins
from drmemctl.kernel.profiles import Profile
from drmemctl.model.associativity import Associativity
from drmemctl.tree.node import Tree

MOVABLE = "Movable"
NORMAL = "Normal"


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a region's flags lead to.

    Attributes:
        zone: `Movable` or `Normal`, the zone of its first byte.
        movable_from: the first address in it that is in ZONE_MOVABLE, None for none.
        images: whether kexec_file_load may place its images there. kexec-tools, which places them itself where it
            is used without -s, knows no marks.
        listed: whether kexec must name it to the second kernel as memory.
        in_dump: whether it belongs into the vmcore.
        unplug: `never` (no LMB), `unless pinned` (a page that cannot move is enough), `movable` or `by driver`.

    """

    zone: str
    movable_from: int | None
    images: bool
    listed: bool
    in_dump: bool
    unplug: str


@dataclass(frozen=True, slots=True)
class BootRegion:
    """A region of boot memory.

    Attributes:
        region: as the kernel prints it.
        lmb_bytes: how much of it is LMBs, the rest being memory nodes.
        consequences: what follows.

    """

    region: MemblockRegion
    lmb_bytes: int
    consequences: Consequences


@dataclass(frozen=True, slots=True)
class DriverMemory:
    """Memory that a driver may add (dax/kmem on an `ibm,pmemory`): no firmware map has it.

    Attributes:
        path: the tree's node.
        size: bytes, None where the node does not say; where it is mapped, the hypervisor decides at run time.
        node: the Linux node, None for none.
        drc_index: its DRC index.

    """

    path: str
    size: int | None
    node: int | None
    drc_index: int | None

    consequences = Consequences(MOVABLE, None, images=False, listed=False, in_dump=True, unplug="by driver")


def boot_regions(tree: Tree, profile: Profile) -> tuple[list[BootRegion], tuple[Fault, ...]]:
    """Return the regions as the kernel registers them, and what goes wrong with that."""
    faults: list[Fault] = []
    memory = EarlyMemory(tree, profile, read_drmem(tree, profile, faults), boot_associativity(tree, profile))
    memblock = memory.registered()
    memory.set_nodes(memblock)
    faults += list(deadly_faults(memory))[:1]
    lmbs = Memblock()
    for base, size, _ in memory.lmb_ranges():
        lmbs.add(base, size)
    begins = movable_begins(memblock, command_line(tree))
    spared = has_flag(command_line(tree), "movable_node") and not profile.has(KEXEC_IN_HOTPLUG)
    return list(_judged(memblock, lmbs, begins, spared=spared)), tuple(faults)


def _judged(memblock: Memblock, lmbs: Memblock, begins: Begins, *, spared: bool) -> Iterator[BootRegion]:
    pieces = deque(lmbs)
    for region in memblock:
        while pieces and pieces[0].end <= region.base:
            pieces.popleft()
        begin = max(region.base, begins.get(region.node, region.end))
        movable = begin if begin < region.end else None
        yield _region(region, _common(region, pieces), movable, images=not (region.is_hotplug and spared))


def _common(region: MemblockRegion, pieces: Iterable[MemblockRegion]) -> int:
    total = 0
    for piece in pieces:
        if piece.base >= region.end:
            break
        total += min(piece.end, region.end) - max(piece.base, region.base)
    return total


def _region(region: MemblockRegion, lmb_bytes: int, movable_from: int | None, *, images: bool) -> BootRegion:
    in_movable = movable_from == region.base
    unplug = "never" if not lmb_bytes else "movable" if in_movable else "unless pinned"
    zone = MOVABLE if in_movable else NORMAL
    consequences = Consequences(zone, movable_from, images, listed=True, in_dump=True, unplug=unplug)
    return BootRegion(region, lmb_bytes, consequences)


def driver_memory(tree: Tree, associativity: Associativity) -> list[DriverMemory]:
    """Return the persistent memory that could become memory."""
    node = tree.find(PERSISTENT_MEMORY)
    regions = []
    for child in () if node is None else node.children:
        region = decode_pmemory({prop.name: prop.value for prop in child.properties})
        path = f"{PERSISTENT_MEMORY}/{child.name}"
        regions.append(DriverMemory(path, region.size, _node_of(region, associativity), region.drc_index))
    return regions


def _node_of(region: Pmemory, associativity: Associativity) -> int | None:
    return None if region.associativity is None else associativity.node_of_row(region.associativity.domains)
