# SPDX-License-Identifier: MIT
"""What differs between two states of a simulated kernel: its LMB array, its memory blocks, its tree.

Costs by the run. The array of a running kernel never changes its addresses and DRC indexes, so that its LMBs are
compared by their place in it; where they do differ, after a reboot, an LMB went and another came.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import NamedTuple

from drmemctl.compare.matching import in_common
from drmemctl.formats.dynamic_memory import ASSIGNED, KERNEL_TOUCHED, NODE, V1, V2
from drmemctl.hypervisor.topology import lmb_table
from drmemctl.kernel.blocks import Blocks
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.kernel.firmware import Firmware
from drmemctl.kernel.flush import drmem_update_dt
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_node import current_associativity
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import run
from drmemctl.model.associativity import Associativity
from drmemctl.model.distances import Form1
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Tree


@dataclass(frozen=True, slots=True)
class LmbState:
    """What LMBs are at one moment.

    Attributes:
        aa_index: their aa_index.
        flags: their flags, without the bit that is the kernel's own.
        node: the node that their aa_index leads to, None where to none.

    """

    aa_index: int
    flags: int
    node: int | None


@dataclass(frozen=True, slots=True)
class LmbRangeChange:
    """LMBs that follow one another and changed alike.

    Attributes:
        base: the address of the first.
        count: how many.
        lmb_size: bytes of each, 0 where it is not known.
        drc_index: the first one's DRC index.
        old: what they were, None for LMBs that were not there.
        new: what they are, None for those that went.
        in_array: whether the kernel's array has the change.
        in_tree: whether the tree has it.

    """

    base: int
    count: int
    lmb_size: int
    drc_index: int
    old: LmbState | None
    new: LmbState | None
    in_array: bool = True
    in_tree: bool = True

    @property
    def end(self) -> int:
        """The address behind the last."""
        return self.base + self.count * self.lmb_size

    def is_followed_by(self, change: LmbRangeChange) -> bool:
        """Whether the LMBs of another change come right after these, and changed alike in array and tree."""
        if (change.base, change.drc_index, change.lmb_size) != (
            self.end,
            self.drc_index + self.count,
            self.lmb_size,
        ):
            return False
        place = (self.in_array, self.in_tree) == (change.in_array, change.in_tree)
        return place and (self.old, self.new) == (change.old, change.new)

    def part(self, first: int, count: int) -> LmbRangeChange:
        """Return the change of `count` of these LMBs, from the one at place `first` on."""
        base, drc_index = self.base + first * self.lmb_size, self.drc_index + first
        return replace(self, base=base, count=count, drc_index=drc_index)


@dataclass(frozen=True, slots=True)
class BlockRangeChange:
    """Memory blocks that follow one another; a node is None where they do not exist."""

    first: int
    count: int
    old: int | None
    new: int | None


def changed_lmbs(old: KernelState, new: KernelState) -> list[LmbRangeChange]:
    """Return what changed of the LMBs by address: each change once, with whether array and tree have it."""
    return merged_changes(changed_in_array(old, new), changed_in_tree(old, new))


def changed_in_array(old: KernelState, new: KernelState) -> list[LmbRangeChange]:
    """Return what changed in the array: aa_index, flags, or the node that an assigned LMB's aa_index leads to."""
    if old.table is new.table and old.tree is new.tree:
        return []
    return compare_tables(old.table, current_associativity(old), new.table, current_associativity(new))


def changed_in_tree(old: KernelState, new: KernelState) -> list[LmbRangeChange]:
    """Return what changed in what the tree says of the LMBs."""
    if old.tree is new.tree:
        return []
    old_table, new_table = lmb_table(old.tree), lmb_table(new.tree)
    return compare_tables(old_table, current_associativity(old), new_table, current_associativity(new))


def compare_tables(
    old: LmbTable, old_nodes: Associativity, new: LmbTable, new_nodes: Associativity
) -> list[LmbRangeChange]:
    """Return what differs between two tables, LMB by LMB in their order; costs by the run."""
    changes: list[LmbRangeChange] = []
    for old_run, new_run in _paired_runs(old, new, skip_equal_ends=old_nodes == new_nodes):
        old_state, new_state = _state(old_run, old_nodes), _state(new_run, new_nodes)
        if old_run and new_run and (old_run.base, old_run.drc_index) == (new_run.base, new_run.drc_index):
            if not _looks_the_same(old_state, new_state):
                _append_change(changes, _change_of(old_run, old.lmb_size, old_state, new_state))
            continue
        if old_run is not None:
            _append_change(changes, _change_of(old_run, old.lmb_size, old_state, None))
        if new_run is not None:
            _append_change(changes, _change_of(new_run, new.lmb_size, None, new_state))
    return changes


