# SPDX-License-Identifier: MIT
"""Ranges of addresses or DRC indexes: which overlap, which two lists have in common. By the range, not the LMB."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

_LARGEST = (1 << 64) - 1


class Spans:
    """Ranges of numbers, each belonging to an `owner`: the index of what it stands for. 24 bytes each.

    What reaches beyond 64 bits is cut there.
    """

    __slots__ = ("lasts", "owners", "starts")

    def __init__(self) -> None:
        self.starts, self.lasts, self.owners = array("Q"), array("Q"), array("Q")

    def add(self, start: int, count: int, owner: int) -> None:
        """Add the range of `count` numbers from `start` on; an empty one is none."""
        if count > 0 and start <= _LARGEST:
            self.starts.append(start)
            self.lasts.append(min(start + count - 1, _LARGEST))
            self.owners.append(owner)

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield (start, last, owner)."""
        return zip(self.starts, self.lasts, self.owners, strict=True)

    def _order(self) -> Sequence[int]:
        """Return the positions by start; they are mostly in order already."""
        starts = self.starts
        positions = range(len(starts))
        if all(first <= second for first, second in pairwise(starts)):
            return positions
        return sorted(positions, key=starts.__getitem__)

    def overlaps(self) -> Iterator[tuple[int, int]]:
        """Yield (owner, owner) for each range that begins inside an earlier one."""
        reach = -1
        for position in self._order():
            if reach >= 0 and self.starts[position] <= self.lasts[reach]:
                yield self.owners[reach], self.owners[position]
            if reach < 0 or self.lasts[position] > self.lasts[reach]:
                reach = position

    def disjoint(self) -> Spans:
        """Return them by start without overlaps: of two, the one that begins first keeps what they share."""
        result = Spans()
        reach = -1
        for position in self._order():
            last = self.lasts[position]
            start = max(self.starts[position], reach + 1)
            if start <= last:
                result.add(start, last - start + 1, self.owners[position])
                reach = last
        return result

    def first_in(self, start: int, count: int) -> int | None:
        """Return the owner of the first range that meets these numbers, or None. For a `disjoint` list only."""
        position = max(bisect_right(self.starts, start) - 1, 0)
        for index in range(position, min(position + 2, len(self))):
            if self.starts[index] < start + count and self.lasts[index] >= start:
                return self.owners[index]
        return None


def side_by_side(left: Spans, right: Spans) -> Iterator[tuple[int, int, int | None, int | None]]:
    """Yield (start, count, owner in left, owner in right) for all that either of two `disjoint` lists has.

    None stands for a list that does not have these numbers.
    """
    i = j = 0
    at = 0
    while i < len(left) or j < len(right):
        here = _head(left, i, at)
        there = _head(right, j, at)
        start = min(here[0], there[0])
        in_left, in_right = here[0] == start, there[0] == start
        last = min(_until(here, start), _until(there, start))
        yield (
            start,
            last - start + 1,
            left.owners[i] if in_left else None,
            right.owners[j] if in_right else None,
        )
        at = last + 1
        i += in_left and last == here[1]
        j += in_right and last == there[1]


def _head(spans: Spans, index: int, at: int) -> tuple[int, int]:
    """Return (start, last) of what is left of a range from `at` on; beyond all numbers past the end."""
    if index >= len(spans):
        return _LARGEST + 1, _LARGEST + 1
    return max(spans.starts[index], at), spans.lasts[index]


def _until(span: tuple[int, int], start: int) -> int:
    """Return how far a piece that begins at `start` may go because of this range."""
    return span[1] if span[0] == start else span[0] - 1
