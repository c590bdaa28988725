# SPDX-License-Identifier: MIT
"""Rules of the family migration about the nodes of LMBs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import zip_longest

from drmemctl.check.associativity.lmbs import reason_finder
from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_STALE_ARRAY
from drmemctl.check.memory_nodes import taken_nodes
from drmemctl.check.migration.lmbs import tables
from drmemctl.check.rule import rule
from drmemctl.check.select import LmbsByReason, for_lmbs
from drmemctl.check.subject import Subject
from drmemctl.check.tables import Nodes, in_both_by_drc_index
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5
from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS
from drmemctl.formats.dynamic_memory import AA_UNSET
from drmemctl.formats.numa_tables import DISTANCE_TABLE, LOOKUP_INDEX_TABLE
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.model.associativity import CHOSEN, reference_points_node

_LOPAR_BYTE = 3
"""The byte of option vector 5 that LoPAR lets a migration change."""


@rule(
    "DRM075",
    Severity.WARNING,
    "memory on a different node than before",
    needs=("before", "lmbs", "lmbs-before"),
    references=(
        "Linux d144f4d5a8a8 (5.15): the aa_index is taken over, no memory is moved",
        "powerpc-utils 4336877: lparnumascore",
        "LoPAR 2.9, ibm,update-properties",
    ),
)
def moved_lmbs(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs, and memory@ nodes, whose Linux node is another one than before.

    Why:
        The destination has another topology. Linux does not move memory that is online to another node: until it
        boots again, its nodes are those of the source and programs are placed by them.

    Example:
        aa_index 00000000 before and 00000001 after; or the same aa_index, and lookup arrays with other lists.

    Kernel:
        All leave memory where it is. If only the lookup arrays changed under an unchanged aa_index, an update may
        be missing: the two come one after the other, and kernels before 5.15 put back old aa_indexes (DRM076).

    Fix:
        Reboot when it suits. LMBs that are removed and added again come up on the right node from 5.10 on.
    """
    assert subject.before is not None  # noqa: S101 - the need "before"
    reasons = LmbsByReason[str](subject)
    before, after = subject.before.associativity, subject.associativity
    old_nodes, new_nodes = Nodes(before), Nodes(after)
    has_same_list = cache(lambda aa_index: before.row(aa_index) == after.row(aa_index))
    for old, new in in_both_by_drc_index(*tables(subject)):
        if not old.assigned or not new.assigned:
            continue
        source, target = old_nodes.of(old), new_nodes.of(new)
        if source is None or target is None or source == target:
            continue
        if old.aa_index == new.aa_index:
            cause = "other lookup arrays under the same aa_index"
        elif has_same_list(old.aa_index):
            cause = "another aa_index"
        else:
            cause = "another aa_index and other lookup arrays"
        reasons.add(f"from node {source} to {target}, by {cause}", new)
    yield from reasons.violations(
        lambda reason, lmbs: f"{lmbs.number} {reason}, first {lmbs.first}: Linux leaves that memory where it was"
    )
    yield from limited(_moved_nodes(subject.before, subject), "memory nodes")


def _moved_nodes(before: Subject, after: Subject) -> Iterator[Violation]:
    old_nodes = {node.path: node for node in taken_nodes(before)}
    for node in taken_nodes(after):
        old = old_nodes.get(node.path)
        if old is None or old.domains is None or node.domains is None:
            continue
        source = before.associativity.node_of_row(old.domains)
        target = after.associativity.node_of_row(node.domains)
        if source is not None and target is not None and source != target:
            message = f"from node {source} to {target}: Linux leaves that memory where it was"
            yield Violation(message, node.path, ASSOCIATIVITY)


