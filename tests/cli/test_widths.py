# SPDX-License-Identifier: MIT
"""What a terminal shows is no wider than that is, and no word of it is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drmemctl.output.screen import Screen
from tests.cases import each
from tests.cli.outputs import PRINTING, RACE
from tests.cli.running import on_terminal, run
from tests.conftest import FIXTURES, fixture_trees, tree_name
from tests.wide import PART, share

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_STRING = re.compile(r'"[^"]*"')
_AS_IT_IS = ("show json", "simulate json", "convert", "capture --script", "--help", "simulate --help")
"""Data, and help texts, which Click breaks."""

TABLES = ("show", "lmb", "map", "assoc", "numa", "memblock", "blocks", "check", "tree")


def shown(*arguments: str | Path, width: int) -> list[str]:
    text = on_terminal(*arguments, COLUMNS=str(width), PAGER="cat").decode()
    return _CONTROL.sub("", text).replace("\r", "").split("\n")


def too_wide(lines: list[str], width: int) -> list[str]:
    """Return the lines that are too wide, but those of one word, or string, which cannot be broken."""
    return [line for line in lines if len(line) > width and len(_STRING.sub("", line).split()) > 1]


@pytest.mark.parametrize("width", [80, 100, 200])
@each("name", [name for name in PRINTING if name not in _AS_IT_IS])
def test_every_command_fits(name: str, width: int) -> None:
    assert too_wide(shown(*PRINTING[name][1], width=width), width) == []


def test_every_table_of_bundled_trees_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tree and command at a width, by turns, in this process: that a terminal is asked is shown above."""
    wrong = {}
    for number, path in enumerate(fixture_trees()):
        width = (80, 100, 200)[(number + PART) % 3]
        screen = Screen(terminal=True, width=width)
        monkeypatch.setattr(Screen, "detect", lambda _color="auto", screen=screen: screen)
        for command in share(TABLES, number, 3):
            if lines := too_wide(run(command, path).out.split("\n"), width):
                wrong[f"{command} {tree_name(path)} {width}"] = lines[:3]
    assert wrong == {}


def test_words_are_broken_nowhere() -> None:
    narrow, wide = (" ".join(" ".join(shown("explain", "DRM121", width=width)).split()) for width in (80, 400))
    assert narrow == wide


@pytest.mark.parametrize(
    "arguments",
    [
        ("repair", FIXTURES / "tutorial/lpar7-after.tar.xz", "--hypervisor", "powervm"),
        ("repair", FIXTURES / "tutorial/lpar7-after.tar.xz", "unmovable 0x80000005", "--hypervisor", "powervm"),
        ("removable", FIXTURES / "tutorial/lpar7-after.tar.xz", "unmovable 0x80000005"),
        ("kexec", RACE, "dlpar memory remove count 1", "--load", "file", "--kernel", "6.12"),
        ("kexec", RACE, "--for", "fadump", "--kernel", "6.12"),
    ],
)
def test_text_around_tables_fits(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str | Path, ...]) -> None:
    monkeypatch.setattr(Screen, "detect", lambda _color="auto": Screen(terminal=True, width=80))
    lines = run(*arguments).out.split("\n")
    assert len(lines) > 4
    assert too_wide(lines, 80) == []
