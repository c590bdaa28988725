# SPDX-License-Identifier: MIT
"""Memory blocks as runs: which exist in /sys/devices/system/memory, and the node of each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter

from drmemctl.model.intervals import Intervals


@dataclass(frozen=True, slots=True)
class BlockRun:
    """Consecutive memory blocks on one node: `count` from block number `first` on."""

    first: int
    count: int
    node: int

    @property
    def end(self) -> int:
        """The number after the last block's."""
        return self.first + self.count


_first = attrgetter("first")


@dataclass(frozen=True, slots=True)
class Blocks:
    """The memory blocks that exist, as ascending runs.

    Attributes:
        runs: maximal runs, ascending.
        holed: blocks that are there in part only, or on several nodes; such a block cannot be taken offline.
        offline: blocks of which the kernel uses nothing; the others are online.
        shared: nodes with memory in blocks that are on several nodes, and never leave.

    """

    runs: tuple[BlockRun, ...] = ()
    holed: frozenset[int] = frozenset()
    offline: frozenset[int] = frozenset()
    shared: frozenset[int] = frozenset()

    @classmethod
    def of(cls, runs: Iterable[BlockRun], holed: Iterable[int] = (), offline: Iterable[int] = ()) -> Blocks:
        """Return the blocks of runs that are ascending and do not overlap."""
        merged: list[BlockRun] = []
        for run in runs:
            last = merged[-1] if merged else None
            if last is not None and last.end == run.first and last.node == run.node:
                merged[-1] = BlockRun(last.first, last.count + run.count, last.node)
            elif run.count:
                merged.append(run)
        return cls(tuple(merged), frozenset(holed), frozenset(offline))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (block, node) of every block, ascending."""
        return ((block, run.node) for run in self.runs for block in range(run.first, run.end))

    def __len__(self) -> int:
        return sum(run.count for run in self.runs)

    def _at(self, block: int) -> int:
        """Return the position of the last run that begins at or before a block, -1 if none does."""
        return bisect_right(self.runs, block, key=_first) - 1

    def node_of(self, block: int) -> int | None:
        """Return the node of a block, None if there is no such block."""
        at = self._at(block)
        return self.runs[at].node if at >= 0 and block < self.runs[at].end else None

    def missing(self, block: int, count: int) -> int:
        """Return how many of `count` blocks from `block` on do not exist, before the first that does."""
        at = self._at(block)
        if at >= 0 and block < self.runs[at].end:
            return 0
        following = self.runs[at + 1].first if at + 1 < len(self.runs) else block + count
        return min(count, following - block)

    def nodes(self) -> frozenset[int]:
        """Return the nodes that have memory."""
        return self.shared.union(run.node for run in self.runs)

    def ranges(self) -> Intervals:
        """Return the numbers of the blocks; the owner is their node."""
        ranges = Intervals()
        for run in self.runs:
            ranges.add(run.first, run.count, run.node)
        return ranges

    def n_alike(self, block: int, count: int) -> int:
        """Return how many of `count` blocks from `block` on all exist as a whole, or all do not."""
        at = self._at(block)
        if at < 0 or block >= self.runs[at].end:
            return self.missing(block, count)
        count = min(count, self.runs[at].end - block)
        odd = self.holed | self.offline
        if not odd or block in odd:
            return 1 if block in odd else count
        return next((place for place in range(1, count) if block + place in odd), count)

    def added(self, block: int, node: int, count: int = 1) -> Blocks:
        """Return the blocks with more of them, which did not exist."""
        at = self._at(block) + 1
        merged = Blocks.of((*self.runs[:at], BlockRun(block, count, node), *self.runs[at:]))
        return replace(self, runs=merged.runs)

    def removed(self, block: int, count: int = 1) -> Blocks:
        """Return the blocks without some of one run; of several, none may be there in part only."""
        at = self._at(block)
        run = self.runs[at]
        parts = (
            BlockRun(run.first, block - run.first, run.node),
            BlockRun(block + count, run.end - block - count, run.node),
        )
        remaining = (part for part in parts if part.count)
        runs = (*self.runs[:at], *remaining, *self.runs[at + 1 :])
        return Blocks(runs, self.holed - {block}, self.offline - {block}, self.shared)

    def states(self) -> Iterator[tuple[BlockRun, bool]]:
        """Yield the runs cut by state, each with whether its blocks are online."""
        for run in self.runs:
            first = run.first
            for block in sorted(block for block in self.offline if run.first <= block < run.end):
                if first < block:
                    yield BlockRun(first, block - first, run.node), True
                yield BlockRun(block, 1, run.node), False
                first = block + 1
            if first < run.end:
                yield BlockRun(first, run.end - first, run.node), True
