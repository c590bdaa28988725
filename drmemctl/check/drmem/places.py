# SPDX-License-Identifier: MIT
"""Rules of the family drmem about addresses and DRC indexes of the LMBs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from drmemctl.check.bounds import in_words
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import for_lmbs, highest_end, place
from drmemctl.check.subject import Subject
from drmemctl.check.tables import drc_indexes, spans_of_addresses
from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, NODE, RESERVED
from drmemctl.formats.lrdr_capacity import LRDR_CAPACITY
from drmemctl.kernel.sections import max_physical
from drmemctl.model.run import ADDRESSES, DRC_INDEXES

_LARGEST_COUNT = (1 << 31) - 1


@rule(
    "DRM017",
    Severity.ERROR,
    "LMBs beyond what Linux can count or address",
    needs=("block-size",),
    references=(
        "Linux arch/powerpc/mm/drmem.c init_drmem_v2_lmbs: int n_lmbs",
        "Linux arch/powerpc/kernel/prom.c validate_mem_limit: MAX_PHYSMEM_BITS",
    ),
)
def too_many_lmbs(subject: Subject) -> Iterator[Violation]:
    """Look for sets that add up to 2^31 LMBs, wrap in address or DRC index, or LMBs where no memory can be.

    Why:
        Linux adds up the sets in an int and addresses in 64 bits without a check. A sum that wraps gives an array
        that is too small for what is then written into it; an address that wraps puts LMBs at the bottom of
        memory; assigned LMBs beyond the largest physical address are lost.

    Example:
        A set 80000000 0000000100000000 80000010 ffffffff 00000000; or a set of two LMBs of 256 MiB whose base is
        fffffffff0000000.

    Kernel:
        All since 4.16. From 2^51 on (2^47 up to 4.19, 2^46 without 64 KiB pages) assigned memory is skipped at
        boot.

    Fix:
        Correct the count or address of the set. The firmware of no known machine makes such sets.
    """
    table = subject.table
    size = table.lmb_size or 0
    if table.n_lmbs > _LARGEST_COUNT:
        message = f"{table.n_lmbs:,} LMBs in all overflow an int: Linux overruns its array or has none"
        yield Violation(message, NODE, table.property_name, 0)
    wrapping, wrapping_indexes, skipped = (for_lmbs(subject) for _ in range(3))
    limit = max_physical(subject.running.profile)
    for run in subject.runs:
        end = run.base + run.lmbs * size
        if end > limit:
            if end > ADDRESSES:
                wrapping.add(run)
            if run.assigned:
                skipped.add(run)
        if run.drc_index + run.lmbs > DRC_INDEXES and not run.flags & DRC_INVALID:
            wrapping_indexes.add(run)
    if wrapping:
        yield wrapping.violation(
            f"{wrapping.number} from {wrapping.first} on wrap at 64 bits: Linux takes address 0 and up for LMBs"
        )
    if wrapping_indexes:
        yield wrapping_indexes.violation(
            f"{wrapping_indexes.number} from {wrapping_indexes.first} on: DRC indexes wrap at 32 bits to those of"
            " other resources"
        )
    if skipped:
        yield skipped.violation(
            f"{skipped.are} assigned in a run that ends beyond 2^{limit.bit_length() - 1}: Linux skips that"
            f" memory, first {skipped.first}"
        )


@rule(
    "DRM018",
    Severity.ERROR,
    "LMB address not aligned to the LMB size",
    needs=("block-size",),
    references=(
        "Linux mm/memory_hotplug.c check_hotplug_memory_range: EINVAL",
        "Linux mm/memory_hotplug.c try_remove_memory: BUG_ON",
    ),
)
def misaligned_lmbs(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs that do not begin at a multiple of the LMB size.

    Why:
        A memory block of Linux is one LMB, aligned to its size. An LMB across two blocks can neither be added nor
        removed, and at boot half of each block has no memory.

    Example:
        ibm,lmb-size 0000000010000000 and a set 00000001 0000000048000000 80000004 00000001 00000008.

    Kernel:
        All: adding fails with EINVAL ("Block size … unaligned hotplug range"), removing an assigned one is a BUG.

    Fix:
        Check ibm,lmb-size first: a wrong one makes every address look wrong. Else correct the base address.
    """
    size = subject.table.lmb_size or 1
    odd = for_lmbs(subject, (run for run in subject.runs if run.base % size and not run.flags & RESERVED))
    if odd:
        yield odd.violation(
            f"{odd.are} not aligned to {size:#x}, first {odd.first}: Linux dies when it removes such an LMB"
            " and cannot add one"
        )


