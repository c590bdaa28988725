# SPDX-License-Identifier: MIT
"""Which LMBs of two tables are the same, by the run.

What is the same LMB is decided in three rounds, each among what the one before did not match:

1. the same address and the same DRC index: beyond doubt, whether that DRC index counts or not;
2. the same DRC index, where it counts: LMBs that moved to another address;
3. the same address: LMBs that have another DRC index.

QEMU's v1 property gives all LMBs of boot memory the DRC index 0, and any property may list an LMB more than
once: where several are the same in a round, equal ones are paired first, then the rest in the order of their
values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import NamedTuple

from drmemctl.formats.dynamic_memory import DRC_INVALID
from drmemctl.model.run import ADDRESSES, DRC_INDEXES, Run

DEPTH = 8
"""Sets on top of one another that are told apart; the rest of a higher pile matches nothing in that round."""

MANY = 1000
"""Sets on one axis beyond which only the first of a pile is looked at: all of them cost too much."""


class Piece(NamedTuple):
    """Some LMBs of a table on an axis: a line of DRC indexes or addresses, on which a round finds equal LMBs.

    Attributes:
        position: array index of the first LMB.
        run: the LMBs.
        axis: which axis.
        start: where on it the first LMB is; the others follow one by one.

    """

    position: int
    run: Run
    axis: int = 0
    start: int = 0

    @property
    def end(self) -> int:
        """Where on the axis the next LMB would be."""
        return self.start + self.run.lmbs

    def part(self, low: int, high: int, lmb_size: int) -> Piece:
        """Return its LMBs from `low` to before `high` on the axis."""
        if low == self.start and high == self.end:
            return self
        skipped = low - self.start
        return Piece(self.position + skipped, self.run.part(skipped, high - low, lmb_size), self.axis, low)


Pair = tuple[Piece | None, Piece | None]
Match = tuple[Piece, Piece]
ToAxis = Callable[[Piece, int], Piece | None]
"""Takes a piece and the LMB size in bytes; returns the piece on its axis, None if it has none in this round."""


def pieces_of(runs: Iterable[Run], lmb_size: int | None) -> list[Piece]:
    """Return runs as pieces, cut where their addresses or DRC indexes wrap around."""
    pieces = []
    position = 0
    for run in runs:
        offset = 0
        while offset < run.lmbs:
            tail = run.part(offset, run.lmbs - offset, lmb_size) if offset else run
            count = min(tail.lmbs, DRC_INDEXES - tail.drc_index)
            if lmb_size:
                count = min(count, -(-(ADDRESSES - tail.base) // lmb_size))
            head = tail if count == tail.lmbs else tail.part(0, count, lmb_size)
            pieces.append(Piece(position + offset, head))
            offset += count
        position += run.lmbs
    return pieces


def matched(old: list[Piece], new: list[Piece], lmb_size: int | None) -> tuple[list[Match], list[Pair]]:
    """Return the LMBs with the same address and DRC index, and all others: those without a partner have None.

    `lmb_size` is that of both tables.
    """
    lmb_size = lmb_size or 0
    same, old, new = _round(old, new, lmb_size, by_both)
    pairs: list[Pair] = []
    for to_axis in (by_drc_index, by_address):
        matches, old, new = _round(old, new, lmb_size, to_axis)
        pairs += matches
    pairs += _unpaired(old, new)
    return same, pairs


def by_both(piece: Piece, lmb_size: int) -> Piece:
    """Return the piece on the line on which addresses and DRC indexes grow together."""
    drc = piece.run.drc_index
    return Piece(piece.position, piece.run, piece.run.base - drc * lmb_size, drc)


def by_drc_index(piece: Piece, _lmb_size: int) -> Piece | None:
    """Return the piece by its DRC indexes, None if they do not count."""
    return None if piece.run.flags & DRC_INVALID else Piece(piece.position, piece.run, 0, piece.run.drc_index)


def by_address(piece: Piece, lmb_size: int) -> Piece:
    """Return the piece by its addresses; without an LMB size only that of its first LMB is certain."""
    if not lmb_size:
        return Piece(piece.position, piece.run, piece.run.base, 0)
    return Piece(piece.position, piece.run, piece.run.base % lmb_size, piece.run.base // lmb_size)


def _round(
    old: list[Piece], new: list[Piece], lmb_size: int, to_axis: ToAxis
) -> tuple[list[Match], list[Piece], list[Piece]]:
    """Return the LMBs that are the same in a round, and the unmatched ones of both tables."""
    old_axes, old_unmatched = _by_axis(old, lmb_size, to_axis)
    new_axes, new_unmatched = _by_axis(new, lmb_size, to_axis)
    # Most axes of unlike tables have pieces of one table only, which match nothing.
    old_unmatched += chain.from_iterable(pieces for axis, pieces in old_axes.items() if axis not in new_axes)
    new_unmatched += chain.from_iterable(pieces for axis, pieces in new_axes.items() if axis not in old_axes)
    matches: list[Match] = []
    for axis, pieces in old_axes.items():
        for old_piece, new_piece in _pairs_on_axis(pieces, new_axes[axis], lmb_size) if axis in new_axes else ():
            if old_piece is None:
                if new_piece is not None:
                    new_unmatched.append(new_piece)
            elif new_piece is None:
                old_unmatched.append(old_piece)
            else:
                matches.append((old_piece, new_piece))
    return matches, old_unmatched, new_unmatched


def _by_axis(pieces: list[Piece], lmb_size: int, to_axis: ToAxis) -> tuple[dict[int, list[Piece]], list[Piece]]:
    """Return pieces by their axis, and those that have none."""
    axes: dict[int, list[Piece]] = {}
    without: list[Piece] = []
    for piece in pieces:
        on_axis = to_axis(piece, lmb_size)
        if on_axis is None:
            without.append(piece)
        elif on_axis.axis in axes:
            axes[on_axis.axis].append(on_axis)
        else:
            axes[on_axis.axis] = [on_axis]
    return axes, without


def _pairs_on_axis(old: list[Piece], new: list[Piece], lmb_size: int) -> Iterator[Pair]:
    """Yield all LMBs of an axis: equal extents of both tables as pairs, the others without a partner.

    A sweep over all places where a piece starts or ends; between two of them the pieces that cover the gap do not
    change.
    """
    old, old_unmatched = _overlapping(old, new)
    new, new_unmatched = _overlapping(new, old)
    yield from _unpaired(old_unmatched, new_unmatched)
    if not old:
        return
    depth = DEPTH if len(old) + len(new) <= MANY else 1
    starts: dict[int, tuple[list[Piece], list[Piece]]] = {}
    for table, pieces in enumerate((old, new)):
        for piece in pieces:
            starts.setdefault(piece.start, ([], []))[table].append(piece)
    cuts = sorted({*starts, *(piece.end for piece in old), *(piece.end for piece in new)})
    old_open: list[Piece] = []
    new_open: list[Piece] = []
    low = cuts[0]
    for high in cuts:
        old_starting, new_starting = starts.get(high, ((), ()))
        old_next, old_too_deep = _covering(old_open, old_starting, high, depth)
        new_next, new_too_deep = _covering(new_open, new_starting, high, depth)
        yield from _unpaired(old_too_deep, new_too_deep)
        # A piece that goes on is not cut where only one starts that is too deep to be looked at.
        if old_next != old_open or new_next != new_open:
            yield from _paired(
                [piece.part(low, high, lmb_size) for piece in old_open],
                [piece.part(low, high, lmb_size) for piece in new_open],
            )
            low, old_open, new_open = high, old_next, new_next


def _overlapping(pieces: list[Piece], opposite: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Return the pieces that overlap any piece of the opposite table, and those that overlap none."""
    opposite = sorted(opposite, key=attrgetter("start"))
    starts = [piece.start for piece in opposite]
    reaches = list(accumulate((piece.end for piece in opposite), max))
    overlapping: list[Piece] = []
    separate: list[Piece] = []
    for piece in pieces:
        before = bisect_left(starts, piece.end)
        overlaps = before > 0 and reaches[before - 1] > piece.start
        (overlapping if overlaps else separate).append(piece)
    return overlapping, separate


