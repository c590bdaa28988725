# SPDX-License-Identifier: MIT
"""Rules of the family drmem about the flags of LMBs, and the aa_index of those that are free."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import LmbsByReason, for_lmbs, of_kind
from drmemctl.check.subject import Subject
from drmemctl.formats.cells import FLAGS_MASK, read_cells
from drmemctl.formats.dynamic_memory import (
    AA_UNSET,
    AI_INVALID,
    ASSIGNED,
    DRC_INVALID,
    FLAG_NAMES,
    HOTREMOVABLE,
    KERNEL_TOUCHED,
    RESERVED,
)

_DEFINED = sum(FLAG_NAMES)


@rule(
    "DRM021",
    Severity.ERROR,
    "flag reserved for the kernel (bit 31)",
    needs=("lmbs",),
    references=("Linux arch/powerpc/include/asm/drmem.h DRMEM_LMB_RESERVED, drmem_lmb_flags",),
)
def kernel_flag(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs with flag 0x80000000.

    Why:
        Linux marks the LMBs that a running request has touched with this bit, in the same word. An LMB that
        comes with it looks like part of every request: if one fails, Linux removes the memory of LMBs that had
        nothing to do with it, and gives their connectors back.

    Example:
        00000002 0000000060000000 80000006 00000000 80000008.

    Kernel:
        All since 4.16. On 7.2 a failing "memory add count 2" took the assigned LMB 0x80000006 offline for good.
        The bit is left out when the property is written, so that the tree does not show it any more.

    Fix:
        Clear the bit. Firmware never sets it.
    """
    lmbs = for_lmbs(subject, of_kind(subject, lambda _, flags: flags & KERNEL_TOUCHED))
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.number} with flag 0x80000000, first {lmbs.first}: a request that fails takes them for its"
            " own and removes their memory"
        )


