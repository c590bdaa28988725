# SPDX-License-Identifier: MIT
"""`drmemctl repair`: the fewest requests after which everything agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, format_option, open_tree, tree_argument
from drmemctl.cli.kernel_options import hypervisor_option, kernel_option
from drmemctl.cli.plugin_options import plugin_option
from drmemctl.cli.steps import parse_steps, session_on, steps_argument
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl repair sosreport.tar.xz
  drmemctl repair before.dtb 'lpm after.dtb' --hypervisor powervm --kernel 5.10
  drmemctl repair capture.tar --goal DRM085 --format json

STEPs are those of `drmemctl simulate`: what is repaired is the state after them. The plan is for a quiet system:
nothing else may run meanwhile.
"""


def _goal(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from drmemctl.simulate.repair import CONSISTENT, goals

    if value == CONSISTENT or value in goals():
        return value
    raise click.BadParameter(f"{value!r} is none of {', '.join((CONSISTENT, *goals()))}", ctx, param)


def _complete_goals(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from drmemctl.simulate.repair import CONSISTENT, goals

    return [goal for goal in (CONSISTENT, *goals()) if goal.startswith(incomplete)]


@click.command("repair", short_help="Find the requests that put a partition right.", epilog=_EXAMPLE)
@tree_argument()
@steps_argument
@click.option(
    "--goal",
    metavar="consistent|RULE",
    default="consistent",
    show_default=True,
    callback=_goal,
    shell_complete=_complete_goals,
    help="All agree, or that rule of the family state finds nothing any more.",
)
@kernel_option()
@hypervisor_option()
@plugin_option()
@format_option("text", "json")
@color_option()
def command(
    tree: str,
    steps: tuple[str, ...],
    script: str | None,
    goal: str,
    kernel: Profile | None,
    hypervisor: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Find the fewest requests after which tree, array, connectors, memory blocks and hypervisor agree.

    Each plan has been simulated to its end. With it: the command lines, the memory that has to be free, what may
    fail on the way and what is so then. Where no request helps it says why, and whether a reboot does. The exit
    code is 1 if anything has to be repaired, or a STEP fails.
    """
    from drmemctl.output.progress import working
    from drmemctl.output.repair import show_repair
    from drmemctl.simulate.repair import AGREES, repair

    parsed = parse_steps(script, steps)
    session = session_on(open_tree(tree), parsed, kernel, hypervisor)
    with working("looking for requests"):
        way_back = repair(session.simulation, goal)
    show_repair(screen, way_back, format)
    return 0 if way_back.verdict == AGREES and not session.failed else 1
