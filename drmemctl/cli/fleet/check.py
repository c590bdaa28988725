# SPDX-License-Identifier: MIT
"""`drmemctl fleet check`: any number of inputs, judged into a data set."""

from __future__ import annotations

import click

from drmemctl.cli.fleet.extra import check_extra

_EXAMPLE = """
\b
Examples:
  drmemctl fleet check captures/ -o fleet
"""


@click.command("check", short_help="Judge many inputs into a data set.", epilog=_EXAMPLE)
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="DATASET", required=True, help="Directory or URL of the data set.")
def command(urls: tuple[str, ...], output: str) -> int:  # noqa: ARG001
    """Judge many inputs into a data set."""
    check_extra()
    return 0
