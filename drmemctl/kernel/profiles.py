# SPDX-License-Identifier: MIT
"""Kernels by name: a mainline version, what `uname -r` prints, `latest`, or a named profile."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from drmemctl.errors import DrmemctlError
from drmemctl.kernel.capabilities import (
    BY_NAME,
    CAPABILITIES,
    DRMEM_ARRAY,
    FLUSH_PER_LMB,
    NEWEST,
    OLDEST,
    Capability,
    Release,
)

LATEST = "latest"
ARRAYLESS = "arrayless"

_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,5}))?(?P<build>[-+~].*)?\Z", re.ASCII)

_DISTRIBUTIONS: dict[str, tuple[str, str]] = {
    "debian-11": ("5.10.262", "Debian 11, linux 5.10"),
    "debian-12": ("6.1", "Debian 12, linux 6.1"),
    "debian-13": ("6.12", "Debian 13, linux 6.12"),
}
"""Named profiles: the release they are built from and what they stand for."""

PROFILES: dict[str, str] = {
    LATEST: "the newest release that is known: {}.{}".format(*NEWEST),
    ARRAYLESS: "the newest release without its LMB array: the property is the only truth (a proposal)",
    **{name: about for name, (_, about) in _DISTRIBUTIONS.items()},
}
"""What the names that are no versions stand for."""


class ProfileError(DrmemctlError):
    """No kernel or capability of that name is known."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kernel can do.

    Attributes:
        name: as the user named it.
        release: the mainline release it is built from.
        capabilities: names of the capabilities that it has.

    """

    name: str
    release: Release
    capabilities: frozenset[str]

    def has(self, capability: Capability) -> bool:
        """Whether this kernel has a capability."""
        return capability.name in self.capabilities

    def changed(self, added: Iterable[str] = (), removed: Iterable[str] = ()) -> Profile:
        """Return the profile with capabilities added and removed by name; `ProfileError` for one not known."""
        names = (self.capabilities | _known(added)) - _known(removed)
        return self if names == self.capabilities else replace(self, capabilities=names)


def _known(names: Iterable[str]) -> frozenset[str]:
    for name in (names := tuple(names)):
        if name not in BY_NAME:
            raise ProfileError(f"no capability {name!r}", hint=_near(name, BY_NAME) or "see `drmemctl kernels`")
    return frozenset(names)


def _near(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, list(names))
    return f"did you mean {' or '.join(found)}?" if found else ""


def profile_names() -> tuple[str, ...]:
    """Return the names that are no versions."""
    return tuple(PROFILES)


def profile(name: str = LATEST, added: Iterable[str] = (), removed: Iterable[str] = ()) -> Profile:
    """Return the profile of a kernel, with backports added or capabilities removed.

    `5.10` is the newest known release of that stable series, `5.10.0` mainline's own; `6.1.0-50-powerpc64le`, as
    `uname -r` prints it, counts as its series. Raises `ProfileError` for what is not known.
    """
    return _named(name).changed(added, removed)


def _named(name: str) -> Profile:
    if name == LATEST:
        return _of_release(name, NEWEST, None)
    if name == ARRAYLESS:
        # The proposal to do without the array: everything of the newest kernel, on the property itself.
        return replace(_of_release(name, NEWEST, None)).changed([FLUSH_PER_LMB.name], [DRMEM_ARRAY.name])
    if name in _DISTRIBUTIONS:
        return replace(_named(_DISTRIBUTIONS[name][0]), name=name)
    match = _VERSION.match(name)
    if match is None:
        raise ProfileError(f"no kernel {name!r}", hint=_near(name, profile_names()) or "write e.g. 6.1 or latest")
    release = (int(match[1]), int(match[2]))
    if release < OLDEST:
        oldest = "{}.{}".format(*OLDEST)
        raise ProfileError(f"nothing is known of Linux {match[1]}.{match[2]}", hint=f"{oldest} is the oldest")
    # A distribution's own numbering ("6.1.0-50") says nothing about which stable release it was built from.
    patch = None if match[3] is None or match["build"] else int(match[3])
    return _of_release(name, release, patch)


def _of_release(name: str, release: Release, patch: int | None) -> Profile:
    held = (one.name for one in CAPABILITIES if one.in_release(release, patch))
    return Profile(name, release, frozenset(held))
