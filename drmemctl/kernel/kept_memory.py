# SPDX-License-Identifier: MIT
"""Memory that cannot leave: firmware-assisted dumps keep it, or the kernel reserved it at boot.

Source: Linux arch/powerpc/kernel/fadump.c `is_fadump_memory_area`, `fadump_reserve_mem`,
`fadump_calculate_reserve_size`, `fadump_get_boot_mem_regions`; arch/powerpc/platforms/pseries/rtas-fadump.c
`rtas_fadump_dt_scan`; arch/powerpc/kexec/core.c `reserve_crashkernel`; mm/page_isolation.c `has_unmovable_pages`.
Read in 5.10, 6.1, 6.12 and 7.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drmemctl.errors import NotInTreeError
from drmemctl.formats.cells import read_cells
from drmemctl.formats.dynamic_memory import DRC_INVALID
from drmemctl.kernel.cmdline import command_line, crash_kernel, crash_kernel_size, memparse, options
from drmemctl.kernel.kdump import RTAS_BASE, RTAS_SIZE, CrashMemory
from drmemctl.kernel.memblock import MemblockRegion
from drmemctl.model.associativity import RTAS
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree

_PAGE = 1 << 16
_LEAST_BOOT_MEMORY = 0x14000000
"""Bytes that the second kernel gets at least where nobody says how many (RTAS_FADUMP_MIN_BOOT_MEM)."""

_MOST_BOOT_MEMORY = 4
"""It gets a fourth of all memory at most (MAX_BOOT_MEM_RATIO)."""

_CONFIGURE_DUMP, _DUMP_SIZES = "ibm,configure-kernel-dump", "ibm,configure-kernel-dump-sizes"
_WRITTEN_SECTIONS = (1, 2)
"""Sections of a dump that firmware needs room for besides the memory: state of the CPUs, page table."""

_ANY_CALL = "ibm,configure-connector"
"""An RTAS call that every partition has: a tree without it does not list its calls."""

_MOST_LMBS = 1 << 16
"""LMBs of one reservation that are told apart: 16 TiB in LMBs of 256 MiB."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Memory from `base` up to `end` that the kernel reserved, and what for: it cannot be taken offline."""

    base: int
    end: int
    purpose: str

    def drc_indexes(self, table: LmbTable) -> Iterator[int]:
        """Yield the DRC indexes of the assigned LMBs that have a part of it."""
        size = table.lmb_size or 0
        for run in table.runs if size else ():
            if run.assigned and not run.flags & DRC_INVALID:
                first = max(0, (self.base - run.base) // size)
                end = min(run.lmbs, -(-(self.end - run.base) // size), first + _MOST_LMBS)
                yield from (run.drc_index + position for position in range(first, end))


@dataclass(frozen=True, slots=True)
class KeptMemory:
    """What of a kernel's memory cannot leave.

    Attributes:
        dump: addresses, first and last, at which LMBs begin that a firmware-assisted dump keeps: those are not
            removable (`lmb_is_removable`).
        reserved: what was reserved at boot.

    """

    dump: tuple[tuple[int, int], ...] = ()
    reserved: tuple[Reservation, ...] = ()

    def is_removable(self, base: int) -> bool:
        """Whether firmware-assisted dumps have nothing against the removal of the LMB at an address."""
        return not any(first <= base <= last for first, last in self.dump)

    def n_alike(self, base: int, count: int, lmb_size: int) -> int:
        """Return how many of `count` LMBs from an address on are all removable, or all not, as the first is."""
        for first, last in self.dump:
            for edge in (first, last + 1):
                if base < edge <= base + (count - 1) * lmb_size:
                    count = -(-(edge - base) // lmb_size)
        return count

    def n_kept(self, run: Run, lmb_size: int) -> int:
        """Return how many LMBs of a run are kept for a dump."""
        position = kept = 0
        while self.dump and position < run.lmbs:
            base = run.base + position * lmb_size
            count = self.n_alike(base, run.lmbs - position, lmb_size)
            kept += 0 if self.is_removable(base) else count
            position += count
        return kept

    def unmovable(self, table: LmbTable) -> frozenset[int]:
        """Return the DRC indexes of assigned LMBs in which something is reserved."""
        return frozenset(drc_index for part in self.reserved for drc_index in part.drc_indexes(table))


NOTHING_KEPT = KeptMemory()


def kept_memory(tree: Tree, regions: Sequence[MemblockRegion], block_size: int) -> KeptMemory:
    """Return what of the memory that a kernel booted with cannot leave, as far as tree and command line tell.

    Where it prepared for a firmware-assisted dump it does not reserve memory for a crash kernel.
    """
    dump = tuple(_dump_areas(tree, regions, block_size))
    reserved = [*_rtas(tree), *(() if dump else _crash_kernel(tree))]
    return KeptMemory(dump, tuple(reserved))


def _rtas(tree: Tree) -> Iterator[Reservation]:
    base, size = (tree.get(RTAS, name) for name in (RTAS_BASE, RTAS_SIZE))
    if base is not None and size is not None and len(base) in (4, 8) and len(size) == 4:
        first = int.from_bytes(base, "big")
        yield Reservation(first, first + int.from_bytes(size, "big"), "RTAS")


def _crash_kernel(tree: Tree) -> Iterator[Reservation]:
    """Yield the memory of a crash kernel, where its address was chosen or the kernel wrote it down."""
    named = crash_kernel(command_line(tree))
    if named is not None and named[1] is not None:
        yield Reservation(named[1], named[1] + named[0], "crashkernel=")
        return
    try:
        crash = CrashMemory.from_tree(tree)
    except NotInTreeError:
        return
    yield Reservation(crash.base, crash.end, "crashkernel=")


def _dump_areas(tree: Tree, regions: Sequence[MemblockRegion], block_size: int) -> Iterator[tuple[int, int]]:
    """Yield the addresses at which LMBs begin that a registered dump keeps (`is_fadump_memory_area`).

    Both comparisons take the address behind an area for part of it. Nothing is kept before the dump is registered,
    which the kernel does at boot since 6.10, and a service of user space before: it is taken to be.
    """
    if not _has_dump(tree) or not regions:
        return
    size = _boot_memory(tree, sum(region.size for region in regions))
    top = _boot_memory_top(regions, size)
    area = size + _dump_data(tree)
    start = _chunk(regions, top, area)
    yield 0, top
    yield max(0, start - block_size + 1), start + area


def _has_dump(tree: Tree) -> bool:
    on = False
    for value in options(command_line(tree), "fadump"):
        on = value.startswith(("on", "nocma")) or (on and not value.startswith("off"))
    return on and (tree.get(RTAS, _CONFIGURE_DUMP) is not None or tree.get(RTAS, _ANY_CALL) is None)


def _boot_memory(tree: Tree, total: int) -> int:
    """Return the bytes that the second kernel gets (`fadump_calculate_reserve_size`)."""
    cmdline = command_line(tree)
    named = crash_kernel_size(cmdline, total)
    if named:
        size = min(named, total // _MOST_BOOT_MEMORY)
    else:
        older = options(cmdline, "fadump_reserve_mem")
        fifth_percent = total // 20 & ~0xFFFFFFF
        size = (memparse(older[-1])[0] if older else 0) or max(fifth_percent, _LEAST_BOOT_MEMORY)
    return -(-size // _PAGE) * _PAGE


def _boot_memory_top(regions: Iterable[MemblockRegion], size: int) -> int:
    """Return where so many bytes of memory end, holes included (`fadump_get_boot_mem_regions`)."""
    wanted, taken, holes, last_end = size, 0, 0, 0
    for region in regions:
        holes += region.base - last_end
        if taken + region.size >= wanted:
            break
        # The kernel takes what it has off what it wants and counts it, too.
        wanted -= region.size
        taken += region.size
        last_end = region.end
    return size + holes


def _dump_data(tree: Tree) -> int:
    """Return the bytes that firmware writes besides the memory, with the page for the kernel's header."""
    sections = tree.get(RTAS, _DUMP_SIZES) or b""
    places = range(0, len(sections) - 11, 12)
    kinds = (read_cells(sections, at, 1) for at in places)
    sizes = (read_cells(sections, at + 4, 2) or 0 for at in places)
    return _PAGE + sum(size for kind, size in zip(kinds, sizes, strict=True) if kind in _WRITTEN_SECTIONS)


def _chunk(regions: Sequence[MemblockRegion], low: int, size: int) -> int:
    """Return where memory is first that takes the dump, from an address on (`fadump_locate_reserve_mem`)."""
    base = end = 0
    for region in regions:
        base, end = (base, region.end) if region.base == end and end else (max(low, region.base), region.end)
        if end - max(base, low) >= size:
            return max(base, low)
    return low
