# SPDX-License-Identifier: MIT
"""Manual pages, made of the help of the commands: `python -m tools.manual DIRECTORY` writes them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from inspect import cleandoc
from pathlib import Path
from textwrap import wrap

import click

from drmemctl._version import __version__
from drmemctl.cli.app import app
from drmemctl.cli.table_options import TableCommand

_WIDTH = 72
"""Of lines in the files, before escapes; a reader fills them anew."""

_ENVIRONMENT = (
    ("DRMEMCTL_DEBUG", "1 shows where an error comes from."),
    ("DRMEMCTL_MAX_MIB", "Raises the size of input that is accepted, in MiB."),
    ("NO_COLOR", "Set to anything, no colour where --color does not say otherwise."),
)


def pages() -> dict[str, str]:
    """Return the manual pages by file name."""
    with click.Context(app, info_name="drmemctl", **app.context_settings) as ctx:
        pages = {"drmemctl.1": _page(ctx)}
        for command_ctx in command_contexts(ctx):
            pages[f"{command_ctx.command_path.replace(' ', '-')}.1"] = _page(command_ctx)
    return pages


def command_contexts(ctx: click.Context) -> Iterator[click.Context]:
    """Yield a context for each command of a group, and behind that of a group those of its own commands."""
    group = ctx.command
    assert isinstance(group, click.Group)  # noqa: S101 - so are the program and those that get here
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None  # noqa: S101 - the group lists it
        command_ctx = click.Context(command, info_name=name, parent=ctx)
        yield command_ctx
        if isinstance(command, click.Group):
            yield from command_contexts(command_ctx)


def write(folder: Path) -> None:
    """Write the manual pages into a directory."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="ascii")


def _page(ctx: click.Context) -> str:
    return "\n".join(_lines(ctx)) + "\n"


def _lines(ctx: click.Context) -> Iterator[str]:
    command, name = ctx.command, ctx.command_path.replace(" ", "-")
    summary, *paragraphs = cleandoc(command.help or "").split("\n\n")
    yield f'.TH {_escaped(name.upper())} 1 "{_date()}" "drmemctl {__version__}" "drmemctl"'
    yield ".SH NAME"
    yield f"{_escaped(name)} \\- {_flowing(_sentence(summary))}"
    yield ".SH SYNOPSIS"
    yield f".B {_escaped(ctx.command_path)}"
    yield _escaped(" ".join(command.collect_usage_pieces(ctx)))
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate([summary, *paragraphs]):
        yield from [".PP"] * bool(number)
        yield _flowing(paragraph)
    if isinstance(command, click.Group):
        yield from _commands(ctx)
    yield ".SH OPTIONS"
    options = (param for param in command.get_params(ctx) if isinstance(param, click.Option))
    for record in filter(None, (option.get_help_record(ctx) for option in options)):
        yield from _item(*record)
    if isinstance(command, TableCommand):
        for heading, explained in command.explanations():
            yield f".SH {_escaped(heading.upper())}"
            for word, meaning in explained:
                yield from _item(word, meaning)
    yield from _notes(command.epilog or "")
    if command is app:
        yield ".SH ENVIRONMENT"
        for variable, meaning in _ENVIRONMENT:
            yield from _item(variable, meaning)
    else:
        # What TREE is and which exit codes there are is said once.
        yield ".SH SEE ALSO"
        yield "\\fBdrmemctl\\fR(1)"


def _date() -> str:
    """Return the day that the build says it is of; the day it happens on would make each build another."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    return "" if seconds is None else datetime.fromtimestamp(int(seconds), UTC).date().isoformat()


def _sentence(summary: str) -> str:
    """Return the first sentence as the line of NAME has it: without its stop, in lower case."""
    sentence = summary.replace("\n", " ").partition(". ")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _commands(ctx: click.Context) -> Iterator[str]:
    yield ".SH COMMANDS"
    for command_ctx in command_contexts(ctx):
        yield ".TP"
        yield f"\\fB{_escaped(command_ctx.command_path.replace(' ', '-'))}\\fR(1)"
        yield _flowing(cleandoc(command_ctx.command.help or "").split("\n\n")[0])


def _item(term: str, text: str) -> Iterator[str]:
    yield ".TP"
    names, blank, value = term.partition(" ") if term.startswith("--") else (term, "", "")
    match = re.fullmatch(r"(-\w, --[\w-]+)( .*)?", term)
    if match:
        names, value, blank = match[1], (match[2] or "").strip(), " " if match[2] else ""
    yield f"\\fB{_escaped(names)}\\fR{blank}{_escaped(value)}"
    yield _flowing(text)


def _notes(epilog: str) -> Iterator[str]:
    """Yield an epilog: paragraphs, and those marked to stay as they are under their first line."""
    notes: list[str] = []
    examples: list[str] = []
    for paragraph in cleandoc(epilog).split("\n\n"):
        is_plain = paragraph.startswith("\b")
        lines = paragraph.removeprefix("\b\n").splitlines()
        if is_plain and lines[0] == "Examples:":
            examples += ["", *lines[1:]]
        elif is_plain:
            notes += [".PP", _escaped(lines[0]), ".PP", *_as_it_stands(lines[1:])]
        elif paragraph:
            notes += [".PP", _flowing(paragraph)]
    yield from [".SH NOTES", *notes[1:]] if notes else []
    yield from [".SH EXAMPLES", *_as_it_stands(examples[1:])] if examples else []


def _as_it_stands(lines: list[str]) -> list[str]:
    return [".nf", *(_escaped(line.removeprefix("  ")) for line in lines), ".fi"]


def _flowing(text: str) -> str:
    """Return text to be filled: each sentence on lines of its own, as roff wants it."""
    sentences = re.split(r"(?<=[.!?:]) (?=[A-Z])", " ".join(text.split()))
    lines = (line for sentence in sentences for line in wrap(sentence, _WIDTH, break_on_hyphens=False))
    return "\n".join(map(_escaped, lines))


def _escaped(text: str) -> str:
    """Return text that roff prints as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    text = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)
    return f"\\&{text}" if text[:1] in (".", "'") else text


if __name__ == "__main__":
    write(Path(sys.argv[1]))
