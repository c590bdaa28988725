# SPDX-License-Identifier: MIT
"""`drmemctl memblock`: boot memory as the kernel registers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import cmdline_option, say_faults, with_cmdline
from drmemctl.cli.common import color_option, format_option, open_tree, tree_argument
from drmemctl.cli.kernel_options import kernel_of, kernel_option
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

A region is what a kernel with memblock=debug prints last: memory nodes and assigned LMBs, merged where node
and flags are the same.
"""


@click.command(
    "memblock",
    cls=TableCommand.of("drmemctl.output.memblock:COLUMNS"),
    short_help="Show boot memory as the kernel registers it.",
    epilog=_EXAMPLE,
)
@tree_argument()
@cmdline_option()
@kernel_option()
@format_option("text", "json", "csv")
@table_options
@color_option()
def command(tree: str, cmdline: str | None, kernel: Profile | None, format: str, screen: Screen) -> int:
    """Show boot memory as the kernel registers it, and what follows for each region.

    The zone; whether kexec -s may place its images there (kexec without -s knows no flags and may place them
    anywhere) and must name the memory to the second kernel; whether it belongs into the vmcore; whether it can be
    unplugged. mem=, movable_node, kernelcore=, movablecore=, numa=off and numa=fake= count. The exit code is 1 if
    anything goes wrong in the boot. Of a kernel that panics only JSON tells how far it came.
    """
    from drmemctl.kernel.boot import boot
    from drmemctl.kernel.boot_input import boot_associativity
    from drmemctl.kernel.boot_notes import boot_notes
    from drmemctl.kernel.boot_regions import boot_regions, driver_memory
    from drmemctl.kernel.cmdline import command_line
    from drmemctl.output.memblock import COLUMNS, MemblockView, show_memblock

    choice = table_choice(COLUMNS, format)
    device_tree = with_cmdline(open_tree(tree), cmdline)
    profile = kernel_of(device_tree, kernel)
    state, faults = boot(device_tree, profile)
    regions, _ = boot_regions(device_tree, profile)
    by_driver = driver_memory(device_tree, boot_associativity(device_tree, profile))
    notes = boot_notes(device_tree, profile)
    view = MemblockView(state, command_line(device_tree), regions, by_driver, notes)
    show_memblock(screen, view, format, choice)
    for note in notes:
        say(note)
    return say_faults(faults, state)