@rule(
    "DRM076",
    Severity.WARNING,
    "aa_index that kernels before 5.15 write back",
    needs=("before", "lmbs", "lmbs-before"),
    kernels=WITH_STALE_ARRAY,
    references=(
        "Linux d144f4d5a8a8 (5.15): pseries/drmem: update LMBs after LPM",
        "linuxppc-dev, L. Dufour, April and May 2021",
    ),
)
def pending_write_back(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs whose aa_index a migration changed, which kernels before 5.15 do not take over.

    Why:
        These kernels keep the aa_indexes of the source in their array. With the next successful DLPAR request they
        write them over those of the destination: kdump, kexec and drmgr then look up the wrong list, or none.

    Example:
        lookup arrays 00000002 00000001 00000000 00000001 and aa_index 00000001 before; 00000001 00000001 00000000
        and aa_index 00000000 after. The request writes 00000001 again, for which there is no list any more.

    Kernel:
        4.16 to 5.14 (seen on 5.10). 5.15 and later take over the aa_index, and only that.

    Fix:
        Boot 5.15 or later, or do no DLPAR of memory between migration and reboot.
    """
    both = tables(subject)
    if both[0] == both[1]:
        return
    stale, homeless = for_lmbs(subject), for_lmbs(subject)
    reason_of = cache(reason_finder(subject))
    for old, new in in_both_by_drc_index(*both):
        if old.assigned and old.aa_index not in (new.aa_index, AA_UNSET):
            stale.add(new)
            if reason_of(old.aa_index, old.flags) is not None:
                homeless.add(new)
    if stale:
        message = (
            f"{stale.number} with another aa_index than before, first {stale.first}: Linux before 5.15 writes the"
            " old ones back with the next successful DLPAR request"
        )
        if homeless:
            message += f", and {homeless.number} then have no node: a boot from that tree dies"
        yield stale.violation(message)


@rule(
    "DRM077",
    Severity.WARNING,
    "changed affinity that Linux reads only at boot",
    needs=("before",),
    references=(
        "Linux arch/powerpc/mm/numa.c: primary_domain_index, distance_ref_points, FORM2 tables are read at boot",
        "LoPAR 2.9, ibm,update-properties: of ibm,architecture-vec-5 byte 3 only",
    ),
)
def changed_affinity(subject: Subject) -> Iterator[Violation]:
    """Look for reference points, domains, distance tables or option vector 5 that a migration changed.

    Why:
        Linux read them at boot and goes on with what it read. An LMB that is added later has its node computed
        with the old reference points from the new lists.

    Example:
        ibm,associativity-reference-points 00000004 00000002 before and 00000003 00000002 after.

    Kernel:
        All. With form 1 the reference points stay in use even though the property was replaced.

    Fix:
        Reboot before memory or CPUs are added. LoPAR allows other reference points and domains; another affinity
        form or option vector 5 (byte 3 apart) it does not.
    """
    assert subject.before is not None  # noqa: S101 - the need "before"
    old_tree, new_tree = subject.before.tree, subject.tree
    path = reference_points_node(new_tree)
    for name in (REFERENCE_POINTS, MAX_DOMAINS, CURRENT_DOMAINS, LOOKUP_INDEX_TABLE, DISTANCE_TABLE):
        old, new = old_tree.get(reference_points_node(old_tree), name), new_tree.get(path, name)
        if old != new:
            yield Violation(f"{_shown(old)} before, {_shown(new)} now: Linux goes on with the former", path, name)
    vectors = (old_tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"", new_tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"")
    pairs = enumerate(zip_longest(*vectors, fillvalue=0))
    changed = [number for number, (old_byte, byte) in pairs if old_byte != byte and number != _LOPAR_BYTE]
    if changed:
        numbers = ", ".join(map(str, changed[:8])) + (" and more" if len(changed) > 8 else "")
        message = f"byte {numbers} changed, which LoPAR does not allow: Linux goes on with what was agreed at boot"
        yield Violation(message, CHOSEN, ARCHITECTURE_VEC5, changed[0])


def _shown(data: bytes | None) -> str:
    if data is None:
        return "absent"
    return data[:20].hex(" ", 4) + ("…" if len(data) > 20 else "") or "empty"
