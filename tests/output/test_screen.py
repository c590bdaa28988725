# SPDX-License-Identifier: MIT
"""Standard output: colour decided, text in large blocks, an end that is gone or full."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drmemctl.errors import WriteError
from drmemctl.output.screen import NODE_STYLES, Screen, node_style, write_bytes


class Output(io.TextIOWrapper):
    """A standard output that counts its writes and may fail or be a terminal."""

    def __init__(self, *, terminal: bool = False, fails: int | None = None, after: int = 0) -> None:
        self.raw_bytes = io.BytesIO()
        super().__init__(self.raw_bytes, encoding="utf-8", write_through=True)
        self.calls: list[str] = []
        self._terminal, self._fails, self._after = terminal, fails, after
        self._spare = os.open(os.devnull, os.O_WRONLY)

    def isatty(self) -> bool:
        return self._terminal

    def fileno(self) -> int:
        return self._spare

    def write(self, text: str) -> int:
        if self._fails is not None and len(self.calls) >= self._after:
            raise OSError(self._fails, os.strerror(self._fails))
        self.calls.append(text)
        return len(text)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def output(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool = False, fails: int | None = None, after: int = 0
) -> Output:
    made = Output(terminal=terminal, fails=fails, after=after)
    monkeypatch.setattr(sys, "stdout", made)
    return made


DECISIONS = [
    ("auto", {}, False, False),
    ("auto", {}, True, True),
    ("auto", {"TERM": "dumb"}, True, False),
    ("auto", {"NO_COLOR": "1"}, True, False),
    ("auto", {"NO_COLOR": ""}, True, True),
    ("auto", {"FORCE_COLOR": "1"}, False, True),
    ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True),
    ("never", {"FORCE_COLOR": "1"}, True, False),
]


@pytest.mark.parametrize(("option", "variables", "terminal", "color"), DECISIONS)
def test_colour_is_decided_by_option_then_environment_then_terminal(
    option: str, variables: dict[str, str], terminal: bool, color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    output(monkeypatch, terminal=terminal)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen = Screen.detect(option)
    assert (screen.color, screen.terminal) == (color, terminal)


@pytest.mark.parametrize(("columns", "width"), [("123", 123), ("", 80), ("wide", 80), (None, 80)])
def test_the_width_of_a_terminal_is_that_of_columns(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    output(monkeypatch, terminal=True)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert Screen.detect().width == width


@pytest.mark.parametrize("columns", ["0", "-5"])
def test_a_width_that_cannot_be_is_not_taken(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output(monkeypatch, terminal=True)
    monkeypatch.setenv("COLUMNS", columns)
    assert Screen.detect().width == 80


def test_a_style_is_its_sequence_and_the_end_of_it() -> None:
    assert Screen(color=True).style("x", "bold red") == "\x1b[1;31mx\x1b[0m"


@pytest.mark.parametrize(("color", "text", "style"), [(False, "x", "red"), (True, "", "red"), (True, "x", None)])
def test_without_colour_text_or_style_nothing_is_added(color: bool, text: str, style: str | None) -> None:
    assert Screen(color=color).style(text, style) == text


def test_every_node_has_a_colour_that_there_is() -> None:
    assert node_style(None) == "dim"
    assert [node_style(node) for node in range(6)] == list(NODE_STYLES)
    assert node_style(6) == node_style(0)
    assert all(Screen(color=True).style("x", node_style(node)) != "x" for node in range(300))


def test_many_pieces_are_few_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = output(monkeypatch)
    Screen().write_all(f"{number}\n" for number in range(100_000))
    assert "".join(made.calls) == "".join(f"{number}\n" for number in range(100_000))
    assert len(made.calls) < 20


def test_a_reader_that_is_gone_ends_the_writing_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    made = output(monkeypatch, fails=errno.EPIPE, after=1)
    asked = 0

    def parts() -> Iterator[str]:
        nonlocal asked
        for _ in range(10_000):
            asked += 1
            yield "x" * 1000

    Screen().write_all(parts())
    assert len(made.calls) == 1
    assert asked < 200


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_any_other_failure_is_an_error_that_says_what(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    output(monkeypatch, fails=code)
    with pytest.raises(WriteError) as caught:
        Screen().write("x")
    assert str(caught.value) == f"standard output: cannot write the output: {os.strerror(code)}"


def test_bytes_are_written_as_they_are_after_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        stream.write("text")
        write_bytes(b"\xff\x00\x1b")
        write_bytes(memoryview(b"more"))
    assert path.read_bytes() == b"text\xff\x00\x1bmore"


@pytest.mark.parametrize(
    ("screen", "width", "colour"), [(Screen(True, True, 50), 50, True), (Screen(), 100_000, False)]
)
def test_rich_is_told_the_same_decisions(screen: Screen, width: int, colour: bool) -> None:
    console = screen.console()
    assert console.width == width
    assert (console.color_system is not None) is colour
    assert console.is_terminal is colour
