# SPDX-License-Identifier: MIT
"""The kernel that a simulation begins with: that of a dump or a capture goes on, on any other tree one boots."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from drmemctl.formats.block_states import ONLINE
from drmemctl.kernel.blocks import BlockRun, Blocks
from drmemctl.kernel.boot import BootResult, boot
from drmemctl.kernel.capabilities import DRMEM_ARRAY, SECTION_REMOVABLE_CHECK
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.state import KernelState
from drmemctl.model.dumped import array_in
from drmemctl.model.live_system import PERSISTENT_MEMORY, LiveSystem
from drmemctl.tree.node import Tree


def running_kernel(tree: Tree, profile: Profile) -> BootResult:
    """Return the kernel on a tree, and what went wrong at its boot.

    Of a dump it has that kernel's array and memory blocks. What those differ in from the tree, the next request
    writes back; a kernel that boots on the tree would have taken it over. Of a capture it has the memory blocks,
    on the nodes and in the states in which they were.
    """
    state, faults = boot(tree, profile)
    if state.dead:
        return BootResult(state, faults)
    array = array_in(tree)
    if array is not None:
        if not profile.has(DRMEM_ARRAY):
            return BootResult(state, faults)
        state = replace(state, table=replace(array, property_name=state.table.property_name))
    return BootResult(with_live_blocks(state, live_system(tree)), faults)


def live_system(tree: Tree) -> LiveSystem:
    """Return what the files beside a tree show of the running system; an empty one without any."""
    files = None if tree.beside is None else tree.beside.files()
    return LiveSystem.from_files(files.files, files.links) if files else LiveSystem()


def with_live_blocks(state: KernelState, system: LiveSystem) -> KernelState:
    """Return a kernel with the memory blocks of a running system, where that shows each with its node.

    What that kernel called not removable, it does not take offline (`is_mem_section_removable`, up to 5.7).
    """
    blocks = sorted(system.blocks.items())
    if system.block_size != state.block_size or not blocks or not all(block.nodes for _, block in blocks):
        return state
    runs = [BlockRun(number, 1, block.nodes[0]) for number, block in blocks]
    offline = [number for number, block in blocks if block.state != ONLINE]
    # Those with persistent memory are no System RAM as a whole (`count_system_ram_pages_cb`).
    persistent, size = system.spans(PERSISTENT_MEMORY).disjoint(), state.block_size
    numbers = system.blocks if len(persistent) else ()
    mixed = {number for number in numbers if persistent.first_in(number * size, size) is not None}
    holed = mixed | (state.blocks.holed & system.blocks.keys())
    shared = frozenset(node for _, block in blocks for node in block.nodes[1:])
    state = replace(state, blocks=replace(Blocks.of(runs, holed, offline), shared=shared))
    if not state.profile.has(SECTION_REMOVABLE_CHECK):
        return state
    stuck = [number for number, block in blocks if block.removable is False and block.state == ONLINE]
    unmovable: set[int] = set()
    for run in state.table.runs if state.table.lmb_size == size else ():
        if run.assigned and run.base % size == 0:
            first = run.base // size
            inside = stuck[bisect_left(stuck, first) : bisect_left(stuck, first + run.lmbs)]
            unmovable.update(run.drc_index + block - first for block in inside)
    return replace(state, unmovable=state.unmovable | unmovable)
