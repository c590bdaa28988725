# SPDX-License-Identifier: MIT
"""Boot memory by region, and what follows for each: its zone, kexec, the dump, whether it can go.

Source: Linux mm/mm_init.c `find_zone_movable_pfns_for_nodes`; mm/memblock.c `should_skip_region`;
include/linux/memblock.h on MEMBLOCK_HOTPLUG and MEMBLOCK_DRIVER_MANAGED; kernel/kexec_file.c
`kexec_walk_memblock`; drivers/dax/kmem.c.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drmemctl.formats.pmemory import NODE as PERSISTENT_MEMORY
from drmemctl.formats.pmemory import Pmemory, decode_pmemory
from drmemctl.kernel.boot import boot_associativity, read_drmem
from drmemctl.kernel.cmdline import command_line, has_flag
from drmemctl.kernel.early_memory import EarlyMemory
from drmemctl.kernel.job import Fault, OopsError
from drmemctl.kernel.memblock import Memblock, MemblockRegion
from drmemctl.kernel.profiles import Profile
from drmemctl.model.associativity import Associativity
from drmemctl.tree.node import Tree

MOVABLE = "Movable"
NORMAL = "Normal"
_LARGEST_PAGES = 1 << 24
"""ZONE_MOVABLE begins at a multiple of MAX_ORDER_NR_PAGES, 16 MiB with 64 KiB pages."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a region's flags lead to.

    Attributes:
        zone: `Movable` or `Normal`.
        images: whether kexec may place its images there.
        told: whether kexec must name it to the second kernel as memory.
        in_dump: whether it belongs into the vmcore.
        unplug: `never` (no LMB), `unless pinned` (a page that cannot move is enough), `movable` or `by driver`.

    """

    zone: str
    images: bool
    told: bool
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

    consequences = Consequences(MOVABLE, images=False, told=False, in_dump=True, unplug="by driver")


def boot_regions(tree: Tree, profile: Profile) -> tuple[list[BootRegion], tuple[Fault, ...]]:
    """Return the regions as the kernel registers them, and what goes wrong with that."""
    faults: list[Fault] = []
    memory = EarlyMemory(tree, profile, read_drmem(tree, profile, faults), boot_associativity(tree, profile))
    found = memory.registered()
    try:
        memory.set_nodes(found)
    except OopsError as oops:
        faults.append(oops.fault)
    lmbs = Memblock()
    for base, size, _ in memory.lmb_ranges():
        lmbs.add(base, size)
    movable = has_flag(command_line(tree), "movable_node")
    return list(_judged(found, lmbs, movable=movable)), tuple(faults)


def _judged(found: Memblock, lmbs: Memblock, *, movable: bool) -> Iterator[BootRegion]:
    begins = movable_begins(found) if movable else {}
    pieces = deque(lmbs)
    for region in found:
        while pieces and pieces[0].end <= region.base:
            pieces.popleft()
        yield _region(region, _common(region, pieces), region.base >= begins.get(region.node, region.end), movable)


def movable_begins(found: Iterable[MemblockRegion]) -> dict[int | None, int]:
    """Return where ZONE_MOVABLE begins on each node that has one: at its lowest marked memory.

    All above that is movable, marked or not.
    """
    begins: dict[int | None, int] = {}
    for region in found:
        if region.is_hotplug:
            begins.setdefault(region.node, -(-region.base // _LARGEST_PAGES) * _LARGEST_PAGES)
    return begins


def _common(region: MemblockRegion, pieces: Iterable[MemblockRegion]) -> int:
    total = 0
    for piece in pieces:
        if piece.base >= region.end:
            break
        total += min(piece.end, region.end) - max(piece.base, region.base)
    return total


def _region(region: MemblockRegion, lmb_bytes: int, in_movable: bool, movable_node: bool) -> BootRegion:
    unplug = "never" if not lmb_bytes else "movable" if in_movable else "unless pinned"
    # The mark keeps kexec's images away only where movable_node asks for its memory to stay free of such things.
    images = not (region.is_hotplug and movable_node)
    zone = MOVABLE if in_movable else NORMAL
    return BootRegion(region, lmb_bytes, Consequences(zone, images, told=True, in_dump=True, unplug=unplug))


def driver_memory(tree: Tree, associativity: Associativity) -> list[DriverMemory]:
    """Return the persistent memory that could become memory."""
    node = tree.find(PERSISTENT_MEMORY)
    found = []
    for child in () if node is None else node.children:
        region = decode_pmemory({prop.name: prop.value for prop in child.properties})
        path = f"{PERSISTENT_MEMORY}/{child.name}"
        found.append(DriverMemory(path, region.size, _node_of(region, associativity), region.drc_index))
    return found


def _node_of(region: Pmemory, associativity: Associativity) -> int | None:
    return None if region.associativity is None else associativity.node_of_row(region.associativity.domains)
