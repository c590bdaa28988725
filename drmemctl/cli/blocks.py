# SPDX-License-Identifier: MIT
"""`drmemctl blocks`: memory blocks and who has memory in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import cmdline_option, say_faults, with_cmdline
from drmemctl.cli.common import color_option, format_option, open_tree, report_defects, tree_argument
from drmemctl.cli.kernel_options import kernel_of, kernel_option
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl blocks /proc/device-tree
  drmemctl blocks guest.dtb --kernel 6.1 --format json

The column "adding" says what would come of adding memory at these addresses: possible; EEXIST, there is memory;
EINVAL, no whole number of blocks; refused, the LMB is reserved.
"""


@click.command(
    "blocks",
    cls=TableCommand.of("drmemctl.output.blocks:COLUMNS"),
    short_help="Show memory blocks: size, node, what lies in each.",
    epilog=_EXAMPLE,
)
@tree_argument()
@cmdline_option()
@kernel_option()
@format_option("text", "json", "csv")
@table_options
@color_option()
def command(tree: str, cmdline: str | None, kernel: Profile | None, format: str, screen: Screen) -> int:
    """Show the memory blocks after boot: their size, their node, which LMBs and memory nodes lie in each.

    Of a capture, or of this machine, those that sysfs lists, with their nodes, and their states if any is offline.

    The exit code is 1 if the kernel does not come up on this tree, and then there are no blocks to show. Up to 5.3
    it comes up with blocks of 16 MiB where the tree's size is none for a block, and the exit code is 1 as well.
    """
    from drmemctl.api.look import blocks
    from drmemctl.output.blocks import COLUMNS, show_blocks

    choice = table_choice(COLUMNS, format)
    device_tree = with_cmdline(open_tree(tree), cmdline)
    boot_blocks = blocks(device_tree, kernel=kernel_of(device_tree, kernel))
    show_blocks(screen, boot_blocks, format, choice)
    report_defects(boot_blocks.defects)
    return say_faults(boot_blocks.faults, boot_blocks.kernel)
