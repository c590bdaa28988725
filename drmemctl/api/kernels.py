# SPDX-License-Identifier: MIT
"""As which kernel a tree is read, or carried on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile
    from drmemctl.model.associativity import AffinityRules
    from drmemctl.tree.node import Tree


class Reading(NamedTuple):
    """As which kernel a tree is read.

    Attributes:
        kernel: its name, None where nobody named one.
        rules: what it makes of affinity.
        notes: what has to be said of the choice.
        profile: the kernel, None where nobody named one.

    """

    kernel: str | None
    rules: AffinityRules
    notes: tuple[str, ...] = ()
    profile: Profile | None = None


def reading(tree: Tree, kernel: str | Profile | None = None, setting: str | Profile | None = None) -> Reading:
    """Return as which kernel to read a tree: by option, by setting, as the input says, else the newest."""
    from drmemctl.model.associativity import NEWEST

    if kernel is None and setting is None and not tree.kernel:
        # To import the table of kernels takes longer than to read most trees.
        return Reading(None, NEWEST)
    from drmemctl.kernel.affinity import affinity_rules
    from drmemctl.kernel.choice import kernel_for

    choice = kernel_for(tree, kernel, setting)
    name = choice.profile.name if choice.named else None
    return Reading(name, affinity_rules(choice.profile), choice.notes, choice.profile)


def profile_for(
    tree: Tree,
    kernel: str | Profile | None = None,
    added: Iterable[str] = (),
    removed: Iterable[str] = (),
) -> Profile:
    """Return the kernel for a tree, with capabilities added and removed: the input's if none is named.

    Raises `ProfileError` for a kernel or a capability that is not known.
    """
    from drmemctl.kernel.choice import kernel_for

    return kernel_for(tree, kernel, added=added, removed=removed).profile
