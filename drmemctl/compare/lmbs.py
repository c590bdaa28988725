# SPDX-License-Identifier: MIT
"""What became of the LMBs: ranges that are gone, new, elsewhere, in another state, or on another node.

Costs by the run: LMBs that differ in the same way and follow one another are one change, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from drmemctl.compare.matching import Pair, Piece, in_common, is_reordered, matched, pieces_of
from drmemctl.compare.side import Place, Side
from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, RESERVED
from drmemctl.formats.dynamic_memory import NODE as DRMEM
from drmemctl.model.run import Run, is_assigned, state_of
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

_ADDRESSES = 1 << 64
_DRC_INDEXES = 1 << 32


@dataclass(frozen=True, slots=True)
class Lmbs:
    """What a tree says of some consecutive LMBs.

    Attributes:
        base: the first one's address.
        drc_index: the first one's DRC index.
        aa_index: of each.
        flags: of each.
        place: where Linux finds them.
        same_drc: whether all have the first one's DRC index, instead of consecutive ones.

    """

    base: int
    drc_index: int
    aa_index: int
    flags: int
    place: Place
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
        changes = sorted((change.mirrored() for change in self.changes), key=_order_of_change)
        return LmbDiff(tuple(changes), tuple(total.mirrored() for total in self.totals), self.reordered)


def compare_lmbs(old: Side, new: Side) -> LmbDiff:
    """Return what became of the LMBs of `old`."""
    pairs, reordered = _pairs(old, new)
    judge = _Judge(old, new)
    raw = [found for one, other in pairs if (found := judge.change(one, other))]
    raw.sort(key=_order)
    sizes = (old.table.lmb_size or new.table.lmb_size or 0, new.table.lmb_size or old.table.lmb_size or 0)
    merged = list(_merged(raw, sizes))
    del raw
    _check_number(len(merged), "ranges of LMBs that differ", new)
    changes = tuple(map(judge.made, merged))
    return LmbDiff(changes, _totals(old, new), reordered)


def _check_number(number: int, of_what: str, side: Side) -> None:
    if number > LIMITS.max_runs:
        message = f"{number:,} {of_what}, more than {LIMITS.max_runs:,}"
        raise LimitError(message, source=side.tree.source or None, path=DRMEM, hint=NOT_REAL)


def same_lmb_size(old: Side, new: Side) -> bool:
    """Whether LMBs can be compared one by one: a tree that does not give their size may have any."""
    sizes = {old.table.lmb_size, new.table.lmb_size} - {None}
    return len(sizes) < 2


RunPair = tuple[Run | None, Run | None]


def _pairs(old: Side, new: Side) -> tuple[Iterator[RunPair], bool]:
    """Return the LMBs that may differ, as runs of the same LMBs, and whether their order does."""
    same_places = old.associativity == new.associativity and old.shows_nodes == new.shows_nodes
    if old.table.runs is new.table.runs and same_places:
        return iter(()), False
    ones, others = list(old.table.runs), list(new.table.runs)
    if not same_lmb_size(old, new):
        return chain(((run, None) for run in ones), ((None, run) for run in others)), False
    head, tail = in_common(ones, others)
    alike = [] if same_places else ones[:head] + ones[len(ones) - tail :]
    ones, others = ones[head : len(ones) - tail], others[head : len(others) - tail]
    equal = ((run, run) for run in alike)
    size = old.table.lmb_size or new.table.lmb_size
    if [run[:3] for run in ones] == [run[:3] for run in others] and _ascend(ones, size):
        return chain(equal, zip(ones, others, strict=True)), False
    _check_number(len(ones) + len(others), "runs of LMBs in both trees to match", new)
    same, rest = matched(pieces_of(ones, size), pieces_of(others, size), size)
    return chain(equal, _runs_of(same), _runs_of(rest)), is_reordered(same)


def _ascend(runs: list[Run], lmb_size: int | None) -> bool:
    """Whether each run begins after the one before ends: no LMB is there twice."""
    size = lmb_size or 0
    return bool(size) and all(run.base + run.lmbs * size <= following.base for run, following in pairwise(runs))


def _runs_of(pairs: Iterable[Pair]) -> Iterator[RunPair]:
    return ((_run_of(one), _run_of(other)) for one, other in pairs)


def _run_of(piece: Piece | None) -> Run | None:
    return None if piece is None else piece.run


Steps = tuple[int, int]
"""By how much the DRC index may grow from LMB to LMB in the old and the new tree: bit 0 for 0, bit 1 for 1."""

_ANY, _ONE, _NONE = 0b11, 0b10, 0b01

Raw = tuple[int, tuple[str, ...], Run | None, Run | None, Steps]
"""A change before it is merged with its neighbours: count, kinds, old, new, steps."""


def _raw(kinds: tuple[str, ...], old: Run | None, new: Run | None) -> Raw:
    count = old.lmbs if old is not None else new.lmbs if new is not None else 0
    step = _ONE if count > 1 else _ANY
    return count, kinds, old, new, (step, step)


class _Judge:
    """Says what changed, once for all LMBs that have the same aa_index and flags."""

    def __init__(self, old: Side, new: Side) -> None:
        self._old, self._new = old, new
        self._known: dict[tuple[int, int, int, int], tuple[str, ...]] = {}
        self._nodes = old.shows_nodes and new.shows_nodes

    def change(self, old: Run | None, new: Run | None) -> Raw | None:
        """Return the change of the same LMBs in both trees, None if there is none."""
        if old is None or new is None:
            return self._lone(old, new)
        key = old.aa_index, old.flags, new.aa_index, new.flags
        kinds = self._known.get(key)
        if kinds is None:
            kinds = self._known[key] = tuple(self._kinds(*key))
        if old.base != new.base:
            kinds = (ADDRESS, *kinds)
        if old.drc_index != new.drc_index and not old.flags & new.flags & DRC_INVALID:
            kinds = (*kinds, DRC_INDEX)
        return _raw(kinds, old, new) if kinds else None

    def _lone(self, old: Run | None, new: Run | None) -> Raw | None:
        # What a source does not show is not gone.
        if old is not None and not self._new.is_cut:
            return _raw((VANISHED,), old, None)
        if new is not None and not self._old.is_cut:
            return _raw((ADDED,), None, new)
        return None

    def _kinds(self, old_aa: int, old_flags: int, new_aa: int, new_flags: int) -> Iterator[str]:
        states = state_of(old_flags), state_of(new_flags)
        if states[0] != states[1]:
            yield STATE
        old, new = self._old.place(old_aa, old_flags), self._new.place(new_aa, new_flags)
        if old.known and new.known:
            # Where memory comes from nowhere or goes there, its state says so.
            lists = states[0] == states[1] or None not in (old.associativity, new.associativity)
            if self._nodes and lists and old.node != new.node:
                yield NODE
            elif lists and old.associativity != new.associativity:
                yield ASSOCIATIVITY
        if old_aa != new_aa:
            yield from self._renumbered(old, new, states)
        if (old_flags ^ new_flags) & ~_STATE_FLAGS:
            yield FLAGS

    def _renumbered(self, old: Place, new: Place, states: tuple[str, str]) -> Iterator[str]:
        listed = old.known and new.known and old.associativity is not None
        if listed and old.associativity == new.associativity:
            yield RENUMBERED
        elif old.associativity is None and new.associativity is None and states[0] == states[1]:
            yield AA_INDEX

    def made(self, raw: Raw) -> LmbChange:
        """Return a change with what both trees say of the LMBs."""
        count, kinds, old, new, steps = raw
        return LmbChange(count, kinds, _lmbs(old, self._old, steps[0]), _lmbs(new, self._new, steps[1]))


_STATE_FLAGS = ASSIGNED | RESERVED


def _lmbs(run: Run | None, side: Side, step: int) -> Lmbs | None:
    if run is None:
        return None
    place = side.place(run.aa_index, run.flags)
    return Lmbs(run.base, run.drc_index, run.aa_index, run.flags, place, step == _NONE)


def _order(raw: Raw) -> tuple[object, ...]:
    """Return the place of a change among the others: by address, the same in both directions."""
    count, _, old, new, _ = raw
    sides = sorted((run.base, run.drc_index, run.aa_index, run.flags) for run in (old, new) if run is not None)
    return sides[0], sides[-1], count, old is None


def _order_of_change(change: LmbChange) -> tuple[object, ...]:
    both = (change.old, change.new)
    sides = sorted((one.base, one.drc_index, one.aa_index, one.flags) for one in both if one is not None)
    return sides[0], sides[-1], change.count, change.old is None


def _merged(changes: Iterable[Raw], sizes: tuple[int, int]) -> Iterator[Raw]:
    """Yield the changes with those joined that go on where the one before ends."""
    last: Raw | None = None
    for change in changes:
        joined = None if last is None else _joined(last, change, sizes)
        if joined is None and last is not None:
            yield last
        last = joined or change
    if last is not None:
        yield last


def _joined(first: Raw, second: Raw, sizes: tuple[int, int]) -> Raw | None:
    """Return two changes as one, None unless one goes on as the other began."""
    count, kinds, old, new, steps = first
    if kinds != second[1]:
        return None
    ours = steps[0] & second[4][0] & _going_on(old, second[2], count, sizes[0])
    theirs = steps[1] & second[4][1] & _going_on(new, second[3], count, sizes[1])
    return (count + second[0], kinds, old, new, (ours, theirs)) if ours and theirs else None


def _going_on(run: Run | None, following: Run | None, count: int, size: int) -> int:
    """Return with what steps of the DRC index a run goes on with another; 0 if it does not."""
    if run is None or following is None:
        return _ANY if run is following else 0
    if (run.aa_index, run.flags) != (following.aa_index, following.flags) or not size:
        return 0
    if following.base != (run.base + count * size) % _ADDRESSES:
        return 0
    same = _NONE if following.drc_index == run.drc_index else 0
    return same | (_ONE if following.drc_index == (run.drc_index + count) % _DRC_INDEXES else 0)


def _totals(old: Side, new: Side) -> tuple[NodeTotal, ...]:
    nodes = sorted({*old.tally.nodes, *new.tally.nodes}, key=lambda node: (node is None, node or 0))
    return tuple(
        NodeTotal(node, *counts, _bytes(counts[0], old), _bytes(counts[1], new))
        for node in nodes
        for counts in [(old.tally.nodes.get(node, 0), new.tally.nodes.get(node, 0))]
    )


def _bytes(lmbs: int, side: Side) -> int | None:
    return None if side.table.lmb_size is None else lmbs * side.table.lmb_size
