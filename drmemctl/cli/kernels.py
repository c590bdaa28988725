# SPDX-License-Identifier: MIT
"""`drmemctl kernels`: what kernels can do that `simulate` knows, and what two of them differ in."""

from __future__ import annotations

from typing import Any

import click

from drmemctl.cli.common import color_option, format_option
from drmemctl.cli.kernel_options import complete_kernels, named_kernel
from drmemctl.cli.plugin_options import plugin_option
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen

_EXAMPLE = """
\b
Examples:
  drmemctl kernels
  drmemctl kernels 6.1
  drmemctl kernels 5.10 6.1
  drmemctl kernels latest arrayless --format markdown

A kernel is a release (5.10, 6.12.3), what uname -r prints, or one of the names listed.
"""


@click.command(
    "kernels",
    cls=TableCommand.of("drmemctl.output.kernels:COLUMNS"),
    short_help="List what kernels can do, or what two differ in.",
    epilog=_EXAMPLE,
)
@click.argument("kernels", metavar="[KERNEL [OTHER]]", nargs=-1, shell_complete=complete_kernels)
@plugin_option()
@format_option("text", "json", "csv", "markdown")
@table_options
@color_option()
def command(kernels: tuple[str, ...], format: str, screen: Screen) -> None:
    """List the capabilities that kernels differ in, with the releases that have each, commit and source.

    With a KERNEL, those that it has; with OTHER as well, those that one of the two has and the other has not.
    With an option about columns, as a table.
    """
    from drmemctl.kernel.profiles import PROFILES
    from drmemctl.output.kernels import COLUMNS, KernelsView, show_kernels

    if len(kernels) > 2:
        raise click.UsageError("at most two kernels can be compared.")
    chosen: Any = tuple(named_kernel(name) for name in kernels)
    show_kernels(screen, KernelsView(chosen, PROFILES), format, table_choice(COLUMNS, format))
