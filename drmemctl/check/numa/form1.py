# SPDX-License-Identifier: MIT
"""Form 1: the distances that Linux computes from the lists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

from drmemctl.check.affinity import cpu_lists, lookup_rows, memory_lists, numa_place, whole_lookup
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.survey import some
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.model.associativity import MAX_REFERENCE_POINTS, is_node

_FARTHEST = 160
"""10, doubled for each of the four reference points."""


@rule(
    "DRM049",
    Severity.INFO,
    "numa",
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
    place = numa_place(subject)
    if subject.associativity.form != 1 or len(set(points)) < MAX_REFERENCE_POINTS or place is None:
        return
    levels = _levels(subject, points)
    far = [
        f"{one} and {other}"
        for one, other in combinations(sorted(levels), 2)
        if all(here != there for here, there in zip(levels[one], levels[other], strict=True))
    ]
    if far:
        pairs = "1 pair of nodes shares" if len(far) == 1 else f"{len(far):,} pairs of nodes share"
        message = f"{pairs} no domain at any reference point ({some(far)}): Linux puts them {_FARTHEST} apart"
        yield Violation(message, place.path, REFERENCE_POINTS)


def _levels(subject: Subject, points: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Return the domains at the reference points for each node; the last list of it counts, as in Linux."""
    lists = [found.domains for found in (*memory_lists(subject), *cpu_lists(subject))]
    lookup = whole_lookup(subject)
    levels: dict[int, tuple[int, ...]] = {}
    for domains in chain(lists, lookup_rows(lookup)):
        if min(points) >= 1 and max(points) <= len(domains) and is_node(domains[points[0] - 1]):
            levels[domains[points[0] - 1]] = tuple(domains[point - 1] for point in points)
    return levels
