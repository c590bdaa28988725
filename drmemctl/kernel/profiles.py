# SPDX-License-Identifier: MIT
"""Kernels by name: a mainline version, what `uname -r` prints, `latest`, or a named profile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from drmemctl.arguments import checked, text
from drmemctl.errors import DrmemctlError
from drmemctl.kernel import plugins
from drmemctl.kernel.capabilities import (
    BY_NAME,
    CAPABILITIES,
    DRMEM_ARRAY,
    FLUSH_PER_LMB,
    MEASURED_STABLE,
    NEWEST,
    OLDEST,
)
from drmemctl.kernel.capability import Capability, Release
from drmemctl.kernel.distributions import BY_NAME as DISTRIBUTIONS_BY_NAME
from drmemctl.kernel.distributions import Distribution, distribution_of, follows_stable
from drmemctl.kernel.kernel_names import KernelName, parse_kernel_name
from drmemctl.notebook import short_repr
from drmemctl.wording import did_you_mean, nearest

LATEST = "latest"
ARRAYLESS = "arrayless"

PROFILES: dict[str, str] = {
    LATEST: "the newest release that is known: {}.{}".format(*NEWEST),
    ARRAYLESS: "the newest release without its LMB array: the property is the only truth (a proposal)",
    **{name: distribution.about for name, distribution in DISTRIBUTIONS_BY_NAME.items()},
}
"""What the names that are no versions stand for."""

_NOT_KNOWN = "distribution kernel: backports not known"


class ProfileError(DrmemctlError, ValueError):
    """No kernel or capability of that name is known."""


class TooOldError(ProfileError):
    """The kernel is older than the oldest release that is known."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kernel can do.

    Attributes:
        name: as the user named it.
        release: the mainline release it is built from.
        capabilities: names of the capabilities that it has.
        notes: what has to be said of it: what it stands in for, what is not known of it.
        distribution: the name of the distribution whose kernel it is, empty where it is nobody's that is known.

    """

    name: str
    release: Release
    capabilities: frozenset[str]
    notes: tuple[str, ...] = ()
    distribution: str = ""

    __repr__ = short_repr

    def has(self, capability: Capability) -> bool:
        """Whether this kernel has a capability."""
        return capability.name in self.capabilities

    def changed(self, added: Iterable[str] = (), removed: Iterable[str] = ()) -> Profile:
        """Return the profile with capabilities added and removed by name; `ProfileError` for one not known."""
        names = (self.capabilities | _checked_names(added)) - _checked_names(removed)
        return self if names == self.capabilities else replace(self, capabilities=names)


def _checked_names(names: Iterable[str]) -> frozenset[str]:
    """Return names of capabilities; `ProfileError` for one that neither the table nor a plugin has."""
    for name in (names := tuple(names)):
        if name not in BY_NAME and plugins.looked_up(name, plugins.capabilities) is None:
            near = nearest(name, (*BY_NAME, *plugins.capabilities()))
            raise ProfileError(f"no capability {name!r}", hint=did_you_mean(near) or "see `drmemctl kernels`")
    return frozenset(names)


def profile_names() -> tuple[str, ...]:
    """Return the names that are no versions."""
    return tuple(PROFILES)


_LAST = {4: 20, 5: 19, 6: 19, NEWEST[0]: NEWEST[1]}
"""The last release of each major version."""


def all_kernels() -> tuple[str, ...]:
    """Return every mainline release that is known, oldest first, then the names that are no versions."""
    releases = ((major, minor) for major, last in _LAST.items() for minor in range(last + 1))
    return (*(f"{major}.{minor}" for major, minor in releases if (major, minor) >= OLDEST), *PROFILES)


@checked(name=text)
def profile(name: str = LATEST, added: Iterable[str] = (), removed: Iterable[str] = ()) -> Profile:
    """Return the profile of a kernel, with backports added or capabilities removed.

    `4.19` is the release of that stable series that was measured, or else the newest that is known of it, `4.19.0`
    and `4.19-rc3` mainline's own;
    `6.1.0-50-powerpc64le`, as `uname -r` prints it, counts as its series, `5.14.0-427.el9.ppc64le` as `rhel-9`; a
    line of /proc/version will do as well. What is newer than the newest known release is taken as that, and says
    so in `notes`. Raises `ProfileError` for what is not known.
    """
    if name == LATEST:
        kernel = _of_release(name, NEWEST, None)
    elif name == ARRAYLESS:
        # The proposal to do without the array: everything of the newest kernel, on the property itself.
        kernel = _of_release(name, NEWEST, None).changed([FLUSH_PER_LMB.name], [DRMEM_ARRAY.name])
    elif name in DISTRIBUTIONS_BY_NAME:
        kernel = _of_distribution(DISTRIBUTIONS_BY_NAME[name], None)
    else:
        kernel = _of_version(name)
    return kernel.changed(added, removed)


def _of_version(version: str) -> Profile:
    name = parse_kernel_name(version)
    if name is None:
        near = did_you_mean(nearest(version, profile_names()))
        raise ProfileError(f"no kernel {version!r}", hint=near or "write e.g. 6.1 or latest")
    if name.release < OLDEST:
        oldest = "{}.{}".format(*OLDEST)
        raise TooOldError("nothing is known of Linux {}.{}".format(*name.release), hint=f"{oldest} is the oldest")
    if name.release > NEWEST:
        newest = "{}.{}".format(*NEWEST)
        note = f"{name.text} is newer than {newest}, the newest release that is known: taken as that"
        return replace(_of_release(name.text, NEWEST, None), notes=(note,))
    distribution = distribution_of(name)
    if distribution is not None:
        return _of_distribution(distribution, name)
    patch = MEASURED_STABLE.get(name.release) if name.patch is None and not name.build else name.patch
    mainline = _of_release(name.text, name.release, patch)
    if not name.build or follows_stable(name):
        return mainline
    return replace(mainline, notes=(f"{name.text} is taken as {_base(name.release, name.patch)}; {_NOT_KNOWN}",))


def _of_distribution(distribution: Distribution, name: KernelName | None) -> Profile:
    """Return a distribution's kernel, the newest for None: its mainline release, with its settled backports."""
    text = distribution.name if name is None else name.text
    base = _of_release(text, distribution.release, distribution.patch)
    backports = distribution.settled(name)
    added = {backport.capability for backport in backports if backport.has}
    removed = {backport.capability for backport in backports if not backport.has}
    notes: tuple[str, ...] = ()
    if name is None and distribution.read:
        notes = (
            f"{text} is taken as {distribution.newest_read}, the newest of its kernels whose source was read",
        )
    elif not distribution.stable and not (name is not None and distribution.was_read(name)):
        count = len(backports)
        settled = f", but for {count} (see `drmemctl kernels {text}`)" if count else ""
        base_name = "" if name is None else f"{distribution.name}, "
        base_text = _base(distribution.release, distribution.patch)
        notes = (f"{text} is taken as {base_name}built from {base_text}; {_NOT_KNOWN}{settled}",)
    capabilities = (base.capabilities | added) - removed
    return replace(base, capabilities=capabilities, notes=notes, distribution=distribution.name)


def _base(release: Release, patch: int | None) -> str:
    return "{}.{}".format(*release) + ("" if not patch else f".{patch}")


def _of_release(name: str, release: Release, patch: int | None) -> Profile:
    capabilities = (capability.name for capability in CAPABILITIES if capability.in_release(release, patch))
    return Profile(name, release, frozenset(capabilities))
