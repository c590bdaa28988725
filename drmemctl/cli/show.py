# SPDX-License-Identifier: MIT
"""`drmemctl show`: one screen about a partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, format_option, open_tree, tree_argument
from drmemctl.cli.kernel_options import kernel_choice, kernel_option, say_not_as_the_tree
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl show /proc/device-tree
  drmemctl show sosreport.tar.xz
  drmemctl show guest.dtb --format json
"""


@click.command(
    "show",
    cls=TableCommand.of(
        "drmemctl.output.overview:MEMORY_COLUMNS",
        {
            "Memory": "drmemctl.output.overview:STATE_WORDS",
            "Nodes": "drmemctl.output.overview:NODE_COLUMNS",
        },
    ),
    short_help="Show a partition on one screen.",
    epilog=_EXAMPLE,
)
@tree_argument()
@kernel_option()
@format_option("text", "json")
@color_option()
def command(tree: str, kernel: Profile | None, format: str, screen: Screen) -> None:
    """Show a partition on one screen: machine, features, memory by state and by node.

    Nodes are those that Linux computes of this tree when it boots: after a migration it may have memory on others,
    see `drmemctl blocks`. `defects` counts what could not be decoded, `findings` what `drmemctl check` reports.
    """
    from drmemctl.check.tally import counted
    from drmemctl.cli.found_settings import found_plan
    from drmemctl.kernel.affinity import affinity_rules
    from drmemctl.model.overview import Overview
    from drmemctl.output.overview import show_overview

    opened = open_tree(tree)
    choice = kernel_choice(opened, kernel)
    say_not_as_the_tree(opened, choice.profile)
    plan = found_plan(choice.judged).at(tree)
    overview = Overview.from_tree(opened, counted(opened, plan), affinity_rules(choice.profile))
    show_overview(screen, overview, format, choice.profile.name if choice.named else None)
