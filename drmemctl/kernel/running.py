# SPDX-License-Identifier: MIT
"""The kernel that a simulation begins with: that of a dump goes on, on any other tree one boots."""

from __future__ import annotations

from dataclasses import replace

from drmemctl.kernel.blocks import BlockRun, Blocks
from drmemctl.kernel.boot import boot
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.state import KernelState
from drmemctl.model.dumped import array_in
from drmemctl.model.live_system import LiveSystem
from drmemctl.tree.node import Tree


def running_kernel(tree: Tree, profile: Profile) -> tuple[KernelState, tuple[Fault, ...]]:
    """Return the kernel on a tree, and what went wrong at its boot.

    Of a dump it has that kernel's array and memory blocks. What those differ in from the tree, the next request
    writes back; a kernel that boots on the tree would have taken it over.
    """
    state, faults = boot(tree, profile)
    array = array_in(tree)
    if state.dead or array is None or not profile.has(DRMEM_ARRAY):
        return state, faults
    table = replace(array, property_name=state.table.property_name)
    return replace(state, table=table, blocks=_blocks(tree, state.block_size) or state.blocks), faults


def _blocks(tree: Tree, block_size: int) -> Blocks | None:
    """Return the memory blocks of a dump, None where it does not show each with its node."""
    files = None if tree.beside is None else tree.beside.files()
    system = LiveSystem.from_files(files.files, files.links) if files else LiveSystem()
    blocks = sorted(system.blocks.items())
    if system.block_size != block_size or not blocks or not all(block.nodes for _, block in blocks):
        return None
    return Blocks.of(BlockRun(number, 1, block.nodes[0]) for number, block in blocks)
