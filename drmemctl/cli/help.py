# SPDX-License-Identifier: MIT
"""`drmemctl help`: the same as `--help` behind the words that follow."""

from __future__ import annotations

import click

_EXAMPLE = """
\b
Examples:
  drmemctl help lmb
  drmemctl help fleet check
"""


@click.command("help", short_help="Show the help of a command.", epilog=_EXAMPLE)
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def command(context: click.Context, words: tuple[str, ...]) -> None:
    """Show what `drmemctl COMMAND --help` shows; without a COMMAND, what `drmemctl --help` does."""
    shown = context.find_root()
    for word in words:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"{shown.command_path} has no commands of its own.", shown)
        name, inner, _ = shown.command.resolve_command(shown, [word])
        if inner is not None:
            shown = click.Context(inner, info_name=name, parent=shown)
    click.echo(shown.get_help(), color=shown.color)
