# SPDX-License-Identifier: MIT
"""`drmemctl show`: one screen about a partition."""

from __future__ import annotations

import click

from drmemctl.cli.common import color_option, format_option, open_tree, tree_argument
from drmemctl.output.screen import Screen

_EXAMPLE = """
\b
Examples:
  drmemctl show /proc/device-tree
  drmemctl show sosreport.tar.xz
  drmemctl show guest.dtb --format json
"""


@click.command("show", short_help="Show a partition on one screen.", epilog=_EXAMPLE)
@tree_argument()
@format_option("table", "json")
@color_option()
def command(tree: str, format: str, screen: Screen) -> None:
    """Show a partition on one screen: machine, features, memory by state and by node.

    Nodes are those that Linux would make; defects are what could not be decoded as it should be, findings what
    `drmemctl check` has to say.
    """
    from drmemctl.check.tally import counted
    from drmemctl.model.overview import Overview
    from drmemctl.output.overview import show_overview

    opened = open_tree(tree)
    show_overview(screen, Overview.from_tree(opened, counted(opened)), format)
