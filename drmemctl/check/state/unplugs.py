# SPDX-License-Identifier: MIT
"""Rules of the family state about DIMMs that QEMU's user wants back."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.wording import count_of


@rule(
    "DRM089",
    Severity.ERROR,
    "unplug that QEMU's migration lost",
    counted="such DIMMs",
    needs=("unplugs",),
    references=(
        "QEMU hw/ppc/spapr_drc.c vmstate_spapr_drc, spapr_drc_needed",
        "QEMU hw/ppc/spapr.c spapr_memory_unplug_rollback, spapr_recover_pending_dimm_state",
        "measured on QEMU 7.2.22 and 10.0.13; the code is the same in 10.2",
    ),
)
def lost_unplugs(subject: Subject) -> Iterator[Violation]:
    """Look for DIMMs whose unplug their connectors and QEMU's list of unplugs disagree about.

    Why:
        QEMU migrates that a connector waits for its unplug, and not that the DIMM does. If the guest then keeps
        the memory, the destination aborts: "spapr_memory_unplug_rollback: assertion failed: (ds)". If it gives
        the rest back, QEMU waits for the LMBs that were given back before the migration as well, which it has
        attached again: the DIMM never goes, and another device_del is refused.

    Example:
        device_del of a DIMM with 80000004 and 80000005; the guest gives 80000004 back; migration; the guest keeps
        80000005 (set-indicator 9001 to 1).

    Kernel:
        Linux tells the hypervisor what it keeps by unisolating the connector since 5.14, and by configuring it
        again in all releases: either makes QEMU abort.

    Fix:
        Migrate only when no unplug is pending: DEVICE_DELETED or DEVICE_UNPLUG_GUEST_ERROR came. After such a
        migration reset the guest before it refuses.
    """
    for unplug in subject.running.unplugs or ():
        waiting = sum(part.count for part in unplug.waiting)
        if waiting and unplug.pending is None:
            first = f"{unplug.waiting[0].first:#010x}"
            yield Violation(
                f"{count_of(waiting, 'LMB')} of {unplug.name}, first {first}, should be given back, and QEMU has "
                "forgotten it: it aborts if the guest keeps one"
            )
        elif unplug.pending is not None and waiting < unplug.pending:
            yield Violation(
                f"QEMU waits for {count_of(unplug.pending, 'LMB')} of {unplug.name}, and the guest is asked for "
                f"{waiting}: it is never unplugged"
            )
