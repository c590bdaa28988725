# SPDX-License-Identifier: MIT
"""`drmemctl simulate`: what a kernel and a hypervisor would do, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import say_not_shown
from drmemctl.cli.common import FILE, color_option, format_option, named_file, open_tree, tree_argument, write_tree
from drmemctl.cli.kernel_options import (
    capability_options,
    check_capabilities,
    hypervisor_option,
    kernel_of,
    kernel_option,
    named_hypervisor,
)
from drmemctl.cli.option import RenamedOption
from drmemctl.cli.replay import replay_option, replay_schedule
from drmemctl.cli.steps import SYNTAX, steps_argument
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drmemctl.kernel.profiles import Profile
    from drmemctl.output.simulation_text import Detail
    from drmemctl.simulate.partition import Step
    from drmemctl.simulate.session import Session

_EXIT_FAILED = 1

_EXAMPLE = f"""
\b
Examples:
  drmemctl simulate guest.dtb 'dlpar memory remove count 1' --kernel 5.10
  drmemctl simulate before.dtb 'lpm after.dtb' --kernel 6.1 --trace
  drmemctl simulate guest.dtb -f migration.steps --format junit > steps.xml
  drmemctl simulate guest.dtb --interactive --kernel debian-12

\b
Steps, one a line or argument; # begins a comment:
{SYNTAX}

A step that fails is no failure if an expectation right after it names its error number or finding; after a step
that has no error number (plug, unplug, lpm), any expectation that holds will do. The exit code is 1 if a step or
an expectation failed.
"""


@click.command("simulate", short_help="Carry out steps as a kernel and a hypervisor would.", epilog=_EXAMPLE)
@tree_argument()
@steps_argument
@replay_option()
@click.option(
    "-i",
    "--interactive",
    is_flag=True,
    help="Ask for steps, after those given; help lists what it has besides, such as undo.",
)
@kernel_option()
@hypervisor_option()
@capability_options()
@format_option("text", "json", "junit")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=FILE,
    callback=named_file,
    help="Write the tree after the last step: source if OUT ends in .dts, else a blob.",
)
@click.option(
    "--save-array", metavar="FILE", type=FILE, callback=named_file, help="Write the kernel's LMB array as JSON."
)
@click.option("--force", is_flag=True, help="Let outputs replace TREE.")
@click.option("--trace", is_flag=True, help="Every RTAS call and every write, with the kernel function.")
@click.option("--diff", "show_diff", is_flag=True, help="The properties before and after, set by set.")
@click.option(
    "-v",
    "--all",
    "everything",
    cls=RenamedOption,
    former=("--verbose",),
    is_flag=True,
    help="Everything, however long; DRC indexes of ranges.",
)
@color_option()
def command(
    tree: str,
    steps: tuple[str, ...],
    script: str | None,
    replay: str | None,
    interactive: bool,
    kernel: Profile | None,
    hypervisor: str | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    format: str,
    output: str | None,
    save_array: str | None,
    force: bool,
    trace: bool,
    show_diff: bool,
    everything: bool,
    screen: Screen,
) -> int:
    """Carry out STEPs on a TREE as a kernel and a hypervisor would, byte for byte, and report the result of each.

    Ends at the first expectation that fails. Below each step: the kernel's messages, the LMBs that changed (in the
    kernel's array and in the tree, if not told otherwise), memory blocks, findings; at the end whether all agrees,
    and what the next flush would change.
    """
    from drmemctl.cli.steps import parse_steps
    from drmemctl.output.simulation_text import Detail
    from drmemctl.simulate.session import Session
    from drmemctl.simulate.simulation import Simulation

    if replay is not None:
        if steps or script or interactive or format == "junit":
            raise click.UsageError("--replay goes with no steps, and with --format text or json.")
        return replay_schedule(tree, replay, screen, format)
    if interactive and "-" in (tree, script):
        raise click.UsageError("--interactive reads steps from standard input: name a file.")
    if interactive and format != "text":
        raise click.UsageError(f"--interactive and --format {format} exclude each other.")
    if output is not None and output == save_array:
        raise click.UsageError("-o and --save-array cannot be the same file.")
    check_capabilities(added, removed)
    parsed = parse_steps(script, steps)
    device_tree = open_tree(tree)
    profile = kernel_of(device_tree, kernel).changed(added, removed)
    say_not_shown(device_tree)
    session = Session(Simulation(device_tree, profile, named_hypervisor(hypervisor)), traced=trace)
    detail = Detail(trace=trace, diff=show_diff, verbose=everything)
    if interactive:
        from drmemctl.cli.prompt import converse

        converse(screen, session, parsed, detail)
    else:
        run_steps(screen, session, parsed, format, tree, detail)
    _save(session, output, save_array, force=force)
    return 0 if session.succeeded else _EXIT_FAILED


def run_steps(
    screen: Screen, session: Session, steps: Sequence[Step], format: str, tree: str, detail: Detail
) -> None:
    """Do the steps and print what came of them: as text each as it is done, then the verdict."""
    from drmemctl.output.progress import working
    from drmemctl.output.simulation import show_json, show_junit, show_lines
    from drmemctl.output.simulation_text import boot_lines, step_lines, verdict_lines

    if format == "text":
        show_lines(screen, boot_lines(screen, session))
        for number, result in enumerate(session.do_all(steps), 1):
            show_lines(screen, step_lines(screen, number, result, detail))
        show_lines(screen, verdict_lines(screen, session.verdict(), detail))
        return
    with working("doing the steps"):
        for _ in session.do_all(steps):
            pass
    if format == "json":
        show_json(screen, session)
    else:
        show_junit(screen, session, tree, steps)


def _save(session: Session, output: str | None, save_array: str | None, *, force: bool) -> None:
    """Write the tree and the array as they are after the last step; nothing over what was read."""
    if output is not None:
        write_tree(output, session.simulation.tree, force=force)
    if save_array is not None:
        from drmemctl.kernel.lmb_node import current_associativity
        from drmemctl.output.array import array_document
        from drmemctl.output.files import write_atomically

        state = session.simulation.state
        document = array_document(state.table, current_associativity(state), session.simulation.profile.name)
        write_atomically(save_array, document, force=force)
