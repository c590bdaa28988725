# SPDX-License-Identifier: MIT
"""Devices that have a connector: their own DRC index, and persistent memory."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.connectors.listing import listings
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.survey import survey, whole
from drmemctl.formats.cells import read_cells
from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.formats.pmemory import BLOCK_SIZE, NUMBER_OF_BLOCKS, UNIT_GUID, decode_pmemory

_PMEMORY_PARENTS = ("/ibm,persistent-memory", "/persistent-memory")
_REQUIRED = {
    "drc_index": MY_DRC_INDEX,
    "block_size": BLOCK_SIZE,
    "blocks": NUMBER_OF_BLOCKS,
    "unit_guid": UNIT_GUID,
}


@rule(
    "DRM057",
    Severity.WARNING,
    "device whose connector is not listed by its parent",
    counted="devices",
    references=(
        "LoPAR 2.9, Properties for Dynamic Reconfiguration: ibm,my-drc-index",
        "Linux drivers/pci/hotplug/rpaphp_core.c rpaphp_check_drc_props; pseries/dlpar.c",
    ),
)
def unlisted_devices(subject: Subject) -> Iterator[Violation]:
    """Look for ibm,my-drc-index that is not among the connectors of the parent (persistent memory: of the root).

    Why:
        A node that can be removed names its connector, and its parent lists the connectors of its children with
        name and type. A node whose connector is not listed cannot be removed, or is taken for another.

    Example:
        /cpus/PowerPC,POWER9@0 with ibm,my-drc-index 10000000, and /cpus with ibm,drc-indexes 00000001 10000008.

    Kernel:
        In all kernels the PCI hotplug driver does not offer such a slot, and removing a CPU goes to the DRC index
        as it stands.

    Fix:
        Report it, with the tree, to whoever makes the firmware; after a migration see first whether the lists or
        the nodes are those of the old machine.
    """
    for device in survey(subject).devices:
        parent = device.path.rpartition("/")[0] or "/"
        listing = listings(subject).get("/" if parent in _PMEMORY_PARENTS else parent)
        if listing is None or not listing.is_whole:
            continue
        data = whole(device.node, MY_DRC_INDEX)
        index = None if data is None else read_cells(data, 0, 1)
        if index is not None and index not in listing.all:
            message = (
                f"DRC index {index:#010x} is not among the connectors of {listing.path}: it cannot be removed"
            )
            yield Violation(message, device.path, MY_DRC_INDEX)


@rule(
    "DRM058",
    Severity.ERROR,
    "persistent memory that Linux cannot use",
    counted="regions",
    references=(
        "Linux arch/powerpc/platforms/pseries/papr_scm.c papr_scm_probe",
        "QEMU hw/ppc/spapr_nvdimm.c spapr_dt_nvdimm",
    ),
)
def unusable_pmemory(subject: Subject) -> Iterator[Violation]:
    """Look for ibm,pmemory nodes that lack a property which the driver needs, or have it too short.

    Why:
        The driver of persistent memory asks for ibm,my-drc-index, ibm,block-size, ibm,number-of-blocks and
        ibm,unit-guid, and leaves the region alone if one is missing. What is stored there cannot be reached.

    Example:
        ibm,pmemory@90000000 with ibm,block-size 10000000: four bytes, where the driver reads eight.

    Kernel:
        4.20 and later print "missing drc-index!", "missing block-size!", "missing number-of-blocks!" or "missing
        unit-guid!" and give the region up.

    Fix:
        Report it, with the tree, to whoever makes the firmware. The data is not lost by it.
    """
    for path, node in survey(subject).pmemory:
        if any(prop.is_cut for prop in node.properties):
            continue
        region = decode_pmemory({prop.name: prop.value for prop in reversed(node.properties)})
        for field, name in _REQUIRED.items():
            if getattr(region, field) is None:
                fault = "is too short" if node.find(name) is not None else "is missing"
                yield Violation(f"{name} {fault}: Linux does not take this region", path, name)
