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
from drmemctl.kernel.flush import WRITTEN_FLAGS, PlacedRun, in_set, is_same_set, placed_in_sets
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.wording import count_of


class Merged:
    """LMBs that Linux writes as one set although they do not all go on from one another, or are too many.

    Attributes:
        first: the first run of the set.
        n_lmbs: how many LMBs it has.
        read_back: how many it has by its 32-bit count.
        changed: those that come out at another address or with another DRC index.
        example: the first of these, and as what it comes out.

    """

    __slots__ = ("changed", "example", "first", "n_lmbs", "read_back")

    def __init__(self, subject: Subject, first: Run) -> None:
        self.first = first
        self.n_lmbs = 0
        self.read_back = 0
        self.changed = AffectedLmbs(subject, property=V2)
        self.example: tuple[Run, Run] | None = None

    def add(self, placed: PlacedRun, size: int) -> None:
        """Append LMBs."""
        run = placed.run
        base, drc_index = in_set(placed.first, placed.position, size)
        # Which DRC index an LMB that has none comes out with is nobody's concern.
        if run.base != base or (run.drc_index != drc_index and not run.flags & DRC_INVALID):
            self.changed.add(run)
            self.example = self.example or (run, run._replace(base=base, drc_index=drc_index))
        self.n_lmbs += run.lmbs
        self.read_back = placed.read_back


def merges(subject: Subject, table: LmbTable) -> Iterator[Merged]:
    """Yield each set that Linux would write for a table and that would not decode to the same LMBs."""
    for first, members in groupby(placed_in_sets(table), key=attrgetter("first")):
        merged = Merged(subject, first)
        for placed in members:
            merged.add(placed, table.lmb_size or 0)
        if merged.changed or merged.read_back != merged.n_lmbs:
            yield merged


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
        yield from (merge_violation(subject, merged) for merged in merges(subject, subject.table))


def merge_violation(subject: Subject, merged: Merged) -> Violation:
    """Return the violation that such a set is."""
    message = (
        f"{merged.n_lmbs:,} LMBs from {place(subject, merged.first)} on become one set at the next successful"
        " DLPAR request, which corrupts the property:"
    )
    if merged.read_back != merged.n_lmbs:
        message += f" its 32-bit count is {merged.read_back:,}, the others are lost"
    if merged.example is not None:
        run, written_as = merged.example
        message += "," if merged.read_back != merged.n_lmbs else ""
        comes = "comes" if merged.changed.n_lmbs == 1 else "come"
        as_written = f"{place(subject, run)} as {place(subject, written_as)}"
        message += f" {merged.changed.number} {comes} out elsewhere, {as_written}"
    return merged.changed.violation(message)


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
