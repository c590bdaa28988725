# SPDX-License-Identifier: MIT
"""`drmemctl prop`: the properties of a node, or one of them."""

from __future__ import annotations

import sys

import click

from drmemctl.cli.common import color_option, format_option, open_any_tree, show_option, tree_argument
from drmemctl.cli.node_completion import complete_nodes, complete_properties
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen, say

_EXAMPLE = """
\b
Examples:
  drmemctl prop guest.dtb /rtas ibm,lrdr-capacity
  drmemctl prop guest.dtb /rtas:ibm,lrdr-capacity --format json
  drmemctl prop live /chosen
  drmemctl prop guest.dtb /ibm,dynamic-reconfiguration-memory ibm,dynamic-memory-v2 --raw | xxd
"""


@click.command(
    "prop",
    cls=TableCommand.of("drmemctl.output.properties:FIELD_COLUMNS"),
    short_help="Show a node's properties, field by field.",
    epilog=_EXAMPLE,
)
@tree_argument()
@click.argument("path", metavar="PATH[:NAME]", shell_complete=complete_nodes)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_properties)
@click.option("--raw", is_flag=True, help="Write the value's bytes and nothing else; needs NAME.")
@show_option(
    "Fields of a value to show; without it 4096, and 16 of each in a table of all properties.",
    0,
    former=("--limit",),
)
@format_option("text", "json")
@color_option()
def command(
    tree: str, path: str, name: str | None, raw: bool, shown: int | None, format: str, screen: Screen
) -> None:
    """Show the properties of the node at PATH, or one: value, and what its parts mean with their offsets.

    Parts of PATH may leave their unit address out. A property that occurs more than once is shown each time.
    """
    from drmemctl.output.properties import show_properties
    from drmemctl.tree.lookup import find_property

    device_tree = open_any_tree(tree)
    place = find_property(device_tree, path, name)
    if raw:
        from drmemctl.output.screen import write_bytes
        from drmemctl.tree.lookup import whole_value
        from drmemctl.wording import count_of

        if place.property is None:
            raise click.UsageError("--raw needs the NAME of a property.")
        if sys.stdout.isatty():
            raise click.UsageError("--raw would put binary data on the terminal; send it to a file or | xxd.")
        value, n_further = whole_value(device_tree, place)
        write_bytes(value)
        if n_further:
            further = count_of(n_further, "further property", "further properties")
            say(f"{further} of this name; this is the first, which Linux uses")
        return
    show_properties(screen, device_tree, place, format, shown)
