# SPDX-License-Identifier: MIT
"""`drmemctl map`: the address space as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, format_option, open_tree, report_defects, tree_argument
from drmemctl.cli.kernel_options import kernel_option, reading_of
from drmemctl.cli.option import WholeNumber
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl map guest.dtb
  drmemctl map guest.dtb --width 120 --color never
  drmemctl map guest.dtb -o node,memory --sort memory
  drmemctl map guest.dtb --format json
  drmemctl map guest.dtb --format svg > memory.svg
"""


@click.command(
    "map",
    cls=TableCommand.of("drmemctl.output.map_key:COLUMNS"),
    short_help="Draw the address space, a letter and a colour for each node.",
    epilog=_EXAMPLE,
)
@tree_argument()
@click.option("--width", metavar="N", type=WholeNumber(24, 1000), help="Columns to use; the terminal's, or 80.")
@kernel_option()
@format_option("text", "json", "csv", "svg")
@table_options
@color_option()
def command(tree: str, width: int | None, kernel: Profile | None, format: str, screen: Screen) -> None:
    """Draw the address space: a letter and a colour for each node.

    Upper-case letters are assigned LMBs, lower-case ones memory@ nodes. Large holes are left out and named.
    As SVG it is the same picture for documents, light and dark. With an option about columns its key is printed
    alone, as a table.
    """
    from drmemctl.model.address_map import AddressMap
    from drmemctl.model.memory import Memory
    from drmemctl.output.map import show_key, show_map
    from drmemctl.output.map_key import COLUMNS
    from drmemctl.output.table import AS_IT_IS

    device_tree = open_tree(tree)
    reading = reading_of(device_tree, kernel)
    memory = Memory.from_tree(device_tree, reading.rules)
    address_map, choice = AddressMap.of(memory), table_choice(COLUMNS, format)
    if choice == AS_IT_IS:
        show_map(screen, address_map, format, width, reading.kernel)
    else:
        show_key(screen, address_map, choice)
    report_defects(memory.defects)
