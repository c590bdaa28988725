# SPDX-License-Identifier: MIT
"""`drmemctl config`: what options are set to, and where that comes from."""

from __future__ import annotations

import click

from drmemctl.cli.common import color_option, format_option
from drmemctl.cli.found_settings import chosen_file
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen, say
from drmemctl.wording import nearest

_EXAMPLE = """
\b
Examples:
  drmemctl config
  drmemctl config lmb
  DRMEMCTL_LMB_SORT=size drmemctl config lmb --format json

What counts more comes first: the command line; a variable, DRMEMCTL_ and the words of command and option
(DRMEMCTL_FLEET_CHECK_JOBS=4); the table of the command in pyproject.toml ([tool.drmemctl.lmb], keys as options) or
drmemctl.toml; the keys of [tool.drmemctl]; the default. A file of settings names no files, programs and steps, and
sets bounds only lower: it may be a stranger's.
"""


@click.command(
    "config",
    cls=TableCommand.of("drmemctl.output.config:COLUMNS"),
    short_help="Show what options are set to, and where that comes from.",
    epilog=_EXAMPLE,
)
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@format_option("text", "json", "csv")
@table_options
@color_option()
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], format: str, screen: Screen) -> None:
    """Show which options are set by variables and settings files; for a COMMAND, all options with their values."""
    from drmemctl.cli.configuration import commands_below, settings_shown, unknown_variables
    from drmemctl.output.config import COLUMNS, show_config

    group = ctx.find_root().command
    assert isinstance(group, click.Group)  # noqa: S101 - it is the program
    settings = list(settings_shown(group, words))
    if words and not settings:
        near = nearest(" ".join(words), [" ".join(name) for name in commands_below(group)])
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise click.UsageError(f"No such command {' '.join(words)!r}.{meant}")
    show_config(screen, chosen_file(), settings, format, table_choice(COLUMNS, format))
    for name in unknown_variables(group):
        say(f"{name} is a variable of no option")
