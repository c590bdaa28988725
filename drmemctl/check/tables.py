# SPDX-License-Identifier: MIT
"""LMB tables as ranges of addresses or of DRC indexes, and two tables side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from drmemctl.check.runs import columns_of
from drmemctl.check.spans import Spans, side_by_side
from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject
from drmemctl.formats.dynamic_memory import AI_INVALID, DRC_INVALID
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.model.runs import Runs

_ADDRESSES = 1 << 64
_LARGEST_DRC_INDEX = (1 << 32) - 1


def spans_of_addresses(table: LmbTable, wanted: Callable[[int], bool]) -> Spans:
    """Return the bytes of the runs whose flags are wanted; the owner is the run's position."""
    runs = table.runs
    return Spans.of(*columns_of(runs, wanted, runs.bases, runs.lmbs, range(len(runs))), unit=table.lmb_size or 0)


def spans_of_drc_indexes(runs: Runs) -> Spans:
    """Return the DRC indexes of the runs that have one; the owner is the run's position."""
    columns = columns_of(
        runs, lambda flags: not flags & DRC_INVALID, runs.drc_indexes, runs.lmbs, range(len(runs))
    )
    return Spans.of(*columns, largest=_LARGEST_DRC_INDEX)


@per_subject
def drc_indexes(subject: Subject) -> Spans:
    """Return the DRC indexes of the tree's LMBs, as `spans_of_drc_indexes` does."""
    return spans_of_drc_indexes(subject.table.runs)


@lru_cache(2)
def _disjoint(runs: Runs) -> Spans:
    """Return the DRC indexes of runs without overlaps: several rules ask for those of the same two tables."""
    return spans_of_drc_indexes(runs).disjoint()


def by_drc_index(old: LmbTable, new: LmbTable) -> Iterator[tuple[Run | None, Run | None]]:
    """Yield the LMBs of two tables that differ, by DRC index: (run of the old one, run of the new one).

    Both runs have the same DRC indexes. None stands for a table without them; LMBs without one are left out.
    """
    ones, others = old.runs, new.runs
    for start, count, left, right in side_by_side(_disjoint(ones), _disjoint(others)):
        if left is None or right is None:
            yield _piece(old, left, start, count), _piece(new, right, start, count)
            continue
        alike = ones.flags[left] == others.flags[right] and ones.aa_indexes[left] == others.aa_indexes[right]
        one, other = _base(old, left, start), _base(new, right, start)
        if not alike or one != other:
            yield (
                Run(one, count, start, ones.aa_indexes[left], ones.flags[left]),
                Run(other, count, start, others.aa_indexes[right], others.flags[right]),
            )


def both_by_drc_index(old: LmbTable, new: LmbTable) -> Iterator[tuple[Run, Run]]:
    """Yield what both tables have, by DRC index, whether it differs or not."""
    ones, others = old.runs, new.runs
    for start, count, left, right in side_by_side(_disjoint(ones), _disjoint(others)):
        if left is not None and right is not None:
            yield (
                Run(_base(old, left, start), count, start, ones.aa_indexes[left], ones.flags[left]),
                Run(_base(new, right, start), count, start, others.aa_indexes[right], others.flags[right]),
            )


def _base(table: LmbTable, owner: int, drc_index: int) -> int:
    """Return the address of the LMB of a run that has a DRC index."""
    runs = table.runs
    return (runs.bases[owner] + (drc_index - runs.drc_indexes[owner]) * (table.lmb_size or 0)) % _ADDRESSES


def _piece(table: LmbTable, owner: int | None, start: int, count: int) -> Run | None:
    if owner is None:
        return None
    return Run(_base(table, owner, start), count, start, table.runs.aa_indexes[owner], table.runs.flags[owner])


class Nodes:
    """The node of LMBs by the lookup arrays, each of which is looked at once: a hostile tree has long ones."""

    def __init__(self, associativity: Associativity) -> None:
        self._associativity = associativity
        self._known: dict[tuple[int, int], int | None] = {}

    def of(self, run: Run) -> int | None:
        """Return the node, None where Linux finds none."""
        return self.of_kind(run.aa_index, run.flags)

    def of_kind(self, aa_index: int, flags: int) -> int | None:
        """Return the node of LMBs with this aa_index and flags."""
        key = aa_index, flags & AI_INVALID
        if key not in self._known:
            self._known[key] = self._associativity.node_of(*key)
        return self._known[key]

    def row(self, aa_index: int) -> tuple[int, ...] | None:
        """Return a lookup array."""
        return self._associativity.row(aa_index)
