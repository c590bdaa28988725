# SPDX-License-Identifier: MIT
"""Kernels as people and systems write them: `5.10`, `v5.10-rc3`, what `uname -r` or -a prints, /proc/version.

Source: Linux init/version-timestamp.c `linux_proc_banner` ("Linux version RELEASE (…) VERSION"), Makefile
`KERNELRELEASE` (version, -rcN, what CONFIG_LOCALVERSION or the distribution appends).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from drmemctl.kernel.capability import Release

_RELEASE = re.compile(
    r"v?(?P<major>\d{1,3})\.(?P<minor>\d{1,3})(?:\.(?P<patch>\d{1,5}))?"
    r"(?:-rc(?P<candidate>\d{1,3}))?(?P<build>[-+~][A-Za-z0-9._+~-]{0,100})?\Z",
    re.ASCII,
)
_BANNER = re.compile(r"Linux (?:version|\S{1,255}) (?P<release>v?\d\S{0,127})(?: (?P<more>.*))?", re.ASCII)
"""/proc/version and `uname -a`: the release is the third word in both."""

_DEBIAN_UPSTREAM = re.compile(r"\bDebian (\d{1,3})\.(\d{1,3})\.(\d{1,5})[-+~]", re.ASCII)
"""Debian's own version in a banner ("#1 SMP Debian 5.10.209-2"): the stable release that its release hides."""


class KernelName(NamedTuple):
    """What a name of a kernel says.

    Attributes:
        text: the release as it was written, without what stands around it in a banner.
        release: the mainline release.
        patch: the stable release, 0 for mainline's own or a candidate of it; None where that is not said.
        build: what stands behind the release: the distribution's or the builder's own numbering.

    """

    text: str
    release: Release
    patch: int | None
    build: str


def parse_kernel_name(text: str) -> KernelName | None:
    """Return what a release, a line of /proc/version or of `uname -a` says; None for any other text."""
    banner = _BANNER.match(text.strip())
    release, more = (banner["release"], banner["more"] or "") if banner else (text.strip(), "")
    match = _RELEASE.match(release)
    if match is None:
        return None
    version = int(match["major"]), int(match["minor"])
    build = match["build"] or ""
    patch = None if match["patch"] is None else int(match["patch"])
    if match["candidate"] is not None:
        patch = 0
    elif build and not patch:
        # A distribution's own numbering ("6.1.0-50") says nothing about the stable release below it.
        # Nor does the version of the compiler's package, which is named as the kernel's is.
        upstream = (tuple(map(int, numbers)) for numbers in _DEBIAN_UPSTREAM.findall(more))
        patch = next((stable for major, minor, stable in upstream if (major, minor) == version), None)
    return KernelName(release, version, patch, build)
