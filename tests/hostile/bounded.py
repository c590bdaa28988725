# SPDX-License-Identifier: MIT
"""Runs of drmemctl in processes whose time and memory are measured, and what is wrong with each.

They are forked from a process that has loaded the package (`tests.forked`): loading is most of what a command
takes for a small input.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.forked import Forks

MIB = 1 << 20
MEMORY = 400 * MIB
"""What a command may use at most: the resident memory of its process or of one below it."""

MOST_LINES = 50
"""Lines on standard error: the first defects of each kind, and what the command has to say."""

_PIECE = 1 << 22
_OVERLAP = 16
_SGR = re.compile(r"\x1b\[[0-9;]*m")
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters (but tab and line feed; ISO 6429), line separators, and what changes direction."""


@dataclass(frozen=True)
class Run:
    """One run: what was run, how it ended, what it used, and the faults of what it printed."""

    command: str
    code: int
    seconds: float
    memory: int
    output: int
    faults: tuple[str, ...]

    def wrong(self, seconds: float, memory: int = MEMORY) -> list[str]:
        """Return what the run did that no input may lead to; the bounds may be less for a small one."""
        wrong = list(self.faults)
        if self.code not in (0, 1, 3):
            wrong.append(f"exit code {self.code}")
        if self.memory > memory:
            wrong.append(f"{self.memory // MIB} MiB of memory")
        if self.seconds > seconds:
            wrong.append(f"{self.seconds:.1f} s of CPU")
        return wrong


class Runner:
    """The small process, and the files that its children write to."""

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        dropped = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "DRMEMCTL_DEBUG", "DRMEMCTL_MAX_MIB")
        environment = {key: value for key, value in os.environ.items() if key not in dropped}
        self._environment = {**environment, **(variables or {})}
        self._forks = Forks()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._forks.close()

    def run(self, command: str, names: Mapping[str, str | Path], most_seconds: int) -> Run:
        """Run a command line in which `{name}`s stand for files; it is killed soon after `most_seconds` of CPU."""
        arguments = [part.format_map({**names, "out": self._folder / "out"}) for part in shlex.split(command)]
        out, err = self._folder / "stdout", self._folder / "stderr"
        with Path(os.devnull).open("rb") as nothing, out.open("wb") as stdout, err.open("wb") as stderr:
            streams = (nothing.fileno(), stdout.fileno(), stderr.fileno())
            self._forks.start(arguments, streams, self._environment, most_seconds=most_seconds)
        used = self._forks.wait()
        is_raw = "--raw" in arguments
        faults = [
            *([] if is_raw else _faults(out, "stdout")),
            *_faults(err, "stderr"),
            *_complaints(err, used.code),
        ]
        size = out.stat().st_size
        for path in self._folder.glob("out.*"):
            path.unlink()
        out.unlink()
        return Run(command, used.code, used.seconds, used.memory, size, tuple(faults))


def _faults(path: Path, stream: str) -> list[str]:
    """Return what an output holds that must not reach a terminal; colours may."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    tail = ""
    with path.open("rb") as file:
        more = True
        while more:
            piece = file.read(_PIECE)
            more = bool(piece)
            try:
                text = decoder.decode(piece, final=not more)
            except UnicodeDecodeError as error:
                return [f"{stream} is no UTF-8: {error}"]
            text = _SGR.sub("", tail + text)
            # A sequence may go on in the next piece.
            text, tail = text[:-_OVERLAP], text[-_OVERLAP:]
            if match := _FORBIDDEN.search(text):
                return [_forbidden(stream, text, match)]
    match = _FORBIDDEN.search(tail)
    return [_forbidden(stream, tail, match)] if match else []


def _forbidden(stream: str, text: str, match: re.Match[str]) -> str:
    return f"{stream} has {match[0]!r} in {text[max(match.start() - 40, 0) : match.end() + 10]!r}"


def _complaints(path: Path, code: int) -> list[str]:
    """Return what standard error must not hold."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        text = stream.read(MIB)
    wrong = [f"{word!r}: {text[:300]}" for word in ("Traceback", "internal error", "MemoryError") if word in text]
    if code == 3 and not text.endswith("\n"):
        wrong.append(f"no line on standard error says why: {text[-300:]!r}")
    if text.count("\n") > MOST_LINES:
        wrong.append(f"{text.count(chr(10))} lines on standard error: {text[:300]}")
    return wrong


def table(runs: Sequence[tuple[str, Run]]) -> str:
    """Return runs as lines, the most expensive first."""
    rows = sorted(runs, key=lambda row: -max(row[1].seconds / 10, row[1].memory / MEMORY))
    lines = [f"{'CPU s':>6} {'MiB':>5} {'exit':>4} {'output':>12}  input: command"]
    for name, run in rows:
        lines.append(
            f"{run.seconds:6.1f} {run.memory // MIB:5} {run.code:4} {run.output:12,}  {name}: {run.command}"
        )
    return "\n".join(lines)
