# SPDX-License-Identifier: MIT
"""What commands about the boot of a kernel share: its command line, and what goes wrong in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import Decorator
from drmemctl.output.screen import say

if TYPE_CHECKING:
    from drmemctl.kernel.fault import Fault
    from drmemctl.kernel.state import KernelState
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


_NOT_SHOWN = ("memory-not-shown", "affinity-unknown")


def say_not_shown(tree: Tree) -> None:
    """Say on standard error what a kernel needs and the tree does not show: it boots as if that were not there."""
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.boot_memory import BootMemory
    from drmemctl.model.platform import describes_memory, why_no_drmem
    from drmemctl.output.text import safe

    if not describes_memory(tree):
        reason, hint = why_no_drmem(tree)
        say(f"no LMBs: {safe(reason)}; {hint}")
        return
    associativity = Associativity.from_tree(tree)
    for defect in (*BootMemory.from_tree(tree, associativity).defects, *associativity.defects):
        if defect.code in _NOT_SHOWN:
            say(f"{defect.code}: {safe(str(defect))}; simulated as if it were absent")


def say_faults(faults: Collection[Fault], state: KernelState) -> int:
    """Say on standard error what goes wrong in the kernel; return the exit code that follows.

    A kernel that does not come up dies of its last fault, and the line about that says so.
    """
    from drmemctl.output.text import safe

    for position, fault in enumerate(faults, start=1):
        line = f"{fault.function}: {safe(fault.message)}"
        if state.dead and position == len(faults):
            line += f"; Linux {safe(state.profile.name)} does not come up ({safe(state.dead)})"
        say(line)
    return 1 if faults else 0
