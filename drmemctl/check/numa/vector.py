# SPDX-License-Identifier: MIT
"""Option vector 5 against what the tree holds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from drmemctl.check.affinity import lookup_rows, memory_lists, numa_node, option_vector, whole_lookup
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.architecture_vec5 import (
    ARCHITECTURE_VEC5,
    DRCONF_MEMORY,
    DRMEM_V2,
    ArchitectureVec5,
)
from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.formats.numa_tables import DISTANCE_TABLE, LOOKUP_INDEX_TABLE
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.model.associativity import CHOSEN, affinity_form
from drmemctl.tree.node import Node


@rule(
    "DRM047",
    Severity.WARNING,
    "content that was not agreed on in option vector 5",
    needs=("after-cas",),
    references=(
        "LoPAR 2.9, ibm,client-architecture-support: option vector 5 bytes 2, 5 and 22",
        "Linux arch/powerpc/platforms/pseries/firmware.c fw_vec5_feature_init; mm/drmem.c: the property decides",
        "Linux arch/powerpc/mm/numa.c find_primary_domain_index: form 0 takes the second reference point",
        "QEMU hw/ppc/spapr_numa.c: writes lists of form 1 also where form 1 was not agreed on",
    ),
)
def not_as_agreed(subject: Subject) -> Iterator[Violation]:
    """Look for memory properties and affinity lists of another kind than ibm,architecture-vec-5 says.

    Why:
        Option vector 5 records what the kernel said it understands and the firmware granted. Content beyond it
        was made for another kernel: it came through kexec or a migration, or the firmware is wrong. The kernel
        that takes it over may not see the memory, or find other nodes than are meant.

    Example:
        ibm,architecture-vec-5 with byte 22 = 00 (no DRMEM_V2), and ibm,dynamic-memory-v2 in the drmem node.
        Byte 5 = 00 (form 0), reference points 4, 3, 2, 1, and lists that differ in their fourth domain.

    Kernel:
        For LMBs the property decides in all kernels, not the bit: one that does not know v2 (4.15 and earlier)
        sees none of its LMBs. For affinity the bits decide: form 0 takes the second reference point for the node,
        where form 1 has the first, and puts memory of several nodes on one. Tables of form 2 are not read
        without its bit, or before 5.15.

    Fix:
        Boot through the firmware rather than by kexec, so that the kernel is asked what it understands. On QEMU
        use a guest kernel that asks for form 1 (every one since 2010).
    """
    vector = option_vector(subject)
    if vector is None:
        return
    if subject.drmem_node is not None:
        yield from _lmbs_not_as_agreed(subject.drmem_node, vector)
    numa = numa_node(subject)
    if numa is None:
        return
    tables = [name for name in (LOOKUP_INDEX_TABLE, DISTANCE_TABLE) if numa.node.find(name) is not None]
    if tables and affinity_form(subject.tree) != 2:
        message = "a table of form 2, which was not agreed on: Linux does not read it"
        yield Violation(message, numa.path, tables[0])
    meant, by_linux = _numbers_of_nodes(subject)
    if by_linux < meant:
        message = f"form 0 was agreed on, and the lists are of form 1: of {meant} nodes Linux makes {by_linux}"
        yield Violation(message, numa.path, REFERENCE_POINTS, 4)


def _lmbs_not_as_agreed(node: Node, vector: ArchitectureVec5) -> Iterator[Violation]:
    if not vector.has(DRCONF_MEMORY):
        message = "dynamic memory is here, and DRCONF_MEMORY (byte 2, 0x20) was not agreed on"
        yield Violation(message, NODE)
    has_v1, has_v2 = (node.find(name) is not None for name in (V1, V2))
    if has_v2 and not vector.has(DRMEM_V2):
        message = "LMBs as v2, and DRMEM_V2 (byte 22, 0x80) was not agreed on: Linux up to 4.15 would not see them"
        yield Violation(message, NODE, V2)
    elif has_v1 and not has_v2 and vector.has(DRMEM_V2):
        yield Violation("LMBs as v1, and DRMEM_V2 (byte 22, 0x80) was agreed on", NODE, V1)


def _numbers_of_nodes(subject: Subject) -> tuple[int, int]:
    """Return how many nodes are meant and how many Linux makes, where form 1 content is read as form 0.

    In true form 0 the first reference point is the whole machine: the same domain in every list.
    """
    points = subject.associativity.reference_points[:2]
    if subject.associativity.form != 0 or len(points) < 2 or min(points) < 1:
        return 0, 0
    own = (own_list.lists.domains for own_list in memory_lists(subject))
    lists = [domains for domains in chain(own, lookup_rows(whole_lookup(subject))) if len(domains) >= max(points)]
    meant, by_linux = (len({domains[point - 1] for domains in lists}) for point in points)
    return meant, by_linux


@rule(
    "DRM048",
    Severity.WARNING,
    "option vector 5 with a wrong length byte",
    references=(
        "LoPAR 2.9, ibm,architecture-vec-5: a length byte, then the option bytes",
        "Linux arch/powerpc/platforms/pseries/firmware.c fw_vec5_feature_init: bytes beyond the property are 0",
        "QEMU hw/ppc/spapr_ovec.c spapr_dt_ovec",
    ),
)
def misfit_vector(subject: Subject) -> Iterator[Violation]:
    """Look for an ibm,architecture-vec-5 whose first byte does not give the number of bytes that follow, less one.

    Why:
        Features in bytes that are missing count as not agreed on: a vector that was cut before byte 5 makes Linux
        read affinity as form 0, one that was cut before byte 24 makes it use another MMU. Bytes too many are
        taken for features.

    Example:
        19 00 20 00: the first byte promises 26 option bytes, three are there.

    Kernel:
        Kernels since 4.15 take bytes behind the end as zero; 4.10 reads behind the property. None looks at the
        first byte.

    Fix:
        Copy the tree again. If it is the same then: report it, with the tree, to whoever makes the firmware.
    """
    vector = option_vector(subject)
    for defect in vector.defects if vector is not None else ():
        yield Violation(defect.message, CHOSEN, ARCHITECTURE_VEC5, defect.offset)