@rule(
    "DRM022",
    Severity.ERROR,
    "LMB that is both reserved and assigned",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/kernel/prom.c early_init_drmem_lmb",
        "Linux 2ad216b4d6ff (5.14): reserved LMBs are not removable",
    ),
)
def reserved_and_assigned(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs with the flags 0x8 and 0x80 at once.

    Why:
        The hypervisor gave the memory to the partition, and Linux leaves it alone because it is reserved: it is
        lost until someone changes the flags.

    Example:
        00000001 0000000050000000 80000005 00000001 00000088.

    Kernel:
        All skip it at boot (seen on 7.2). Up to 5.13 a request to remove memory may choose it and fails.

    Fix:
        Report it to whoever makes the tree: reserved LMBs are not assigned. There is no request that clears 0x80.
    """
    both = ASSIGNED | RESERVED
    lmbs = for_lmbs(subject, of_kind(subject, lambda _, flags: flags & both == both))
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.are} assigned and reserved, first {lmbs.first}: Linux does not use that memory, it is lost"
        )


@rule(
    "DRM024",
    Severity.WARNING,
    "reserved or invalid LMB that a request may still choose",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c dlpar_memory_add_by_count",
        "LoPAR 2.9, flags of ibm,dynamic-memory; QEMU sets 0xa0",
    ),
)
def half_reserved(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs with flag 0x20 (DRC invalid) but not 0x80 (reserved), or 0x80 alone and not assigned.

    Why:
        Linux does not know flag 0x20 and heeds 0x80 only in parts. A request to add a number of LMBs does not
        count those with 0x80, but then tries every unassigned one, and it counts those with 0x20, whose connector
        does not exist.

    Example:
        00000003 0000000240000000 80000103 00000001 00000020, or 00000001 0000000050000000 80000005 ffffffff
        00000080.

    Kernel:
        All since 4.16. With 0x20 alone, "memory add count N" believes in LMBs that it cannot get and ends in
        EINVAL. With 0x80 alone it adds memory that was set aside, if the connector lets it.

    Fix:
        What must not be used has both flags (0xa0), as QEMU has it for boot memory.
    """
    state = ASSIGNED | DRC_INVALID | RESERVED
    reasons = LmbsByReason[str](subject)
    for run in of_kind(subject, lambda _, flags: flags & state in _HALF):
        reasons.add(_HALF[run.flags & state], run)
    yield from reasons.violations(lambda reason, lmbs: f"{lmbs.number} {reason}, first {lmbs.first}")


_HALF = {
    DRC_INVALID: "with flag 0x20 (DRC invalid) but not 0x80: requests to add memory count on what they cannot get",
    DRC_INVALID
    | ASSIGNED: "assigned with flag 0x20 (DRC invalid): removal acts on a connector that does not exist",
    RESERVED: "reserved without flag 0x20: requests to add memory by count may take what was set aside",
}


@rule(
    "DRM028",
    Severity.WARNING,
    "free LMB without a valid aa_index",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/mm/numa.c of_drconf_to_nid_single: DRCONF_MEM_AI_INVALID",
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c dlpar_add_lmb: sets flag 0x8 only",
    ),
)
def free_without_node(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs that are free and marked as having no valid aa_index (flag 0x40).

    Why:
        Adding such an LMB sets its aa_index and the assigned flag, but no kernel clears flag 0x40. It goes to the
        first online node, whatever its aa_index, and a boot from the tree that then results dies as DRM030 tells.

    Example:
        00000001 0000000510000000 80000114 ffffffff 00000040.

    Kernel:
        All since 4.16.

    Fix:
        Clear flag 0x40: that an unassigned LMB has no node is what aa_index 0xffffffff says.
    """
    state = AI_INVALID | ASSIGNED | RESERVED
    lmbs = for_lmbs(subject, of_kind(subject, lambda _, flags: flags & state == AI_INVALID))
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.are} free with flag 0x40, first {lmbs.first}: added, it is on the wrong node, and the next"
            " boot from that tree dies"
        )


@rule(
    "DRM026",
    Severity.INFO,
    "undefined flag",
    needs=("lmbs",),
    references=(
        "LoPAR 2.9, ibm,memory-flags-mask (0xff, although the same text defines 0x100)",
        "QEMU 0911a60c76: 0x100 in v2, mask 0xff",
    ),
)
def undefined_flags(subject: Subject) -> Iterator[Violation]:
    """Look for flags that LoPAR does not define or that ibm,memory-flags-mask leaves out; 0x100 is let pass.

    Why:
        Whoever set them wanted to say something that no reader understands. More often the entry is not what it
        seems: an address or count that landed in the flags.

    Example:
        00000002 0000000520000000 80000115 00000000 12345600.

    Kernel:
        All ignore the mask, carry unknown flags along and write them back. LMBs with different flags are never
        merged into one set, which keeps DRM015 from happening.

    Fix:
        Look at the bytes around the entry; else none.
    """
    defined = _DEFINED | KERNEL_TOUCHED
    data = None if subject.drmem_node is None else subject.drmem_node.get(FLAGS_MASK)
    mask = None if data is None else read_cells(data, 0, 1)
    if mask is not None:
        defined &= mask | HOTREMOVABLE | KERNEL_TOUCHED
    by_flags = LmbsByReason[int](subject)
    for run in of_kind(subject, lambda _, flags: flags & ~defined):
        by_flags.add(run.flags & ~defined, run)
    yield from by_flags.violations(
        lambda flags, lmbs: f"{lmbs.number} with flags {flags:#x} beyond those defined, first {lmbs.first}"
    )


@rule(
    "DRM027",
    Severity.INFO,
    "free LMB with an aa_index",
    needs=("lmbs",),
    references=("LoPAR 2.9, ibm,dynamic-memory: 0xffffffff for unassigned LMBs",),
)
def free_with_aa_index(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs that are not assigned and still have an aa_index.

    Why:
        LoPAR has 0xffffffff there, and Linux writes that when it removes an LMB. Another value is what an earlier
        owner left, or what a kernel wrote after a request that failed halfway.

    Example:
        00000007 0000000270000000 80000105 00000001 00000000.

    Kernel:
        All overwrite it when they add the LMB. Until then it keeps LMBs apart that would else be one set.

    Fix:
        None is needed.
    """
    lmbs = for_lmbs(
        subject, of_kind(subject, lambda aa_index, flags: not flags & ASSIGNED and aa_index != AA_UNSET)
    )
    if lmbs:
        yield lmbs.violation(f"{lmbs.are} free but with an aa_index, {lmbs.runs[0].aa_index} at {lmbs.first}")
