# SPDX-License-Identifier: MIT
"""The shell transcripts of the documents: what is typed in them is run, and what is printed compared.

A transcript is a block fenced as `console`. A line that begins with `$ ` is a command, all below it what it
prints, up to the next one; a command that ends in a backslash goes on in the next line. `...` alone in a line
stands for any number of lines. Every command has to end with 0 or 1, unless `$ echo $?` behind it shows with what
it ends.

The blocks of a document are run from top to bottom in a directory of their own that has `docs` and `fixtures`, so
that one may use the files that another wrote. What is not meant to be run is fenced as `sh`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from drmemctl.cli.app import main
from tests.conftest import ROOT

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
ELIDED = ("...", "…")
_ASKED = "echo $?"
_NOT_PLAIN = re.compile(r"[|&;<>()]+\Z")


def documents() -> list[Path]:
    """Return the documents that have transcripts."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if BLOCK.search(path.read_text(encoding="utf-8"))]


@dataclass(frozen=True)
class Entry:
    """A command as it is written, and what it is said to print."""

    command: str
    printed: str

    @property
    def line(self) -> str:
        """The command in one line, without the prompt."""
        return self.command.removeprefix(PROMPT).replace("\\\n", " ")

    def holds(self, out: str) -> bool:
        """Whether this is what was printed."""
        parts = ("(?:.*\n)*?" if line in ELIDED else re.escape(line) + "\n" for line in self.printed.splitlines())
        return re.fullmatch("".join(parts), out) is not None


def entries(block: str) -> Iterator[Entry]:
    """Yield the commands of a block."""
    assert block.startswith(PROMPT), f"a transcript begins with a command: {block[:60]!r}"
    command, printed = "", ""
    for line in block.splitlines(keepends=True):
        if command.endswith("\\"):
            command += "\n" + line.rstrip("\n")
        elif line.startswith(PROMPT):
            if command:
                yield Entry(command, printed)
            command, printed = line.rstrip("\n"), ""
        else:
            printed += line
    yield Entry(command, printed)


@dataclass
class Shell:
    """Runs commands in a directory; `drmemctl` is this one, in this process where nothing needs a shell."""

    place: Path
    code: int = 0
    unexpected: list[str] = field(default_factory=list)
    """Commands that ended with neither 0 nor 1 without anybody asking."""

    def __post_init__(self) -> None:
        for name in ("docs", "fixtures"):
            (self.place / name).symlink_to(ROOT / name)
        program = self.place / ".bin" / "drmemctl"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m drmemctl "$@"\n')
        program.chmod(0o755)

    def run(self, line: str) -> str:
        """Run a command and return what it prints, on both streams."""
        assert "<<" not in line, "what stands below a command is what it prints: a file is written by printf"
        if line == _ASKED:
            return f"{self.code}\n"
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
        plain = words[0] == "drmemctl" and not any(map(_NOT_PLAIN.match, words))
        self.code, out = self._run_here(line) if plain else self._run_in_shell(line)
        return out

    def _run_here(self, line: str) -> tuple[int, str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.chdir(self.place):
            code = main(shlex.split(line, comments=True)[1:])
        return code, out.getvalue()

    def _run_in_shell(self, line: str) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-c", line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=self.place,
            env={**os.environ, "PATH": f"{self.place / '.bin'}:{os.environ['PATH']}"},
            timeout=120,
        )
        return done.returncode, done.stdout.decode()

    def renewed(self, block: str) -> str:
        """Run a block and return it with what was printed; lines that are elided stay so where they hold."""
        parts = []
        given = list(entries(block))
        for number, entry in enumerate(given):
            out = self.run(entry.line)
            asked = number + 1 < len(given) and given[number + 1].line == _ASKED
            if self.code not in (0, 1) and not asked and entry.line != _ASKED:
                self.unexpected.append(f"{entry.line}: {self.code}")
            parts.append(f"{entry.command}\n{entry.printed if entry.holds(out) else out}")
        return "".join(parts)


def renewed(text: str, shell: Shell) -> str:
    """Return a document with what its commands print now."""
    return BLOCK.sub(lambda match: f"```console\n{shell.renewed(match[1])}```", text)
