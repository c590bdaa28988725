# SPDX-License-Identifier: MIT
"""The terminal or pipe behind standard output: whether it takes colour, how wide it is, when it is gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from drmemctl.errors import WriteError
from drmemctl.output.text import worded
from drmemctl.read_files import was_read

if TYPE_CHECKING:
    from rich.console import Console

_BLOCK = 1 << 16
"""Characters gathered before a write: a table of a million rows must not be a million system calls."""

_OUTPUT = "standard output"

_SGR = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}

NODE_STYLES = ("cyan", "magenta", "green", "blue", "yellow", "red")
"""Colours of nodes, by node id; beyond these they repeat, the letter tells them apart."""


def node_style(node: int | None) -> str:
    """Return the colour of a node; memory without one is dim."""
    return "dim" if node is None else NODE_STYLES[node % len(NODE_STYLES)]


@dataclass(frozen=True, slots=True)
class Screen:
    """Standard output.

    Attributes:
        color: whether to colour.
        terminal: whether a person sees it directly; a pipe or file gets plain lines, never wrapped.
        width: columns of the terminal.

    """

    color: bool = False
    terminal: bool = False
    width: int = 80

    @classmethod
    def detect(cls, color: str = "auto") -> Screen:
        """Return the screen: `--color` decides first, then NO_COLOR, FORCE_COLOR, and whether it is a terminal."""
        terminal = sys.stdout.isatty()
        wanted = {"always": True, "never": False}.get(color)
        if wanted is None:
            wanted = terminal and os.environ.get("TERM") != "dumb"
            if os.environ.get("FORCE_COLOR"):
                wanted = True
            if os.environ.get("NO_COLOR"):
                wanted = False
        return cls(wanted, terminal, _columns() if terminal else 80)

    def style(self, text: str, style: str | None) -> str:
        """Return text in a colour, if there is colour here. The text must be `safe` already."""
        if not self.color or not style or not text:
            return text
        return f"\x1b[{';'.join(_SGR[part] for part in style.split())}m{text}\x1b[0m"

    def write(self, text: str) -> None:
        """Write text to standard output; a reader who has gone away is no error."""
        self.write_all((text,))

    def write_all(self, parts: Iterable[str]) -> bool:
        """Write many pieces of text in large blocks; return False, at once, if the reader has gone away."""
        block: list[str] = []
        length = 0
        for part in parts:
            block.append(part)
            length += len(part)
            if length >= _BLOCK:
                if not _put("".join(block)):
                    return False
                block, length = [], 0
        return _put("".join(block))

    def write_text(self, parts: Iterable[str]) -> bool:
        """Write text for people; a terminal gets lines that are broken between words where they are too wide."""
        if not self.terminal:
            return self.write_all(parts)
        from drmemctl.output.wrap import wrapped_text

        return self.write_all(wrapped_text(parts, self.width))

    def console(self) -> Console:
        """Return rich's console with the same decisions; costs rich's import."""
        from rich.console import Console

        return Console(
            color_system="standard" if self.color else None,
            force_terminal=self.color or None,
            no_color=not self.color,
            width=self.width if self.terminal else 100_000,
            height=25,  # without one, rich takes a dumb terminal to be 80 columns wide, and cuts the cells
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=not self.terminal,
        )


def _columns() -> int:
    """Return the terminal's width. `shutil.get_terminal_size` would cost the import of every compression."""
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    if columns > 0:
        return columns
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


def _put(text: str) -> bool:
    """Write and flush; return False if nobody reads any more. Other failures (disk full) are errors."""
    _check_is_no_input()
    return _written(lambda: sys.stdout.write(text))


def flush_output() -> None:
    """Write what libraries have left unwritten."""
    _written(lambda: None)


def _written(write: Callable[[], object]) -> bool:
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        close_output()
        return False
    except OSError as error:
        close_output()
        raise WriteError(f"cannot write the output: {error.strerror}", source=_OUTPUT) from error
    return True


def _check_is_no_input() -> None:
    """Refuse to append to a file that was read (`>> tree.dtb`), as cat does."""
    with suppress(OSError, ValueError):  # no file at all, where a program has put something in its place
        if was_read(os.fstat(sys.stdout.fileno())):
            raise WriteError("this is an input", source=_OUTPUT, hint="name another file")


def close_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush has nothing to complain about."""
    _point_at_nothing(sys.stdout)


def _point_at_nothing(stream: TextIO) -> None:
    # No file, where a program has put something in its place; or there is no room for one more.
    with suppress(ValueError, OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def write_bytes(data: bytes | memoryview) -> None:
    """Write raw bytes to standard output; a reader who has gone away is no error."""
    _check_is_no_input()
    _written(lambda: (sys.stdout.flush(), sys.stdout.buffer.write(data)))


def say(message: str) -> None:
    """Say something on standard error, where it does not get among the data."""
    say_lines((f"drmemctl: {worded(message)}",))


def say_lines(lines: Iterable[str]) -> None:
    """Write lines, which are `safe` already, to standard error; the exit code tells where that cannot."""
    settle = getattr(sys.stdout, "settle", None)
    if settle is not None:
        settle()  # what is said stands behind what was printed before, not in the middle of a pager
    try:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
    except OSError:
        _point_at_nothing(sys.stderr)
