# SPDX-License-Identifier: MIT
"""Intervals of addresses or DRC indexes: which overlap, what two lists have in common, what is in a set, and cuts.

Everything costs by the interval and not by the LMB: a million connectors are mostly a few intervals.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from operator import add, le, lt, mul, sub

from drmemctl.model.run import DRC_INDEXES

_LARGEST = (1 << 64) - 1
_PAST_ALL = (_LARGEST + 1, _LARGEST + 1, None)
"""What stands for the next range where there is none."""


class Intervals:
    """Ranges of numbers, each belonging to an `owner`: the index of what it stands for. 24 bytes each.

    What reaches beyond 64 bits is cut there.
    """

    __slots__ = ("lasts", "owners", "starts")

    def __init__(self) -> None:
        self.starts, self.lasts, self.owners = array("Q"), array("Q"), array("Q")

    @classmethod
    def of(
        cls, starts: array[int], counts: array[int], owners: array[int], *, unit: int = 1, largest: int = _LARGEST
    ) -> Intervals:
        """Return the ranges of `counts` times `unit` numbers, cut at `largest`; columns as `add` would make them.

        None of `counts` is 0.
        """
        intervals = cls()
        if not unit or not starts:
            return intervals
        ends = map(add, starts, map(mul, counts, repeat(unit)))
        lasts = map(sub, ends, repeat(1))
        if max(starts) + max(counts) * unit > largest:
            lasts = map(min, lasts, repeat(largest))
        intervals.starts, intervals.lasts, intervals.owners = starts, array("Q", lasts), owners
        return intervals

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
        if all(map(le, starts, islice(starts, 1, None))):
            return positions
        return sorted(positions, key=starts.__getitem__)

    def _is_disjoint(self) -> bool:
        """Whether each begins after the one before, which is what nearly all trees are like."""
        return all(map(lt, self.lasts, islice(self.starts, 1, None)))

    def overlaps(self) -> Iterator[tuple[int, int]]:
        """Yield (owner, owner) for each range that begins inside an earlier one."""
        if self._is_disjoint():
            return
        reach = -1
        for position in self._order():
            if reach >= 0 and self.starts[position] <= self.lasts[reach]:
                yield self.owners[reach], self.owners[position]
            if reach < 0 or self.lasts[position] > self.lasts[reach]:
                reach = position

    def disjoint(self) -> Intervals:
        """Return them by start without overlaps: of two, the one that begins first keeps what they share."""
        if self._is_disjoint():
            return self
        result = Intervals()
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


def shared(many: Intervals, few: Intervals) -> Iterator[tuple[int, int, int, int]]:
    """Yield (start, count, owner in many, owner in few) for all that both of two `disjoint` lists have."""
    for start, last, owner in few:
        position = max(bisect_right(many.starts, start) - 1, 0)
        while position < len(many) and many.starts[position] <= last:
            first, until = max(start, many.starts[position]), min(last, many.lasts[position])
            if first <= until:
                yield first, until - first + 1, many.owners[position], owner
            position += 1


def side_by_side(
    first_list: Intervals, second_list: Intervals
) -> Iterator[tuple[int, int, int | None, int | None]]:
    """Yield (start, count, owner in the first list, in the second) for what either of two `disjoint` lists has.

    None stands for a list that does not have these numbers.
    """
    ranges1, ranges2 = iter(first_list), iter(second_list)
    start1, last1, owner1 = next(ranges1, _PAST_ALL)
    start2, last2, owner2 = next(ranges2, _PAST_ALL)
    while (start := min(start1, start2)) <= _LARGEST:
        # Up to where the nearest of the two ends, or the other one begins.
        if start1 < start2:
            until = last1 if last1 < start2 else start2 - 1
            yield start, until - start + 1, owner1, None
            start1 = until + 1
        elif start2 < start1:
            until = last2 if last2 < start1 else start1 - 1
            yield start, until - start + 1, None, owner2
            start2 = until + 1
        else:
            until = min(last1, last2)
            yield start, until - start + 1, owner1, owner2
            start1 = start2 = until + 1
        if start1 > last1:
            start1, last1, owner1 = next(ranges1, _PAST_ALL)
        if start2 > last2:
            start2, last2, owner2 = next(ranges2, _PAST_ALL)


def split(start: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of consecutive DRC indexes, in two parts where they wrap; at most all there are."""
    count = min(count, DRC_INDEXES)
    end = start + count
    yield start, min(end, DRC_INDEXES)
    if end > DRC_INDEXES:
        yield 0, end - DRC_INDEXES


class IndexSet:
    """A set of numbers, mostly DRC indexes, held as ascending ranges that neither touch nor overlap."""

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
        return isinstance(other, IndexSet) and (self._starts, self._ends) == (other._starts, other._ends)

    def __hash__(self) -> int:
        return hash((len(self._starts), self.size))

    def __bool__(self) -> bool:
        return bool(self._starts)

    @property
    def size(self) -> int:
        """The number of members."""
        return self._below(DRC_INDEXES)

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
        if start + count <= DRC_INDEXES:
            return self._below(start + count) - self._below(start)
        return sum(self._below(end) - self._below(first) for first, end in split(start, count))

    def parts(self, start: int, count: int, *, inside: bool) -> Iterator[tuple[int, int]]:
        """Yield (first, count) of the consecutive DRC indexes that are members, or of those that are not."""
        for first, end in split(start, count):
            at = first
            while at < end:
                # From one bound to the next there are members only, or none.
                following = bisect_right(self._starts, at)
                is_member = following > 0 and at < self._ends[following - 1]
                if is_member:
                    stop = self._ends[following - 1]
                else:
                    stop = self._starts[following] if following < len(self._starts) else DRC_INDEXES
                stop = min(stop, end)
                if is_member == inside:
                    yield at, stop - at
                at = stop


def stretches(ordered: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the stretches in numbers that are in order."""
    start = end = -1
    for index in ordered:
        if index > end:
            if start >= 0:
                yield start, end
            start = index
        end = index + 1
    if start >= 0:
        yield start, end


class Claims:
    """Ranges of numbers, of which each number belongs to the first that claimed it.

    Attributes:
        parts: (start, end, owner) of what is claimed, disjoint and ascending.

    """

    def __init__(self) -> None:
        self.parts: list[tuple[int, int, int]] = []

    def add(self, start: int, end: int, owner: int) -> None:
        """Claim what nobody has of the numbers from `start` to before `end`."""
        if start >= end:
            return
        if not self.parts or start >= self.parts[-1][1]:
            self.parts.append((start, end, owner))
            return
        for first, beyond, _ in [*self.meeting(start, end), (end, end, owner)]:
            if start < first:
                insort(self.parts, (start, first, owner))
            start = max(start, beyond)

    def meeting(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Return the parts that have some of the numbers from `start` to before `end`."""
        begin = bisect_right(self.parts, start, key=lambda part: part[1])
        return self.parts[begin : bisect_left(self.parts, end, key=lambda part: part[0])]
