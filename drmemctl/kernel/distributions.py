# SPDX-License-Identifier: MIT
"""Distribution kernels: the mainline release that each is built from, and which backports are settled by a source.

A capability that is listed here was looked up in what the distribution publishes: the patches of its kernel, or
its kernel's source. One that is not listed is as in the mainline release, which nobody has looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drmemctl.kernel.capability import Release
from drmemctl.kernel.kernel_names import KernelName

_DEBIAN_FLAVOUR = re.compile(r"[-+].*\bpowerpc64(?:le)?(?:-64k)?\Z", re.ASCII)
"""Debian's flavours for this machine; its kernels are stable releases with few patches of its own."""


_NUMBER = re.compile(r"-(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Backport:
    """A capability that a distribution's kernel has and its mainline release has not, or the other way round.

    Attributes:
        capability: its name.
        source: where that is to be seen.
        has: whether the kernel has it.

    """

    capability: str
    source: str
    has: bool = True


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution's kernel.

    Attributes:
        name: what `--kernel` calls it.
        about: what it is.
        release: the mainline release it is built from.
        patch: the stable release of that, None for the newest that is known.
        build: what its releases have behind that, as a regular expression; empty where they cannot be told.
        backports: what is settled, each with its source.
        settled_from: the number of the first build that those hold for; of earlier ones nothing is settled.
        stable: whether it follows a stable series, and has few patches besides: then nothing is unknown of it.

    """

    name: str
    about: str
    release: Release
    patch: int | None
    build: str = ""
    backports: tuple[Backport, ...] = ()
    settled_from: int = 0
    stable: bool = False

    def settled(self, name: KernelName | None = None) -> tuple[Backport, ...]:
        """Return what is settled of a release, or of the newest."""
        number = None if name is None else _NUMBER.match(name.build)
        return () if number and int(number[1]) < self.settled_from else self.backports


_RHEL_8_NUMA = "kernel-4.18.0-331.el8 (8.5), arch/powerpc/mm/numa.c"
_RHEL_8_MOBILITY = "kernel-4.18.0-331.el8 (8.5), arch/powerpc/platforms/pseries/mobility.c"

_RHEL_8 = (
    Backport("no-default-node", f"{_RHEL_8_NUMA} of_drconf_to_nid_single: default_nid is NUMA_NO_NODE"),
    Backport("current-domains", f"{_RHEL_8_NUMA} find_possible_nodes: ibm,current-associativity-domains first"),
    Backport("cpu-topology-update", f"{_RHEL_8_NUMA}: no update of CPUs is listened to", has=False),
    Backport("vphn-failure-ignored", f"{_RHEL_8_NUMA} find_and_online_cpu_nid: keeps cpu_to_node", has=False),
    Backport("node-lookup-first", f"{_RHEL_8_MOBILITY} pseries_devicetree_update: Failed lookup: phandle"),
    Backport("prrn-readd", f"{_RHEL_8_MOBILITY} pseries_devicetree_update: phandles only", has=False),
    Backport("update-errors-prefixed", f"{_RHEL_8_MOBILITY}: pr_fmt mobility:"),
    Backport("suspend-in-stop-machine", f"{_RHEL_8_MOBILITY} pseries_suspend: stop_machine(do_join)"),
)
"""From 8.5 on, as the published source of that kernel has it; earlier ones were not looked at."""

_SLES_15_SP5 = (
    Backport(
        "form2",
        "kernel-source, branch SLE15-SP5: patches.suse/powerpc-pseries-Add-support-for-FORM2-associativity.patch "
        "(1c6b5a7e7405, jsc#PED-551)",
    ),
)

_EL = r"-\d[\d.]*\.el{}(?:_\d+)?(?:\.|\Z)"

DISTRIBUTIONS: tuple[Distribution, ...] = (
    Distribution("debian-11", "Debian 11, linux 5.10", (5, 10), 262, stable=True),
    Distribution("debian-12", "Debian 12, linux 6.1", (6, 1), None, stable=True),
    Distribution("debian-13", "Debian 13, linux 6.12", (6, 12), None, stable=True),
    Distribution("rhel-8", "Red Hat Enterprise Linux 8", (4, 18), 0, _EL.format(8), _RHEL_8, 331),
    Distribution("rhel-9", "Red Hat Enterprise Linux 9", (5, 14), 0, _EL.format(9)),
    Distribution("rhel-10", "Red Hat Enterprise Linux 10", (6, 12), 0, _EL.format(10)),
    Distribution("sles-15-sp2", "SUSE Linux Enterprise Server 15 SP2", (5, 3), 18, r"-(?:2[24][.-]|150200\.)"),
    Distribution("sles-15-sp3", "SUSE Linux Enterprise Server 15 SP3", (5, 3), 18, r"-(?:5[79][.-]|150300\.)"),
    Distribution("sles-15-sp4", "SUSE Linux Enterprise Server 15 SP4", (5, 14), 21, r"-150400\."),
    Distribution("sles-15-sp5", "SUSE Linux Enterprise Server 15 SP5", (5, 14), 21, r"-150500\.", _SLES_15_SP5),
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
