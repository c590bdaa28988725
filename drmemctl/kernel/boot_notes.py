# SPDX-License-Identifier: MIT
"""What on a command line, or in /chosen, touches boot memory in a way that is surprising or not worked out here.

Source: Linux arch/powerpc/kernel/prom.c `early_init_dt_scan_chosen_ppc`; arch/powerpc/kexec/core.c
`reserve_crashkernel`, `export_crashk_values`; arch/powerpc/kernel/fadump.c `fadump_reserve_mem`; mm/mm_init.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.kernel.capabilities import CHOSEN_LIMITS, CRASHKERNEL_RAISES_LIMIT
from drmemctl.kernel.cmdline import command_line, crash_kernel, has_flag, memory_size, options
from drmemctl.kernel.crash_cma import CmaState, CrashCma
from drmemctl.kernel.early_memory import MEMORY_LIMIT, inherited_limit
from drmemctl.kernel.kexec_capabilities import CRASHKERNEL_CMA_SUFFIX
from drmemctl.kernel.profiles import Profile
from drmemctl.model.associativity import CHOSEN
from drmemctl.tree.node import Tree


def boot_notes(tree: Tree, profile: Profile) -> list[str]:
    """Return what to know beside the regions, a sentence each."""
    cmdline = command_line(tree)
    notes: list[str] = []
    sizes = [name for name in ("kernelcore", "movablecore") if options(cmdline, name)]
    if has_flag(cmdline, "movable_node"):
        notes += (f"{name}= is ignored: movable_node is there" for name in sizes)
    elif "mirror" in options(cmdline, "kernelcore"):
        notes.append("kernelcore=mirror is not worked out: zones are shown as without it")
    cma = CrashCma.of(tree, profile)
    if cma is not None and cma.state is CmaState.RESERVED:
        notes.append(
            "crashkernel=SIZE,cma keeps LMBs with a part of that memory from leaving; it may lie anywhere"
        )
    elif cma is not None and cma.state is CmaState.REFUSED:
        notes.append(f"crashkernel=SIZE,cma has no memory reserved for a crash kernel: {cma.why}")
    return [*notes, *_about_the_limit(tree, cmdline, profile)]


def _about_the_limit(tree: Tree, cmdline: str, profile: Profile) -> Iterator[str]:
    limit = memory_size(cmdline)
    if limit and profile.has(CRASHKERNEL_RAISES_LIMIT):
        crash = crash_kernel(cmdline, cma=profile.has(CRASHKERNEL_CMA_SUFFIX))
        if options(cmdline, "crashkernel") and (crash is None or crash.base is None):
            yield "crashkernel= may raise the limit of mem=: by how much is worked out only for SIZE@ADDRESS"
    if limit and options(cmdline, "fadump"):
        yield "fadump= may raise the limit of mem=: that is not worked out"
    inherited = inherited_limit(tree)
    if limit is not None or not inherited:
        return  # prom_init itself writes down what mem= says
    sentence = f"{MEMORY_LIMIT} in {CHOSEN} says {int.from_bytes(inherited.to_bytes(8, 'little'), 'big'):#x}"
    if profile.has(CHOSEN_LIMITS):
        yield (
            f"{sentence}: a little-endian kernel, which this one is taken for, reads the bytes back to front, as"
            f" {inherited:#x}"
        )
    else:
        yield f"{sentence} and has no effect: Linux from 5.17 on does not find it"
