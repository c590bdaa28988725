# SPDX-License-Identifier: MIT
"""What is different between two moments of a simulated kernel: its LMB array, its memory blocks, its tree.

Costs by the run. The array of a running kernel never changes its addresses and DRC indexes, so that its LMBs are
compared by their place in it; where they do differ, after a reboot, an LMB went and another came.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from drmemctl.compare.matching import in_common
from drmemctl.formats.dynamic_memory import ASSIGNED, KERNEL_TOUCHED, NODE, V1, V2
from drmemctl.kernel.blocks import Blocks
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.kernel.firmware import Firmware
from drmemctl.kernel.flush import drmem_update_dt
from drmemctl.kernel.job import Job
from drmemctl.kernel.nodes import current_associativity
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import run
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.run import Run


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
class LmbsChanged:
    """LMBs that follow one another and changed alike.

    Attributes:
        base: the address of the first.
        count: how many.
        lmb_size: bytes of each, 0 where it is not known.
        drc_index: the first one's DRC index.
        old: what they were, None for LMBs that were not there.
        new: what they are, None for those that went.

    """

    base: int
    count: int
    lmb_size: int
    drc_index: int
    old: LmbState | None
    new: LmbState | None

    def goes_on(self, other: LmbsChanged) -> bool:
        """Whether `other` begins where this ends and changed in the same way."""
        return (
            (self.old, self.new, self.lmb_size) == (other.old, other.new, other.lmb_size)
            and other.base == self.base + self.count * self.lmb_size
            and other.drc_index == self.drc_index + self.count
        )


@dataclass(frozen=True, slots=True)
class BlocksChanged:
    """Memory blocks that follow one another; a node is None where they do not exist."""

    first: int
    count: int
    old: int | None
    new: int | None


def changed_lmbs(old: KernelState, new: KernelState) -> list[LmbsChanged]:
    """Return what changed in the array: aa_index, flags, or the node that an assigned LMB's aa_index leads to."""
    if old.table is new.table and old.tree is new.tree:
        return []
    return compare_tables(old.table, current_associativity(old), new.table, current_associativity(new))


def changed_in_tree(old: KernelState, new: KernelState) -> list[LmbsChanged]:
    """Return what changed in what the tree says of the LMBs, as `changed_lmbs` does of the array."""
    if old.tree is new.tree:
        return []
    return compare_tables(_in_tree(old), current_associativity(old), _in_tree(new), current_associativity(new))


def _in_tree(state: KernelState) -> LmbTable:
    return LmbTable.of((), None) if state.tree.find(NODE) is None else Drmem.from_tree(state.tree).table


def compare_tables(
    old: LmbTable, old_nodes: Associativity, new: LmbTable, new_nodes: Associativity
) -> list[LmbsChanged]:
    """Return what is different between two tables, by place."""
    found: list[LmbsChanged] = []
    for before, after in _side_by_side(old, new, from_both_ends=old_nodes == new_nodes):
        for change in _changes(_taken(before, old_nodes), _taken(after, new_nodes), (old, new), (before, after)):
            if found and found[-1].goes_on(change):
                found[-1] = replace(found[-1], count=found[-1].count + change.count)
            else:
                found.append(change)
    return found


def _side_by_side(
    old: LmbTable, new: LmbTable, *, from_both_ends: bool
) -> Iterator[tuple[Run | None, Run | None]]:
    """Yield the runs of both tables, cut so that they pair up; what one table has more of stands alone.

    `from_both_ends` leaves out the runs before the first that differ, and those after the last.
    """
    ones, others = list(old.runs), list(new.runs)
    if from_both_ends:
        head, tail = in_common(ones, others)
        if old.n_lmbs != new.n_lmbs:
            tail = 0
        ones, others = ones[head : len(ones) - tail], others[head : len(others) - tail]
    return _paired(iter(ones), iter(others), (old.lmb_size, new.lmb_size))


def _paired(
    ones: Iterator[Run], others: Iterator[Run], sizes: tuple[int | None, int | None]
) -> Iterator[tuple[Run | None, Run | None]]:
    one, other = next(ones, None), next(others, None)
    while one is not None and other is not None:
        count = min(one.lmbs, other.lmbs)
        yield one.part(0, count, sizes[0]), other.part(0, count, sizes[1])
        one = one.part(count, one.lmbs - count, sizes[0]) if count < one.lmbs else next(ones, None)
        other = other.part(count, other.lmbs - count, sizes[1]) if count < other.lmbs else next(others, None)
    for left in (one, *ones) if one is not None else ():
        yield left, None
    for left in (other, *others) if other is not None else ():
        yield None, left


def _taken(run: Run | None, nodes: Associativity) -> LmbState | None:
    if run is None:
        return None
    return LmbState(run.aa_index, run.flags & ~KERNEL_TOUCHED, nodes.node_of(run.aa_index, run.flags))


