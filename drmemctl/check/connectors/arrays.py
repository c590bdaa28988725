# SPDX-License-Identifier: MIT
"""The properties that list connectors, in themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

from drmemctl.check.connectors.listing import listings
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.survey import listed
from drmemctl.formats.drc import INDEXES
from drmemctl.formats.drc_info import DRC_INFO_PROPERTY


@rule(
    "DRM051",
    Severity.WARNING,
    "duplicate DRC index in ibm,drc-indexes",
    counted="nodes",
    references=("LoPAR 2.9, Properties for Dynamic Reconfiguration: ibm,drc-indexes; DRC indexes are unique",),
)
def repeated_indexes(subject: Subject) -> Iterator[Violation]:
    """Look for DRC indexes that occur more than once in one ibm,drc-indexes.

    Why:
        A DRC index names one connector. Where it stands for two, names, types and power domains that belong to
        the second are never found, and what is asked for one happens to the other.

    Example:
        ibm,drc-indexes 00000002 80000004 80000004.

    Kernel:
        Kernels and drmgr take the first. A second LMB of the same index can neither be added nor removed by it.

    Fix:
        Report it, with the tree, to whoever makes the firmware. Until it is mended, add and remove nothing that
        has such an index.
    """
    for listing in listings(subject).values():
        cells = listing.cells
        number = len(cells) - listing.in_arrays.size
        if number:
            repeated = (index for index, following in pairwise(sorted(cells)) if index == following)
            shown = [f"{index:#010x}" for index in islice(repeated, 5)]
            message = f"{number:,} of {len(cells):,} DRC indexes are listed before: {listed(shown, number)}"
            yield Violation(message, listing.path, INDEXES)


@rule(
    "DRM052",
    Severity.WARNING,
    "connector properties with inconsistent counts",
    counted="faults",
    references=(
        "LoPAR 2.9, Properties for Dynamic Reconfiguration: the four properties correspond by position",
        "Linux drivers/pci/hotplug/rpaphp_core.c rpaphp_check_drc_props_v1; pseries/of_helpers.c",
        "QEMU hw/ppc/spapr_drc.c spapr_dt_drc",
    ),
)
def misfitting_counts(subject: Subject) -> Iterator[Violation]:
    """Look for connector properties that are shorter or longer than they say, or that count differently.

    Why:
        Index, name, type and power domain of a connector stand at the same position of four properties, each of
        which opens with a count. One entry too few shifts all that follow, or lets a reader run past the end.

    Example:
        ibm,drc-indexes 00000002 80000004 80000005 with ibm,drc-types 00000001 "MEM".

    Kernel:
        The PCI hotplug driver walks the four by the count of the indexes alone, in all kernels, past the end of
        a shorter one. 6.17 and later search the indexes when a device tree node is added. drmgr does the same
        and stops or crashes.

    Fix:
        Copy the tree again, whole: one that was copied in part looks the same. Else report it, with the tree, to
        whoever makes the firmware.
    """
    for listing in listings(subject).values():
        for defect in listing.arrays.defects if listing.arrays is not None else ():
            yield Violation(defect.message, listing.path, defect.property, defect.offset)
        for defect in listing.info.defects if listing.info is not None else ():
            yield Violation(defect.message, listing.path, DRC_INFO_PROPERTY, defect.offset)
