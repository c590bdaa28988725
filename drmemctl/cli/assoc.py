# SPDX-License-Identifier: MIT
"""`drmemctl assoc`: the associativity lookup arrays and who uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, format_option, limit_option, open_tree, report_defects, tree_argument
from drmemctl.cli.kernel_options import kernel_option, reading_of
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.model.sizes import LISTS
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl assoc /proc/device-tree
  drmemctl assoc guest.dtb --format csv
"""


@click.command(
    "assoc",
    cls=TableCommand.of("drmemctl.output.assoc:COLUMNS"),
    short_help="Show the associativity lookup arrays and who uses them.",
    epilog=_EXAMPLE,
)
@tree_argument()
@limit_option(LISTS, "Arrays that may be listed.")
@kernel_option()
@format_option("text", "json", "csv")
@table_options
@color_option()
def command(tree: str, limit: int, kernel: Profile | None, format: str, screen: Screen) -> None:
    """Show the associativity lookup arrays: domains, node, and the LMBs that have each.

    After the arrays come the LMBs that have none: aa_index unset, out of range, or flagged as invalid.
    """
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.drmem import Drmem
    from drmemctl.model.lookup_usage import LookupUsage
    from drmemctl.output.assoc import COLUMNS, show_usage

    choice = table_choice(COLUMNS, format)
    device_tree = open_tree(tree)
    drmem = Drmem.from_tree(device_tree)
    reading = reading_of(device_tree, kernel)
    associativity = Associativity.from_tree(device_tree, reading.rules)
    show_usage(screen, LookupUsage.of(drmem, associativity, limit), format, reading.kernel, choice)
    report_defects(drmem.defects + associativity.defects)
