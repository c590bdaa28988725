# SPDX-License-Identifier: MIT
"""Form 2: the distances themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_FORM2
from drmemctl.check.numa.tables import Form2Tables, form2_tables
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.survey import listed
from drmemctl.formats.numa_tables import DISTANCE_TABLE, LOOKUP_INDEX_TABLE
from drmemctl.model.distances import LOCAL


@rule(
    "DRM045",
    Severity.WARNING,
    "numa",
    "invalid form 2 distance",
    kernels=WITH_FORM2,
    references=(
        "Linux kernel/sched/topology.c sched_init_numa: `Invalid distance value range`",
        "Linux include/linux/topology.h LOCAL_DISTANCE; Documentation/arch/powerpc/associativity.rst",
        "QEMU docs/specs/ppc-spapr-numa.rst: form 2 may be asymmetric",
    ),
)
def strange_distances(subject: Subject) -> Iterator[Violation]:
    """Look for distances other than 10 from a node to itself, of 10 or less to another, and for asymmetric ones.

    Why:
        The scheduler and the page allocator take the distances as ACPI has them: 10 at home, more elsewhere, the
        same in both directions. A smaller one makes a remote node the preferred one.

    Example:
        ibm,numa-distance-table 00000004 0a 14 14 00: node 1 is at distance 0 from itself.

    Kernel:
        5.15 and later: below 10 the scheduler says "Invalid distance value range" and does without NUMA; 10 to
        another node makes it the same node for the scheduler. Asymmetric distances are accepted; a kernel with
        sched_verbose says "Node-distance not symmetric".

    Fix:
        On QEMU give every -numa dist, both ways. Elsewhere a matter of the firmware.
    """
    tables = form2_tables(subject)
    if tables is None:
        return
    if tables.sound:
        yield from _strange(tables, "to themselves are not 10", lambda i, j, to, _: i == j and to != LOCAL)
        yield from _strange(tables, "to others are not above 10", lambda i, j, to, _: i != j and to <= LOCAL)
        yield from _strange(tables, "differ by direction", lambda i, j, to, back: i < j and to != back)
    ids = tables.index.ids
    first = {node: position for position, node in reversed(list(enumerate(ids)))}
    repeated = [position for position, node in enumerate(ids) if first[node] != position]
    if repeated:
        names = listed([ids[position] for position in repeated])
        message = f"ids occur again ({names}): of their distances the last ones count"
        yield Violation(message, tables.path, LOOKUP_INDEX_TABLE, 4 + 4 * repeated[0])
    for name, table in ((LOOKUP_INDEX_TABLE, tables.index), (DISTANCE_TABLE, tables.distance)):
        for defect in table.defects:
            if defect.code.endswith("-trailing"):
                yield Violation(f"{defect.message}; Linux ignores them", tables.path, name, defect.offset)


def _strange(tables: Form2Tables, fault: str, wrong: Callable[[int, int, int, int], bool]) -> Iterator[Violation]:
    """Yield the violation of all pairs for which `wrong` (row, column, distance there, distance back) holds."""
    n, cells, ids = tables.width, tables.distance.distances, tables.index.ids
    pairs = [(i, j) for i in range(n) for j in range(n) if wrong(i, j, cells[i * n + j], cells[j * n + i])]
    if pairs:
        shown = [f"{ids[i]} to {ids[j]}: {cells[i * n + j]} (back: {cells[j * n + i]})" for i, j in pairs[:5]]
        i, j = pairs[0]
        message = f"{len(pairs):,} of {n * n:,} distances {fault}: {listed(shown, len(pairs))}"
        yield Violation(message, tables.path, DISTANCE_TABLE, 4 + i * n + j)
