# SPDX-License-Identifier: MIT
"""Rules of the family drmem about what Linux makes of the v2 property when it writes it anew.

`drmem_update_dt_v2` opens a new set only where aa_index or flags change. Base address and DRC index it takes from
the first LMB of a set, so that LMBs that do not go on from there come out as others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from operator import attrgetter

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_ARRAY
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs, for_lmbs, place
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, RESERVED, V2
from drmemctl.kernel.flush import WRITTEN_FLAGS, in_set, is_same_set, placed_in_sets
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.wording import count_of


def merges(subject: Subject, table: LmbTable) -> Iterator[Violation]:
    """Yield each set that Linux would write for a table and that would not decode to the same LMBs.

    They do not all go on from one another, or are too many.
    """
    size = table.lmb_size or 0
    for first, members in groupby(placed_in_sets(table), key=attrgetter("first")):
        changed = AffectedLmbs(subject, property=V2)
        written_as: Run | None = None
        n_lmbs = read_back = 0
        for placed in members:
            run = placed.run
            base, drc_index = in_set(first, placed.position, size)
            # Which DRC index an LMB that has none comes out with is nobody's concern.
            if run.base != base or (run.drc_index != drc_index and not run.flags & DRC_INVALID):
                changed.add(run)
                written_as = written_as or run._replace(base=base, drc_index=drc_index)
            n_lmbs += run.lmbs
            read_back = placed.read_back
        effects = []
        if read_back != n_lmbs:
            effects.append(f" its 32-bit count is {read_back:,}, the others are lost")
        if written_as is not None:
            comes = "comes" if changed.n_lmbs == 1 else "come"
            example = f"{changed.first} as {place(subject, written_as)}"
            effects.append(f" {changed.number} {comes} out elsewhere, {example}")
        if effects:
            yield changed.violation(
                f"{n_lmbs:,} LMBs from {place(subject, first)} on become one set at the next successful"
                f" DLPAR request, which corrupts the property:{','.join(effects)}"
            )


@rule(
    "DRM015",
    Severity.ERROR,
    "non-contiguous sets that Linux merges",
    counted="such sets",
    needs=("block-size",),
    kernels=WITH_ARRAY,
    references=(
        "Linux arch/powerpc/mm/drmem.c drmem_update_dt_v2 (2b31e3aec1db, 4.16)",
        "no fix up to 7.2, where it was seen to happen",
    ),
)
def merged_sets(subject: Subject) -> Iterator[Violation]:
    """Look for neighbouring sets with the same aa_index and flags whose addresses or DRC indexes have a gap.

    Why:
        After each successful DLPAR request Linux writes ibm,dynamic-memory-v2 anew, and merges neighbours by
        aa_index and flags alone. Behind the seam the property then names addresses and DRC indexes that do not
        exist. kdump, kexec and drmgr believe it; a kernel booted from it takes memory that is not there.

    Example:
        00000002 | 00000002 0000000040000000 80000004 00000001 00000008
        | 00000002 0000000080000000 80000008 00000001 00000008. Linux writes 00000001 | 00000004 0000000040000000
        80000004 00000001 00000008: the LMBs at 0x80000000 have become LMBs at 0x60000000.

    Kernel:
        All since 4.16, 7.2 included. v1 has an entry per LMB and is not affected.

    Fix:
        Have the firmware put a set between the two, even one of reserved LMBs (flags 0x80) that spans the gap, or
        make v1. On a running system, do no DLPAR of memory before the next reboot: nothing is lost until then.
    """
    if subject.table.property_name == V2:
        yield from merges(subject, subject.table)


@rule(
    "DRM016",
    Severity.WARNING,
    "non-contiguous sets that Linux merges once in the same state",
    needs=("block-size",),
    kernels=WITH_ARRAY,
    references=("Linux arch/powerpc/mm/drmem.c drmem_update_dt_v2 (2b31e3aec1db, 4.16)",),
)
def mergeable_sets(subject: Subject) -> Iterator[Violation]:
    """Look for a gap between neighbours that only aa_index or the assigned flag keeps apart.

    Why:
        Removing an LMB clears flag 0x8 and its aa_index, adding one sets both. If that makes two neighbours equal,
        Linux merges them when it writes the property, gap or not: see DRM015.

    Example:
        00000001 0000000100000000 80000010 00000000 00000008 | 00000001 0000000180000000 80000018 ffffffff
        00000000. Adding 0x80000018 on the same node, or removing 0x80000010, gives one set of two LMBs, the second
        at 0x110000000 (seen on 6.1 and 7.2).

    Kernel:
        All since 4.16, 7.2 included, with ibm,dynamic-memory-v2.

    Fix:
        As for DRM015. Until then add and remove LMBs on both sides of the gap only if they end up on different
        nodes.
    """
    if subject.table.property_name != V2:
        return
    size = subject.table.lmb_size or 0
    gaps = for_lmbs(subject)
    for run, following in pairwise(subject.runs):
        if (run.flags ^ following.flags) & WRITTEN_FLAGS & ~ASSIGNED or run.flags & RESERVED:
            continue  # No request changes other flags, and none takes what is reserved.
        if is_same_set(run, following):
            continue  # Merged now: DRM015.
        if in_set(run, run.lmbs, size) != (following.base, following.drc_index):
            gaps.add(following)
    if gaps:
        yield gaps.violation(
            f"{count_of(gaps.n_runs, 'gap')} in addresses or DRC indexes, the first before {gaps.first}: once a"
            " request has put both sides in the same state, Linux merges them and corrupts the property"
        )
