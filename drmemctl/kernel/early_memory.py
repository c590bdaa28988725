# SPDX-License-Identifier: MIT
"""What a booting kernel takes for memory, range by range in its order, and how that ends up in memblock.

Source: Linux arch/powerpc/kernel/prom.c `early_init_dt_scan_memory_ppc`, `early_init_drmem_lmb`,
`validate_mem_limit`, `early_init_devtree`; drivers/of/fdt.c `early_init_dt_scan_memory`;
arch/powerpc/mm/numa.c `parse_numa_properties`, `numa_setup_drmem_lmb`, `setup_nonnuma`.
"""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.formats.dynamic_memory import HOTREMOVABLE
from drmemctl.kernel.boot_input import BootInput
from drmemctl.kernel.capabilities import (
    CHOSEN_LIMITS,
    CRASHKERNEL_RAISES_LIMIT,
    HOTREMOVABLE_MEMBLOCK,
    MEMORY_LIMIT_16M,
    NO_DEFAULT_NODE,
)
from drmemctl.kernel.cmdline import command_line, crash_kernel, memory_size
from drmemctl.kernel.fake_nodes import FakeNodes
from drmemctl.kernel.kexec_capabilities import CRASHKERNEL_CMA_SUFFIX
from drmemctl.kernel.memblock import Memblock
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.sections import max_physical
from drmemctl.model.associativity import CHOSEN
from drmemctl.tree.node import Tree

_PAGE = 1 << 16
_LARGE_PAGE = 1 << 24
_IOMMU_OFF = "linux,iommu-off"
MEMORY_LIMIT = "linux,memory-limit"
_BELOW_2G = 1 << 31

Range = tuple[int, int]


class EarlyMemory(BootInput):
    """The memory that a kernel starts with."""

    def memblock(self) -> Memblock:
        """Return the memory with its nodes, of a kernel that survives finding them (see `deadly_faults`)."""
        memblock = self.registered()
        self.set_nodes(memblock)
        return memblock

    def registered(self) -> Memblock:
        """Return the memory as it is before anyone looks for nodes, limited by `mem=`.

        The order in which it is added, which changed in 5.17, shows nowhere: marks are made by address, too.
        """
        memblock = Memblock()
        marks = self.profile.has(HOTREMOVABLE_MEMBLOCK)
        for base, size, run in self.lmb_ranges():
            for start, count in self._valid(base, size):
                memblock.add(start, count)
                if marks and run.flags & HOTREMOVABLE:
                    memblock.mark_hotplug(start, count)
        for node in self.memory_nodes:
            for part in node.ranges:
                for base, size in self._valid(part.base, part.size):
                    memblock.add(base, size)
                if node.hotpluggable:
                    memblock.mark_hotplug(part.base, part.size)
        limit = memory_limit(self.tree, self.profile, memblock.size)
        if limit:
            memblock.keep_lowest(limit)
        return memblock

    def _valid(self, base: int, size: int) -> Iterator[Range]:
        """Yield the part of a range that has valid addresses, if there is one."""
        without_iommu = self.profile.has(CHOSEN_LIMITS) and self.tree.get(CHOSEN, _IOMMU_OFF) is not None
        limit = _BELOW_2G if without_iommu else max_physical(self.profile)
        if base < limit:
            yield base, min(size, limit - base)

    def set_nodes(self, memblock: Memblock) -> None:
        """Put memory on its nodes, memory nodes first, then LMBs."""
        fake = FakeNodes(command_line(self.tree))
        for base, size, count, node in self._on_nodes(memblock):
            for piece in fake.pieces(base, size, count, node):
                memblock.set_node(*piece)

    def _on_nodes(self, memblock: Memblock) -> Iterator[tuple[int, int, int, int]]:
        """Yield address, bytes, number and node of ranges of equal length, as the kernel goes through them."""
        if self.associativity.primary_index is None:
            yield from [(region.base, region.size, 1, 0) for region in memblock]
            return
        for memory_node in self.memory_nodes:
            # parse_numa_properties does not look at `status`.
            ranges = memory_node.reg if memory_node.usable is None else memory_node.usable
            yield from ((part.base, part.size, 1, memory_node.node or 0) for part in ranges)
        restricted = self.usable is not None
        for base, size, run in self.lmb_ranges():
            count = 1 if restricted else run.lmbs
            node = self.node_of(run)
            if node is None and self.profile.has(NO_DEFAULT_NODE):
                return  # The kernel does not survive it: see `deadly_faults`.
            yield base, size // count, count, node or 0


def memory_limit(tree: Tree, profile: Profile, present: int) -> int:
    """Return how many of the bytes present may stay, 0 for all (the end of `early_init_devtree`).

    What `mem=` says goes before what /chosen says.
    """
    cmdline = command_line(tree)
    limit = memory_size(cmdline)
    if limit is None:
        limit = inherited_limit(tree) if profile.has(CHOSEN_LIMITS) else 0
    elif limit and profile.has(CRASHKERNEL_RAISES_LIMIT):
        crash = crash_kernel(cmdline, cma=profile.has(CRASHKERNEL_CMA_SUFFIX))
        if crash is not None and crash.base:
            limit = max(limit, crash.base + crash.size)
    if profile.has(MEMORY_LIMIT_16M):
        limit = 0 if limit > present else limit
        return (limit or present) // _LARGE_PAGE * _LARGE_PAGE
    return -(-(limit or present) // _PAGE) * _PAGE


def inherited_limit(tree: Tree) -> int:
    """Return the limit that `linux,memory-limit` of /chosen sets, 0 for none.

    Kernels write it big-endian, for kexec-tools, and read it in their own order: little-endian ones back to front.
    """
    return int.from_bytes((tree.get(CHOSEN, MEMORY_LIMIT) or b"")[:8], "little")
