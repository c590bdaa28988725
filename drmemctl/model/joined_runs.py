# SPDX-License-Identifier: MIT
"""Runs of consecutive numbers that are alike: joined where one goes on, and one put in the place of others."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, Protocol, Self, TypeVar


class NumberedRun(Protocol):
    """A dataclass of `count` numbers from `first` on; the number after the last is `end`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def first(self) -> int:
        """The first."""

    @property
    def count(self) -> int:
        """How many."""

    @property
    def end(self) -> int:
        """The one after the last."""

    def goes_on(self, following: Self, /) -> bool:
        """Whether `following` begins where this ends and is like it."""


RunT = TypeVar("RunT", bound=NumberedRun)


def joined(runs: Iterable[RunT]) -> Iterator[RunT]:
    """Yield ascending runs, those that go on one another as one."""
    pending: RunT | None = None
    for run in runs:
        if pending is not None and pending.goes_on(run):
            pending = replace(pending, count=pending.count + run.count)
            continue
        if pending is not None:
            yield pending
        pending = run
    if pending is not None:
        yield pending


def with_run(runs: tuple[RunT, ...], new: RunT) -> tuple[RunT, ...]:
    """Return ascending runs with a new one in the place of all that they have of its numbers, joined."""
    low = bisect_right(runs, new.first, key=lambda run: run.end)
    high = bisect_left(runs, new.end, key=lambda run: run.first)
    middle = [new]
    for run in runs[low:high]:
        if run.first < new.first:
            middle.insert(0, replace(run, count=new.first - run.first))
        if run.end > new.end:
            middle.append(replace(run, first=new.end, count=run.end - new.end))
    # Only the neighbours can go on, or be gone on.
    before, after = max(0, low - 1), high + 1
    return (*runs[:before], *joined((*runs[before:low], *middle, *runs[high:after])), *runs[after:])
