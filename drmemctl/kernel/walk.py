# SPDX-License-Identifier: MIT
"""Walking the array by the run: a request visits only the LMBs that it may act on, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_ops import mark, unmark
from drmemctl.kernel.task import Part, Task, atomic
from drmemctl.model.lmbs import LmbTable, Run

_MOST_MARKED = 1 << 18
"""LMBs that one request acts on: all of a partition of 64 TiB. A tree may say that billions are marked."""


@dataclass(frozen=True, slots=True)
class Span:
    """Part of the array: `count` LMBs from index `first` on."""

    first: int
    count: int


def whole(job: Job) -> Span:
    """Return the whole array."""
    return Span(0, job.state.table.n_lmbs)


def runs_in(table: LmbTable, span: Span) -> Iterator[tuple[int, Run]]:
    """Yield (array index, run) of a part of the array as it is now; changes made meanwhile do not show."""
    index = span.first
    for run in table.runs if span.count == table.n_lmbs else table.part(span.first, span.count):
        yield index, run
        index += run.count


def has_flags(table: LmbTable, span: Span, mask: int) -> int | None:
    """Return the index of the first LMB of a part of the array that has any of these flags, or None."""
    return next((index for index, run in runs_in(table, span) if run.flags & mask), None)


def next_lmb(table: LmbTable, span: Span, start: int, left: Callable[[int, Run], int]) -> tuple[int, int] | None:
    """Return (array index, DRC index) of the next LMB from `start` on that is not left out; None if there is none.

    `left` says of a run how many of its LMBs from a position on are left out.
    """
    for first, run in runs_in(table, span):
        position = max(0, start - first)
        if position < run.count:
            position += left(position, run)
        if position < run.count:
            return first + position, (run.drc_index + position) & 0xFFFFFFFF
    return None


Find = Callable[["Job", int], "Task[tuple[int, int] | None]"]
Act = Callable[["Job", int, int], "Task[int]"]


def act_until(job: Job, count: int, find: Find, act: Act) -> Task[int]:
    """Act on LMBs from the first on, marking where it worked, until it did on `count`; return on how many.

    `find` returns (array index, DRC index) of the next LMB from an index on, None if there is none.
    """
    done = start = 0
    while done < count and (found := (yield from find(job, start))) is not None:
        if (yield from act(job, *found)) == 0:
            yield from mark(job, found[0])
            done += 1
        start = found[0] + 1
    return done


def act_on_each(job: Job, start: int, find: Find, act: Act) -> Task[int]:
    """Act on all LMBs that `find` returns from an index on and mark them; return the rc of the first failure."""
    while (found := (yield from find(job, start))) is not None:
        rc = yield from act(job, *found)
        if rc:
            return rc
        yield from mark(job, found[0])
        start = found[0] + 1
    return 0


def for_each_marked(
    job: Job, span: Span | None, act: Callable[[int], Task[None]], limit: int | None = None
) -> Task[None]:
    """Act on every LMB that this request touched, in array order, and take its mark away.

    Without `span` in the whole array. With `limit`, stop after as many: kernels that count their marks do. A mark
    that came with the tree counts like any other.
    """
    marked = yield from _marked(job, span)
    for index in marked[:limit]:
        yield from act(index)
        yield from unmark(job, index)


@atomic(reads=(Part.FLAGS,))
def _marked(job: Job, span: Span | None) -> tuple[int, ...]:
    runs = [one for one in runs_in(job.state.table, span or whole(job)) if one[1].flags & KERNEL_TOUCHED]
    number = sum(run.count for _, run in runs)
    if number > _MOST_MARKED:
        message = (
            f"{number:,} LMBs have the kernel's own mark, more than the {_MOST_MARKED:,} that one request acts on"
        )
        raise LimitError(message, hint="clear bit 31 of the flags in the tree: firmware does not set it")
    return tuple(index + position for index, run in runs for position in range(run.count))
