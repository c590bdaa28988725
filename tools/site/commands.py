# SPDX-License-Identifier: MIT
"""A page for each command, made from its own help."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from textwrap import dedent

import click

from drmemctl.cli.app import app
from tools.manual import command_contexts
from tools.site.markdown import code, fenced, table, text

FOLDER = "reference/commands"
_WIDTH = 100
_EXIT_CODES = (
    "[Exit codes](../../inputs.md#exit-codes) and [what TREE may be](../../inputs.md#tree) are the same for all."
)


def commands() -> dict[str, click.Command]:
    """Return the commands by name, in their order; those of a group, as `fleet check`, behind it."""
    program = click.Context(app, info_name="drmemctl", **app.context_settings)
    return {
        context.command_path.removeprefix("drmemctl "): context.command for context in command_contexts(program)
    }


def place(name: str) -> str:
    """Return the file of a command's page."""
    return f"{name.replace(' ', '-')}.md"


def pages() -> dict[str, str]:
    """Return the pages by path below docs."""
    made = {f"{FOLDER}/{place(name)}": page(name, command) for name, command in commands().items()}
    return {f"{FOLDER}/index.md": _index(), **made}


def page(name: str, command: click.Command) -> str:
    """Return the page of a command."""
    *group, last = name.split()
    parent = click.Context(app, info_name=" ".join(["drmemctl", *group]), **app.context_settings)
    context = click.Context(command, parent, last, max_content_width=_WIDTH, terminal_width=_WIDTH)
    parts = [f"# drmemctl {name}", *_paragraphs(command.help or "")]
    parts += ["## Usage", fenced(command.get_usage(context).removeprefix("Usage: "))]
    parts += ["## Options", table(["option", "meaning"], _options(command, context))]
    parts += _paragraphs(command.epilog or "")
    return "\n\n".join([*parts, "---", _EXIT_CODES]) + "\n"


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield code(record[0]), text(record[1])


def _paragraphs(plain: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; those that Click does not wrap are its examples and lists."""
    for paragraph in cleandoc(plain).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first.strip() != "\b":
            yield text(" ".join(paragraph.split()))
            continue
        title, _, lines = rest.partition("\n")
        yield f"## {title.rstrip(':').partition(',')[0]}"
        yield fenced(dedent(lines))


def _index() -> str:
    rows = (
        (f"[`drmemctl {name}`]({place(name)})", text(command.get_short_help_str(limit=200)))
        for name, command in commands().items()
    )
    parts = ["# Commands", text(app.help or ""), table(["command", "what it does"], rows)]
    return "\n\n".join([*parts, *_paragraphs(app.epilog or "")]) + "\n"
