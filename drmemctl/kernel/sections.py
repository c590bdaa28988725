# SPDX-License-Identifier: MIT
"""Units in which memory comes and goes, whatever a block's size (arch/powerpc/include/asm/sparsemem.h)."""

SECTION = 1 << 24
"""SECTION_SIZE_BITS 24: memory comes and goes in sections at least."""

SUBSECTION = 1 << 21
"""SUBSECTION_SHIFT 21: device memory may begin and end inside a section, at multiples of this."""
