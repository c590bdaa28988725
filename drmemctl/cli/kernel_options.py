# SPDX-License-Identifier: MIT
"""Options that name a kernel, its capabilities and the hypervisor under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from drmemctl.cli.common import Decorator
from drmemctl.cli.plugin_options import plugin_option, say_plugins
from drmemctl.output.screen import say

if TYPE_CHECKING:
    from drmemctl.api.kernels import Reading
    from drmemctl.kernel.choice import KernelChoice
    from drmemctl.kernel.profiles import Profile
    from drmemctl.tree.node import Tree


def kernel_option(default: str = "the input's, else latest", about: str = "") -> Decorator:
    """Return `--kernel`, which hands the command a profile or None; `about` begins its help."""
    help_text = "A release (5.10, 6.12.3), what uname -r prints, or a name that `drmemctl kernels` lists."
    return click.option(
        "--kernel",
        metavar="KERNEL",
        callback=lambda _ctx, _param, name: None if name is None else named_kernel(name),
        shell_complete=complete_kernels,
        help=f"{about}{help_text}  [default: {default}]",
    )


def hypervisor_option() -> Decorator:
    """Return `--hypervisor`."""
    return click.option(
        "--hypervisor",
        metavar="qemu|qemu-X.Y|powervm",
        callback=_known_hypervisor,
        shell_complete=_complete_hypervisors,
        help="Who owns the connectors: QEMU, also a release of it, or PowerVM.  [default: as the tree says]",
    )


def named_hypervisor(option: str | None) -> str | None:
    """Return the hypervisor that the option or the settings name, None for none; say what is to be said of it."""
    from drmemctl.hypervisor.inference import NOT_MEASURED, POWERVM

    name = option or setting("hypervisor")
    if name == POWERVM:
        say(NOT_MEASURED)
    return name


def capability_options() -> Decorator:
    """Return `--with` and `--without`, which hand the command what is `added` and `removed`; and `--plugin`."""
    with_option = _capability_option("--with", "added", "Give the kernel a capability, as a backport does.")
    without_option = _capability_option("--without", "removed", "Take a capability away.")
    return lambda command: with_option(without_option(plugin_option()(command)))


def _capability_option(name: str, parameter: str, about: str) -> Decorator:
    return click.option(
        name, parameter, metavar="CAPABILITY", multiple=True, shell_complete=_complete_capabilities, help=about
    )


def named_kernel(name: str) -> Profile:
    """Return the kernel of a name; a usage error for one that is not known."""
    from drmemctl.kernel.profiles import ProfileError, profile
    from drmemctl.output.text import worded

    try:
        return profile(name)
    except ProfileError as error:
        raise click.UsageError(worded(str(error))) from error


def check_capabilities(added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Refuse what `--with` and `--without` make no sense of, before anything is read."""
    from drmemctl.kernel.profiles import ProfileError, profile
    from drmemctl.output.text import safe, worded

    both = sorted({*added} & {*removed})
    if both:
        raise click.UsageError(f"--with and --without both name {', '.join(map(safe, both))}.")
    try:
        profile().changed(added, removed)
    except ProfileError as error:
        raise click.UsageError(worded(str(error))) from error
    if added or removed:
        say_plugins()


def kernel_choice(tree: Tree, named: Profile | None) -> KernelChoice:
    """Return the kernel for a tree, and say on standard error what has to be said of the choice."""
    from drmemctl.kernel.choice import kernel_for

    choice = kernel_for(tree, named, None if named is not None else setting("kernel"))
    for note in choice.notes:
        say(note)
    return choice


def kernel_of(tree: Tree, named: Profile | None) -> Profile:
    """Return the kernel that boots a tree: the one named, the settings', the input's, or the newest."""
    return kernel_choice(tree, named).profile


def reading_of(tree: Tree, named: Profile | None) -> Reading:
    """Return as which kernel to read a tree, and say on standard error what has to be said of the choice."""
    from drmemctl.api.kernels import reading

    choice = reading(tree, named, None if named is not None else setting("kernel"))
    for note in choice.notes:
        say(note)
    say_not_as_the_tree(tree, choice.profile)
    return choice


def say_not_as_the_tree(tree: Tree, profile: Profile | None) -> None:
    """Say it where Linux has other memory or nodes than a command that goes by the tree alone shows."""
    from drmemctl.kernel.cmdline import not_as_the_tree

    note = not_as_the_tree(tree, profile)
    if note:
        say(note)


def setting(key: str) -> Any:
    """Return what the nearest file of settings says of a kernel or a hypervisor, None for nothing."""
    from drmemctl.cli.found_settings import found_settings

    settings = found_settings()
    return None if settings is None else getattr(settings, key)


def _known_hypervisor(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    from drmemctl.hypervisor.inference import qemu_version
    from drmemctl.kernel.profiles import ProfileError
    from drmemctl.output.text import worded

    try:
        if value is not None:
            qemu_version(value)
    except ProfileError as error:
        raise click.BadParameter(worded(str(error)), ctx, param) from error
    return value


def _complete_hypervisors(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from drmemctl.hypervisor.inference import HYPERVISORS

    return [name for name in HYPERVISORS if name.startswith(incomplete)]


def complete_kernels(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the named kernels that begin so."""
    from drmemctl.kernel.profiles import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


def _complete_capabilities(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    from drmemctl.kernel import plugins
    from drmemctl.kernel.capabilities import CAPABILITIES

    return [
        CompletionItem(capability.name, help=capability.changes)
        for capability in (*CAPABILITIES, *plugins.capabilities().values())
        if capability.name.startswith(incomplete)
    ]
