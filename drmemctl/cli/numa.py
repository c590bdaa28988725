# SPDX-License-Identifier: MIT
"""`drmemctl numa`: nodes, their memory and CPUs, and the distances between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, format_option, open_tree, report_defects, tree_argument
from drmemctl.cli.kernel_options import kernel_option, reading_of
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl numa /proc/device-tree
  drmemctl numa guest.dtb --format json
"""


@click.command(
    "numa",
    cls=TableCommand.of("drmemctl.output.numa:NODE_COLUMNS", {"Distances": "drmemctl.output.numa:DISTANCE_WORDS"}),
    short_help="Show NUMA nodes, their memory and CPUs, and distances.",
    epilog=_EXAMPLE,
)
@tree_argument()
@kernel_option()
@format_option("text", "json", "csv")
@table_options
@color_option()
def command(tree: str, kernel: Profile | None, format: str, screen: Screen) -> None:
    """Show the NUMA nodes that Linux computes: memory, CPUs, and the distances between them.

    A node without memory or CPUs is listed among the distances only, where the firmware's table names it. Memory
    and CPUs are where the tree has them. Linux may have memory elsewhere after a migration, see `drmemctl blocks`,
    and CPUs where the hypervisor tells home nodes (hcall-vphn).
    """
    from drmemctl.model.memory import Memory, Tally
    from drmemctl.model.numa import NumaLayout
    from drmemctl.output.numa import NODE_COLUMNS, show_numa

    choice = table_choice(NODE_COLUMNS, format)
    device_tree = open_tree(tree)
    reading = reading_of(device_tree, kernel)
    memory = Memory.from_tree(device_tree, reading.rules)
    layout = NumaLayout.of(device_tree, memory, Tally.of(memory))
    show_numa(screen, layout, format, reading.kernel, choice)
    report_defects(memory.defects + layout.defects)
