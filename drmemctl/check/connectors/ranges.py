# SPDX-License-Identifier: MIT
"""Sets of DRC indexes as ranges: a million connectors are mostly a few of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

_INDEXES = 1 << 32


def split(start: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of consecutive DRC indexes, in two parts where they wrap; at most all there are."""
    count = min(count, _INDEXES)
    end = start + count
    yield start, min(end, _INDEXES)
    if end > _INDEXES:
        yield 0, end - _INDEXES


class IndexRanges:
    """A set of DRC indexes, held as ranges that neither touch nor overlap."""

    __slots__ = ("_before", "_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Merge ranges (start, end), which need not be in order."""
        self._starts, self._ends, self._before = array("Q"), array("Q"), array("Q")
        total = 0
        for start, end in sorted(ranges):
            if self._ends and start <= self._ends[-1]:
                grown = max(end - self._ends[-1], 0)
                self._ends[-1] += grown
                total += grown
            elif start < end:
                self._starts.append(start)
                self._ends.append(end)
                self._before.append(total)
                total += end - start

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (start, end)."""
        return zip(self._starts, self._ends, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IndexRanges) and (self._starts, self._ends) == (other._starts, other._ends)

    def __hash__(self) -> int:
        return hash((len(self._starts), self.size))

    def __bool__(self) -> bool:
        return bool(self._starts)

    @property
    def size(self) -> int:
        """The number of members."""
        return self._below(_INDEXES)

    def __contains__(self, index: int) -> bool:
        position = bisect_right(self._starts, index) - 1
        return position >= 0 and index < self._ends[position]

    def _below(self, index: int) -> int:
        """Return how many members are below an index."""
        position = bisect_right(self._starts, index) - 1
        if position < 0:
            return 0
        return self._before[position] + min(index, self._ends[position]) - self._starts[position]

    def number_in(self, start: int, count: int) -> int:
        """Return how many of consecutive DRC indexes are members; none is looked at."""
        position = bisect_right(self._starts, start) - 1
        if position >= 0 and start + count <= self._ends[position]:
            return count
        if start + count <= _INDEXES:
            return self._below(start + count) - self._below(start)
        return sum(self._below(end) - self._below(first) for first, end in split(start, count))

    def parts(self, start: int, count: int, *, inside: bool) -> Iterator[tuple[int, int]]:
        """Yield (first, count) of the consecutive DRC indexes that are members, or of those that are not."""
        for first, end in split(start, count):
            at = first
            while at < end:
                stop, member = self._stretch(at)
                stop = min(stop, end)
                if member == inside:
                    yield at, stop - at
                at = stop

    def _stretch(self, index: int) -> tuple[int, bool]:
        """Return how far it goes on from an index as there, and whether there is a member."""
        position = bisect_right(self._starts, index) - 1
        if position >= 0 and index < self._ends[position]:
            return self._ends[position], True
        following = position + 1
        return (self._starts[following] if following < len(self._starts) else _INDEXES), False


def ranges_of(ordered: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the stretches in DRC indexes that are in order."""
    start = end = -1
    for index in ordered:
        if index > end:
            if start >= 0:
                yield start, end
            start = index
        end = index + 1
    if start >= 0:
        yield start, end
