# SPDX-License-Identifier: MIT
"""`drmemctl map`: the address space as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, format_option, open_tree, report_defects, tree_argument
from drmemctl.cli.kernel_options import kernel_option, reading_of
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl map guest.dtb
  drmemctl map guest.dtb --width 120 --color never
  drmemctl map guest.dtb --format json
  drmemctl map guest.dtb --format svg > memory.svg
"""


@click.command("map", short_help="Draw the address space, a letter and a colour for each node.", epilog=_EXAMPLE)
@tree_argument()
@click.option("--width", metavar="N", type=click.IntRange(24, 1000), help="Columns to use; the terminal's, or 80.")
@kernel_option()
@format_option("text", "json", "csv", "svg")
@color_option()
def command(tree: str, width: int | None, kernel: Profile | None, format: str, screen: Screen) -> None:
    """Draw the address space: a letter and a colour for each node.

    Upper-case letters are assigned LMBs, lower-case ones memory@ nodes. Large holes are left out and named.
    As SVG it is the same picture for documents, light and dark.
    """
    from drmemctl.model.address_map import AddressMap
    from drmemctl.model.memory import Memory
    from drmemctl.output.map import show_map

    device_tree = open_tree(tree)
    reading = reading_of(device_tree, kernel)
    memory = Memory.from_tree(device_tree, reading.rules)
    show_map(screen, AddressMap.of(memory), format, width, reading.kernel)
    report_defects(memory.defects)
