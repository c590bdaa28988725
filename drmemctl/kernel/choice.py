# SPDX-License-Identifier: MIT
"""Which kernel a command is about: the one that is named, else the one that the input names, else the newest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from drmemctl.kernel.capabilities import OLDEST
from drmemctl.kernel.kernel_names import parse_kernel_name
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

    @property
    def judged(self) -> Profile | None:
        """The kernel that rules must be about, None for any: a dump does not say which will boot it next."""
        return self.profile if self.named else None


def kernel_for(
    tree: Tree,
    option: str | Profile | None = None,
    setting: str | Profile | None = None,
    added: Iterable[str] = (),
    removed: Iterable[str] = (),
) -> KernelChoice:
    """Return the kernel for a tree: by option, by setting, as what lies beside the tree says, or the newest.

    Raises `ProfileError` for an option or a setting that names none; an input may name what it likes.
    """
    name = option if option is not None else setting
    if name is not None:
        chosen = name if isinstance(name, Profile) else profile(name)
        choice = KernelChoice(chosen, True, chosen.notes)
    else:
        choice = _of_input(tree.kernel)
    return choice._replace(profile=choice.profile.changed(added, removed))


def migrated(old: Tree, new: Tree) -> Tree:
    """Return the tree of after a migration, which takes the kernel along where the tree names none."""
    return new if new.kernel else replace(new, kernel=old.kernel)


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
