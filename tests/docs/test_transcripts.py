# SPDX-License-Identifier: MIT
"""Every transcript in README.md and docs is what its commands print; `python -m tests.docs` writes them anew."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from drmemctl.cli.app import app
from tests.cases import each
from tests.conftest import ROOT
from tests.docs.transcripts import Entry, Shell, documents, entries, renewed

pytestmark = pytest.mark.one_python

FENCE = re.compile(r"^ *(?:```|~~~)(\w*)([^\n]*)\n(.*?)^ *(?:```|~~~)$", re.MULTILINE | re.DOTALL)
EVERY_PAGE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

NOT_RUN = {
    "README.md": 1,  # make and pip
    "docs/index.md": 1,  # pip
    "docs/captures.md": 3,  # on the machine that is to be captured
    "docs/fleets.md": 4,  # pip, duckdb's shell, a page, a cluster
    "docs/firmware.md": 2,  # QEMU
    "docs/how-it-is-tested.md": 1,  # makedumpfile, crash
    "docs/kernel-development.md": 1,  # make oracle
    "docs/qualify.md": 3,  # QEMU, and a kernel
    "docs/release.md": 2,  # a tag, a signature
    "docs/scenarios/README.md": 1,  # the pages that it leads to have it
    "docs/schemas/README.md": 1,  # check-jsonschema
}
"""Blocks fenced as `sh`, which nothing runs: they install, or need another machine."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def fences(path: Path) -> list[tuple[str, str, str]]:
    """Return language, what else stands in the opening line, and content of the fenced blocks of a document."""
    return FENCE.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_a_document_shows_what_is_printed(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shell = Shell(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert renewed(text, shell) == text
    assert shell.unexpected == []


def test_no_transcript_is_written_so_that_it_is_not_run() -> None:
    odd = [
        (name_of(path), language, more)
        for path in EVERY_PAGE
        for language, more, content in fences(path)
        if more or (language != "console" and re.search(r"^\$ ", content, re.MULTILINE))
    ]
    assert odd == []


def test_what_is_not_run_is_listed() -> None:
    counted = {name_of(path): [language for language, _, _ in fences(path)].count("sh") for path in EVERY_PAGE}
    assert {name: count for name, count in counted.items() if count} == NOT_RUN


INLINE = re.compile(r"`(drmemctl [a-z]+(?: [^`]*)?)`")


def commands_not_run() -> list[str]:
    """Return the commands in blocks that are not run, and those that are named within sentences."""
    lines = {
        line.strip()
        for path in EVERY_PAGE
        for language, _, content in fences(path)
        if language == "sh"
        for line in content.splitlines()
    }
    named = {
        line for path in EVERY_PAGE for line in INLINE.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    }
    return sorted(line for line in lines | named if line.startswith("drmemctl "))


@each("line", commands_not_run())
def test_a_command_that_is_not_run_has_its_options(line: str) -> None:
    words = shlex.split(line, comments=True)
    command: click.Command | None = app
    for word in words[1:]:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
        assert command is not None, word
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words[2:] if word.startswith("--") and word.partition("=")[0] not in known] == []


def test_a_block_is_taken_apart() -> None:
    block = "$ drmemctl lmb x \\\n    --expand\na\n\nb\n$ echo $?\n0\n"
    assert list(entries(block)) == [
        Entry("$ drmemctl lmb x \\\n    --expand", "a\n\nb\n"),
        Entry("$ echo $?", "0\n"),
    ]


@pytest.mark.parametrize(
    ("printed", "out", "holds"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nB\n", False),
        ("a\n", "a", False),
        ("", "", True),
        ("", "a\n", False),
        ("a\n...\n", "a\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nb\nc\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_what_holds(printed: str, out: str, holds: bool) -> None:
    assert Entry("$ x", printed).holds(out) is holds


def test_a_wrong_transcript_is_seen_and_renewed(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    text = "```console\n$ echo a | tr a b\nc\n$ drmemctl show missing.dtb\n$ echo $?\n0\n```\n"
    made = renewed(text, shell)
    assert made.startswith(
        "```console\n$ echo a | tr a b\nb\n$ drmemctl show missing.dtb\ndrmemctl: missing.dtb: "
    )
    assert made.endswith("\n$ echo $?\n3\n```\n")
    assert shell.unexpected == []


def test_an_exit_code_that_nobody_asks_for_is_seen(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    renewed("```console\n$ drmemctl show missing.dtb\n```\n", shell)
    assert shell.unexpected == ["drmemctl show missing.dtb: 3"]
