# SPDX-License-Identifier: MIT
"""Which kernel a command is about: the one that is named, else the one that the input names, else the newest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from drmemctl.kernel.capabilities import OLDEST
from drmemctl.kernel.names import parse_kernel_name
from drmemctl.kernel.profiles import LATEST, Profile, ProfileError, TooOldError, profile
from drmemctl.tree.node import Tree


class KernelChoice(NamedTuple):
    """A kernel, and what has to be said about its choice.

    Attributes:
        profile: the kernel.
        named: whether somebody named it: the user, the settings or the input.
        notes: what has to be said, in sentences.

    """

    profile: Profile
    named: bool
    notes: tuple[str, ...] = ()


def kernel_for(
    tree: Tree,
    option: str | None = None,
    setting: str | None = None,
    added: Iterable[str] = (),
    removed: Iterable[str] = (),
) -> KernelChoice:
    """Return the kernel for a tree: by option, by setting, as what lies beside the tree says, or the newest.

    Raises `ProfileError` for an option or a setting that names none; an input may name what it likes.
    """
    name = option if option is not None else setting
    if name is not None:
        chosen = profile(name)
        choice = KernelChoice(chosen, True, chosen.notes)
    else:
        choice = _of_input(tree.kernel)
    return choice._replace(profile=choice.profile.changed(added, removed))


def kernel_of_input(tree: Tree) -> Profile | None:
    """Return the kernel that ran on a tree, as what lies beside it says; None where that names none."""
    return _of_input(tree.kernel).profile if tree.kernel else None


def _of_input(banner: str) -> KernelChoice:
    if not banner:
        return KernelChoice(profile(LATEST), False)
    name = parse_kernel_name(banner)
    text = banner[:_SHOWN] if name is None else name.text
    try:
        chosen = profile(banner)
    except TooOldError:
        oldest = "{}.{}".format(*OLDEST)
        note = f"the input's kernel is {text}, older than {oldest}, the oldest that is known: taken as that"
        return KernelChoice(profile(oldest), True, (note,))
    except ProfileError:
        note = f"the input's kernel {text!r} is not known: taken as the newest that is known"
        return KernelChoice(profile(LATEST), False, (note,))
    return KernelChoice(chosen, True, (f"the kernel is {chosen.name}, which the input names", *chosen.notes))


_SHOWN = 80
"""Characters of a text that names no kernel which a note shows."""
