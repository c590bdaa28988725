# SPDX-License-Identifier: MIT
"""A progress bar on standard error, where a person waits for more than a second."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from drmemctl.output.pager import is_paging
from drmemctl.output.text import safe
from drmemctl.tree.reading import observed

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds without a bar."""

_NAME = 40
"""Characters of a file's name beside a bar."""

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
        for count, item in enumerate(items, 1):
            if interrupts(item):
                bar.hide()
            yield item
            bar.draw(count)
    finally:
        bar.hide()


@contextmanager
def bar_of_counts() -> Iterator[Callable[[int, int], None]]:
    """Return what draws a bar of how many there are, and of how many; on a terminal only."""
    bars: list[_Bar] = []

    def draw(count: int, total: int) -> None:
        if sys.stderr.isatty():
            if not bars:
                bars.append(_Bar(total))
            bars[0].draw(count)

    try:
        yield draw
    finally:
        for bar in bars:
            bar.hide()


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that the work within the block goes on, and how long, where nobody knows how much there is of it.

    It has a thread, so processes are not to be forked, and nothing is to be printed, meanwhile.
    """
    if not sys.stderr.isatty() or is_paging():
        yield
        return
    from threading import Timer

    spinners: list[Progress] = []

    def show() -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        spinner = Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
        )
        spinner.add_task(text, total=None)
        spinner.start()
        spinners.append(spinner)

    timer = Timer(_PATIENCE, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for spinner in spinners:
            spinner.stop()


class Counter:
    """A line of standard error that says how far a search is whose end nobody knows; on a terminal only."""

    def __init__(self) -> None:
        self._begin = monotonic()
        self._next = self._begin + _PATIENCE
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        """Show a text and the seconds since the beginning, if it is time."""
        seconds = monotonic()
        if self._terminal and seconds >= self._next and not is_paging():
            self._next, self._shown = seconds + _PAUSE, True
            sys.stderr.write(f"\r\x1b[K{safe(text)}, {seconds - self._begin:.0f} s")
            sys.stderr.flush()

    def hide(self) -> None:
        """Take the line away, if it is there."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False


@contextmanager
def reading_shown() -> Iterator[None]:
    """Show how far the reading of a large input is, with its name; for a terminal."""
    bars: dict[str, _Bar] = {}

    def show(source: str, position: int, size: int) -> None:
        if size:
            bars.setdefault(source, _Bar(size, source)).draw(position)
        elif source in bars:
            bars.pop(source).hide()

    with observed(show):
        yield


class _Bar:
    """A bar that is made when it is first drawn: rich takes its time to import.

    `name` is that of the file whose bytes it counts, empty where it counts other things.
    """

    def __init__(self, total: int, name: str = "") -> None:
        self._total = total
        self._name = name
        self._next = monotonic() + _PATIENCE
        self._progress: Progress | None = None
        self._shown = False

    def draw(self, count: int) -> None:
        """Draw the bar if it is time."""
        if monotonic() < self._next or is_paging():
            return
        self._next = monotonic() + _PAUSE
        if self._progress is None:
            self._progress = _progress(self._name)
            self._progress.add_task("", total=self._total)
        if not self._shown:
            self._progress.start()
            self._shown = True
        self._progress.update(self._progress.task_ids[0], completed=count)
        self._progress.refresh()

    def hide(self) -> None:
        """Take the bar away, if it is there."""
        if self._progress is not None and self._shown:
            self._progress.stop()
        self._shown = False


def _progress(name: str) -> Progress:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: tuple[ProgressColumn, ...] = (BarColumn(), MofNCompleteColumn())
    if name:
        columns = (TextColumn(f"reading {escape(safe(name, _NAME))}"), BarColumn(), DownloadColumn())
    # Without a thread of its own: processes are forked meanwhile.
    return Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
