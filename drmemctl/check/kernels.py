# SPDX-License-Identifier: MIT
"""Which kernel releases a rule is about."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?\Z", re.ASCII)

Version = tuple[int, int, int]


def parse_version(text: str) -> Version:
    """Return a mainline version as numbers: `5.10` is (5, 10, 0); `ValueError` for anything else."""
    match = _VERSION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no kernel version such as 5.10 or 6.12.3")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def parse_kernel(text: str) -> Version:
    """Return the release of a kernel by its number or by its name among the profiles, e.g. `debian-12`."""
    from drmemctl.kernel.profiles import profile, profile_names

    if text in profile_names():
        return (*profile(text).release, 0)
    return parse_version(text)


class Kernels(NamedTuple):
    """Mainline releases from `since` on and before `before`; None is open-ended.

    Without `--kernel` every rule runs: a dump does not say which kernel will boot it next.
    """

    since: str | None = None
    before: str | None = None

    def include(self, version: Version | None) -> bool:
        """Whether a release is among them; None stands for any."""
        if version is None:
            return True
        if self.since is not None and version < parse_version(self.since):
            return False
        return self.before is None or version < parse_version(self.before)

    def __str__(self) -> str:
        if self.since and self.before:
            return f"{self.since} up to, not including, {self.before}"
        if self.since:
            return f"{self.since} and later"
        return f"before {self.before}" if self.before else "all"
