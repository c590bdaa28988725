# SPDX-License-Identifier: MIT
"""Rules of the family dump about the kernel's own LMB array."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_ARRAY
from drmemctl.check.rule import rule
from drmemctl.check.select import LmbsByReason, for_lmbs
from drmemctl.check.subject import Subject
from drmemctl.check.tables import in_both_by_drc_index
from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import ASSIGNED, KERNEL_TOUCHED, NODE
from drmemctl.kernel.writers import in_step
from drmemctl.model.drmem import Drmem
from drmemctl.model.dumped import array_in, at_boot
from drmemctl.model.run import Run


@rule(
    "DRM141",
    Severity.WARNING,
    "request that was under way",
    needs=("dump", "array", "lmbs"),
    kernels=WITH_ARRAY,
    references=(
        "Linux arch/powerpc/include/asm/drmem.h DRMEM_LMB_RESERVED, drmem_mark_lmb_reserved",
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c dlpar_memory_add_by_count and its like",
    ),
)
def request_under_way(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs in the array that are marked by a request to add or to remove memory.

    Why:
        The kernel stopped in the middle of it, or of taking it back: some of its LMBs are done, and the property
        shows what was before. The hypervisor may have given or taken LMBs that no kernel knows of.

    Example:
        The array has 80000005 with flags 80000008: the mark and assigned.

    Kernel:
        A request marks each LMB that it has done, and takes the marks away before it writes the property. Before
        5.14 a request by count that failed could leave marks behind.

    Fix:
        Look at the end of the kernel's log (dmesg in a capture of the dump) for the request. After the reboot hold
        the memory of the partition against the HMC's.
    """
    array = subject.running.array
    if array is None or not any(flags & KERNEL_TOUCHED for flags in set(array.runs.flags)):
        return
    marked = compress(array.runs, (flags & KERNEL_TOUCHED for flags in array.runs.flags))
    lmbs = for_lmbs(subject, (run._replace(flags=run.flags & ~KERNEL_TOUCHED) for run in marked))
    changed = sum(
        new.lmbs
        for old, new in in_both_by_drc_index(subject.table, array)
        if new.flags & KERNEL_TOUCHED and (old.flags ^ new.flags) & ASSIGNED
    )
    states = f"{changed:,} of them in another state than in the tree" if changed else "all as the tree has them"
    yield lmbs.violation(f"{lmbs.are} marked by a request that had not ended, {states}, first {lmbs.first}")


@rule(
    "DRM143",
    Severity.WARNING,
    "array that no request can have made of the LMBs of boot",
    needs=("dump", "array", "lmbs"),
    kernels=WITH_ARRAY,
    references=("Linux arch/powerpc/mm/drmem.c drmem_init, init_drmem_v2_lmbs: the array is made once, at boot",),
)
def array_against_boot(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs in the array whose number, address, DRC index or flags are not those of boot.

    Why:
        Requests change whether an LMB is assigned, and its aa_index. All else stays as the tree of boot had it.
        Another value is a stray write, or the property that the kernel read at boot is gone without a trace.

    Example:
        The oldest ibm,dynamic-memory-v2 of the dump has 12 LMBs, the array has 16.

    Kernel:
        All since 4.16. An LMB that is marked by a request has one flag more, which does not count.

    Fix:
        Compare with DUMP::boot, the tree that the kernel was started with. If that has the same, memory was
        written over, which may well be what the crash is about.
    """
    array = array_in(subject.tree)
    if array is None:
        return
    try:
        boot = Drmem.from_tree(at_boot(subject.tree, NODE)).table
    except LimitError:
        return  # a value that nobody reads any more is no reason to judge nothing
    if boot.n_lmbs != array.n_lmbs:
        message = f"{array.n_lmbs:,} LMBs in the array, {boot.n_lmbs:,} at boot"
        yield Violation(message, NODE, subject.table.property_name)
        return
    reasons = LmbsByReason[str](subject)
    for old, new in in_step(boot, array):
        difference = _difference(old, new)
        if difference:
            reasons.add(difference, new._replace(flags=new.flags & ~KERNEL_TOUCHED))
    yield from reasons.violations(lambda difference, lmbs: f"{lmbs.have} {difference}, first {lmbs.first}")


def _difference(old: Run, new: Run) -> str:
    if old.base != new.base:
        return "another address than at boot"
    if old.drc_index != new.drc_index:
        return "another DRC index than at boot"
    if (old.flags ^ new.flags) & ~(ASSIGNED | KERNEL_TOUCHED):
        return f"flags {new.flags & ~KERNEL_TOUCHED:#x}, which were {old.flags:#x} at boot"
    return ""
