# SPDX-License-Identifier: MIT
"""Long output on a terminal goes through the user's pager, and nothing else does."""

from __future__ import annotations

import io
import os
import pty
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from drmemctl.cli.app import main
from drmemctl.output import pager
from tests.cli.running import COMMAND, Outcome, environment, run
from tests.conftest import FIXTURES, ROOT

TREE = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"
LONG = ("rules",)


class Terminal(io.StringIO):
    """A terminal of 24 lines; what is said on standard error stands there as well."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Room(NamedTuple):
    """A terminal and a pager that keeps what it is given."""

    terminal: Terminal
    kept: Path

    def run(self, *arguments: str | Path) -> Outcome:
        with redirect_stdout(self.terminal), redirect_stderr(self.terminal):
            code = main([str(argument) for argument in arguments])
            assert sys.stdout is self.terminal
        shown = self.terminal.getvalue()
        self.terminal.seek(0)
        self.terminal.truncate()
        return Outcome(code, shown, self.kept.read_text() if self.kept.exists() else "")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    kept = tmp_path / "paged"
    terminal = Terminal()
    monkeypatch.setattr(pager, "_has_keyboard", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PAGER", "never asked")
    monkeypatch.setenv("DRMEMCTL_PAGER", f"sh -c 'cat > {kept}'")
    return Room(terminal, kept)


def test_what_is_longer_than_the_screen_goes_to_the_pager_whole(room: Room) -> None:
    paged = room.run(*LONG)
    unpaged = room.run(*LONG, "--no-pager")
    assert paged == (0, "", unpaged.out)
    assert len(unpaged.out.splitlines()) > 100


def test_what_fits_starts_no_pager(room: Room) -> None:
    done = room.run("lmb", TREE)
    assert done.code == 0
    assert "node" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    "variables",
    [
        {"NO_PAGER": "1"},
        {"DRMEMCTL_NO_PAGER": "1"},
        {"DRMEMCTL_PAGER": ""},
        {"DRMEMCTL_PAGER": "cat"},
        {"DRMEMCTL_PAGER": "/nonesuch/less -R"},
        {"DRMEMCTL_PAGER": "'less"},
        {"TERM": "dumb"},
        {"DRMEMCTL_RULES_NO_PAGER": "1"},
    ],
)
def test_without_a_pager_all_goes_to_the_terminal(
    variables: dict[str, str], room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = room.run(*LONG, "--no-pager")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert room.run(*LONG) == whole
    assert not room.kept.exists()


@pytest.mark.parametrize("command", ["true", "false", "sh -c 'head -c 10 > /dev/null'"])
def test_a_pager_that_ends_early_is_nothing_to_complain_about(
    command: str, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRMEMCTL_PAGER", command)
    monkeypatch.setattr(Terminal, "fileno", lambda _self: os.open(os.devnull, os.O_WRONLY))
    assert room.run("tree", FIXTURES / "captures" / "6.1-lpm.dtb.gz", "--all") == (0, "", "")


def test_what_is_said_stands_behind_what_was_printed(room: Room) -> None:
    """Where two LMBs are in no node, standard error has it last, as without a pager."""
    arguments = ("show", FIXTURES / "boot" / "aa-out-of-range.dtb.gz")
    assert room.run(*arguments) == room.run(*arguments, "--no-pager")


def test_a_pipe_is_not_paged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRMEMCTL_PAGER", "false")
    assert run(*LONG) == run(*LONG, "--no-pager")


def test_the_pager_has_the_terminal(tmp_path: Path) -> None:
    """A whole process, whose terminal has a keyboard."""
    kept = tmp_path / "paged"
    child, ours = pty.fork()
    if not child:
        os.chdir(ROOT)
        os.execve(COMMAND[0], [*COMMAND, *LONG], environment({"TERM": "xterm", "PAGER": f"sh -c 'cat > {kept}'"}))
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the terminal's end
        pass
    assert os.waitpid(child, 0)[1] == 0
    assert shown == b""
    assert "DRM001" in kept.read_text()
