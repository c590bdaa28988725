# SPDX-License-Identifier: MIT
"""One name for one thing on every command, and one meaning for one name."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import click

from drmemctl.cli.app import app
from drmemctl.cli.option import RenamedOption
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, ROOT

TREE = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"

TWO_KINDS = {
    # lsmem's, which tables have: columns. Elsewhere the place to which a command writes.
    "--output": {("text", "COL,..."), ("path", "OUT"), ("text", "DATASET")},
    # One kernel; a fleet takes several, a campaign also all.
    "--kernel": {("text", "KERNEL"), ("texts", "KERNEL,..."), ("texts", "all|KERNEL,...")},
    # What findings weigh, and which rules are listed.
    "--severity": {("texts", "RULES=SEVERITY"), ("texts", "SEVERITY,...")},
    # A tree; a fleet's are URLs, for several pairs.
    "--before": {("path", "OLD"), ("texts", "URL")},
}
"""Names of which commands take values of several kinds, with why."""

SAID_DIFFERENTLY = {
    "--all": "^(All|Every)",
    "--force": "Let ",
    "--format": "What to ",
    "--kernel": "kernel|release",
    "--limit": "may ",
    "--redact": "Without serial numbers, UUIDs, location codes",
    "--show": "to show",
    "--before": "before|capture",
    "--output": "",
    "--jobs": "Processes",
    "--random": "andom",
    "--title": "The heading.",
    "--help": "",
    "--max-seconds": "Give (up|an input up)",
    "--fail-on": "exit code 1",
    "--severity": "this severity",
}
"""Names whose help depends on the command, with what it has to say everywhere."""


_HELP = ["-h", "--help"]
"""As the program has them: Click keeps the option that it makes of them with the command."""


class Use(NamedTuple):
    """An option on a command."""

    name: str
    command: str
    kind: tuple[str, str]
    help: str
    former: tuple[str, ...]


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*words, name))


def kind_of(option: click.Option) -> tuple[str, str]:
    if option.is_flag:
        return "flag", ""
    if isinstance(option.type, click.Choice):
        return "choice", ""
    word = "path" if isinstance(option.type, click.Path) else "text"
    if isinstance(option.type, click.IntRange | click.FloatRange):
        word = "number"
    return word + ("s" if option.multiple else ""), option.metavar or ""


@cache
def uses() -> tuple[Use, ...]:
    return tuple(
        Use(
            option.opts[-1],
            name,
            kind_of(option),
            re.sub(r"  \[default: .*", "", option.help or ""),
            option.former if isinstance(option, RenamedOption) else (),
        )
        for name, command in commands(app, ())
        for option in command.get_params(click.Context(command, help_option_names=_HELP))
        if isinstance(option, click.Option)
    )


@each("name", sorted({use.name for use in uses()}))
def test_a_name_has_one_meaning(name: str) -> None:
    named = [use for use in uses() if use.name == name]
    kinds = {use.kind for use in named}
    assert len(kinds) == 1 or kinds <= TWO_KINDS.get(name, set()), named
    texts = {use.help for use in named}
    if name in SAID_DIFFERENTLY:
        assert all(re.search(SAID_DIFFERENTLY[name], text) for text in texts), texts
    else:
        assert len(texts) == 1, texts


def test_a_thing_has_one_name() -> None:
    names = defaultdict(set)
    for use in uses():
        names[use.help].add(use.name)
    assert {text: found for text, found in names.items() if len(found) > 1} == {}


def test_former_names_are_no_names() -> None:
    """But of another thing of another command, which was why they were changed."""
    former = {(name, use.command) for use in uses() for name in use.former}
    assert len(former) > 10
    assert not former & {(use.name, use.command) for use in uses()}


def test_text_for_people_is_called_text_everywhere() -> None:
    for name, command in commands(app, ()):
        for option in command.params:
            if option.name == "format" and isinstance(option.type, click.Choice) and name != "convert":
                assert "table" not in option.type.choices
                assert "text" in option.type.choices or option.type.choices[0] == "dts"


@each(
    "words",
    [
        "lmb TREE --format table|--format table is called text now",
        "prop TREE /rtas --limit 3|--limit is called --show now",
        "simulate TREE expect\\ ok --verbose|--verbose is called --all now",
        "qualify --like 6.1|--like is called --kernel now",
        "report TREE --title x -o -|",
        "tree TREE /rtas --format text|",
    ],
)
def test_former_names_do_what_they_did(words: str) -> None:
    line, _, said = words.partition("|")
    arguments = [str(TREE) if word == "TREE" else word for word in shlex.split(line)]
    outcome = run(*arguments)
    assert outcome.code == (2 if line.startswith("qualify") else 0), outcome.err
    assert (f"drmemctl: {said}\n" in outcome.err) == bool(said)


def test_former_names_stand_in_no_document() -> None:
    """Neither do help texts and pages have them."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    lines = [line for path in pages for line in path.read_text().splitlines()]
    lines += [line for name, _ in commands(app, ()) for line in run(*name.split(), "--help").out.splitlines()]
    for use in uses():
        for name in use.former:
            pattern = re.compile(rf"drmemctl {use.command}\b.*\s{name}\b(?!-)")
            assert [line for line in lines if pattern.search(line)] == []
