# SPDX-License-Identifier: MIT
"""`drmemctl fleet`: what is done with more inputs than one machine wants to read one after the other."""

from __future__ import annotations

import click

from drmemctl.cli.lazy_group import LazyGroup
from drmemctl.cli.plugin_options import refuse_plugin_files

COMMANDS = ("check", "ask", "diff", "report", "simulate", "explore")
"""The commands, each a module of this package that is imported for it."""

_EXAMPLE = """
\b
Examples:
  drmemctl fleet check captures/ -o fleet
  drmemctl fleet ask fleet rules
  drmemctl fleet simulate captures/ --random 6 -o campaign
  drmemctl fleet check --help

All of them take the packages that pip install 'drmemctl[fleet]' adds.
"""


@click.group(
    "fleet",
    cls=LazyGroup,
    package="drmemctl.cli.fleet",
    names=COMMANDS,
    short_help="Judge many inputs, here or on a Dask cluster, into tables.",
    epilog=_EXAMPLE,
)
def command() -> None:
    """Judge many inputs, here or on a Dask cluster, into tables."""
    refuse_plugin_files()
