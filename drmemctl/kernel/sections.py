# SPDX-License-Identifier: MIT
"""Units in which memory comes and goes, whatever a block's size (arch/powerpc/include/asm/sparsemem.h)."""

from __future__ import annotations

from drmemctl.kernel.memory_capabilities import PHYSMEM_51
from drmemctl.kernel.profiles import Profile

SECTION = 1 << 24
"""SECTION_SIZE_BITS 24: memory comes and goes in sections at least."""

MIN_BLOCK_SIZE = SECTION
"""Linux MIN_MEMORY_BLOCK_SIZE: a memory block is a section at least."""

_MAX_PHYSICAL = 1 << 51
"""MAX_PHYSMEM_BITS 51, with 64 KiB pages: memory from here on is skipped."""

_OLD_MAX_PHYSICAL = 1 << 47
"""MAX_PHYSMEM_BITS 47, up to 4.19."""

SUBSECTION = 1 << 21
"""SUBSECTION_SHIFT 21: device memory may begin and end inside a section, at multiples of this."""


def is_block_size(size: int) -> bool:
    """Whether Linux takes this for the size of a memory block (drivers/base/memory.c `memory_dev_init`)."""
    return size >= MIN_BLOCK_SIZE and size & (size - 1) == 0


def max_physical(profile: Profile | None) -> int:
    """Return the first address that a kernel has no memory at; of an unknown one, what newer ones have."""
    return _MAX_PHYSICAL if profile is None or profile.has(PHYSMEM_51) else _OLD_MAX_PHYSICAL
