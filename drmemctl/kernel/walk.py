# SPDX-License-Identifier: MIT
"""Walking the array by the run: a request visits only the LMBs that it may act on, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED
from drmemctl.kernel.alike import act_on_alike, n_alike, n_at_once
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_ops import mark, unmark
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run

_MOST_MARKED = 1 << 18
"""LMBs that one request acts on: all of a partition of 64 TiB. A tree may say that billions are marked."""


@dataclass(frozen=True, slots=True)
class Span:
    """Part of the array: `count` LMBs from index `first` on, and how many the request wants `beyond` its end."""

    first: int
    count: int
    beyond: int = 0


def whole(job: Job) -> Span:
    """Return the whole array."""
    return Span(0, job.state.table.n_lmbs)


def runs_in(table: LmbTable, span: Span) -> Iterator[tuple[int, Run]]:
    """Yield (array index, run) of a part of the array as it is now; changes made meanwhile do not show."""
    index = span.first
    for run in table.runs if span.count == table.n_lmbs else table.part(span.first, span.count):
        yield index, run
        index += run.lmbs


def next_lmb(
    table: LmbTable, span: Span, start: int, n_skipped: Callable[[int, Run], int]
) -> tuple[int, int] | None:
    """Return (array index, DRC index) of the next LMB from `start` on that is not left out; None if there is none.

    `n_skipped` says of a run how many of its LMBs from a position on are left out.
    """
    start, end = max(start, span.first), span.first + span.count
    first, number = table.runs.position_of(start)
    for run in table.runs.beginning_at(number):
        if first >= end:
            break
        position = max(0, start - first)
        position += n_skipped(position, run)
        if position < run.lmbs:
            index = first + position
            return (index, (run.drc_index + position) & 0xFFFFFFFF) if index < end else None
        first += run.lmbs
    return None


Find = Callable[["Job", int], "Task[tuple[int, int] | None]"]
Act = Callable[["Job", int, int], "Task[int]"]


def act_until(job: Job, count: int, find: Find, act: Act) -> Task[int]:
    """Act on LMBs from the first on, marking where it worked, until it did on `count`; return on how many.

    `find` returns (array index, DRC index) of the next LMB from an index on, None if there is none.
    """
    acted = start = 0
    while acted < count and (lmb := (yield from find(job, start))) is not None:
        index, drc_index = lmb
        width = n_alike(job, index)
        part = n_at_once(job, min(width, count - acted))
        if (yield from act_on_alike(job, part, partial(_act_and_mark, job, act, index, drc_index))) == 0:
            acted, start = acted + part, index + part
            continue
        if part < width:  # what one fails of, those that are alike fail of, too
            failing = partial(_act_and_mark, job, act, index + part, drc_index + part)
            yield from act_on_alike(job, width - part, failing)
        start = index + width
    return acted


def _act_and_mark(job: Job, act: Act, index: int, drc_index: int, place: int) -> Task[int]:
    """Act on the LMB that is `place` LMBs behind one, and mark it if that worked."""
    rc = yield from act(job, index + place, drc_index + place)
    if rc == 0:
        yield from mark(job, index + place)
    return rc


def act_on_each(job: Job, span: Span, find: Find, act: Act) -> Task[int]:
    """Act on all LMBs of a part of the array that `find` returns and mark them; return the first failure.

    The first of LMBs that are alike is tried alone: if that fails, no other is touched.
    """
    start, end = span.first, span.first + span.count
    while (lmb := (yield from find(job, start))) is not None:
        index, drc_index = lmb
        alike = n_at_once(job, n_alike(job, index, end - index))
        for place, width in ((0, 1), (1, alike - 1)):
            if width:
                act_here = partial(_act_and_mark, job, act, index + place, drc_index + place)
                rc = yield from act_on_alike(job, width, act_here)
                if rc:
                    return rc
        start = index + alike
    return 0


def for_each_marked(
    job: Job, span: Span | None, act: Callable[[int], Task[None]], limit: int | None = None
) -> Task[None]:
    """Act on every LMB that this request touched, in array order, and take its mark away.

    Without `span` in the whole array. With `limit`, stop after as many: kernels that count their marks do. A mark
    that came with the tree counts like any other.
    """
    marked = yield from _marked(job, span)
    remaining = _MOST_MARKED if limit is None else limit
    for part in marked:
        index, end = part.first, part.first + min(part.count, remaining)
        remaining -= end - index
        while index < end:
            width = n_at_once(job, n_alike(job, index, end - index))
            yield from act_on_alike(job, width, partial(_act_and_unmark, job, act, index))
            index += width


def _act_and_unmark(job: Job, act: Callable[[int], Task[None]], index: int, place: int) -> Task[None]:
    yield from act(index + place)
    yield from unmark(job, index + place)


@atomic(reads=(StatePart.FLAGS,))
def _marked(job: Job, span: Span | None) -> tuple[Span, ...]:
    runs = [entry for entry in runs_in(job.state.table, span or whole(job)) if entry[1].flags & KERNEL_TOUCHED]
    number = sum(run.lmbs for _, run in runs)
    if number > _MOST_MARKED:
        message = (
            f"{number:,} LMBs have the kernel's own mark, more than the {_MOST_MARKED:,} that one request acts on"
        )
        raise LimitError(message, hint="clear bit 31 of the flags in the tree: firmware does not set it")
    return tuple(Span(index, run.lmbs) for index, run in runs)
