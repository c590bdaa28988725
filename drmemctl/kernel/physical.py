# SPDX-License-Identifier: MIT
"""Which physical addresses a kernel can have memory at (Linux MAX_PHYSMEM_BITS, with 64 KiB pages)."""

from __future__ import annotations

from drmemctl.kernel.memory_capabilities import PHYSMEM_51
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.sections import MAX_PHYSICAL, OLD_MAX_PHYSICAL


def max_physical(profile: Profile | None) -> int:
    """Return the first address that a kernel has no memory at; of an unknown one, what newer ones have."""
    return MAX_PHYSICAL if profile is None or profile.has(PHYSMEM_51) else OLD_MAX_PHYSICAL