def _unpaired(old: Iterable[Piece], new: Iterable[Piece]) -> Iterator[Pair]:
    yield from ((piece, None) for piece in old)
    yield from ((None, piece) for piece in new)


def _covering(
    pieces: list[Piece], starting: Iterable[Piece], low: int, depth: int
) -> tuple[list[Piece], list[Piece]]:
    """Return the pieces that cover what follows `low`, and those beyond `depth`."""
    covering = [piece for piece in pieces if piece.end > low]
    covering += starting
    return covering[:depth], covering[depth:]


def _paired(old: list[Piece], new: list[Piece]) -> Iterator[Pair]:
    """Yield pieces of the same extent in pairs: equal ones first, the rest in the order of their values."""
    if len(old) == 1 == len(new):
        yield old[0], new[0]
        return
    old, new = sorted(old, key=_values), sorted(new, key=_values)
    unequal: list[Piece] = []
    for piece in new:
        twin = next((candidate for candidate in old if _values(candidate) == _values(piece)), None)
        if twin is None:
            unequal.append(piece)
        else:
            old.remove(twin)
            yield twin, piece
    yield from zip(old, unequal, strict=False)
    yield from _unpaired(old[len(unequal) :], unequal[len(old) :])


def _values(piece: Piece) -> tuple[int, int, int, int]:
    run = piece.run
    return run.aa_index, run.flags, run.base, run.drc_index


def is_reordered(matches: Iterable[Match]) -> bool:
    """Whether the arrays have the LMBs that both have in another order."""
    positions = sorted((old.position, new.position) for old, new in matches)
    return any(before[1] > after[1] for before, after in pairwise(positions))


def in_common(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """Return how many items of two lists are the same at the beginning, and then at the end."""
    shorter = min(len(old), len(new))
    head = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), shorter)
    backwards = zip(reversed(old), reversed(new), strict=False)
    tail = next((i for i, pair in enumerate(backwards) if pair[0] != pair[1]), shorter)
    return head, min(tail, shorter - head)
