# SPDX-License-Identifier: MIT
"""Boot memory that cannot be removed, as far as the tree and the command line tell: reservations, fadump.

Source: Linux arch/powerpc/kernel/fadump.c `fadump_reserve_mem`, `fadump_calculate_reserve_size`,
`fadump_get_boot_mem_regions`; arch/powerpc/platforms/pseries/rtas-fadump.c `rtas_fadump_dt_scan`;
arch/powerpc/kexec/core.c `reserve_crashkernel`. Read in 5.10 and 7.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from drmemctl.errors import NotInTreeError
from drmemctl.kernel.cmdline import command_line, crash_kernel, crash_kernel_size, memparse, options
from drmemctl.kernel.kdump import RTAS_BASE, RTAS_SIZE, CrashMemory
from drmemctl.kernel.kept_memory import KeptMemory, Reservation
from drmemctl.kernel.kexec_capabilities import CRASHKERNEL_CMA_SUFFIX
from drmemctl.kernel.memblock import MemblockRegion
from drmemctl.kernel.profiles import Profile
from drmemctl.model.associativity import RTAS
from drmemctl.tree.node import Tree

_PAGE = 1 << 16
_LEAST_BOOT_MEMORY = 0x14000000
"""Bytes that the second kernel gets at least where nobody says how many (RTAS_FADUMP_MIN_BOOT_MEM)."""

_MOST_BOOT_MEMORY = 4
"""It gets a fourth of all memory at most (MAX_BOOT_MEM_RATIO)."""

_CONFIGURE_DUMP, _DUMP_SIZES = "ibm,configure-kernel-dump", "ibm,configure-kernel-dump-sizes"
_SECTION = struct.Struct(">IQ")
"""Of the latter property: which section, and its bytes."""

_WRITTEN_SECTIONS = (1, 2)
"""Sections of a dump that firmware needs room for besides the memory: state of the CPUs, page table."""

_LOWEST = Reservation(0, _PAGE, "the kernel")
"""The image (`early_init_devtree`), or the vectors of one that runs elsewhere (`reserve_kdump_trampoline`)."""

_ANY_CALL = "ibm,configure-connector"
"""An RTAS call that every partition has: a tree without it does not list its calls."""


def kept_memory(tree: Tree, profile: Profile, regions: Sequence[MemblockRegion], block_size: int) -> KeptMemory:
    """Return the boot memory that cannot be removed, as far as the tree and the command line tell.

    Where it prepared for a firmware-assisted dump it does not reserve memory for a crash kernel.
    """
    cma = profile.has(CRASHKERNEL_CMA_SUFFIX)
    dump = tuple(_dump_areas(tree, regions, block_size, cma=cma))
    reserved = [_LOWEST]
    base, size = (tree.get(RTAS, name) for name in (RTAS_BASE, RTAS_SIZE))
    if base is not None and size is not None and len(base) in (4, 8) and len(size) == 4:
        first = int.from_bytes(base, "big")
        reserved.append(Reservation(first, first + int.from_bytes(size, "big"), "RTAS"))
    reserved += () if dump else _crash_kernel(tree, cma=cma)
    return KeptMemory(dump, tuple(reserved))


def _crash_kernel(tree: Tree, *, cma: bool) -> Iterator[Reservation]:
    """Yield the memory of a crash kernel, where its address was chosen or the kernel wrote it down."""
    crashkernel = crash_kernel(command_line(tree), cma=cma)
    if crashkernel is not None and crashkernel.base is not None:
        yield Reservation(crashkernel.base, crashkernel.base + crashkernel.size, "crashkernel=")
        return
    try:
        crash = CrashMemory.from_tree(tree)
    except NotInTreeError:
        return
    yield Reservation(crash.base, crash.end, "crashkernel=")


def _dump_areas(
    tree: Tree, regions: Sequence[MemblockRegion], block_size: int, *, cma: bool
) -> Iterator[tuple[int, int]]:
    """Yield the addresses at which LMBs begin that a registered dump keeps (`is_fadump_memory_area`).

    Both comparisons take the address behind an area for part of it. Nothing is kept before the dump is registered,
    which the kernel does at boot since 6.10, and a service of user space before: it is taken to be.
    """
    is_on = False
    for value in options(command_line(tree), "fadump"):
        is_on = value.startswith(("on", "nocma")) or (is_on and not value.startswith("off"))
    firmware_dumps = tree.get(RTAS, _CONFIGURE_DUMP) is not None or tree.get(RTAS, _ANY_CALL) is None
    if not (is_on and firmware_dumps and regions):
        return
    size = _boot_memory(tree, sum(region.size for region in regions), cma=cma)
    top = _boot_memory_top(regions, size)
    # What firmware writes besides the memory comes with it, and a page for the kernel's header.
    sections = tree.get(RTAS, _DUMP_SIZES) or b""
    records = _SECTION.iter_unpack(sections[: len(sections) // _SECTION.size * _SECTION.size])
    area = size + _PAGE + sum(n_bytes for kind, n_bytes in records if kind in _WRITTEN_SECTIONS)
    start = _dump_area_base(regions, top, area)
    yield 0, top
    yield max(0, start - block_size + 1), start + area


def _boot_memory(tree: Tree, total: int, *, cma: bool) -> int:
    """Return the bytes that the second kernel gets (`fadump_calculate_reserve_size`)."""
    cmdline = command_line(tree)
    crashkernel = crash_kernel_size(cmdline, total, cma=cma)
    if crashkernel:
        size = min(crashkernel, total // _MOST_BOOT_MEMORY)
    else:
        older = options(cmdline, "fadump_reserve_mem")
        fifth_percent = total // 20 & ~0xFFFFFFF
        size = (memparse(older[-1]).size if older else 0) or max(fifth_percent, _LEAST_BOOT_MEMORY)
    return -(-size // _PAGE) * _PAGE


def _boot_memory_top(regions: Iterable[MemblockRegion], size: int) -> int:
    """Return where so many bytes of memory end, holes included (`fadump_get_boot_mem_regions`)."""
    wanted, counted, holes, last_end = size, 0, 0, 0
    for region in regions:
        holes += region.base - last_end
        if counted + region.size >= wanted:
            break
        # `fadump_get_boot_mem_regions` subtracts a region from what it still wants and adds it to what it has, so
        # that each region counts twice in the comparison above.
        wanted -= region.size
        counted += region.size
        last_end = region.end
    return size + holes


def _dump_area_base(regions: Sequence[MemblockRegion], low: int, size: int) -> int:
    """Return where memory is first that takes the dump, from an address on (`fadump_locate_reserve_mem`)."""
    base = end = 0
    for region in regions:
        base, end = (base, region.end) if region.base == end and end else (max(low, region.base), region.end)
        if end - max(base, low) >= size:
            return max(base, low)
    return low
