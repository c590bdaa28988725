# SPDX-License-Identifier: MIT
"""Which LMBs of two tables are the same, by the run.

What is the same LMB is decided in three rounds, each among what the one before left over:

1. the same address and the same DRC index: beyond doubt, whether that DRC index counts or not;
2. the same DRC index, where it counts: LMBs that moved to another address;
3. the same address: LMBs that have another DRC index.

QEMU's v1 property gives all LMBs of boot memory the DRC index 0, and any property may list an LMB more than
once: where several are the same in a round, those alike go together, then the others in the order of what
they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import NamedTuple

from drmemctl.formats.dynamic_memory import DRC_INVALID
from drmemctl.model.run import Run

_ADDRESSES = 1 << 64
_DRC_INDEXES = 1 << 32

DEPTH = 8
"""Sets on top of one another that are told apart; of more, the rest matches nothing in that round."""

MANY = 1000
"""Sets on one axis beyond which only the first of those on top of one another is looked at: all cost too much."""


class Piece(NamedTuple):
    """Some LMBs of a table on the axis of a round.

    Attributes:
        place: array index of the first.
        run: the LMBs.
        group: which axis.
        start: where on it the first one is; the others follow one by one.

    """

    place: int
    run: Run
    group: int = 0
    start: int = 0

    @property
    def end(self) -> int:
        """Where on the axis the next one would be."""
        return self.start + self.run.lmbs

    def part(self, low: int, high: int, lmb_size: int) -> Piece:
        """Return what of it is from `low` to before `high` on the axis."""
        if low == self.start and high == self.end:
            return self
        first = low - self.start
        return Piece(self.place + first, self.run.part(first, high - low, lmb_size), self.group, low)


Pair = tuple[Piece | None, Piece | None]
Both = tuple[Piece, Piece]
Placed = Callable[[Piece, int], Piece | None]


def pieces_of(runs: Iterable[Run], lmb_size: int | None) -> list[Piece]:
    """Return runs as pieces, cut where their addresses or DRC indexes begin anew."""
    pieces = []
    first = 0
    for run in runs:
        at = 0
        while at < run.lmbs:
            rest = run.part(at, run.lmbs - at, lmb_size) if at else run
            count = min(rest.lmbs, _DRC_INDEXES - rest.drc_index)
            if lmb_size:
                count = min(count, -(-(_ADDRESSES - rest.base) // lmb_size))
            pieces.append(Piece(first + at, rest if count == rest.lmbs else rest.part(0, count, lmb_size)))
            at += count
        first += run.lmbs
    return pieces


def matched(old: list[Piece], new: list[Piece], lmb_size: int | None) -> tuple[list[Both], list[Pair]]:
    """Return what is the same by address and DRC index, and all the rest: LMBs without a partner have None.

    `lmb_size` is that of both tables.
    """
    lmb_size = lmb_size or 0
    same, left, right = _round(old, new, lmb_size, by_both)
    rest: list[Pair] = []
    for placed in (by_drc_index, by_address):
        both, left, right = _round(left, right, lmb_size, placed)
        rest += both
    rest += ((piece, None) for piece in left)
    rest += ((None, piece) for piece in right)
    return same, rest


def by_both(piece: Piece, lmb_size: int) -> Piece:
    """Return the piece on the line on which addresses and DRC indexes grow together."""
    drc = piece.run.drc_index
    return Piece(piece.place, piece.run, piece.run.base - drc * lmb_size, drc)


def by_drc_index(piece: Piece, _lmb_size: int) -> Piece | None:
    """Return the piece by its DRC indexes, None if they do not count."""
    return None if piece.run.flags & DRC_INVALID else Piece(piece.place, piece.run, 0, piece.run.drc_index)


def by_address(piece: Piece, lmb_size: int) -> Piece:
    """Return the piece by its addresses; without an LMB size only its first is known."""
    if not lmb_size:
        return Piece(piece.place, piece.run, piece.run.base, 0)
    return Piece(piece.place, piece.run, piece.run.base % lmb_size, piece.run.base // lmb_size)


def _round(
    old: list[Piece], new: list[Piece], lmb_size: int, placed: Placed
) -> tuple[list[Both], list[Piece], list[Piece]]:
    """Return what is the same in a round, and what is left of both sides."""
    left: list[Piece] = []
    right: list[Piece] = []
    ours, theirs = _grouped(old, lmb_size, placed, left), _grouped(new, lmb_size, placed, right)
    # Most groups of unlike tables have pieces of one side only, which match nothing.
    left += chain.from_iterable(pieces for group, pieces in ours.items() if group not in theirs)
    right += chain.from_iterable(pieces for group, pieces in theirs.items() if group not in ours)
    both: list[Both] = []
    for group, ones in ours.items():
        if group not in theirs:
            continue
        for one, other in _swept(ones, theirs[group], lmb_size):
            if one is not None and other is not None:
                both.append((one, other))
            elif one is not None:
                left.append(one)
            elif other is not None:
                right.append(other)
    return both, left, right


def _grouped(pieces: list[Piece], lmb_size: int, placed: Placed, rest: list[Piece]) -> dict[int, list[Piece]]:
    """Return pieces by their axis; those that have none are put to the rest."""
    groups: dict[int, list[Piece]] = {}
    for piece in pieces:
        found = placed(piece, lmb_size)
        if found is None:
            rest.append(piece)
        elif (group := groups.get(found.group)) is None:
            groups[found.group] = [found]
        else:
            group.append(found)
    return groups


def _swept(old: list[Piece], new: list[Piece], lmb_size: int) -> Iterator[Pair]:
    """Yield all of one axis in parts that lie between the same two places, those alike as pairs."""
    old, alone = _meeting(old, new)
    new, also_alone = _meeting(new, old)
    yield from _lone(alone, also_alone)
    if not old:
        return
    depth = DEPTH if len(old) + len(new) <= MANY else 1
    begin: dict[int, tuple[list[Piece], list[Piece]]] = {}
    for side, pieces in enumerate((old, new)):
        for piece in pieces:
            begin.setdefault(piece.start, ([], []))[side].append(piece)
    cuts = sorted({*begin, *(piece.end for piece in old), *(piece.end for piece in new)})
    ones: list[Piece] = []
    others: list[Piece] = []
    nothing: tuple[list[Piece], list[Piece]] = ([], [])
    low = cuts[0]
    for high in cuts:
        starting = begin.get(high, nothing)
        following, too_deep = _active(ones, starting[0], high, depth)
        yield from _lone(too_deep, ())
        other_following, too_deep = _active(others, starting[1], high, depth)
        yield from _lone((), too_deep)
        # What goes on is not cut where only something begins that is not looked at.
        if following != ones or other_following != others:
            yield from _paired(
                [piece.part(low, high, lmb_size) for piece in ones],
                [piece.part(low, high, lmb_size) for piece in others],
            )
            low, ones, others = high, following, other_following


def _meeting(pieces: list[Piece], others: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Return the pieces that have anything in common with any of the others, and those that have not."""
    others = sorted(others, key=_start)
    starts = [piece.start for piece in others]
    reaches = list(accumulate((piece.end for piece in others), max))
    met: list[Piece] = []
    rest: list[Piece] = []
    for piece in pieces:
        before = bisect_left(starts, piece.end)
        meets = before > 0 and reaches[before - 1] > piece.start
        (met if meets else rest).append(piece)
    return met, rest


