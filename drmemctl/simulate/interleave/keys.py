# SPDX-License-Identifier: MIT
"""Keys of partitions: all that a later action or a rule can tell apart, which equal partitions share."""

from __future__ import annotations

from collections.abc import Hashable
from operator import itemgetter

from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.hypervisor.topology import DeliveredTopology
from drmemctl.model.distances import Form1, Form2
from drmemctl.simulate.change import changed_properties
from drmemctl.simulate.partition import Partition, machine_key
from drmemctl.tree.node import Tree


class Keys:
    """Makes the keys, as small as they go.

    A tree is known by what differs from the first one, since actions change single properties. Trees and
    topologies are held on to: no other may take the identity by which one is known.
    """

    def __init__(self, first: Tree) -> None:
        self._first = first
        self._trees: dict[int, tuple[Tree, Hashable]] = {}
        self._topologies: dict[int, tuple[DeliveredTopology, Hashable]] = {}

    def of(self, partition: Partition) -> Hashable:
        """Return the key of a partition."""
        kernel, crash, delivered = partition.kernel, partition.crash_tree, partition.machine.delivered
        if id(kernel.tree) not in self._trees:
            changed = sorted(changed_properties(self._first, kernel.tree).items(), key=itemgetter(0))
            self._trees[id(kernel.tree)] = kernel.tree, tuple(changed)
        if id(delivered) not in self._topologies:
            self._topologies[id(delivered)] = delivered, delivered.key
        return (
            self._trees[id(kernel.tree)][1],
            kernel.table.runs.packed(),
            kernel.blocks,
            (
                kernel.unmovable,
                kernel.dead,
                kernel.updating,
                (kernel.topology_updates, kernel.deaf, kernel.staged),
                kernel.copies,
                kernel.cpus,
                kernel.cpu_ids,
                kernel.topology.with_cpus,
                kernel.topology.with_bridges,
                _rows(kernel.distances),
            ),
            (machine_key(partition.machine), self._topologies[id(delivered)][1]),
            (partition.faults, partition.locks, partition.queued, partition.uevent),
            None if crash is None else (crash.get(NODE, V1), crash.get(NODE, V2)),
        )


def _rows(table: Form1 | Form2 | None) -> Hashable:
    """Return what can change of a table of distances."""
    return frozenset(table.rows.items()) if isinstance(table, Form1) else None
