# SPDX-License-Identifier: MIT
"""The memory blocks of a kernel that has just booted on a tree, or runs on it: size, nodes, whose they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from drmemctl.defect import Defect
from drmemctl.kernel.block_map import BlockMap, BlockSpan, owners_of
from drmemctl.kernel.block_size import block_size_of
from drmemctl.kernel.boot import boot
from drmemctl.kernel.boot_input import boot_associativity
from drmemctl.kernel.boot_regions import DriverMemory, driver_memory
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.running_kernel import live_system, with_live_blocks
from drmemctl.kernel.sections import is_block_size
from drmemctl.kernel.state import KernelState
from drmemctl.model.memory import Memory
from drmemctl.model.sizes import blocks_within_bounds
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class BootBlocks:
    """Memory blocks after boot.

    Attributes:
        kernel: the kernel after boot; one that is dead has no blocks.
        faults: what went wrong at boot.
        computed_size: what the kernel works out for the bytes of a block, suitable or not.
        block_map: the blocks.
        pmem: persistent memory, whose address the tree does not say.
        unknown: whether the tree does not show what it takes to know the nodes.
        defects: what of the tree could not be read.

    """

    kernel: KernelState
    faults: Collection[Fault]
    computed_size: int
    block_map: BlockMap
    pmem: Sequence[DriverMemory]
    unknown: bool
    defects: Sequence[Defect]

    __repr__ = short_repr

    @classmethod
    def of(cls, tree: Tree, profile: Profile) -> BootBlocks:
        """Boot a kernel on a tree, or take a capture's blocks; `LimitError` for too many to be listed."""
        memory = Memory.from_tree(tree)
        state, faults = boot(tree, profile)
        if not state.dead:
            state = with_live_blocks(state, live_system(tree))
        table = memory.table
        block_map = BlockMap(owners_of(memory.boot, table), table.lmb_size, state.block_size, state.blocks)
        blocks_within_bounds(block_map.most_spans, tree.source)
        pmem = driver_memory(tree, boot_associativity(tree, profile))
        size = block_size_of(tree, profile)
        return cls(state, faults, size, block_map, pmem, bool(memory.associativity.unknown), memory.defects)

    def spans(self) -> Iterable[BlockSpan]:
        """Return the blocks, those side by side that are alike in everything as one; none of a dead kernel."""
        return () if self.kernel.dead else self.block_map.spans()

    @property
    def block_size(self) -> int:
        """Bytes of the blocks that there are: kernels that go on with an unsuitable size take another."""
        return self.computed_size if self.kernel.dead else self.kernel.block_size

    @property
    def suitable(self) -> bool:
        """Whether Linux takes the size that it works out."""
        return is_block_size(self.computed_size)