@rule(
    "DRM019",
    Severity.ERROR,
    "overlapping LMBs",
    counted="overlaps",
    needs=("block-size",),
    references=("Linux mm/memory_hotplug.c add_memory_resource, register_memory_resource: EEXIST",),
)
def overlapping_lmbs(subject: Subject) -> Iterator[Violation]:
    """Look for two LMBs at the same addresses; those that are reserved on both sides do not count.

    Why:
        The same memory is there twice. Removing one of the two takes the memory away under the other, adding the
        second fails, and whichever comes later in the property decides on the node.

    Example:
        00000002 0000000040000000 80000004 00000001 00000008 and 00000001 0000000050000000 80000015 00000000
        00000008: 0x50000000 is an LMB of both.

    Kernel:
        All: at boot the memory is taken once and its node is the later entry's; at run time adding is EEXIST.

    Fix:
        Leave out one of the two; DRC index and address of the other LMBs of the set tell which one is right.
    """
    table = subject.table
    size = table.lmb_size or 0
    spans = spans_of_addresses(table, lambda flags: not flags & RESERVED or bool(flags & ASSIGNED))

    def overlap(owners: tuple[int, int]) -> Violation:
        first, second = (table.runs[owner] for owner in owners)
        end = min(first.base + first.lmbs * size, second.base + second.lmbs * size)
        message = (
            f"{place(subject, first)} and {place(subject, second)} both hold {subject.address(second.base)} to"
            f" {subject.address(end - 1)}: one memory in two LMBs, and removing one takes it away under the other"
        )
        return Violation(message, NODE, table.property_name, lmbs=(first, second))

    return in_words(spans.overlaps(), overlap)


@rule(
    "DRM020",
    Severity.ERROR,
    "DRC index used by two LMBs",
    counted="pairs of runs",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c get_lmb_range, dlpar_memory_add_by_index",
        "Linux d144f4d5a8a8 (5.15): drmem_update_lmbs looks LMBs up by DRC index",
        "LoPAR 2.9, ibm,my-drc-index: unique in the partition",
    ),
)
def duplicate_drc_indexes(subject: Subject) -> Iterator[Violation]:
    """Look for a DRC index that more than one LMB has; LMBs marked as having none (flag 0x20) do not count.

    Why:
        The DRC index is the name by which Linux, drmgr and the hypervisor speak of an LMB. Of two with the same
        name every request by index means the first, and releases the connector of the other.

    Example:
        00000002 0000000040000000 80000004 … and 00000002 0000000080000000 80000005 …: 0x80000005 is both
        0x50000000 and 0x80000000.

    Kernel:
        All act on the first match. From 5.15 on a migration updates the aa_index of the first only, so that the
        other one's memory comes up on the wrong node. QEMU's v1 gives all boot memory the DRC index 0, with flag
        0x20: that is fine.

    Fix:
        A fault of the firmware, or of the tool that edited the tree: the connectors in the root's ibm,drc-indexes
        or ibm,drc-info tell which are real.
    """

    def pair(owners: tuple[int, int]) -> Violation:
        first, second = (subject.runs[owner] for owner in owners)
        n = min(first.drc_index + first.lmbs, second.drc_index + second.lmbs) - second.drc_index
        several = f"{n:,} DRC indexes from {second.drc_index:#010x} on are"
        message = (
            f"{several if n > 1 else f'DRC {second.drc_index:#010x} is'} in the runs at"
            f" {subject.address(first.base)} and {subject.address(second.base)}: a request by index acts on the"
            " wrong LMB"
        )
        return Violation(message, NODE, subject.table.property_name, lmbs=(first, second))

    return in_words(drc_indexes(subject).overlaps(), pair)


@rule(
    "DRM025",
    Severity.WARNING,
    "last LMB is not the highest",
    needs=("block-size",),
    references=("Linux arch/powerpc/include/asm/drmem.h drmem_lmb_memory_max; mm/numa.c memory_hotplug_max",),
)
def unsorted_lmbs(subject: Subject) -> Iterator[Violation]:
    """Look for an array whose last LMB is not the one with the highest address.

    Why:
        Linux takes the end of the last LMB for the highest address that memory can ever have. DMA windows are made
        for that much: devices cannot reach memory above it.

    Example:
        … | 00000001 0000000700000000 80001000 … | 00000001 0000000060000000 80000006 … as the last set.

    Kernel:
        All since 4.16, where the tree has no /rtas/ibm,lrdr-capacity; with it, Linux takes its first number
        instead, and the order does no harm. drmgr and lsslot expect ascending addresses too.

    Fix:
        Sort the property by address. Firmware does.
    """
    if all(lower <= upper for lower, upper in pairwise(subject.runs.bases)):
        return
    end, last = highest_end(subject), subject.runs[-1]
    last_end = last.base + last.lmbs * (subject.table.lmb_size or 0)
    if last_end < end and subject.tree.get("/rtas", LRDR_CAPACITY) is None:
        yield for_lmbs(subject, [last]).violation(
            f"the last LMB ends at {subject.address(last_end)}, the highest at {subject.address(end)}: Linux sizes"
            " DMA windows for the former"
        )
