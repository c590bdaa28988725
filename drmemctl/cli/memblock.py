# SPDX-License-Identifier: MIT
"""`drmemctl memblock`: memory as the kernel registers it, at boot and after steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import cmdline_option, say_faults, with_cmdline
from drmemctl.cli.common import color_option, format_option, open_tree, tree_argument
from drmemctl.cli.kernel_options import (
    capability_options,
    check_capabilities,
    hypervisor_option,
    kernel_of,
    kernel_option,
    named_hypervisor,
)
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl memblock /proc/device-tree
  drmemctl memblock guest.dtb --cmdline movable_node --kernel 6.1
  drmemctl memblock guest.dtb --cmdline mem=4G --format json
  drmemctl memblock guest.dtb 'dlpar memory add count 2' --with hotplug-mark-all

A region is what a kernel with memblock=debug prints last: memory nodes and assigned LMBs, merged where node
and flags are the same. After STEPs, those of `drmemctl simulate`, it is what /sys/kernel/debug/memblock/memory
has then.
"""


@click.command(
    "memblock",
    cls=TableCommand.of("drmemctl.output.memblock:COLUMNS"),
    short_help="Show memory as the kernel registers it.",
    epilog=_EXAMPLE,
)
@tree_argument()
@click.argument("steps", metavar="[STEP]...", nargs=-1)
@cmdline_option()
@kernel_option()
@capability_options()
@hypervisor_option()
@format_option("text", "json", "csv")
@table_options
@color_option()
def command(
    tree: str,
    steps: tuple[str, ...],
    cmdline: str | None,
    kernel: Profile | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    hypervisor: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Show boot memory as the kernel registers it, after STEPs, and what follows for each region.

    The zone; whether kexec -s may place its images there (kexec without -s knows no flags and may place them
    anywhere) and must name the memory to the second kernel; whether it belongs into the vmcore; whether it can be
    unplugged. mem=, movable_node, kernelcore=, movablecore=, numa=off and numa=fake= count. The exit code is 1 if
    anything goes wrong in the boot, or a STEP fails. Of a kernel that panics only JSON tells how far it came.
    """
    from drmemctl.cli.steps import parse_steps
    from drmemctl.kernel.boot import boot
    from drmemctl.kernel.boot_input import boot_associativity
    from drmemctl.kernel.boot_notes import boot_notes
    from drmemctl.kernel.boot_regions import boot_regions, driver_memory
    from drmemctl.kernel.cmdline import command_line
    from drmemctl.output.memblock import COLUMNS, MemblockView, show_memblock

    choice = table_choice(COLUMNS, format)
    check_capabilities(added, removed)
    parsed = parse_steps(None, steps)
    device_tree = with_cmdline(open_tree(tree), cmdline)
    profile = kernel_of(device_tree, kernel).changed(added, removed)
    state, faults = boot(device_tree, profile)
    regions, _ = boot_regions(device_tree, profile)
    failed = False
    if parsed and not state.dead:
        from drmemctl.cli.steps import session_after
        from drmemctl.simulate.memory_map import regions_now

        session = session_after(device_tree, parsed, profile, named_hypervisor(hypervisor), traced=True)
        device_tree, failed = session.simulation.situation.booted, bool(session.failed)
        state, regions = session.simulation.state, regions_now(session.simulation)
    by_driver = driver_memory(device_tree, boot_associativity(device_tree, profile), profile)
    notes = boot_notes(device_tree, profile)
    view = MemblockView(state, command_line(device_tree), regions, by_driver, notes)
    show_memblock(screen, view, format, choice)
    for note in notes:
        say(note)
    return say_faults(faults, state) or int(failed)
