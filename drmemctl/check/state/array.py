# SPDX-License-Identifier: MIT
"""Rules of the family state about the kernel's array and the property that it should be the same as."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.drmem.merge import merges
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_ARRAY
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs, LmbsByReason
from drmemctl.check.subject import Subject
from drmemctl.check.tables import by_drc_index, in_both_by_drc_index
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import ASSIGNED, KERNEL_TOUCHED, NODE, RESERVED, V2, aa_text
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run, state_of

_STATE = ASSIGNED | RESERVED


def array_of(subject: Subject) -> LmbTable | None:
    """Return the array if it says something else than the tree."""
    array = subject.running.array
    return None if array is None or array == subject.table else array


@rule(
    "DRM080",
    Severity.ERROR,
    "tree and kernel array disagree about memory",
    needs=("array",),
    kernels=WITH_ARRAY,
    references=(
        "Linux 063b8b1251fd (4.20, 4.19.85): the property is written once a request",
        "linuxppc-dev, P. Liu, August 2020 (v5): kdump with a stale tree, SIGBUS in makedumpfile; not merged",
    ),
)
def stale_memory(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs that the tree has in another state or at another address than the kernel's array.

    Why:
        kexec, kdump and drmgr read the tree. A crash kernel that is loaded now dumps memory that is gone, or
        misses memory that is there.

    Example:
        The array has 80000004 assigned; ibm,dynamic-memory-v2 has it with flags 00000000.

    Kernel:
        Since 4.20, and 4.19.85, the property is written at the end of a request that succeeded. After one that
        failed, and whose rollback failed too, and while one runs, the tree shows what was before. 4.16 to 4.19
        write it for each LMB.

    Fix:
        Any request that succeeds writes the whole array; since 4.20 one that changes nothing is enough: "memory
        add indexed-count 1 DRC" with an LMB that is assigned. Then load the crash kernel again. If the property is
        what is right, as after a migration that changed it, only a reboot has Linux take it.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    if not subject.has_lmbs:
        missing = AffectedLmbs(subject, subject.running.array.runs if subject.running.array is not None else ())
        if missing:
            message = f"{missing.are} in the array, and the tree has none: requests fail at their end, with EPERM"
            yield Violation(message, NODE)
        return
    array = array_of(subject)
    if array is None:
        return
    if array.lmb_size != subject.table.lmb_size:
        sizes = ["none" if size is None else f"{size:#x}" for size in (array.lmb_size, subject.table.lmb_size)]
        yield Violation(f"LMB size {sizes[0]} in the array, {sizes[1]} in the tree", NODE, LMB_SIZE, 0)
    reasons = LmbsByReason[str](subject)
    for live, shown in by_drc_index(array, subject.table):
        run = live or shown
        difference = _difference(live, shown)
        if difference and run is not None:
            reasons.add(difference, run)
    yield from reasons.violations(
        lambda difference, lmbs: f"{lmbs.are} {difference}, first {lmbs.first}: kexec and kdump are misled"
    )


def _difference(live: Run | None, shown: Run | None) -> str:
    if shown is None:
        return "in the array only"
    if live is None:
        return "in the tree only, and the next flush takes them out"
    if live.base != shown.base:
        return "at another address in the tree"
    if (live.flags ^ shown.flags) & _STATE:
        return f"{state_of(live.flags)} for Linux and {state_of(shown.flags)} in the tree"
    return ""


@rule(
    "DRM081",
    Severity.WARNING,
    "tree that the next flush overwrites",
    needs=("array", "lmbs"),
    kernels=WITH_ARRAY,
    references=(
        "Linux arch/powerpc/mm/drmem.c drmem_update_dt",
        "Linux d144f4d5a8a8 (5.15): the aa_index of a migration is taken over",
    ),
)
def pending_flush(subject: Subject) -> Iterator[Violation]:
    """Look for an aa_index or flags in the tree that the array does not have.

    Why:
        The next successful request writes the array over the property. What a migration or an administrator put
        there is lost, and LMBs may come up on another node at the next boot from that tree.

    Example:
        The array has 80000004 with aa_index 00000001, the tree with 00000000, for which the destination of a
        migration has another list.

    Kernel:
        4.16 to 5.14 keep the aa_indexes of before a migration. 5.15 and later take them over by DRC index, but no
        flags. All write 0xffffffff into the array when adding fails.

    Fix:
        Reboot before the next request if the tree is right; any request that succeeds if the array is.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    array = array_of(subject)
    if array is None:
        return
    reasons = LmbsByReason[str](subject)
    for live, shown in in_both_by_drc_index(array, subject.table):
        if live.aa_index != shown.aa_index:
            reasons.add(f"aa_index {aa_text(shown.aa_index)} where the array has {aa_text(live.aa_index)}", shown)
        elif (live.flags ^ shown.flags) & ~(_STATE | KERNEL_TOUCHED):
            reasons.add(f"flags {shown.flags:#x} where the array has {live.flags:#x}", shown)
    yield from reasons.violations(
        lambda reason, lmbs: f"{lmbs.number} with {reason}, first {lmbs.first}: the next flush writes the array's"
    )


@rule(
    "DRM082",
    Severity.ERROR,
    "array that Linux writes back as other LMBs",
    counted="such sets",
    needs=("array", "block-size"),
    kernels=WITH_ARRAY,
    references=("Linux arch/powerpc/mm/drmem.c drmem_update_dt_v2 (2b31e3aec1db, 4.16); see DRM015",),
)
def merging_array(subject: Subject) -> Iterator[Violation]:
    """Look for neighbours in the array that Linux merges although they do not follow one another.

    Why:
        The array may have come to be so by a request that the tree does not show: the property is corrupted by the
        next one that succeeds, as DRM015 tells, or has been already.

    Example:
        The array has 0x100000000 (DRC 0x80000010) and 0x180000000 (DRC 0x80000018), both assigned with aa_index 0,
        one after the other.

    Kernel:
        All since 4.16 with ibm,dynamic-memory-v2, 7.2 included.

    Fix:
        See DRM015. If the property shows addresses that the array does not have, reboot; do not load a crash
        kernel.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    array = array_of(subject)
    if array is not None and subject.table.property_name == V2:
        yield from merges(subject, array)
