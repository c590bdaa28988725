# SPDX-License-Identifier: MIT
"""Whether array, tree, connectors and memory blocks say the same."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, KERNEL_TOUCHED, NODE, RESERVED
from drmemctl.hypervisor.connectors import State
from drmemctl.hypervisor.machine import Machine
from drmemctl.kernel.associativity import current_associativity
from drmemctl.kernel.state import KernelState
from drmemctl.model.drmem import Drmem
from drmemctl.model.lmbs import LmbTable, Run


def contradictions(state: KernelState, machine: Machine) -> Iterator[str]:
    """Yield what does not agree, a sentence each; costs by the run."""
    yield from _array_and_tree(state)
    associativity = current_associativity(state)
    for run in state.table.runs:
        if run.flags & (RESERVED | DRC_INVALID):
            continue
        yield from _run_and_connectors(run, machine)
        node = associativity.node_of(run.aa_index, run.flags) if run.flags & ASSIGNED else None
        yield from _run_and_blocks(state, run, node)


def is_consistent(state: KernelState, machine: Machine) -> bool:
    """Whether everything agrees."""
    return not state.dead and next(contradictions(state, machine), None) is None


def _array_and_tree(state: KernelState) -> Iterator[str]:
    if state.tree.find(NODE) is None:
        if state.table.n_lmbs:
            yield "the tree has no LMBs, the array does"
        return
    held = state.table
    plain = ((n, base, drc, aa, flags & ~KERNEL_TOUCHED) for n, base, drc, aa, flags in held.runs.entries())
    if LmbTable.of(plain, held.lmb_size) != Drmem.from_tree(state.tree).table:
        yield "the array is not what the tree says"


def _run_and_connectors(run: Run, machine: Machine) -> Iterator[str]:
    taken = sum(
        part.count for part in machine.connectors.between(run.drc_index, run.count) if _is_taken(part.state)
    )
    expected = run.count if run.flags & ASSIGNED else 0
    if taken != expected:
        yield f"LMBs from {run.drc_index:#x} on: {expected} assigned, {taken} connectors held"


def _is_taken(state: State) -> bool:
    return state not in (State.UNUSABLE, State.POWERON)


def _run_and_blocks(state: KernelState, run: Run, node: int | None) -> Iterator[str]:
    size = state.table.lmb_size
    if not size or size != state.block_size or run.base % size:
        return
    first = run.base // size
    there = [part for part in state.blocks.runs if part.first < first + run.count and first < part.end]
    count = sum(min(part.end, first + run.count) - max(part.first, first) for part in there)
    expected = run.count if run.flags & ASSIGNED else 0
    if count != expected:
        yield f"LMBs from {run.drc_index:#x} on: {expected} assigned, {count} memory blocks"
    if (
        run.flags & ASSIGNED
        and any(part.node != node for part in there)
        and state.topology.primary_index is not None
    ):
        yield f"LMBs from {run.drc_index:#x} on belong to node {node}, their memory is on another"
