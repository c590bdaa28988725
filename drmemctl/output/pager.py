# SPDX-License-Identifier: MIT
"""Long output on a terminal goes through the pager that the user's environment names.

Nothing is started for what fits the screen. A pager that is not there or ends early is nothing to complain about.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from drmemctl.output.wrap import shown_width

if TYPE_CHECKING:
    from subprocess import Popen

_VARIABLES = ("DRMEMCTL_PAGER", "PAGER")
"""Who is asked, the first that is set; an empty one is none."""

_NONE = ("DRMEMCTL_NO_PAGER", "NO_PAGER")
PAGER_VARIABLES = {
    "DRMEMCTL_PAGER": "the pager, before PAGER",
    "PAGER": "the pager",
    "DRMEMCTL_NO_PAGER": "no pager",
    "NO_PAGER": "no pager",
}
_USUAL = ("less", "-FRX")
_LESS = "FRX"
"""What less is told where the user tells it nothing: end where all fits, show colours, leave the text there."""


def pager_command(environment: Mapping[str, str]) -> Sequence[str]:
    """Return the words of the pager's command, none for no pager."""
    if any(environment.get(name) for name in _NONE) or environment.get("TERM") == "dumb":
        return ()
    for name in _VARIABLES:
        if name in environment:
            import shlex

            try:
                words = shlex.split(environment[name])
            except ValueError:  # a quote that does not end
                return ()
            return () if words == ["cat"] else words
    return _USUAL


def start_paging(width: int) -> None:
    """Let standard output go through a pager once it is longer than the screen, where somebody sees it."""
    if isinstance(sys.stdout, PagedOutput) or not sys.stdout.isatty() or not _has_keyboard():
        return
    command = pager_command(os.environ)
    if command:
        sys.stdout = cast("TextIO", PagedOutput(sys.stdout, command, width))


def end_paging() -> None:
    """Write what is held, wait until the pager has ended, and go on without."""
    stream = sys.stdout
    if isinstance(stream, PagedOutput):
        sys.stdout = stream.terminal
        stream.end()


def is_paging() -> bool:
    """Whether a pager has the screen."""
    return isinstance(sys.stdout, PagedOutput) and sys.stdout.started


def _has_keyboard() -> bool:
    """Whether there is a terminal of which a pager can read keys."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class PagedOutput(io.TextIOBase):
    """A terminal's standard output, held until it is longer than the screen, and then given to a pager.

    Attributes:
        terminal: the stream that it stands in for.

    """

    def __init__(self, terminal: TextIO, command: Sequence[str], width: int) -> None:
        """Stand in for a stream; nothing is started yet."""
        self.terminal = terminal
        self._command = command
        self._width = width
        self._rows = _height(terminal) - 1
        self._held: list[str] = []
        self._process: Popen[bytes] | None = None
        self._pipe: TextIO = terminal
        self._is_held = True

    @property
    def started(self) -> bool:
        """Whether the pager runs."""
        return self._process is not None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The terminal's."""
        return self.terminal.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The terminal's."""
        return self.terminal.errors

    @property
    def buffer(self) -> Any:
        """The terminal's: bytes are for no pager."""
        end_paging()
        return getattr(self.terminal, "buffer")  # noqa: B009 - of streams on files alone

    def isatty(self) -> bool:
        """Return True: a person sees it."""
        return True

    def fileno(self) -> int:
        """Return the terminal's number."""
        return self.terminal.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str, /) -> int:
        """Hold text, or write it; `BrokenPipeError` where the reader has seen enough."""
        if not self._is_held:
            return self._pipe.write(text)
        self._held.append(text)
        self._rows -= sum(max(0, shown_width(line) - 1) // self._width for line in text.split("\n")) + text.count(
            "\n"
        )
        if self._rows < 0:
            self._release(self._started_pager())
        return len(text)

    def flush(self) -> None:
        """Write what the pager is to have; what is held stays."""
        # Python 3.13 tells of what fails while a stream is taken away: the pager's pipe is closed by then.
        if not self._is_held and not self._pipe.closed:
            self._pipe.flush()

    def settle(self) -> None:
        """Let what was written be seen before something else writes to the terminal."""
        if self._held or self._process is not None:
            end_paging()

    def end(self) -> None:
        """Write what is held, and wait for the pager."""
        if self._is_held:
            self._release(self.terminal)
        if self._process is None:
            self.terminal.flush()
            return
        import signal

        with suppress(OSError, ValueError):
            self._pipe.close()
        # Keys go to the pager now, ^C as well.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.wait()
        finally:
            signal.signal(signal.SIGINT, before)

    def _started_pager(self) -> TextIO:
        """Return the pager's input; the terminal where there is no such pager."""
        import subprocess

        environment = {**os.environ, "LESS": os.environ.get("LESS", _LESS)}
        try:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=environment)  # noqa: S603
        except OSError:
            return self.terminal
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        return io.TextIOWrapper(self._process.stdin, encoding=self.encoding, errors=self.errors)

    def _release(self, pipe: TextIO) -> None:
        self._pipe, self._is_held = pipe, False
        text, self._held = "".join(self._held), []
        if text:
            pipe.write(text)
            pipe.flush()


def _height(terminal: TextIO) -> int:
    try:
        return os.get_terminal_size(terminal.fileno()).lines or 24
    except OSError:
        return 24
