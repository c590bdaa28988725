# SPDX-License-Identifier: MIT
"""Which kernel releases a rule is about."""

from __future__ import annotations

from typing import NamedTuple

from drmemctl.kernel.capabilities import AA_SYNC, BLOCK_SIZE_U32, CURRENT_DOMAINS, DRMEM_ARRAY, FORM2, LMB_SIZE_U32
from drmemctl.kernel.capability import Capability, Release
from drmemctl.kernel.profiles import Profile


class Kernels(NamedTuple):
    """Mainline releases from `since` on and before `before`; None is open-ended.

    What brought a rule about, and what ended it, may be capabilities: a kernel is then judged by whether it has
    one of `needs` and not `lacks`, since distributions and stable series take over fixes, not numbers.
    """

    since: str | None = None
    before: str | None = None
    needs: tuple[Capability, ...] = ()
    lacks: Capability | None = None

    def include(self, profile: Profile | None) -> bool:
        """Whether a kernel is among them; None stands for any."""
        if profile is None:
            return True
        if self.needs:
            return any(map(profile.has, self.needs)) and not (self.lacks and profile.has(self.lacks))
        begun = self.since is None or profile.release >= _release(self.since)
        return begun and (self.before is None or profile.release < _release(self.before))

    def __str__(self) -> str:
        if self.since and self.before:
            return f"{self.since} up to, not including, {self.before}"
        if self.since:
            return f"{self.since} and later"
        return f"before {self.before}" if self.before else "all"


def _release(text: str) -> Release:
    major, minor = text.split(".")
    return int(major), int(minor)


WITH_ARRAY = Kernels(since="4.16", needs=(DRMEM_ARRAY,))
"""Kernels that hold the LMBs in an array."""

WITH_STALE_ARRAY = Kernels(since="4.16", before="5.15", needs=(DRMEM_ARRAY,), lacks=AA_SYNC)
"""Those whose array does not follow an updated property."""

WITH_FORM2 = Kernels(since="5.15", needs=(FORM2,))
"""Kernels that know affinity form 2."""

WITH_CURRENT_DOMAINS = Kernels(since="5.10", needs=(CURRENT_DOMAINS,))
"""Kernels that count possible nodes by ibm,current-associativity-domains."""

WITH_NARROW_LMB_SIZE = Kernels(before="5.10", needs=(LMB_SIZE_U32, BLOCK_SIZE_U32))
"""Kernels that hold the size of LMBs, or of memory blocks, in 32 bits."""
