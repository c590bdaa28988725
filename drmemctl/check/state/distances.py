# SPDX-License-Identifier: MIT
"""The rule of the family state about the distances of nodes, which a simulated kernel tells."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.tables import block_ranges
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.kernel.affinity import affinity_rules
from drmemctl.kernel.distances import boot_distances
from drmemctl.model.associativity import Associativity
from drmemctl.model.distances import Form1
from drmemctl.wording import count_of

_LISTED_PAIRS = 3


@rule(
    "DRM150",
    Severity.WARNING,
    "distances of nodes that the tree no longer gives",
    needs=("distances", "blocks"),
    references=(
        "Linux 8ddc6448ec5a (5.15, 5.10.178): update_numa_distance when an LMB or a CPU is added",
        "Linux arch/powerpc/mm/numa.c __node_distance, __initialize_form1_numa_distance: distance_lookup_table",
    ),
)
def stale_distances(subject: Subject) -> Iterator[Violation]:
    """Look in form 1 for nodes whose distance in Linux's table is another than a boot from the tree would give.

    Why:
        The table has a row for each node: its domains at the reference points. A migration brings new lists and
        changes no row. What is added later writes the row of its own node anew: rows of the source and of the
        destination stand beside one another, and are compared. The scheduler and the allocator go by the result.

    Example:
        Nodes 1 and 2 have lists <4 1> and <4 2> with reference points 2, 1, and are 20 apart. A migration brings
        <7 1> and <7 2>; an LMB is added on node 1. Its row is <1 7> now, that of node 2 still <2 4>: 40 apart.

    Kernel:
        5.15 and later, and 5.10.178, take the list that the connector of what is added describes. Earlier ones
        take the list of the lookup arrays when they look up the node, and never fill in node 0. Read, not run.

    Fix:
        Add an LMB or a CPU on each of the nodes, or reboot.
    """
    table, profile = subject.running.distances, subject.running.profile
    if table is None or profile is None:
        return
    associativity = Associativity.as_booted(subject.tree, affinity_rules(profile))
    drmem = subject.drmem if subject.has_lmbs else None
    booted = boot_distances(subject.tree, profile, associativity, drmem)
    if not isinstance(booted, Form1) or booted.points != table.points:
        return  # a boot from this tree would take another form, or other reference points: nothing to compare
    online = {blocks.node for blocks in block_ranges(subject) if blocks.node is not None}
    online |= {cpu.node for cpu in subject.running.cpus or ()}
    # A node that nothing of the tree is on would not be there.
    nodes = online & {0, *booted.rows}
    changed = {node for node in nodes if table.row(node) != booted.row(node)}
    pairs = [
        f"{first} and {second} at {table.distance(first, second)}, {booted.distance(first, second)} by the tree"
        for first, second in combinations(sorted(nodes), 2)
        if changed & {first, second} and table.distance(first, second) != booted.distance(first, second)
    ]
    if pairs:
        more = f", and {len(pairs) - _LISTED_PAIRS:,} more" if len(pairs) > _LISTED_PAIRS else ""
        number = count_of(len(pairs), "pair of nodes", "pairs of nodes")
        message = f"Linux has {number} at distances of old: {'; '.join(pairs[:_LISTED_PAIRS])}{more}"
        yield Violation(message, NODE, LOOKUP_ARRAYS)
