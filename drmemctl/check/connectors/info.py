# SPDX-License-Identifier: MIT
"""ibm,drc-info, the shorter form of listing connectors."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.affinity import option_vector
from drmemctl.check.bounds import limited
from drmemctl.check.connectors.listing import listings
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.architecture_vec5 import DRC_INFO
from drmemctl.formats.drc_info import DRC_INFO_PROPERTY, DrcInfo, DrcInfoEntry

_INDEXES = 1 << 32


@rule(
    "DRM055",
    Severity.WARNING,
    "ibm,drc-info beside the drc arrays, or not agreed on",
    references=(
        "LoPAR 2.9, ibm,drc-info: replaces the four properties where option vector 5 byte 22 bit 1 is agreed on",
        "Linux advertises it in 4.19, not in 4.20 to 5.4, and again from 5.5",
        "LoPAR 2.9, ibm,update-properties: after a migration the target may present either form",
    ),
)
def two_forms(subject: Subject) -> Iterator[Violation]:
    """Look for nodes that list different connectors in the two forms, and for ibm,drc-info that nobody asked for.

    Why:
        A node lists connectors either in four arrays or in ibm,drc-info. After a migration to a machine of the
        other form the old one may stay behind, and readers that prefer it ask for connectors of the machine that
        the partition left.

    Example:
        ibm,drc-indexes 00000001 80000004 beside ibm,drc-info "MEM", "LMB ", 80000010 ….

    Kernel:
        Kernels that know ibm,drc-info prefer it, as drmgr does. 4.19 and 5.5 and later ask for it, 4.20 to 5.4 do
        not; a kernel that does not know it finds no connectors of PCI slots and CPUs without the arrays.

    Fix:
        Remove the form that is left over, or reboot: the firmware then builds the tree anew.
    """
    by_path = listings(subject)
    both = (listing for listing in by_path.values() if listing.info is not None and listing.arrays is not None)
    contradictions = (
        Violation(
            "ibm,drc-info and ibm,drc-indexes list different connectors: readers prefer the former",
            listing.path,
            DRC_INFO_PROPERTY,
        )
        for listing in both
        if listing.is_whole and listing.in_info != listing.in_arrays
    )
    yield from limited(contradictions, "nodes")
    vector = option_vector(subject)
    if not subject.after_cas or vector is None or vector.has(DRC_INFO):
        return
    first = next((listing for listing in by_path.values() if listing.info is not None), None)
    if first is not None and first.arrays is None:
        message = "connectors as ibm,drc-info only, and DRC_INFO (byte 22, 0x40) was not agreed on"
        yield Violation(message, first.path, DRC_INFO_PROPERTY)


@rule(
    "DRM056",
    Severity.WARNING,
    "overlapping or endless ibm,drc-info sequences",
    counted="sequences",
    references=(
        "LoPAR 2.9, ibm,drc-info: increment applies to the DRC index and to the number in the name",
        "Linux arch/powerpc/platforms/pseries/of_helpers.c of_read_drc_info_cell: last index in 32 bits",
    ),
)
def overlapping_sequences(subject: Subject) -> Iterator[Violation]:
    """Look for sequences that share DRC indexes with another, that stay at one index, or that pass 0xffffffff.

    Why:
        A sequence stands for connectors at regular distances. Where two share a DRC index it has two names and
        two types, and each reader takes another.

    Example:
        "MEM" "LMB " 80000000 00000000 00000010 00000001 ffffffff, then
        "PMEM" "PMEM " 80000008 00000000 00000004 00000001 ffffffff.

    Kernel:
        All kernels that know the property take the first sequence whose range an index is in, and compute the last
        index of a range in 32 bits: one that wraps is empty to them.

    Fix:
        Report it, with the tree, to whoever makes the firmware. Until it is mended, add and remove nothing that
        has such an index.
    """
    for listing in listings(subject).values():
        for entry, message in _faults(listing.info) if listing.info is not None else ():
            yield Violation(message, listing.path, DRC_INFO_PROPERTY, entry.offset)


def _last(entry: DrcInfoEntry) -> int:
    return entry.index_start + (entry.n_sequential - 1) * entry.increment


def _faults(info: DrcInfo) -> Iterator[tuple[DrcInfoEntry, str]]:
    sound = []
    for entry in info.entries:
        if entry.n_sequential > 1 and not entry.increment:
            yield entry, f"{entry.n_sequential:,} connectors, all of DRC index {entry.index_start:#010x}"
        elif entry.n_sequential and _last(entry) >= _INDEXES:
            message = f"{entry.n_sequential:,} connectors from {entry.index_start:#010x} on pass 0xffffffff"
            yield entry, f"{message}: Linux finds none of them"
        elif entry.n_sequential:
            sound.append(entry)
    yield from _overlaps(sorted(sound, key=lambda entry: entry.index_start))


def _overlaps(entries: list[DrcInfoEntry]) -> Iterator[tuple[DrcInfoEntry, str]]:
    """Yield the sequences that begin at an index of the one that reaches farthest so far."""
    farthest: DrcInfoEntry | None = None
    for entry in entries:
        if farthest is not None and _shares(farthest, entry):
            from_where = f"from {entry.index_start:#010x} on"
            yield entry, f"{from_where} the same DRC indexes as those from {farthest.index_start:#010x} on"
        if farthest is None or _last(entry) > _last(farthest):
            farthest = entry


def _shares(first: DrcInfoEntry, second: DrcInfoEntry) -> bool:
    """Whether two sequences share a DRC index: for certain, if perhaps not in every case of odd increments."""
    if second.index_start > _last(first):
        return False
    if first.increment == 1 or first.n_sequential == 1:
        return True
    return any(first.position(second.index(k)) is not None for k in range(min(second.n_sequential, 64)))
