# SPDX-License-Identifier: MIT
"""What became of the LMBs: ranges that are gone, new, elsewhere, in another state, or on another node.

Costs by the run: LMBs that differ in the same way and follow one another are one change, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

from drmemctl.compare.matching import Pair, in_common, is_reordered, matched, pieces_of
from drmemctl.compare.side import Affinity, Side
from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, RESERVED
from drmemctl.formats.dynamic_memory import NODE as DRMEM
from drmemctl.model.run import ADDRESSES, DRC_INDEXES, Run, is_assigned, state_of
from drmemctl.tree.limits import LIMITS, NOT_REAL

VANISHED = "vanished"
ADDED = "added"
ADDRESS = "address"
STATE = "state"
NODE = "node"
ASSOCIATIVITY = "associativity"
RENUMBERED = "renumbered"
AA_INDEX = "aa_index"
FLAGS = "flags"
DRC_INDEX = "drc_index"

KINDS = (VANISHED, ADDED, ADDRESS, STATE, NODE, ASSOCIATIVITY, RENUMBERED, AA_INDEX, FLAGS, DRC_INDEX)
"""What a change of LMBs can be, the gravest first.

`associativity`: another list, which leads to the same node; `renumbered`: another aa_index for the same list;
`aa_index`: another one where there is no list to compare; `flags`: others than assigned and reserved.
"""


@dataclass(frozen=True, slots=True)
class Lmbs:
    """What a tree says of some consecutive LMBs.

    Attributes:
        base: the first one's address.
        drc_index: the first one's DRC index.
        aa_index: of each.
        flags: of each.
        affinity: their list and their Linux node.
        same_drc: whether all have the first one's DRC index, instead of consecutive ones.

    """

    base: int
    drc_index: int
    aa_index: int
    flags: int
    affinity: Affinity
    same_drc: bool = False

    @property
    def assigned(self) -> bool:
        """Whether Linux takes them for memory."""
        return is_assigned(self.flags)

    @property
    def state(self) -> str:
        """`assigned`, `free` or `reserved`."""
        return state_of(self.flags)


@dataclass(frozen=True, slots=True)
class LmbChange:
    """Some consecutive LMBs that changed alike.

    Attributes:
        count: how many.
        kinds: what changed, of `KINDS` and in that order.
        old: what they were, None if they are new.
        new: what they are, None if they vanished.

    """

    count: int
    kinds: tuple[str, ...]
    old: Lmbs | None
    new: Lmbs | None

    def mirrored(self) -> LmbChange:
        """Return what the change back would be."""
        kinds = tuple({VANISHED: ADDED, ADDED: VANISHED}.get(kind, kind) for kind in self.kinds)
        return LmbChange(self.count, kinds, self.new, self.old)


@dataclass(frozen=True, slots=True)
class NodeTotal:
    """Assigned LMBs of a node; None is for those without one. Bytes are None where a tree has no LMB size."""

    node: int | None
    old_lmbs: int
    new_lmbs: int
    old_bytes: int | None
    new_bytes: int | None

    def mirrored(self) -> NodeTotal:
        """Return it with old and new exchanged."""
        return NodeTotal(self.node, self.new_lmbs, self.old_lmbs, self.new_bytes, self.old_bytes)


@dataclass(frozen=True, slots=True)
class LmbDiff:
    """What became of the LMBs.

    Attributes:
        changes: by address.
        totals: the assigned LMBs of each node that has some in either tree.
        reordered: whether LMBs that both trees have are in another order in Linux's array.

    """

    changes: tuple[LmbChange, ...] = ()
    totals: tuple[NodeTotal, ...] = ()
    reordered: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return not self.changes and not self.reordered

    def mirrored(self) -> LmbDiff:
        """Return the diff in the other direction."""
        mirrored = (change.mirrored() for change in self.changes)
        changes = sorted(mirrored, key=lambda change: _order(change.old, change.new, change.count))
        return LmbDiff(tuple(changes), tuple(total.mirrored() for total in self.totals), self.reordered)


def compare_lmbs(old: Side, new: Side) -> LmbDiff:
    """Return what became of the LMBs of `old`."""
    pairs, reordered = _pairs(old, new)
    comparison = _LmbComparison(old, new)
    changes = [change for pair in pairs if (change := comparison.change(*pair))]
    changes.sort(key=lambda change: _order(change.old, change.new, change.lmbs))
    sizes = (old.table.lmb_size or new.table.lmb_size or 0, new.table.lmb_size or old.table.lmb_size or 0)
    # What is in one tree only does not come between LMBs of the other: the diff back has the same ranges.
    sides = ([change for change in changes if (change.old is None, change.new is None) == side] for side in _SIDES)
    merged = [change for changes_of_side in sides for change in _merged(changes_of_side, sizes)]
    del changes
    merged.sort(key=lambda change: _order(change.old, change.new, change.lmbs))
    _check_number(len(merged), "ranges of LMBs that differ", new)
    return LmbDiff(tuple(map(comparison.described, merged)), _totals(old, new), reordered)


_SIDES = ((False, False), (False, True), (True, False))
"""Whether LMBs are not in the old tree, and not in the new one."""


def _check_number(number: int, of_what: str, side: Side) -> None:
    if number > LIMITS.max_runs:
        message = f"{number:,} {of_what}, more than {LIMITS.max_runs:,}"
        raise LimitError(message, source=side.tree.source or None, path=DRMEM, hint=NOT_REAL)


RunPair = tuple[Run | None, Run | None]


def _pairs(old: Side, new: Side) -> tuple[Iterator[RunPair], bool]:
    """Return the LMBs that may differ, as runs of the same LMBs, and whether their order does."""
    same_places = old.associativity == new.associativity and old.shows_nodes == new.shows_nodes
    if old.table.runs is new.table.runs and same_places:
        return iter(()), False
    old_runs, new_runs = list(old.table.runs), list(new.table.runs)
    # LMBs of two sizes cannot be compared one by one; a tree that does not give it may have any.
    if len({old.table.lmb_size, new.table.lmb_size} - {None}) > 1:
        return chain(((run, None) for run in old_runs), ((None, run) for run in new_runs)), False
    head, tail = in_common(old_runs, new_runs)
    equal = [] if same_places else old_runs[:head] + old_runs[len(old_runs) - tail :]
    old_runs, new_runs = old_runs[head : len(old_runs) - tail], new_runs[head : len(new_runs) - tail]
    equal_pairs = ((run, run) for run in equal)
    size = old.table.lmb_size or new.table.lmb_size
    if [run[:3] for run in old_runs] == [run[:3] for run in new_runs] and _ascend(old_runs, size):
        return chain(equal_pairs, zip(old_runs, new_runs, strict=True)), False
    _check_number(len(old_runs) + len(new_runs), "runs of LMBs in both trees to match", new)
    same, pairs = matched(pieces_of(old_runs, size), pieces_of(new_runs, size), size)
    pieces: Iterator[Pair] = chain(same, pairs)
    runs = ((before and before.run, after and after.run) for before, after in pieces)
    return chain(equal_pairs, runs), is_reordered(same)


def _ascend(runs: list[Run], lmb_size: int | None) -> bool:
    """Whether each run begins after the one before ends: no LMB is there twice."""
    size = lmb_size or 0
    return bool(size) and all(run.base + run.lmbs * size <= following.base for run, following in pairwise(runs))


_ANY, _ONE, _NONE = 0b11, 0b10, 0b01
"""By how much the DRC index may grow from LMB to LMB: bit 0 for 0, bit 1 for 1."""


class _RunChange(NamedTuple):
    """A change of `lmbs` LMBs before it is merged; the steps are `_ANY`, `_ONE` or `_NONE` of each tree."""

    lmbs: int
    kinds: tuple[str, ...]
    old: Run | None
    new: Run | None
    old_step: int
    new_step: int

    @classmethod
    def of(cls, kinds: tuple[str, ...], old: Run | None, new: Run | None) -> _RunChange:
        run = old or new
        lmbs = 0 if run is None else run.lmbs
        step = _ONE if lmbs > 1 else _ANY
        return cls(lmbs, kinds, old, new, step, step)


class _LmbComparison:
    """Says what changed, once for all LMBs that have the same aa_index and flags."""

    def __init__(self, old: Side, new: Side) -> None:
        self._old, self._new = old, new
        self._kinds_of: dict[tuple[int, int, int, int], tuple[str, ...]] = {}
        self._shows_nodes = old.shows_nodes and new.shows_nodes

    def change(self, old: Run | None, new: Run | None) -> _RunChange | None:
        """Return the change of the same LMBs in both trees, None if there is none."""
        if old is None or new is None:
            # LMBs that a source does not show are not gone.
            source_is_cut = self._new.is_cut if new is None else self._old.is_cut
            return None if source_is_cut else _RunChange.of((VANISHED if new is None else ADDED,), old, new)
        key = old.aa_index, old.flags, new.aa_index, new.flags
        kinds = self._kinds_of.get(key)
        if kinds is None:
            kinds = self._kinds_of[key] = tuple(self._kinds(*key))
        if old.base != new.base:
            kinds = (ADDRESS, *kinds)
        if old.drc_index != new.drc_index and not old.flags & new.flags & DRC_INVALID:
            kinds = (*kinds, DRC_INDEX)
        return _RunChange.of(kinds, old, new) if kinds else None

    def _kinds(self, old_aa: int, old_flags: int, new_aa: int, new_flags: int) -> Iterator[str]:
        same_state = state_of(old_flags) == state_of(new_flags)
        if not same_state:
            yield STATE
        old, new = self._old.affinity(old_aa, old_flags), self._new.affinity(new_aa, new_flags)
        both_shown = old.is_shown and new.is_shown
        if both_shown and (same_state or None not in (old.associativity, new.associativity)):
            # Where memory comes from nowhere or goes there, its state says so.
            if self._shows_nodes and old.node != new.node:
                yield NODE
            elif old.associativity != new.associativity:
                yield ASSOCIATIVITY
        if old_aa != new_aa:
            same_list = old.associativity == new.associativity
            if both_shown and same_list and old.associativity is not None:
                yield RENUMBERED
            elif same_list and old.associativity is None and same_state:
                yield AA_INDEX
        if (old_flags ^ new_flags) & ~_STATE_FLAGS:
            yield FLAGS

    def described(self, change: _RunChange) -> LmbChange:
        """Return a change with what both trees say of the LMBs."""
        old = _lmbs(change.old, self._old, change.old_step)
        return LmbChange(change.lmbs, change.kinds, old, _lmbs(change.new, self._new, change.new_step))


_STATE_FLAGS = ASSIGNED | RESERVED


def _lmbs(run: Run | None, side: Side, step: int) -> Lmbs | None:
    if run is None:
        return None
    affinity = side.affinity(run.aa_index, run.flags)
    return Lmbs(run.base, run.drc_index, run.aa_index, run.flags, affinity, step == _NONE)


def _order(old: Run | Lmbs | None, new: Run | Lmbs | None, count: int) -> tuple[object, ...]:
    """Return what changes are sorted by: by address, the same in both directions."""
    sides = sorted(
        (lmbs.base, lmbs.drc_index, lmbs.aa_index, lmbs.flags) for lmbs in (old, new) if lmbs is not None
    )
    return sides[0], sides[-1], count, old is None


def _merged(changes: Iterable[_RunChange], sizes: tuple[int, int]) -> Iterator[_RunChange]:
    """Yield the changes with those joined that go on where the one before ends; LMB sizes are old and new."""
    last: _RunChange | None = None
    for change in changes:
        joined = None if last is None else _joined(last, change, sizes)
        if joined is None and last is not None:
            yield last
        last = joined or change
    if last is not None:
        yield last


def _joined(first: _RunChange, second: _RunChange, sizes: tuple[int, int]) -> _RunChange | None:
    """Return two changes as one, None unless the second goes on as the first began."""
    lmbs, kinds, old, new, old_step, new_step = first
    if kinds != second.kinds:
        return None
    old_step &= second.old_step & _steps(old, second.old, lmbs, sizes[0])
    new_step &= second.new_step & _steps(new, second.new, lmbs, sizes[1])
    return _RunChange(lmbs + second.lmbs, kinds, old, new, old_step, new_step) if old_step and new_step else None


def _steps(run: Run | None, following: Run | None, count: int, size: int) -> int:
    """Return by what steps of the DRC index `following` continues `count` LMBs from `run` on; 0: it does not."""
    if run is None or following is None:
        return _ANY if run is following else 0
    if (run.aa_index, run.flags) != (following.aa_index, following.flags) or not size:
        return 0
    if following.base != (run.base + count * size) % ADDRESSES:
        return 0
    same = _NONE if following.drc_index == run.drc_index else 0
    return same | (_ONE if following.drc_index == (run.drc_index + count) % DRC_INDEXES else 0)


def _totals(old: Side, new: Side) -> tuple[NodeTotal, ...]:
    nodes = sorted({*old.tally.nodes, *new.tally.nodes}, key=lambda node: (node is None, node or 0))
    return tuple(
        NodeTotal(node, *counts, _bytes(counts[0], old), _bytes(counts[1], new))
        for node in nodes
        for counts in [(old.tally.nodes.get(node, 0), new.tally.nodes.get(node, 0))]
    )


def _bytes(lmbs: int, side: Side) -> int | None:
    return None if side.table.lmb_size is None else lmbs * side.table.lmb_size