def _changes(
    old: LmbState | None,
    new: LmbState | None,
    tables: tuple[LmbTable, LmbTable],
    runs: tuple[Run | None, Run | None],
) -> Iterator[LmbsChanged]:
    before, after = runs
    same_place = before and after and (before.base, before.drc_index) == (after.base, after.drc_index)
    if same_place and before is not None:
        if not _alike(old, new):
            yield LmbsChanged(before.base, before.lmbs, tables[0].lmb_size or 0, before.drc_index, old, new)
        return
    if before is not None:
        yield LmbsChanged(before.base, before.lmbs, tables[0].lmb_size or 0, before.drc_index, old, None)
    if after is not None:
        yield LmbsChanged(after.base, after.lmbs, tables[1].lmb_size or 0, after.drc_index, None, new)


def _alike(old: LmbState | None, new: LmbState | None) -> bool:
    """Whether nothing changed that anybody looks at: the node of free memory means nothing."""
    if old is None or new is None or old == new:
        return old == new
    free = not (old.flags | new.flags) & ASSIGNED
    return free and (old.aa_index, old.flags) == (new.aa_index, new.flags)


def changed_blocks(old: Blocks, new: Blocks) -> list[BlocksChanged]:
    """Return the memory blocks that came, went, or are on another node now."""
    found: list[BlocksChanged] = []
    head, tail = in_common(old.runs, new.runs)
    old, new = (Blocks(blocks.runs[head : len(blocks.runs) - tail]) for blocks in (old, new))
    for first, end in _stretches(old, new):
        before, after = old.node_of(first), new.node_of(first)
        if before == after:
            continue
        last = found[-1] if found else None
        if last is not None and (last.old, last.new, last.first + last.count) == (before, after, first):
            found[-1] = replace(last, count=end - last.first)
        else:
            found.append(BlocksChanged(first, end - first, before, after))
    return found


def _stretches(old: Blocks, new: Blocks) -> Iterator[tuple[int, int]]:
    """Yield the stretches of block numbers in which nothing begins and nothing ends."""
    return pairwise(sorted({mark for run in (*old.runs, *new.runs) for mark in (run.first, run.end)}))


def next_flush(state: KernelState, firmware: Firmware) -> list[LmbsChanged]:
    """Return what the tree would lose if the kernel wrote its array back now: old is what the tree says.

    Nothing for a kernel that holds no array, nor for one that runs no more.
    """
    if state.dead or not state.profile.has(DRMEM_ARRAY):
        return []
    job = Job(state, firmware, events=None)
    if run(job, drmem_update_dt(job)) or _properties(job.state) == _properties(state):
        return []
    nodes = current_associativity(state)
    return compare_tables(_in_tree(state), nodes, _in_tree(job.state), nodes)


def _properties(state: KernelState) -> list[bytes | None]:
    return [state.tree.get(NODE, name) for name in (V1, V2)]


@dataclass(frozen=True, slots=True)
class Placed:
    """A change of LMBs, and whether it is in the array, in the tree, or in both."""

    change: LmbsChanged
    in_array: bool
    in_tree: bool


def array_and_tree(array: list[LmbsChanged], tree: list[LmbsChanged]) -> list[Placed]:
    """Return both lists as one by address: each change once, with where it is."""
    if array == tree:
        return [Placed(change, in_array=True, in_tree=True) for change in array]
    ones, others = (list(_cut(changes, _ends(array) | _ends(tree))) for changes in (array, tree))
    in_array, in_tree = set(ones), set(others)
    found: list[Placed] = []
    # Where both have something to say about an LMB, the array comes first.
    for change in sorted(dict.fromkeys([*ones, *others]), key=lambda change: change.base):
        now = Placed(change, change in in_array, change in in_tree)
        last = found[-1] if found else None
        if last is not None and _same_place(last, now) and last.change.goes_on(change):
            found[-1] = replace(last, change=replace(last.change, count=last.change.count + change.count))
        else:
            found.append(now)
    return found


def _same_place(one: Placed, other: Placed) -> bool:
    return (one.in_array, one.in_tree) == (other.in_array, other.in_tree)


def _ends(changes: list[LmbsChanged]) -> set[int]:
    return {end for one in changes for end in (one.base, one.base + one.count * one.lmb_size)}


def _cut(changes: list[LmbsChanged], ends: set[int]) -> Iterator[LmbsChanged]:
    """Yield the changes cut at every address at which another begins or ends."""
    marks = sorted(ends)
    for change in changes:
        size = change.lmb_size
        inside = marks[bisect_right(marks, change.base) : bisect_left(marks, change.base + change.count * size)]
        positions = [(mark - change.base) // size for mark in inside if (mark - change.base) % size == 0]
        for first, end in pairwise([0, *positions, change.count]):
            base, drc_index = change.base + first * size, change.drc_index + first
            yield replace(change, base=base, count=end - first, drc_index=drc_index)
