# SPDX-License-Identifier: MIT
"""LMBs and memory blocks as ranges of addresses or of DRC indexes, and two tables side by side."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import compress, groupby
from typing import TypeVar

from drmemctl.check.subject import BlockRange, MemoryBlock, SenseRange, Subject
from drmemctl.check.survey import per_subject
from drmemctl.formats.dynamic_memory import AI_INVALID, ASSIGNED, DRC_INVALID
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.intervals import Intervals, side_by_side, stretches
from drmemctl.model.run import Run
from drmemctl.model.runs import Runs

_T = TypeVar("_T")
_LARGEST_DRC_INDEX = (1 << 32) - 1


def spans_of_addresses(table: LmbTable, wanted: Callable[[int], bool]) -> Intervals:
    """Return the bytes of the runs for whose flags `wanted` holds; the owner is the run's position."""
    marks = _marks(table.runs, wanted)
    columns = (table.runs.bases, table.runs.lmbs, range(len(table.runs)))
    return Intervals.of(*(array("Q", compress(column, marks)) for column in columns), unit=table.lmb_size or 0)


def spans_of_drc_indexes(runs: Runs, wanted: Callable[[int], bool] = lambda _: True) -> Intervals:
    """Return the DRC indexes of the runs that have one, likewise."""
    marks = _marks(runs, lambda flags: not flags & DRC_INVALID and wanted(flags))
    columns = (runs.drc_indexes, runs.lmbs, range(len(runs)))
    return Intervals.of(*(array("Q", compress(column, marks)) for column in columns), largest=_LARGEST_DRC_INDEX)


def _marks(runs: Runs, wanted: Callable[[int], bool]) -> list[bool]:
    """Return for each run whether its flags are wanted: asked once for each value, of which there are few."""
    by_flags = {flags: wanted(flags) for flags in set(runs.flags)}
    return list(map(by_flags.__getitem__, runs.flags))


@per_subject
def drc_indexes(subject: Subject) -> Intervals:
    """Return the DRC indexes of the tree's LMBs, as `spans_of_drc_indexes` does."""
    return spans_of_drc_indexes(subject.table.runs)


@lru_cache(2)
def _disjoint(runs: Runs) -> Intervals:
    """Return the DRC indexes of runs without overlaps: several rules ask for those of the same two tables."""
    return spans_of_drc_indexes(runs).disjoint()


def by_drc_index(old: LmbTable, new: LmbTable) -> Iterator[tuple[Run | None, Run | None]]:
    """Yield the LMBs of two tables by DRC index: (run of the old one, run of the new one).

    Both runs have the same DRC indexes. None stands for a table without them; LMBs without one are left out.
    """
    for start, count, old_owner, new_owner in side_by_side(_disjoint(old.runs), _disjoint(new.runs)):
        yield (
            None if old_owner is None else part_of_drc(old, old_owner, start, count),
            None if new_owner is None else part_of_drc(new, new_owner, start, count),
        )


def in_both_by_drc_index(old: LmbTable, new: LmbTable) -> Iterator[tuple[Run, Run]]:
    """Yield those that both tables have."""
    for old_run, new_run in by_drc_index(old, new):
        if old_run is not None and new_run is not None:
            yield old_run, new_run


def part_of_drc(table: LmbTable, position: int, drc_index: int, count: int) -> Run:
    """Return `count` LMBs from a DRC index on, which the run at a position of a table has."""
    run = table.runs[position]
    place = drc_index - run.drc_index
    return run if not place and count == run.lmbs else run.part(place, count, table.lmb_size)


def part_at(table: LmbTable, position: int, start: int, count: int) -> Run:
    """Return the LMBs of the run at a position of a table that `count` bytes from `start` on meet."""
    run = table.runs[position]
    size = table.lmb_size or 1
    first, last = (start - run.base) // size, (start + count - 1 - run.base) // size
    return run.part(first, last - first + 1, size)


def block_ranges(subject: Subject) -> tuple[BlockRange, ...]:
    """Return the memory blocks of a running system as ranges of the same kind."""
    blocks = subject.running.blocks or ()
    return blocks if isinstance(blocks, tuple) else tuple(_ranges_of_blocks(blocks))


def _ranges_of_blocks(blocks: Mapping[int, MemoryBlock]) -> Iterator[BlockRange]:
    def kind(number: int) -> tuple[int | None, bool]:
        return blocks[number].node, blocks[number].online

    for (node, online), numbers in groupby(sorted(blocks), kind):
        for first, end in stretches(numbers):
            yield BlockRange(first, end - first, node, online)


def beside_blocks(subject: Subject, lmbs: Intervals) -> Iterator[tuple[int, int, int, BlockRange | None]]:
    """Yield (start, bytes, owner) of LMBs, and the memory blocks there: None where there are none."""
    blocks, size = block_ranges(subject), subject.running.block_size or 0
    spans = Intervals()
    for number, part in enumerate(blocks):
        spans.add(part.first * size, part.count * size, number)
    for start, count, owner, position in side_by_side(lmbs, spans):
        if owner is not None:
            yield start, count, owner, None if position is None else blocks[position]


class Nodes:
    """The node of LMBs by the lookup arrays, each of which is looked at once: a hostile tree has long ones."""

    def __init__(self, associativity: Associativity) -> None:
        self._associativity = associativity
        self._nodes: dict[tuple[int, int], int | None] = {}

    def of(self, run: Run) -> int | None:
        """Return the node, None where Linux finds none."""
        kind = run.aa_index, run.flags & (AI_INVALID | ASSIGNED)
        if kind not in self._nodes:
            self._nodes[kind] = self._associativity.node_of(*kind)
        return self._nodes[kind]


def by_sense(senses: Mapping[int, int] | tuple[SenseRange, ...]) -> Intervals:
    """Return ranges of DRC indexes with the same sense, which is the owner."""
    spans = Intervals()
    if isinstance(senses, tuple):
        for part in senses:
            spans.add(part.first, part.count, part.sense)
        return spans
    for sense, indexes in groupby(sorted(senses), senses.__getitem__):
        for first, end in stretches(indexes):
            spans.add(first, end - first, sense)
    return spans


def sensed(subject: Subject, table: LmbTable, judge: Callable[[int, int], _T]) -> Iterator[tuple[_T, Run]]:
    """Yield what `judge` says of flags and a connector's sense, where that is true, with the LMBs concerned."""
    judge_once = cache(judge)
    lmbs, senses = spans_of_drc_indexes(table.runs).disjoint(), by_sense(subject.running.senses or ())
    for start, count, owner, sense in side_by_side(lmbs, senses):
        if owner is not None and sense is not None:
            verdict = judge_once(table.runs.flags[owner], sense)
            if verdict:
                yield verdict, part_of_drc(table, owner, start, count)
