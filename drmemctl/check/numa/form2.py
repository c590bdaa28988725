# SPDX-License-Identifier: MIT
"""Form 2: whether its tables are there and hold together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drmemctl.check.affinity import boot_nodes, looked_up_nodes, numa_node, primary
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_FORM2
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.survey import listed, per_subject, whole
from drmemctl.formats.numa_tables import (
    DISTANCE_TABLE,
    LOOKUP_INDEX_TABLE,
    DistanceTable,
    IndexTable,
    decode_distance_table,
    decode_index_table,
)
from drmemctl.model.associativity import MAX_NODES, is_node
from drmemctl.model.distances import LOCAL
from drmemctl.wording import count_of

_LINUX = "Linux arch/powerpc/mm/numa.c initialize_form2_numa_distance_lookup_table"
_DOCUMENT = "Linux Documentation/arch/powerpc/associativity.rst, Form 2 associativity"


@dataclass(frozen=True, slots=True)
class Form2Tables:
    """Both tables of a tree whose form is 2.

    Attributes:
        path: the node that has them.
        index: which rows the table has.
        distance: the distances.

    """

    path: str
    index: IndexTable
    distance: DistanceTable

    @property
    def width(self) -> int:
        """The number of rows and of columns."""
        return self.index.declared

    @property
    def sound(self) -> bool:
        """Whether there is a distance for each pair of ids, and no more ids than Linux has nodes."""
        return len(self.index.ids) == self.width <= MAX_NODES and self.distance.declared == self.width**2 == len(
            self.distance.distances
        )


@per_subject
def form2_tables(subject: Subject) -> Form2Tables | None:
    """Return the tables if form 2 was agreed on and the tree shows both whole."""
    numa = numa_node(subject)
    if numa is None or not subject.after_cas or subject.associativity.form != 2:
        return None
    ids, distances = whole(numa.node, LOOKUP_INDEX_TABLE), whole(numa.node, DISTANCE_TABLE)
    if ids is None or distances is None:
        return None
    return Form2Tables(numa.path, decode_index_table(ids), decode_distance_table(distances))


@rule(
    "DRM042",
    Severity.ERROR,
    "form 2 without its tables",
    needs=("after-cas",),
    kernels=WITH_FORM2,
    references=(_LINUX, _DOCUMENT, "Linux 1c6b5a7e7405 (5.15): form 2"),
)
def missing_tables(subject: Subject) -> Iterator[Violation]:
    """Look for trees in which form 2 was agreed on and one of its two tables is not there.

    Why:
        With form 2 the distances come from ibm,numa-distance-table, whose rows stand for the domains in
        ibm,numa-lookup-index-table. Linux reads both at boot without asking whether they are there.

    Example:
        ibm,architecture-vec-5 with byte 5 = a0 (form 1 and form 2), and no ibm,numa-distance-table in /rtas.

    Kernel:
        5.15 and later follow a null pointer in early boot, before there is a console. Kernels before 5.15 never
        agree on form 2, and take a tree that says so for form 1.

    Fix:
        The firmware must supply both tables or not agree on form 2. A tree for kexec that was put together from
        parts must take /rtas and /chosen from the same source. To boot all the same, add numa=off to the kernel's
        command line.
    """
    numa = numa_node(subject)
    if numa is None or subject.associativity.form != 2:
        return
    for name in (LOOKUP_INDEX_TABLE, DISTANCE_TABLE):
        if numa.node.find(name) is None:
            message = f"form 2 was agreed on and {name} is not there"
            yield Violation(message, numa.path, name)


@rule(
    "DRM043",
    Severity.ERROR,
    "form 2 tables with inconsistent counts",
    kernels=WITH_FORM2,
    references=(
        _LINUX + ": `Wrong NUMA distance information`",
        "Linux 302039466f6a (5.16, 5.15.y): does not use a table of the wrong size",
        _DOCUMENT,
    ),
)
def misfitting_tables(subject: Subject) -> Iterator[Violation]:
    """Look for tables that are shorter than they say, for more than 256 ids, and for counts that are no square.

    Why:
        The index table opens with the number n of its ids, the distance table with the number of its bytes, which
        must be n times n. Linux compares the two numbers, but neither with the length of its property.

    Example:
        ibm,numa-lookup-index-table 00000002 00000000 00000001 with ibm,numa-distance-table 00000003 0a 14 14:
        two ids make four distances.

    Kernel:
        5.15 and later read behind a table that is too short, and write behind their own with more than 256 ids:
        whether they come up then depends on what lies there, which is not known, and `simulate` lets them.
        With a count that is not n times n they warn "Wrong NUMA distance information" and take 20 for every
        distance between two nodes; 5.15.0 then reads the table all the same.

    Fix:
        Report it, with the tree, to whoever makes the firmware. To boot all the same, add numa=off to the
        kernel's command line.
    """
    tables = form2_tables(subject)
    if tables is None:
        return
    n, ids, distance = tables.width, len(tables.index.ids), tables.distance
    if n > MAX_NODES:
        message = f"{n:,} ids, and Linux has room for {MAX_NODES}: it overwrites what is behind"
        yield Violation(message, tables.path, LOOKUP_INDEX_TABLE, 0)
    elif ids < n:
        message = f"{count_of(n, 'id')} declared, {ids} there: Linux reads behind the end"
        yield Violation(message, tables.path, LOOKUP_INDEX_TABLE, 4 + 4 * ids)
    if distance.declared != n * n:
        message = (
            f"{distance.declared:,} distances, and {count_of(n, 'id')} make {n * n:,}: Linux takes 20 for all"
        )
        yield Violation(message, tables.path, DISTANCE_TABLE, 0)
    elif len(distance.distances) < distance.declared:
        present = len(distance.distances)
        message = (
            f"{distance.declared:,} distances are declared and {present:,} are there: Linux reads behind the end"
        )
        yield Violation(message, tables.path, DISTANCE_TABLE, 4 + present)


@rule(
    "DRM044",
    Severity.ERROR,
    "form 2 node id too large for Linux",
    counted="ids",
    kernels=WITH_FORM2,
    references=(_LINUX, _DOCUMENT, "Linux include/linux/numa.h MAX_NUMNODES: 256 with CONFIG_NODES_SHIFT=8"),
)
def oversized_ids(subject: Subject) -> Iterator[Violation]:
    """Look for ids of 256 and above in the index table.

    Why:
        An id is the number of a node, and Linux uses it as the position in its table of distances, which has 256
        rows and columns. It does not check it.

    Example:
        ibm,numa-lookup-index-table 00000002 00000000 00001000.

    Kernel:
        5.15 and later write the distances of such an id outside the table, over other kernel data, in early boot.
        Whether they come up then depends on what lies there, which is not known; `simulate` lets them.

    Fix:
        The firmware must number its domains below 256 at the primary reference point. To boot all the same, add
        numa=off to the kernel's command line.
    """
    tables = form2_tables(subject)
    if tables is None:
        return
    for position, node in enumerate(tables.index.ids):
        if node >= MAX_NODES:
            message = f"id {node:,} is no node that Linux has room for: it writes outside its table of distances"
            yield Violation(message, tables.path, LOOKUP_INDEX_TABLE, 4 + 4 * position)


@rule(
    "DRM046",
    Severity.WARNING,
    "node without distances in form 2",
    kernels=WITH_FORM2,
    references=(
        "Linux arch/powerpc/mm/numa.c update_numa_distance: `NUMA distance details for node %d not provided`",
        "Linux kernel/sched/topology.c sched_init_numa: `Invalid distance value range`",
        _DOCUMENT,
    ),
)
def unlisted_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for nodes of memory, of CPUs or of lookup arrays that the index table does not list.

    Why:
        In form 2 a node has distances only if its id is in ibm,numa-lookup-index-table, which must list all that
        can ever come. The others stay at -1, nearer than the node itself.

    Example:
        ibm,numa-lookup-index-table 00000001 00000000 with lookup arrays 00000002 00000001 00000000 00000001.

    Kernel:
        5.15 and later: a node that is there at boot makes the scheduler say "Invalid distance value range" and do
        without NUMA, and the allocator prefer it to the own node. One that comes by hot-add gives "NUMA distance
        details for node … not provided" with a call trace; with panic_on_warn the kernel stops.

    Fix:
        The firmware must list all domains that memory or CPUs may be given.
    """
    tables = form2_tables(subject)
    if tables is None or not primary(subject) or len(tables.index.ids) < tables.width:
        return
    with_distances = set(tables.index.ids)
    at_boot = boot_nodes(subject)
    for nodes, when in ((at_boot, "at boot"), (looked_up_nodes(subject) - at_boot, "with the next hot-add there")):
        lost = sorted(node for node in nodes - with_distances if is_node(node))
        if lost:
            which = f"node {listed(lost)} is" if len(lost) == 1 else f"nodes {listed(lost)} are"
            yield Violation(f"{which} not listed: no distances {when}", tables.path, LOOKUP_INDEX_TABLE, 0)


@rule(
    "DRM045",
    Severity.WARNING,
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
