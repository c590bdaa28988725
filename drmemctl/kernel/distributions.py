# SPDX-License-Identifier: MIT
"""Distribution kernels: the mainline release that each is built from, and which builds of it were read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drmemctl.kernel.backports import (
    RHEL_8,
    RHEL_8_READ,
    RHEL_9,
    RHEL_9_READ,
    RHEL_10_READ,
    SLES_15_SP3,
    SLES_15_SP4,
    SLES_15_SP5,
    Backport,
    build_of,
    parse_build,
)
from drmemctl.kernel.capability import Release
from drmemctl.kernel.kernel_names import KernelName

_DEBIAN_FLAVOUR = re.compile(r"[-+].*\bpowerpc64(?:le)?(?:-64k)?\Z", re.ASCII)
"""Debian's flavours for this machine; its kernels are stable releases with few patches of its own."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution's kernel.

    Attributes:
        name: what `--kernel` calls it.
        about: what it is.
        release: the mainline release it is built from.
        patch: the stable release of that, None for the newest that is known.
        build: what its releases have behind that, as a regular expression; empty where they cannot be told.
        backports: what is settled, each with its source, in the order of builds.
        read: builds whose source was read for all capabilities, as `FIRST-LAST` of each update, in their order.
        stable: whether it follows a stable series, and has few patches besides: then nothing is unknown of it.

    """

    name: str
    about: str
    release: Release
    patch: int | None
    build: str = ""
    backports: tuple[Backport, ...] = ()
    read: str = ""
    stable: bool = False

    def settled(self, name: KernelName | None = None) -> tuple[Backport, ...]:
        """Return in what a release, or the newest, is known to differ from its mainline release."""
        differing: dict[str, Backport] = {}
        for backport in self.backports:
            if name is not None and backport.since > build_of(name.build):
                continue
            # The second one about a capability takes the first back.
            if differing.pop(backport.capability, None) is None:
                differing[backport.capability] = backport
        return tuple(differing.values())

    def was_read(self, name: KernelName) -> bool:
        """Whether the source of a release was read for all capabilities."""
        build = build_of(name.build)
        updates = (map(parse_build, update.split("-")) for update in self.read.split())
        return any(first <= build <= last for first, last in updates)

    @property
    def newest_read(self) -> str:
        """The newest release that was read: `5.14.0-570.32.1`; empty where none was."""
        return "{}.{}.0-".format(*self.release) + self.read.rpartition("-")[2] if self.read else ""


_EL = r"-\d[\d.]*\.el{}(?:_\d+)?(?:\.|\Z)"

DISTRIBUTIONS: tuple[Distribution, ...] = (
    Distribution("debian-11", "Debian 11, linux 5.10", (5, 10), 262, stable=True),
    Distribution("debian-12", "Debian 12, linux 6.1", (6, 1), None, stable=True),
    Distribution("debian-13", "Debian 13, linux 6.12", (6, 12), None, stable=True),
    Distribution("rhel-8", "Red Hat Enterprise Linux 8", (4, 18), 0, _EL.format(8), RHEL_8, RHEL_8_READ),
    Distribution("rhel-9", "Red Hat Enterprise Linux 9", (5, 14), 0, _EL.format(9), RHEL_9, RHEL_9_READ),
    Distribution("rhel-10", "Red Hat Enterprise Linux 10", (6, 12), 0, _EL.format(10), (), RHEL_10_READ),
    Distribution("sles-15-sp2", "SUSE Linux Enterprise Server 15 SP2", (5, 3), 18, r"-(?:2[24][.-]|150200\.)"),
    Distribution(
        "sles-15-sp3", "SUSE Linux Enterprise Server 15 SP3", (5, 3), 18, r"-(?:5[79][.-]|150300\.)", SLES_15_SP3
    ),
    Distribution("sles-15-sp4", "SUSE Linux Enterprise Server 15 SP4", (5, 14), 21, r"-150400\.", SLES_15_SP4),
    Distribution("sles-15-sp5", "SUSE Linux Enterprise Server 15 SP5", (5, 14), 21, r"-150500\.", SLES_15_SP5),
    Distribution("sles-15-sp6", "SUSE Linux Enterprise Server 15 SP6", (6, 4), 0, r"-150600\."),
    Distribution("sles-15-sp7", "SUSE Linux Enterprise Server 15 SP7", (6, 4), 0, r"-150700\."),
)
"""The distributions' kernels that have names."""


BY_NAME: dict[str, Distribution] = {distribution.name: distribution for distribution in DISTRIBUTIONS}


def distribution_of(name: KernelName) -> Distribution | None:
    """Return the distribution whose numbering a release has, None where it has nobody's that is known."""
    of_release = (entry for entry in DISTRIBUTIONS if entry.release == name.release and entry.build)
    return next((entry for entry in of_release if re.match(entry.build, name.build)), None)


def follows_stable(name: KernelName) -> bool:
    """Whether a release is of a distribution that follows the stable series: Debian."""
    return _DEBIAN_FLAVOUR.match(name.build) is not None
