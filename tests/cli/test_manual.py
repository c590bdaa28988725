# SPDX-License-Identifier: MIT
"""The manual pages: one of each command, with all its options, and as man and mandoc want them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from drmemctl.cli.app import COMMANDS, app
from drmemctl.cli.fleet import COMMANDS as FLEET
from tests.conftest import ROOT
from tools import manual

PAGES = manual.pages()
NAMES = (*COMMANDS, *(f"fleet-{name}" for name in FLEET))
each_command = pytest.mark.parametrize("name", NAMES)


def rendered(text: str) -> str:
    """Return a page as mandoc shows it, without its colours."""
    program = shutil.which("mandoc")
    if program is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        [program, "-Tascii", "-Owidth=100"], input=text.encode(), capture_output=True, check=True
    )
    return subprocess.run(["col", "-bx"], input=done.stdout, capture_output=True, check=True).stdout.decode()


def test_there_is_a_page_for_each_command() -> None:
    assert set(PAGES) == {"drmemctl.1", *(f"drmemctl-{name}.1" for name in NAMES)}


def named(name: str) -> click.Command:
    """Return a command, of a group as GROUP-COMMAND."""
    command: click.Command | None = app
    for word in name.split("-"):
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    return command


def examples_of(command: click.Command) -> list[str]:
    """Return the lines of its examples."""
    return (command.epilog or "").partition("Examples:\n")[2].partition("\n\n")[0].splitlines()


@each_command
def test_the_examples_are_command_lines_of_theirs(name: str) -> None:
    joined = "\n".join(examples_of(named(name))).replace("\\\n", " ")
    lines = [shlex.split(re.split(r" [|>#] ", line)[0], posix=True) for line in joined.splitlines()]
    own = [line for line in lines if line[:1] == ["drmemctl"] and "-".join(line[1:]).startswith(name)]
    for _, *words in own:
        if "--help" not in words:
            named(name).make_context(name, words[len(name.split("-")) :])
    assert own


@each_command
def test_a_page_shows_every_option_and_example(name: str) -> None:
    command = named(name)
    shown = rendered(PAGES[f"drmemctl-{name}.1"])
    plain = " ".join(shown.split())
    for option in (param for param in command.params if isinstance(param, click.Option)):
        assert all(one in plain for one in option.opts), option.opts
        assert " ".join((option.help or "").split()) in plain
    assert [line for line in examples_of(command) if line.strip() not in shown] == []
    assert all(word in plain for word in (command.help or "").split())


def test_the_first_page_leads_to_the_others() -> None:
    shown = rendered(PAGES["drmemctl.1"])
    assert [name for name in NAMES if f"drmemctl-{name}(1)" not in shown] == []
    assert "Exit codes: 0 fine" in shown
    assert "ARCHIVE::PATH" in shown


@pytest.mark.parametrize("page", sorted(PAGES))
def test_mandoc_has_nothing_to_say(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = tmp_path / page
    path.write_text(manual.pages()[page])
    assert '"2023-11-14"' in path.read_text()
    # A name and what it is for have to be on one line.
    done = subprocess.run(["mandoc", "-Tlint", path], capture_output=True, check=False, text=True)
    assert [line for line in done.stdout.splitlines() if f"{page}:3:" not in line] == []


@pytest.mark.parametrize("page", sorted(PAGES))
def test_groff_has_nothing_to_say(page: str) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-Tascii", "-ww"]
    done = subprocess.run(command, input=PAGES[page].encode(), capture_output=True, check=True)
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("text", "shown"),
    [(".x", "\\&.x"), ("'x", "\\&'x"), ("a\\b", "a\\eb"), ("-o", "\\-o"), ("1 … 2 → 3", "1 ... 2 \\[u2192] 3")],
)
def test_nothing_in_a_text_is_taken_for_a_request(text: str, shown: str) -> None:
    assert manual._escaped(text) == shown


def test_without_a_date_for_the_build_there_is_none(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    command = [sys.executable, "-m", "tools.manual", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    assert '.TH DRMEMCTL 1 "" "drmemctl ' in (tmp_path / "drmemctl.1").read_text()
