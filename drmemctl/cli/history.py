# SPDX-License-Identifier: MIT
"""`drmemctl history`: the values that a property of a dumped kernel has had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, format_option, open_tree, show_option, tree_argument
from drmemctl.cli.kernel_options import kernel_of, kernel_option
from drmemctl.cli.node_completion import complete_nodes, complete_properties
from drmemctl.cli.table_options import TableCommand
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl history vmcore
  drmemctl history vmcore --format json
  drmemctl history vmcore /ibm,dynamic-reconfiguration-memory ibm,associativity-lookup-arrays
  drmemctl history vmcore /cpus/PowerPC,POWER9@0
"""


@click.command(
    "history",
    cls=TableCommand.of(
        "drmemctl.output.diff_text:LMB_COLUMNS",
        {
            "Lookup arrays": "drmemctl.output.diff_text:LIST_COLUMNS",
            "Other properties": "drmemctl.output.diff_text:PROPERTY_COLUMNS",
            "Who wrote a value": "drmemctl.output.history:WRITER_WORDS",
        },
    ),
    short_help="Show the values a property has had.",
    epilog=_EXAMPLE,
)
@tree_argument("dump")
@click.argument("path", metavar="[PATH", default=NODE, shell_complete=complete_nodes)
@click.argument("name", metavar="[NAME]]", required=False, shell_complete=complete_properties)
@show_option("Values of each property to show, the newest.", former=("--limit",), default=100, show_default=True)
@kernel_option()
@format_option("text", "json")
@color_option()
def command(
    dump: str, path: str, name: str | None, shown: int, kernel: Profile | None, format: str, screen: Screen
) -> None:
    """Show the values that a property has had since boot, the newest first, each against the one before.

    DUMP is the memory of a kernel, which keeps every value of a property that was replaced or removed. Without
    PATH the property of the LMBs is shown, with who wrote each value where that can be told: the kernel, which
    writes its array, or firmware or an administrator. Without NAME all properties of the node that were replaced.

    Of each value its tables have what it changed, as `drmemctl diff` shows it: old is the value before.
    """
    from drmemctl.compare.history import history, past_place
    from drmemctl.output.history import show_history

    tree = open_tree(dump)
    place = past_place(tree, path, name)
    show_history(screen, history(tree, place, kernel_of(tree, kernel), shown), format)
