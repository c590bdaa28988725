# SPDX-License-Identifier: MIT
"""What commands about the boot of a kernel share: its command line, and what goes wrong in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import Decorator
from drmemctl.output.screen import say

if TYPE_CHECKING:
    from drmemctl.kernel.job import Fault
    from drmemctl.tree.node import Tree


def cmdline_option() -> Decorator:
    """Return `--cmdline`."""
    return click.option("--cmdline", metavar="TEXT", help="A kernel command line in place of the tree's own.")


def with_cmdline(tree: Tree, cmdline: str | None) -> Tree:
    """Return the tree with the command line that the user gave."""
    if cmdline is None:
        return tree
    from drmemctl.kernel.cmdline import with_command_line

    return with_command_line(tree, cmdline)


def say_faults(faults: Collection[Fault]) -> int:
    """Say on standard error what goes wrong in the kernel; return the exit code that follows."""
    from drmemctl.output.text import safe

    for fault in faults:
        say(f"{fault.function}: {safe(fault.message)}")
    return 1 if faults else 0
