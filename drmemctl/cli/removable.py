# SPDX-License-Identifier: MIT
"""`drmemctl removable`: which LMBs can leave, and why the others cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import cmdline_option, with_cmdline
from drmemctl.cli.common import color_option, format_option, open_tree, tree_argument
from drmemctl.cli.kernel_options import hypervisor_option, kernel_option
from drmemctl.cli.plugin_options import plugin_option
from drmemctl.cli.steps import parse_steps, session_on, steps_argument
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl removable live
  drmemctl removable sosreport.tar.xz --kernel rhel-9
  drmemctl removable guest.dtb 'offline 9' --cmdline movable_node --format json

STEPs are those of `drmemctl simulate`: what can leave after them.
"""


@click.command(
    "removable",
    cls=TableCommand.of("drmemctl.output.removable:COLUMNS"),
    short_help="Show which LMBs can be removed, and why the others cannot.",
    epilog=_EXAMPLE,
)
@tree_argument()
@steps_argument
@cmdline_option()
@kernel_option()
@hypervisor_option()
@plugin_option()
@format_option("text", "json")
@color_option()
def command(
    tree: str,
    steps: tuple[str, ...],
    script: str | None,
    cmdline: str | None,
    kernel: Profile | None,
    hypervisor: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Show for each assigned LMB whether it can be removed from the running kernel, and why not.

    A capture shows states and zones of memory blocks; of any other tree they are those after boot. Below the
    table: how much can be taken from each node, and which requests, as they are written to /sys/kernel/dlpar, take
    it, the first 64 tried on the simulation. The exit code is 1 if the kernel does not come up, or a STEP fails.
    """
    from drmemctl.output.progress import working
    from drmemctl.output.removable import show_removable
    from drmemctl.output.text import safe
    from drmemctl.simulate.removable import Removable

    parsed = parse_steps(script, steps)
    session = session_on(with_cmdline(open_tree(tree), cmdline), parsed, kernel, hypervisor)
    with working("trying requests"):
        removable = Removable.of(session.simulation)
    show_removable(screen, removable, format)
    dead = session.simulation.state.dead
    if dead:
        say(f"the kernel does not run: {safe(dead)}")
    return 1 if dead or session.failed else 0