_start = attrgetter("start")


def _lone(old: Iterable[Piece], new: Iterable[Piece]) -> Iterator[Pair]:
    yield from ((piece, None) for piece in old)
    yield from ((None, piece) for piece in new)


def _active(
    pieces: list[Piece], starting: Iterable[Piece], low: int, depth: int
) -> tuple[list[Piece], list[Piece]]:
    """Return the pieces that go on after `low`, and those that are too many to be told apart."""
    going_on = [piece for piece in pieces if piece.end > low]
    going_on += starting
    if len(going_on) <= depth:
        return going_on, []
    return going_on[:depth], going_on[depth:]


def _paired(old: list[Piece], new: list[Piece]) -> Iterator[Pair]:
    """Yield pieces of the same extent in pairs: those alike first, the rest in the order of what they are."""
    if len(old) == 1 == len(new):
        yield old[0], new[0]
        return
    old, new = sorted(old, key=_what), sorted(new, key=_what)
    others: list[Piece] = []
    for piece in new:
        twin = next((one for one in old if _what(one) == _what(piece)), None)
        if twin is None:
            others.append(piece)
        else:
            old.remove(twin)
            yield twin, piece
    yield from zip(old, others, strict=False)
    yield from _lone(old[len(others) :], others[len(old) :])


def _what(piece: Piece) -> tuple[int, int, int, int]:
    run = piece.run
    return run.aa_index, run.flags, run.base, run.drc_index


def is_reordered(pairs: Iterable[Both]) -> bool:
    """Whether the arrays have the LMBs that both have in another order."""
    indexes = sorted((one.place, other.place) for one, other in pairs)
    return any(first[1] > second[1] for first, second in pairwise(indexes))


def in_common(ones: Sequence[object], others: Sequence[object]) -> tuple[int, int]:
    """Return how many items of two lists are the same at the beginning, and then at the end."""
    shorter = min(len(ones), len(others))
    head = next((i for i, (one, other) in enumerate(zip(ones, others, strict=False)) if one != other), shorter)
    backwards = zip(reversed(ones), reversed(others), strict=False)
    tail = next((i for i, (one, other) in enumerate(backwards) if one != other), shorter)
    return head, min(tail, shorter - head)
