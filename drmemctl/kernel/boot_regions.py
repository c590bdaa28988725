# SPDX-License-Identifier: MIT
"""Memory by region of memblock, and what follows for each: its zone, kexec, the dump, whether it can go.

Source: Linux mm/memblock.c `should_skip_region`; include/linux/memblock.h on MEMBLOCK_HOTPLUG,
MEMBLOCK_DRIVER_MANAGED and `for_each_mem_range`; kernel/kexec_file.c `kexec_walk_memblock`, in whose place
arch/powerpc/kexec/file_load_64.c had a search of its own from 5.9 to 6.14; drivers/dax/kmem.c;
mm/memory_hotplug.c `add_memory_resource`, `try_remove_memory`, which keep memblock up to date since powerpc
keeps it (CONFIG_ARCH_KEEP_MEMBLOCK); mm/memblock.c `free_low_memory_core_early`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from drmemctl.formats.pmemory import NODE as PERSISTENT_MEMORY
from drmemctl.formats.pmemory import decode_pmemory
from drmemctl.kernel.blocks import Blocks
from drmemctl.kernel.blocks_at_boot import blocks_of
from drmemctl.kernel.boot_faults import deadly_faults
from drmemctl.kernel.boot_input import boot_associativity, read_drmem
from drmemctl.kernel.capabilities import KEXEC_IN_HOTPLUG
from drmemctl.kernel.cmdline import command_line, has_flag
from drmemctl.kernel.early_memory import EarlyMemory
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.memblock import HOTPLUG, Memblock, MemblockRegion
from drmemctl.kernel.memory_capabilities import DRIVER_MANAGED_MEMBLOCK, HOTPLUG_MARK_ALL, MOVABLE_NODE_TEST
from drmemctl.kernel.movable_zone import MovableZone
from drmemctl.kernel.profiles import Profile
from drmemctl.model.associativity import Associativity
from drmemctl.model.intervals import side_by_side
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
        in_dump: whether it belongs in the vmcore.
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
    """A region of memory.

    Attributes:
        region: as the kernel prints it.
        lmb_bytes: how much of it is LMBs, the rest being memory nodes.
        consequences: what follows.
        added_bytes: how much of it came after boot.

    """

    region: MemblockRegion
    lmb_bytes: int
    consequences: Consequences
    added_bytes: int = 0


class MemoryWrite(NamedTuple):
    """Memory that comes on a node after boot, or goes: then `node` is None."""

    base: int
    size: int
    node: int | None


@dataclass(frozen=True, slots=True)
class DriverMemory:
    """Memory that a driver may add (dax/kmem on an `ibm,pmemory`): no firmware map has it.

    Attributes:
        path: the tree's node.
        size: bytes, None where the node does not say; where it is mapped, the hypervisor decides at run time.
        node: the Linux node, None for none.
        drc_index: its DRC index.
        images: whether kexec_file_load may place its images there.
        marked: whether it has a mark of its own, MEMBLOCK_DRIVER_MANAGED.

    """

    path: str
    size: int | None
    node: int | None
    drc_index: int | None
    images: bool = False
    marked: bool = True

    @property
    def consequences(self) -> Consequences:
        """What follows once it is memory."""
        return Consequences(MOVABLE, None, images=self.images, listed=False, in_dump=True, unplug="by driver")


class RunningBlocks(NamedTuple):
    """The memory blocks of a running kernel, and the bytes of one."""

    blocks: Blocks
    block_size: int


class RegionsAtBoot(NamedTuple):
    """The regions of `memblock.memory`, and what the kernel did wrong when it made them."""

    regions: list[BootRegion]
    faults: tuple[Fault, ...]


def boot_regions(
    tree: Tree,
    profile: Profile,
    writes: Iterable[MemoryWrite] | None = None,
    running: RunningBlocks | None = None,
) -> RegionsAtBoot:
    """Return the regions as the kernel registers them, and what goes wrong with that.

    `writes` is what came and went after boot, None for the moment at which the kernel prints its regions. A
    running kernel has no marks of boot any more: they go when the page allocator gets the memory. What is added
    later is marked only if a driver adds it. `running` is the blocks that a dump or a capture shows of its kernel,
    whose memory its tree may have otherwise; `writes` came after that.
    """
    faults: list[Fault] = []
    memory = EarlyMemory(tree, profile, read_drmem(tree, profile, faults), boot_associativity(tree, profile))
    memblock = memory.registered()
    memory.set_nodes(memblock)
    faults += list(deadly_faults(memory))[:1]
    lmbs = Memblock()
    for base, size, _ in memory.lmb_ranges():
        lmbs.add(base, size)
    zone = MovableZone(memblock, command_line(tree))
    added = Memblock()
    flags = HOTPLUG if profile.has(HOTPLUG_MARK_ALL) else 0
    if writes is not None:
        memblock.clear_hotplug()
    if running is not None:
        _take_over(running, memblock, lmbs, zone)
    for write in writes or ():
        zone.change(*write)
        for memory_map in (memblock, lmbs, added):
            memory_map.remove(write.base, write.size)
            if write.node is not None:
                memory_map.add(*write, flags)
    counts_marks = has_flag(command_line(tree), "movable_node") or not profile.has(MOVABLE_NODE_TEST)
    spares = counts_marks and not profile.has(KEXEC_IN_HOTPLUG)
    regions = list(_with_consequences(memblock, lmbs, added, zone, spares=spares))
    return RegionsAtBoot(regions, tuple(faults))


def _take_over(running: RunningBlocks, memblock: Memblock, lmbs: Memblock, zone: MovableZone) -> None:
    """Change what boot makes of a tree into the memory that a kernel has; all of that counts as memory of boot."""
    at_boot, size = blocks_of(memblock, running.block_size), running.block_size
    for first, count, boot_node, node in side_by_side(at_boot.ranges(), running.blocks.ranges()):
        base, n_bytes = first * size, count * size
        if boot_node is None or node is None:
            zone.change(base, n_bytes, node)
            for memory_map in (memblock, lmbs):
                memory_map.remove(base, n_bytes)
                if node is not None:
                    memory_map.add(base, n_bytes, node)
        elif boot_node != node:
            memblock.set_node(base, n_bytes, node)


def _with_consequences(
    memblock: Memblock, lmbs: Memblock, added: Memblock, zone: MovableZone, *, spares: bool
) -> Iterator[BootRegion]:
    """Yield the regions; `spares`: kexec_file_load places no images in what is marked as hot-removable."""
    lmbs_in, added_in, movable_in = (_Pieces(pieces) for pieces in (lmbs, added, zone.movable))
    for region in memblock:
        movable = next(movable_in.common(region), None)
        in_movable = movable is not None and movable.base == region.base
        lmb_bytes = sum(piece.size for piece in lmbs_in.common(region))
        added_bytes = sum(piece.size for piece in added_in.common(region))
        consequences = Consequences(
            MOVABLE if in_movable else NORMAL,
            movable and movable.base,
            images=not (region.is_hotplug and spares),
            listed=True,
            in_dump=True,
            unplug="never" if not lmb_bytes else "movable" if in_movable else "unless pinned",
        )
        yield BootRegion(region, lmb_bytes, consequences, added_bytes)


class _Pieces:
    """Ascending memory, of which parts are asked for by ascending regions."""

    def __init__(self, pieces: Iterable[MemblockRegion]) -> None:
        self._pieces = deque(pieces)

    def common(self, region: MemblockRegion) -> Iterator[MemblockRegion]:
        """Yield what of it is in a region."""
        while self._pieces and self._pieces[0].end <= region.base:
            self._pieces.popleft()
        for piece in self._pieces:
            if piece.base >= region.end:
                return
            yield piece._replace(base=max(piece.base, region.base), end=min(piece.end, region.end))


def driver_memory(tree: Tree, associativity: Associativity, profile: Profile | None = None) -> list[DriverMemory]:
    """Return the persistent memory that could become memory, marked as the kernel marks it, or the newest."""
    marked = profile is None or profile.has(DRIVER_MANAGED_MEMBLOCK)
    images = not marked or (profile is not None and profile.has(KEXEC_IN_HOTPLUG))
    node = tree.find(PERSISTENT_MEMORY)
    regions = []
    for child in () if node is None else node.children:
        region = decode_pmemory({prop.name: prop.value for prop in child.properties})
        path = f"{PERSISTENT_MEMORY}/{child.name}"
        lists = region.associativity
        node_id = None if lists is None else associativity.node_of_row(lists.domains)
        regions.append(DriverMemory(path, region.size, node_id, region.drc_index, images, marked))
    return regions
