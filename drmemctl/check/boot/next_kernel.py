# SPDX-License-Identifier: MIT
"""Rules of the family boot about the tree that a loaded kernel will get, against what the hypervisor gave."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import for_lmbs
from drmemctl.check.subject import Subject
from drmemctl.check.tables import sensed
from drmemctl.kernel.firmware import SENSE_PRESENT
from drmemctl.model.run import is_assigned, state_of

_FILE_ROUTE = (
    "Linux drivers/of/kexec.c of_kexec_alloc_and_setup_fdt: the new tree is a copy of initial_boot_params",
    "Linux arch/powerpc/kexec/file_load_64.c setup_new_fdt_ppc64: CPUs and DMA windows are renewed, LMBs are not",
)


def is_foreign(flags: int, sense: int) -> bool:
    """Whether the next kernel takes an LMB with these flags whose connector does not say that it is there."""
    return is_assigned(flags) and sense != SENSE_PRESENT


def is_lost(flags: int, sense: int) -> bool:
    """Whether the next kernel takes an LMB with these flags for free whose connector says that it is there."""
    return sense == SENSE_PRESENT and state_of(flags) == "free"


@rule(
    "DRM160",
    Severity.ERROR,
    "the next kernel takes an LMB that is not the partition's",
    needs=("next-kernel", "senses", "lmbs"),
    references=_FILE_ROUTE,
)
def foreign_memory(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs that are assigned in the tree of the next kernel, and whose connectors are not present.

    Why:
        The next kernel makes these LMBs its memory. The hypervisor took them back: the first access is a machine
        check, or finds what is somebody else's.

    Example:
        At boot ibm,dynamic-memory-v2 says 80000004 00000000 00000008; `memory remove index 0x80000004`; kexec -s
        hands on 80000004 00000000 00000008.

    Kernel:
        All with kexec_file_load, 4.13 and later: it copies the tree that the kernel was booted with.

    Fix:
        Load it by kexec -c, which copies /proc/device-tree, or reboot. Before kexec -s, do not remove LMBs that
        were assigned at boot.
    """
    foreign = for_lmbs(subject, (run for _, run in sensed(subject, subject.table, is_foreign)))
    if foreign:
        yield foreign.violation(
            f"{foreign.are} assigned in the next kernel's tree and not the partition's, first {foreign.first}: its"
            " first access to that memory is fatal"
        )


@rule(
    "DRM161",
    Severity.ERROR,
    "the next kernel loses an LMB of the partition",
    needs=("next-kernel", "senses", "lmbs"),
    references=_FILE_ROUTE,
)
def lost_memory(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs whose connectors are present, and that are free in the tree of the next kernel.

    Why:
        The hypervisor gave these LMBs, and the next kernel knows nothing of it: the memory is lost until the
        partition is booted by firmware. Requests to add memory fail there, since Linux adds only what is unusable.

    Example:
        At boot ibm,dynamic-memory-v2 says 80000004 ffffffff 00000000; `memory add index 0x80000004`; kexec -s
        hands on 80000004 ffffffff 00000000.

    Kernel:
        All with kexec_file_load, 4.13 and later: it copies the tree that the kernel was booted with.

    Fix:
        Load it by kexec -c, which copies /proc/device-tree, or reboot. What is lost already comes back with
        a reboot.
    """
    lost = for_lmbs(subject, (run for _, run in sensed(subject, subject.table, is_lost)))
    if lost:
        yield lost.violation(
            f"{lost.are} the partition's and free in the next kernel's tree, first {lost.first}: that memory is"
            " lost until the next boot by firmware"
        )