def _change_of(run: Run, lmb_size: int | None, old: LmbState | None, new: LmbState | None) -> LmbRangeChange:
    return LmbRangeChange(run.base, run.lmbs, lmb_size or 0, run.drc_index, old, new)


def _append_change(changes: list[LmbRangeChange], change: LmbRangeChange) -> None:
    """Add a change; where its LMBs follow those of the last one and changed alike, extend that one."""
    if changes and changes[-1].is_followed_by(change):
        changes[-1] = replace(changes[-1], count=changes[-1].count + change.count)
    else:
        changes.append(change)


def _paired_runs(
    old: LmbTable, new: LmbTable, *, skip_equal_ends: bool
) -> Iterator[tuple[Run | None, Run | None]]:
    """Yield the runs of both tables, cut to pairs of equal length; None beside what only one table has.

    `skip_equal_ends` leaves out the equal runs at the beginning and at the end of both.
    """
    old_list, new_list = list(old.runs), list(new.runs)
    if skip_equal_ends:
        head, tail = in_common(old_list, new_list)
        if old.n_lmbs != new.n_lmbs:
            tail = 0
        old_list, new_list = old_list[head : len(old_list) - tail], new_list[head : len(new_list) - tail]
    old_runs, new_runs = iter(old_list), iter(new_list)
    before, after = next(old_runs, None), next(new_runs, None)
    while before is not None and after is not None:
        count = min(before.lmbs, after.lmbs)
        yield before.part(0, count, old.lmb_size), after.part(0, count, new.lmb_size)
        before = _after_first(before, count, old.lmb_size) or next(old_runs, None)
        after = _after_first(after, count, new.lmb_size) or next(new_runs, None)
    if before is not None:
        yield from ((run, None) for run in (before, *old_runs))
    if after is not None:
        yield from ((None, run) for run in (after, *new_runs))


def _after_first(run: Run, count: int, lmb_size: int | None) -> Run | None:
    """Return a run without its first `count` LMBs, None where it has no more."""
    return run.part(count, run.lmbs - count, lmb_size) if count < run.lmbs else None


def _state(run: Run | None, nodes: Associativity) -> LmbState | None:
    if run is None:
        return None
    return LmbState(run.aa_index, run.flags & ~KERNEL_TOUCHED, nodes.node_of(run.aa_index, run.flags))


def _looks_the_same(old: LmbState | None, new: LmbState | None) -> bool:
    """Whether two states are equal; of free LMBs, which have no memory, the node does not count."""
    if old is None or new is None or old == new:
        return old == new
    free = not (old.flags | new.flags) & ASSIGNED
    return free and (old.aa_index, old.flags) == (new.aa_index, new.flags)


def changed_blocks(old: Blocks, new: Blocks) -> list[BlockRangeChange]:
    """Return the memory blocks that came, went, or are on another node now."""
    changes: list[BlockRangeChange] = []
    head, tail = in_common(old.runs, new.runs)
    old, new = (Blocks(blocks.runs[head : len(blocks.runs) - tail]) for blocks in (old, new))
    # Between two of these numbers nothing begins and nothing ends.
    marks = sorted({mark for run in (*old.runs, *new.runs) for mark in (run.first, run.end)})
    for first, end in pairwise(marks):
        before, after = old.node_of(first), new.node_of(first)
        if before == after:
            continue
        last = changes[-1] if changes else None
        if last is not None and (last.old, last.new, last.first + last.count) == (before, after, first):
            changes[-1] = replace(last, count=end - last.first)
        else:
            changes.append(BlockRangeChange(first, end - first, before, after))
    return changes


class DistanceChange(NamedTuple):
    """Two nodes whose distance changed while both were online."""

    nodes: tuple[int, int]
    old: int
    new: int


def changed_distances(old: KernelState, new: KernelState) -> list[DistanceChange]:
    """Return the pairs of nodes that are at another distance in form 1 now; each pair once."""
    before, after = old.distances, new.distances
    if before is after or not isinstance(before, Form1) or not isinstance(after, Form1):
        return []
    pairs = combinations(sorted(old.online & new.online), 2)
    distances = (DistanceChange(pair, before.distance(*pair), after.distance(*pair)) for pair in pairs)
    return [change for change in distances if change.old != change.new]


