# SPDX-License-Identifier: MIT
"""Picking the runs of LMBs that a rule is about, and the facts that tell that there are none.

However many runs a table has, they have few pairs of aa_index and flags, and its columns are surveyed at C speed:
most rules need no look at any single run.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import compress, islice, repeat
from operator import add, le, mul
from typing import TypeVar

from drmemctl.check.bounds import Found
from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject
from drmemctl.model.run import Run
from drmemctl.model.runs import Runs

_Reason = TypeVar("_Reason")

Kind = tuple[int, int]
"""aa_index and flags."""


@per_subject
def kinds(subject: Subject) -> frozenset[Kind]:
    """Return the kinds of LMBs that there are."""
    runs = subject.table.runs
    return frozenset(zip(runs.aa_indexes, runs.flags, strict=True))


def with_reason(
    subject: Subject, reason_of: Callable[[int, int], _Reason | None]
) -> Iterator[tuple[_Reason, Run]]:
    """Yield each run of which `reason_of(aa_index, flags)` is not None, and what it is."""
    reasons = {kind: reason for kind in kinds(subject) if (reason := reason_of(*kind)) is not None}
    if reasons:
        for run in subject.table.runs:
            reason = reasons.get((run.aa_index, run.flags))
            if reason is not None:
                yield reason, run


def of_kind(subject: Subject, wanted: Callable[[int, int], bool]) -> Found:
    """Return the LMBs for whose aa_index and flags something holds."""
    found = Found()
    for _, run in with_reason(subject, lambda aa_index, flags: wanted(aa_index, flags) or None):
        found.add(run)
    return found


def found_lmbs(subject: Subject, breaks: Callable[[Run], bool], *, when: bool = True) -> Found:
    """Return the runs for which something holds.

    Each of them is looked at, unless `when`, which says whether there can be any, is false.
    """
    return Found(filter(breaks, subject.table.runs) if when else ())


def columns_of(runs: Runs, wanted: Callable[[int], bool], *columns: Sequence[int]) -> Iterator[array[int]]:
    """Yield some columns of the runs, each without the rows whose flags are not wanted."""
    present = set(runs.flags)
    kept = set(filter(wanted, present))
    marks = repeat(True) if kept == present else list(map(kept.__contains__, runs.flags)) if kept else ()
    return (array("Q", compress(column, marks)) for column in columns)


def _ends(subject: Subject) -> Iterator[int]:
    """Yield where the runs end, were addresses not limited to 64 bits."""
    runs = subject.table.runs
    return map(add, runs.bases, map(mul, runs.lmbs, repeat(subject.table.lmb_size or 0)))


@per_subject
def highest_end(subject: Subject) -> int:
    """Return the highest address at which a run ends; 0 without any."""
    return max(_ends(subject), default=0)


@per_subject
def are_sorted(subject: Subject) -> bool:
    """Whether each run begins where the one before ends, or above."""
    return all(map(le, _ends(subject), islice(subject.table.runs.bases, 1, None)))
