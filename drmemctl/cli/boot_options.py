# SPDX-License-Identifier: MIT
"""Options that choose the kernel whose behaviour is shown, and its command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from drmemctl.cli.common import Decorator

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile
    from drmemctl.tree.node import Tree


def _profile(ctx: click.Context, param: click.Parameter, value: str) -> Profile:
    from drmemctl.kernel.profiles import ProfileError, profile

    try:
        return profile(value)
    except ProfileError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from drmemctl.kernel.profiles import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


def profile_option() -> Decorator:
    """Return `--kernel`, which hands the command its `profile`."""
    return click.option(
        "--kernel",
        "profile",
        metavar="V",
        default="latest",
        show_default=True,
        callback=_profile,
        shell_complete=_complete,
        help="The kernel: a mainline version, what uname -r prints, or a named profile.",
    )


def cmdline_option() -> Decorator:
    """Return `--cmdline`."""
    return click.option("--cmdline", metavar="TEXT", help="A kernel command line in place of the tree's own.")


def with_options(tree: Tree, cmdline: str | None) -> Tree:
    """Return the tree with the command line that the user gave."""
    if cmdline is None:
        return tree
    from drmemctl.kernel.cmdline import with_command_line

    return with_command_line(tree, cmdline)


def say_faults(faults: Any) -> int:
    """Say on standard error what goes wrong in the kernel; return the exit code that follows."""
    from drmemctl.output.text import safe

    for fault in faults:
        click.echo(f"drmemctl: {fault.function}: {safe(fault.message)}", err=True)
    return 1 if faults else 0
