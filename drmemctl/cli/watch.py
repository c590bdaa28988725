# SPDX-License-Identifier: MIT
"""`drmemctl watch`: what changes in tree and memory blocks, as it changes."""

from __future__ import annotations

import click

from drmemctl.cli.common import color_option, format_option, root_option
from drmemctl.cli.option import Count, Seconds
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen

_EXAMPLE = """
\b
Examples:
  drmemctl watch
  drmemctl watch --interval 0.5 --format ndjson | tee changes.ndjson

Ctrl-C stops it.
"""


@click.command(
    "watch",
    cls=TableCommand.with_tables({"Changes": "drmemctl.output.watch:CHANGE_WORDS"}),
    short_help="Show what changes on this machine, as it changes.",
    epilog=_EXAMPLE,
)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=Seconds(0.05),
    default=2.0,
    show_default=True,
    help="Seconds between polls.",
)
@click.option("--count", metavar="N", type=Count(1), help="Stop after so many polls.")
@root_option()
@format_option("auto", "ndjson", "text")
@color_option(paged=False)
def command(interval: float, count: int | None, root: str, format: str, screen: Screen) -> None:
    """Show what changes on this machine: LMBs and other properties, memory blocks, and findings as they appear.

    A live table on a terminal, else NDJSON: a line for the state at the start, then one for each change.
    """
    from drmemctl.compare.watching import looks
    from drmemctl.output.watch import show_changes

    live = format == "text" or (format == "auto" and screen.terminal)
    show_changes(screen, looks(root, interval, count), live=live)
