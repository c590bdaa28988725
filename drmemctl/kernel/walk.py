# SPDX-License-Identifier: MIT
"""Walking the array by the run: a request visits only the LMBs that it may act on, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_ops import unmark
from drmemctl.model.lmbs import LmbTable, Run


@dataclass(frozen=True, slots=True)
class Span:
    """Part of the array: `count` LMBs from index `first` on."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """The index after the last LMB's."""
        return self.first + self.count


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


def for_each_marked(job: Job, span: Span, act: Callable[[int], None], limit: int | None = None) -> None:
    """Act on every LMB that this request touched, in array order, and take its mark away.

    With `limit`, stop after as many: kernels that count their marks do. A mark that came with the tree counts
    like any other.
    """
    marked = [
        index + position
        for index, run in runs_in(job.state.table, span)
        if run.flags & KERNEL_TOUCHED
        for position in range(run.count)
    ]
    for index in marked if limit is None else marked[:limit]:
        act(index)
        unmark(job, index)
