# SPDX-License-Identifier: MIT
"""Form 1: the distances that Linux computes from the lists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations
from operator import ne

from drmemctl.check.affinity import cpu_lists, lookup_rows, memory_lists, numa_node, whole_lookup
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.survey import listed
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.model.associativity import MAX_REFERENCE_POINTS, is_node

_FARTHEST = 160
"""10, doubled for each of the four reference points."""


@rule(
    "DRM049",
    Severity.INFO,
    "nodes as far apart as form 1 can say",
    needs=("after-cas",),
    references=(
        "Linux arch/powerpc/mm/numa.c __node_distance, __initialize_form1_numa_distance",
        "QEMU hw/ppc/spapr_numa.c spapr_numa_get_numa_level: 11, 31 and 61 fall to the lowest level",
        "LoPAR 2.9, Relative Performance Distance",
    ),
)
def farthest_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for nodes whose lists differ at each of four reference points, so that Linux puts them 160 apart.

    Why:
        A list normally shares at least its outermost domain with every other, because it is one machine. Where
        it does not, the firmware was told odd distances, or none. Linux reclaims memory of its own node rather
        than use a node at 160, where it would use one at 20.

    Example:
        Reference points 4, 3, 2, 1 with lookup arrays 00000002 00000004 00000000 00000000 00000000 00000000
        00000001 00000001 00000001 00000001.

    Kernel:
        All kernels compute 160: 10, doubled for each of the four levels.

    Fix:
        On QEMU do not use 11, 31 or 61 in -numa dist: they are taken for the farthest, against what its document
        says; use 20, 40 or 80. QEMU before 6.2 without any -numa dist also says 160. Or use form 2 (machine 6.2
        and later, Linux 5.15 and later), which has the distances as given.
    """
    points = subject.associativity.reference_points[:MAX_REFERENCE_POINTS]
    numa = numa_node(subject)
    if subject.associativity.form != 1 or len(set(points)) < MAX_REFERENCE_POINTS or numa is None:
        return
    levels = _levels(subject, points)
    far = [
        f"{first} and {second}"
        for first, second in combinations(sorted(levels), 2)
        if all(map(ne, levels[first], levels[second]))
    ]
    if far:
        pairs = "1 pair of nodes shares" if len(far) == 1 else f"{len(far):,} pairs of nodes share"
        message = f"{pairs} no domain at any reference point ({listed(far)}): Linux puts them {_FARTHEST} apart"
        yield Violation(message, numa.path, REFERENCE_POINTS)


@rule(
    "DRM130",
    Severity.INFO,
    "repeated reference point",
    needs=("after-cas",),
    references=(
        "Linux arch/powerpc/mm/numa.c __node_distance: doubled for each reference point that differs",
        "QEMU hw/ppc/spapr_numa.c spapr_numa_FORM1_write_rtas_dt: 4 4 for machines up to 5.0, 4 4 2 for 5.1",
        "LoPAR 2.9, Relative Performance Distance",
    ),
)
def repeated_points(subject: Subject) -> Iterator[Violation]:
    """Look in form 1, with more than one node, for a reference point that is among those that Linux uses already.

    Why:
        Linux doubles the distance at each reference point at which two lists differ. One that is there twice
        counts twice: with 4 4 no two nodes are 20 apart, all are 40, and with 4 4 2 none is nearer than that.

    Example:
        ibm,associativity-reference-points 00000004 00000004.

    Kernel:
        All kernels: "10 40" in /sys/devices/system/node/node0/distance, where one reference point gives "10 20".

    Fix:
        A matter of the firmware, and about speed only. On QEMU take machine pseries-5.2 or later, which gives
        4 3 2 1.
    """
    points = subject.associativity.reference_points[:MAX_REFERENCE_POINTS]
    numa = numa_node(subject)
    again = next((position for position, point in enumerate(points) if point in points[:position]), None)
    if subject.associativity.form != 1 or again is None or numa is None:
        return
    nodes = sorted(_levels(subject, points))
    if len(nodes) > 1:
        number = points.count(points[again])
        message = f"reference point {points[again]} is there {number} times, and counts as often: "
        leading = next((position for position, point in enumerate(points) if point != points[0]), len(points))
        if leading > 1:
            reach = "is" if leading == len(points) else "is at least"
            message += f"the distance of any two of nodes {listed(nodes)} {reach} {10 << leading}"
        else:
            message += "the distance of nodes that differ there and at the points between is doubled once more"
        yield Violation(message, numa.path, REFERENCE_POINTS, 4 * again)


def _levels(subject: Subject, points: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Return the domains at the reference points for each node; the last list of it counts, as in Linux."""
    lists = [own_list.lists.domains for own_list in (*memory_lists(subject), *cpu_lists(subject))]
    lookup = whole_lookup(subject)
    levels: dict[int, tuple[int, ...]] = {}
    for domains in chain(lists, lookup_rows(lookup)):
        if min(points) >= 1 and max(points) <= len(domains) and is_node(domains[points[0] - 1]):
            levels[domains[points[0] - 1]] = tuple(domains[point - 1] for point in points)
    return levels
