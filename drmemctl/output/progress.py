# SPDX-License-Identifier: MIT
"""A progress bar on standard error, where a person waits for more than a second."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds without a bar."""

_PAUSE = 0.1
"""Seconds between two drawings."""


def with_progress(items: Iterable[T], total: int, interrupts: Callable[[T], bool]) -> Iterator[T]:
    """Yield the items; on a terminal, a bar shows how many of `total` there have been.

    `interrupts` says of an item whether something will be written to the terminal because of it: the bar is
    taken away before.
    """
    if total < 2 or not sys.stderr.isatty():
        yield from items
        return
    bar = _Bar(total)
    try:
        for item in items:
            bar.done += 1
            if interrupts(item):
                bar.hide()
                yield item
            else:
                yield item
                bar.draw()
    finally:
        bar.hide()


class _Bar:
    def __init__(self, total: int) -> None:
        self.done = 0
        self._total = total
        self._next = monotonic() + _PATIENCE
        self._hide: Callable[[], None] | None = None
        self._update: Callable[[int], None] | None = None

    def draw(self) -> None:
        """Draw the bar if it is time."""
        if monotonic() < self._next:
            return
        self._next = monotonic() + _PAUSE
        if self._update is None:
            self._start()
        if self._update is not None:
            self._update(self.done)

    def hide(self) -> None:
        """Take the bar away, if it is there."""
        if self._hide is not None:
            self._hide()
        self._hide = self._update = None

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        # Without a thread of its own: processes are forked meanwhile.
        progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        task = progress.add_task("", total=self._total)
        progress.start()

        def update(done: int) -> None:
            progress.update(task, completed=done)
            progress.refresh()

        self._hide, self._update = progress.stop, update
