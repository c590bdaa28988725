# SPDX-License-Identifier: MIT
"""That work goes on is shown on a terminal, after a while, and taken away."""

from __future__ import annotations

import io
import sys
from threading import Event

import pytest

from drmemctl.output import progress
from drmemctl.output.progress import working


class Terminal(io.StringIO):
    """A terminal that tells when something stands on it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if "comparing" in text:
            self.shown.set()
        return super().write(text)


def test_a_terminal_shows_what_goes_on_and_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with working("comparing"):
        assert terminal.shown.wait(30)
    assert terminal.getvalue().endswith("\x1b[2K")


def test_what_is_soon_done_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with working("comparing"):
        pass
    assert terminal.getvalue() == ""


def test_a_pipe_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    with working("comparing"):
        pass
    assert stream.getvalue() == ""
