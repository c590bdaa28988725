# SPDX-License-Identifier: MIT
"""`drmemctl memblock`: memory as the kernel registers it, at boot and after steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import cmdline_option, say_faults, say_not_shown, with_cmdline
from drmemctl.cli.common import color_option, format_option, open_tree, tree_argument
from drmemctl.cli.kernel_options import (
    capability_options,
    check_capabilities,
    hypervisor_option,
    kernel_of,
    kernel_option,
    named_hypervisor,
)
from drmemctl.cli.steps import steps_argument
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
has then: hotplug marks of boot are gone, and keep no images out.
"""


@click.command(
    "memblock",
    cls=TableCommand.of("drmemctl.output.memblock:COLUMNS"),
    short_help="Show memory as the kernel registers it.",
    epilog=_EXAMPLE,
)
@tree_argument()
@steps_argument
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
    script: str | None,
    cmdline: str | None,
    kernel: Profile | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    hypervisor: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Show memory as the kernel registers it, at boot or after STEPs, and what follows for each region.

    The zone; whether kexec -s may place its images there (kexec without -s knows no flags and may place them
    anywhere) and must name the memory to the second kernel; whether it belongs in the vmcore; whether it can be
    unplugged. mem=, movable_node, kernelcore=, movablecore=, numa=off and numa=fake= count. The exit code is 1 if
    anything goes wrong in the boot, or a STEP fails. For a kernel that panics, only JSON shows how far it got.
    """
    from drmemctl.cli.steps import parse_steps, session_after
    from drmemctl.kernel.registered_memory import RegisteredMemory
    from drmemctl.output.memblock import COLUMNS, show_memblock

    choice = table_choice(COLUMNS, format)
    check_capabilities(added, removed)
    parsed = parse_steps(script, steps)
    device_tree = with_cmdline(open_tree(tree), cmdline)
    profile = kernel_of(device_tree, kernel).changed(added, removed)
    say_not_shown(device_tree)
    memory, failed = RegisteredMemory.of(device_tree, profile), False
    if parsed and not memory.kernel.dead:
        from drmemctl.simulate.memory_map import memory_after

        session = session_after(device_tree, parsed, profile, named_hypervisor(hypervisor), traced=True)
        memory, failed = memory_after(memory, session.simulation), bool(session.failed)
    show_memblock(screen, memory, format, choice)
    for note in memory.notes:
        say(note)
    return say_faults(memory.faults, memory.kernel) or int(failed)
