# SPDX-License-Identifier: MIT
"""`drmemctl numa`: nodes, their memory and CPUs, and the distances between them."""

from __future__ import annotations

import click

from drmemctl.cli.common import color_option, format_option, open_tree, report_defects, tree_argument
from drmemctl.output.screen import Screen

_EXAMPLE = """
\b
Examples:
  drmemctl numa /proc/device-tree
  drmemctl numa guest.dtb --format json
"""


@click.command("numa", short_help="Show NUMA nodes, their memory and CPUs, and distances.", epilog=_EXAMPLE)
@tree_argument()
@format_option("table", "json", "csv")
@color_option()
def command(tree: str, format: str, screen: Screen) -> None:
    """Show the NUMA nodes that Linux makes: memory, CPUs, and the distances between them.

    A node without memory or CPUs is listed among the distances only, where the firmware's table names it.
    """
    from drmemctl.model.memory import Memory, Tally
    from drmemctl.model.numa import NumaLayout
    from drmemctl.output.numa import show_numa

    device_tree = open_tree(tree)
    memory = Memory.from_tree(device_tree)
    layout = NumaLayout.of(device_tree, memory, Tally.of(memory))
    show_numa(screen, layout, format)
    report_defects(memory.defects + layout.defects)
