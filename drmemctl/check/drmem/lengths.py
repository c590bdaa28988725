# SPDX-License-Identifier: MIT
"""Rules of the family drmem about the bytes of its properties: counts, lengths, two lists at once."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.cells import FLAGS_MASK, PRESERVATION_TIME, decode_flags_mask, decode_preservation_time
from drmemctl.formats.dynamic_memory import NODE, V1, V2, decode_entries
from drmemctl.model.drmem import LmbTable


@rule(
    "DRM014",
    Severity.ERROR,
    "LMB property shorter than its count",
    needs=("lmbs",),
    references=("Linux arch/powerpc/mm/drmem.c __walk_drmem_v1_lmbs, __walk_drmem_v2_lmbs, init_drmem_v1_lmbs",),
)
def short_property(subject: Subject) -> Iterator[Violation]:
    """Look for fewer entries than the first word of ibm,dynamic-memory or -v2 promises.

    Why:
        Linux trusts the count. What it reads behind the end of the property becomes LMBs: memory that is not
        there, or a fault.

    Example:
        00000003, then two sets of 24 bytes each.

    Kernel:
        4.16 and later read on past the property, without a check. Up to 4.15 they check the length and then ignore
        the property: none of its LMBs becomes memory.

    Fix:
        Make the count and the length agree. If the property was copied out of a running system, copy it again.
    """
    for defect in subject.drmem.defects:
        if defect.code in ("v1-too-short", "v2-too-short"):
            message = f"{defect.message}: Linux reads on past the end and takes what it finds for LMBs"
            yield Violation(message, defect.path, defect.property, defect.offset)


@rule(
    "DRM023",
    Severity.WARNING,
    "both ibm,dynamic-memory and ibm,dynamic-memory-v2",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/mm/drmem.c walk_drmem_lmbs, drmem_update_dt: v1 first",
        "linuxppc-dev 2019, N. Lynch and T. Datwyler on v2 to v1 migrations",
        "LoPAR 2.9, ibm,architecture-vec-5 byte 22",
    ),
)
def both_properties(subject: Subject) -> Iterator[Violation]:
    """Look for a node that has its LMBs in both formats.

    Why:
        Linux reads and rewrites v1 and leaves v2 as it is. From the first change on the two differ, and who reads
        the other one sees memory as it was long ago.

    Example:
        ibm,dynamic-memory 00000010 … beside ibm,dynamic-memory-v2 00000003 …. A migration to firmware that knows
        only v1 leaves a tree like that: the new property comes, the old one is not deleted.

    Kernel:
        All since 4.16 take v1 at boot, at run time and when they write. Kernels before 4.16 know no v2.

    Fix:
        Delete the one that is out of date; after a migration that is the one the destination did not send. A
        reboot has firmware make a single one.
    """
    node = subject.drmem_node
    v2 = None if node is None or node.find(V1) is None else node.find(V2)
    if v2 is None:
        return
    table = subject.table
    entries = decode_entries(V2, v2.value, subject.drmem.cells.address, v2.total)
    if LmbTable.of_property(entries, table.lmb_size) == table:
        consequence = "both have the same LMBs; the next change reaches v1 only"
    else:
        consequence = "they have different LMBs, and Linux takes those of v1"
    yield Violation(f"{V1} and {V2} are both there: {consequence}", NODE, V2)


@rule(
    "DRM029",
    Severity.INFO,
    "unused bytes",
    needs=("drmem",),
    references=("Linux arch/powerpc/mm/drmem.c drmem_update_dt_v1: the old length is kept",),
)
def idle_bytes(subject: Subject) -> Iterator[Violation]:
    """Look for what no reader uses: bytes behind the last entry, sets of no LMBs, properties of an odd length.

    Why:
        Nothing goes wrong, but whoever made the property counted otherwise than its readers do, and the next tool
        may not be as patient.

    Example:
        ibm,dynamic-memory-v2 with a set 00000000 0000000200000000 80000100 ffffffff 00000000: none of its LMBs
        exists. Or ibm,dynamic-memory 00000010, 16 entries, and 32 bytes more.

    Kernel:
        All skip both. When Linux writes v1 it keeps the length and fills the tail with zeros; when it writes v2 it
        leaves out tail and empty sets.

    Fix:
        None is needed; have the tool that made it count again.
    """
    for defect in subject.drmem.defects:
        if defect.code == "lmb-size-odd" or defect.code.endswith("-trailing"):
            yield Violation(f"{defect.message}; no reader uses that", NODE, defect.property, defect.offset)
    decoders = {FLAGS_MASK: decode_flags_mask, PRESERVATION_TIME: decode_preservation_time}
    for name, decode in decoders.items():
        prop = None if subject.drmem_node is None else subject.drmem_node.find(name)
        for defect in decode(prop.value, prop.total).defects if prop is not None else ():
            if not defect.code.endswith("-cut"):
                yield Violation(f"{defect.message}; no reader uses that", NODE, name, defect.offset)
    if subject.has_lmbs and subject.entries.property == V2:
        yield from limited(_empty_sets(subject), "sets")


def _empty_sets(subject: Subject) -> Iterator[Violation]:
    entries = subject.entries
    if 0 not in entries.columns(0, entries.present).lmbs:
        return
    for index, (base, lmbs, drc_index, *_) in enumerate(entries):
        if lmbs == 0:
            place = f"{subject.address(base)} (DRC {drc_index:#010x})"
            message = f"the set at {place} has no LMBs; no reader uses that"
            yield Violation(message, NODE, entries.property, entries.offset(index))
