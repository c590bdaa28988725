# SPDX-License-Identifier: MIT
"""What a kernel makes of `crashkernel=SIZE,cma`: more memory for the crash kernel, lent to movable pages.

Source: Linux kernel/crash_reserve.c `parse_crashkernel`, `get_last_crashkernel`, `reserve_crashkernel_cma`;
arch/powerpc/kexec/core.c `arch_reserve_crashkernel`, `kdump_cma_reserve`; arch/powerpc/kexec/ranges.c
`get_usable_memory_ranges`, `get_crash_memory_ranges`; mm/page_isolation.c `has_unmovable_pages`. Read in 6.12.118
and 7.2.13, not measured; kexec-tools up to 2.0.32 do not look for that memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drmemctl.kernel.cmdline import CMA, command_line, crash_kernel_sizes, memparse, options
from drmemctl.kernel.kexec_capabilities import CRASHKERNEL_CMA, CRASHKERNEL_CMA_SUFFIX
from drmemctl.kernel.profiles import Profile
from drmemctl.tree.node import Tree


class CmaState(StrEnum):
    """Whether the kernel reserves the memory that `crashkernel=SIZE,cma` asks for."""

    RESERVED = "reserved"
    IGNORED = "ignored"
    REFUSED = "refused"


CONSEQUENCES = {
    CmaState.RESERVED: (
        "it is reserved at boot (where is not predicted), and the dump leaves it out",
        "kexec_file_load gives it to the crash kernel besides its own memory",
        "LMBs with a part of it cannot be taken offline",
    ),
    CmaState.IGNORED: ("nothing is reserved for it",),
    CmaState.REFUSED: (
        "it is taken for the crash kernel's own size, and the comma refused (crashkernel: unrecognized char)",
        "nothing is reserved, also not what an earlier crashkernel= asks for",
    ),
}
"""What follows from each state: sentences for the user."""


@dataclass(frozen=True, slots=True)
class CrashCma:
    """A `crashkernel=SIZE,cma` of the command line, and what this kernel does with it.

    Attributes:
        size: bytes of the last such option.
        state: whether they are reserved.
        why: the releases and commits that decide it, a sentence.

    """

    size: int
    state: CmaState
    why: str

    @classmethod
    def of(cls, tree: Tree, profile: Profile) -> CrashCma | None:
        """Return what the kernel does with the last `,cma` option of /chosen/bootargs; None without one."""
        cmdline = command_line(tree)
        requests = [value for value in options(cmdline, "crashkernel") if value.endswith(CMA)]
        if not requests:
            return None
        size = memparse(requests[-1]).size
        if profile.has(CRASHKERNEL_CMA):
            state = CmaState.RESERVED if size else CmaState.IGNORED
            return cls(size, state, "powerpc asks for its size from 6.19 on (b4a96ab50f36)")
        if profile.has(CRASHKERNEL_CMA_SUFFIX):
            why = "6.17 and 6.18 know the suffix (35c18f2933c5), powerpc does not ask for its size before 6.19"
            return cls(size, CmaState.IGNORED, why)
        is_last = crash_kernel_sizes(cmdline, cma=False)[-1].endswith(CMA)
        state = CmaState.REFUSED if is_last else CmaState.IGNORED
        return cls(size, state, "the suffix is known from 6.17 on (35c18f2933c5): the last crashkernel= counts")
