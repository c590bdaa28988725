# SPDX-License-Identifier: MIT
"""A capability: one thing that some kernels do and others do not, and the releases that have it."""

from __future__ import annotations

from dataclasses import dataclass

Release = tuple[int, int]
"""A mainline release: (6, 1) is 6.1."""

NEVER: Release = (0, 0)
"""In the place of the last release: none has it."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that some kernels do and others do not.

    Attributes:
        name: what `--with` and `--without` call it.
        changes: what it changes, in a sentence.
        first: the first mainline release that has it; None: every release that is known here from the start.
        last: the last mainline release that has it; None: the newest has it; NEVER: it was only proposed.
        commit: the commit that brought it, or took it away where only `last` is given; empty where not known.
        source: the file of the kernel where it is to be seen.
        stable: stable series outside that range that have it, and the first of their releases known to.
        stable_without: stable series in that range that lost it, and the first of their releases known to.

    """

    name: str
    changes: str
    first: Release | None = None
    last: Release | None = None
    commit: str = ""
    source: str = ""
    stable: tuple[tuple[Release, int], ...] = ()
    stable_without: tuple[tuple[Release, int], ...] = ()

    @property
    def proposed(self) -> bool:
        """Whether it was only proposed, and no release has it."""
        return self.last == NEVER

    def in_release(self, release: Release, patch: int | None = None) -> bool:
        """Whether a release has it; without `patch`, the newest known of that stable series is meant."""
        in_range = (self.first is None or self.first <= release) and (self.last is None or release <= self.last)
        since = dict(self.stable_without if in_range else self.stable).get(release)
        is_backported = since is not None and (patch is None or patch >= since)
        return in_range != is_backported