class BlockStateChange(NamedTuple):
    """A memory block that existed before and after, and went online or offline."""

    block: int
    online: bool


def changed_states(old: Blocks, new: Blocks) -> list[BlockStateChange]:
    """Return the memory blocks that went online or offline, of those that exist in both states."""
    changed = sorted(old.offline ^ new.offline)
    existing = (block for block in changed if None not in (old.node_of(block), new.node_of(block)))
    return [BlockStateChange(block, block not in new.offline) for block in existing]


class HashTableChange(NamedTuple):
    """The order (log2 of its bytes) of the hash page table before and after, and the attempts to shrink it."""

    old: int
    new: int
    shrinks: int


def changed_hash_table(old: KernelState, new: KernelState) -> HashTableChange | None:
    """Return what a step did to the hash page table; None for nothing, and for a step that booted the kernel."""
    before, after = old.hash_table, new.hash_table
    if before is None or after is None or before == after or after.shrinks < before.shrinks:
        return None
    return HashTableChange(before.order, after.order, after.shrinks - before.shrinks)


def changed_properties(old: Tree, new: Tree) -> dict[str, bytes | None]:
    """Return the properties in which two trees differ, with their bytes in the new one.

    Costs by what changed: subtrees that are one and the same value in both are not looked at.
    """
    return dict(_changed_properties("", old.root, new.root))


def _changed_properties(path: str, old: Node | None, new: Node | None) -> Iterator[tuple[str, bytes | None]]:
    if old is new:
        return
    before = {} if old is None else {prop.name: prop.value for prop in old.properties}
    after = {} if new is None else {prop.name: prop.value for prop in new.properties}
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield f"{path or '/'}:{name}", after.get(name)
    old_children = {} if old is None else {child.name: child for child in old.children}
    for child in () if new is None else new.children:
        yield from _changed_properties(f"{path}/{child.name}", old_children.pop(child.name, None), child)
    for name, child in old_children.items():
        yield from _changed_properties(f"{path}/{name}", child, None)


def next_flush(state: KernelState, firmware: Firmware) -> list[LmbRangeChange]:
    """Return what `drmem_update_dt` would change in the tree if it ran now; `old` is what the tree says.

    Nothing for a kernel without an array (before 4.16), nor for a dead one.
    """
    if state.dead or not state.profile.has(DRMEM_ARRAY):
        return []
    job = Job(state, firmware, events=None)
    if run(job, drmem_update_dt(job)) or _lmb_properties(job.state) == _lmb_properties(state):
        return []
    nodes = current_associativity(state)
    return compare_tables(lmb_table(state.tree), nodes, lmb_table(job.state.tree), nodes)


def _lmb_properties(state: KernelState) -> list[bytes | None]:
    return [state.tree.get(NODE, name) for name in (V1, V2)]


def merged_changes(array: list[LmbRangeChange], tree: list[LmbRangeChange]) -> list[LmbRangeChange]:
    """Return the changes of array and tree as one list by address: each once, with which of the two has it."""
    if array == tree:
        return array
    marks = sorted({mark for change in (*array, *tree) for mark in (change.base, change.end)})
    array_parts, tree_parts = (list(_cut(changes, marks)) for changes in (array, tree))
    in_array, in_tree = set(array_parts), set(tree_parts)
    changes: list[LmbRangeChange] = []
    # Where both have something to say about an LMB, the array comes first.
    for change in sorted(dict.fromkeys([*array_parts, *tree_parts]), key=lambda change: change.base):
        _append_change(changes, replace(change, in_array=change in in_array, in_tree=change in in_tree))
    return changes


def _cut(changes: list[LmbRangeChange], marks: list[int]) -> Iterator[LmbRangeChange]:
    """Yield the changes cut at every address at which another begins or ends."""
    for change in changes:
        inside = marks[bisect_right(marks, change.base) : bisect_left(marks, change.end)]
        offsets = (mark - change.base for mark in inside)
        positions = [offset // change.lmb_size for offset in offsets if offset % change.lmb_size == 0]
        for first, end in pairwise([0, *positions, change.count]):
            yield change.part(first, end - first)
