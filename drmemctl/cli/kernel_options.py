# SPDX-License-Identifier: MIT
"""Options that name a kernel, its capabilities and the hypervisor under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from drmemctl.cli.common import Decorator

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile


def simulated_kernel_option() -> Decorator:
    """Return `--kernel`, which takes a release, what `uname -r` prints, or a profile's name."""
    return _kernel_option("kernel")


def profile_option() -> Decorator:
    """Return `--kernel` for commands without capability options, which hands them the `profile`."""
    return _kernel_option("profile", callback=lambda _ctx, _param, name: chosen_kernel(name))


def _kernel_option(parameter: str, **more: Any) -> Decorator:
    return click.option(
        "--kernel",
        parameter,
        metavar="KERNEL",
        default="latest",
        show_default=True,
        shell_complete=complete_kernels,
        help="A release (5.10, 6.12.3), what uname -r prints, or a name that `drmemctl kernels` lists.",
        **more,
    )


def hypervisor_option(default: str = "qemu") -> Decorator:
    """Return `--hypervisor`."""
    return click.option(
        "--hypervisor",
        metavar="qemu|qemu-X.Y|powervm",
        default=default,
        show_default=True,
        callback=_known_hypervisor,
        shell_complete=_complete_hypervisors,
        help="Who owns the connectors: QEMU, also a release of it, or PowerVM.",
    )


def capability_options() -> Decorator:
    """Return `--with` and `--without`, which hand the command what is `added` and `removed`."""

    def both(command: Callable[..., Any]) -> Callable[..., Any]:
        return given(taken(command))

    given = _capability_option("--with", "added", "Give the kernel a capability, as a backport does.")
    taken = _capability_option("--without", "removed", "Take a capability away.")
    return both


def _capability_option(name: str, parameter: str, about: str) -> Decorator:
    return click.option(
        name, parameter, metavar="CAPABILITY", multiple=True, shell_complete=_complete_capabilities, help=about
    )


def chosen_kernel(name: str, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> Profile:
    """Return the kernel that options name; a usage error for one that is not known."""
    from drmemctl.kernel.profiles import ProfileError, profile
    from drmemctl.output.text import safe

    both = sorted({*added} & {*removed})
    if both:
        raise click.UsageError(f"--with and --without both name {', '.join(map(safe, both))}.")
    try:
        return profile(name, added, removed)
    except ProfileError as error:
        raise click.UsageError(safe(str(error), 2000)) from error


def _known_hypervisor(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from drmemctl.kernel.profiles import ProfileError
    from drmemctl.output.text import safe
    from drmemctl.scenario.simulation import machine_for
    from drmemctl.tree.node import Node, Tree

    try:
        # Of a tree with nothing in it: only the name counts here.
        machine_for(Tree(Node("")), value)
    except ProfileError as error:
        raise click.BadParameter(safe(str(error), 2000), ctx, param) from error
    return value


def _complete_hypervisors(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from drmemctl.scenario.simulation import HYPERVISORS

    return [name for name in HYPERVISORS if name.startswith(incomplete)]


def complete_kernels(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the named kernels that begin so."""
    from drmemctl.kernel.profiles import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


def _complete_capabilities(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    from drmemctl.kernel.capabilities import CAPABILITIES

    return [CompletionItem(one.name, help=one.changes) for one in CAPABILITIES if one.name.startswith(incomplete)]
