# SPDX-License-Identifier: MIT
"""`drmemctl tree`: any part of a tree as device tree source."""

from __future__ import annotations

import click

from drmemctl.cli.common import color_option, format_option, open_any_tree, tree_argument
from drmemctl.cli.node_completion import complete_nodes
from drmemctl.cli.option import Count
from drmemctl.output.screen import Screen, say

_EXAMPLE = """
\b
Examples:
  drmemctl tree guest.dtb
  drmemctl tree sosreport.tar.xz /ibm,dynamic-reconfiguration-memory
  drmemctl tree live /cpus --depth 0
  drmemctl tree /proc/device-tree | dtc -O dtb -o copy.dtb
"""


@click.command("tree", short_help="Show a tree, or a part of it, as device tree source.", epilog=_EXAMPLE)
@tree_argument()
@click.argument("path", metavar="[PATH]", default="/", shell_complete=complete_nodes)
@click.option("--depth", metavar="N", type=Count(0), help="Levels of nodes below PATH; 0: only PATH itself.")
@click.option(
    "--all", "everything", is_flag=True, help="Every value whole, and up to 65,536 fields of it explained."
)
@click.option("--no-decode", is_flag=True, help="Only the values, not what they mean.")
@format_option("dts", "json")
@color_option()
def command(
    tree: str,
    path: str,
    depth: int | None,
    everything: bool,
    no_decode: bool,
    format: str,
    screen: Screen,
) -> None:
    """Show a tree, or its part at PATH, as device tree source, known properties explained beside their cells.

    Parts of PATH may leave their unit address out. On a terminal long values are cut, which a comment says;
    --all shows them whole. In a pipe or file they always are, and dtc reads back the same content.
    """
    from drmemctl.output.dts import DtsView, show_dts
    from drmemctl.tree.lookup import find_node
    from drmemctl.wording import count_of

    device_tree = open_any_tree(tree)
    place = find_node(device_tree, path)
    if format == "json":
        from drmemctl.output.properties import show_tree_json

        show_tree_json(screen, device_tree, place, depth)
        return
    names = show_dts(
        screen, device_tree, place, DtsView.on(screen, everything=everything, decode=not no_decode, depth=depth)
    )
    if names:
        say(f"{count_of(names, 'name')} that DTS cannot hold: comments say what they are")
