# SPDX-License-Identifier: MIT
"""Keys of partitions: all that a later action or a rule can tell apart, which equal partitions share."""

from __future__ import annotations

import struct
from collections.abc import Hashable
from operator import itemgetter
from typing import Any

from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.hypervisor.topology import DeliveredTopology
from drmemctl.model.distances import Form1, Form2
from drmemctl.simulate.change import changed_properties
from drmemctl.simulate.partition import Partition, machine_key
from drmemctl.tree.node import Tree

_MARK = struct.Struct("=7I")
"""Of the parts of a key."""

_MOST_KNOWN = 20_000
"""Trees and topologies that are known by their identity."""


class Keys:
    """Makes the keys, as small as they go.

    A tree is known by what differs from the first one, since actions change single properties. Trees and
    topologies are held on to while something is known by their identity: no other may take it.

    A mark has each part of a key as a number (G. Holzmann, State Compression in SPIN, 1997): there are far fewer
    LMB tables, trees and machines than partitions made of them.
    """

    def __init__(self, first: Tree) -> None:
        self._first = first
        self._trees: dict[int, tuple[Tree, Hashable]] = {}
        self._topologies: dict[int, tuple[DeliveredTopology, Hashable]] = {}
        self._machine_trees: dict[int, Tree] = {}
        self._parts: tuple[dict[Hashable, int], ...] = tuple({} for _ in range(_MARK.size // 4))

    def mark(self, partition: Partition) -> bytes:
        """Return a few bytes that tell a partition from all others that these keys were asked for."""
        self._machine_trees[id(partition.machine.tree)] = partition.machine.tree
        parts = zip(self._parts, self.of(partition), strict=True)
        return _MARK.pack(*[numbers.setdefault(part, len(numbers)) for numbers, part in parts])

    def of(self, partition: Partition) -> tuple[Any, ...]:
        """Return the key of a partition."""
        kernel, crash, delivered = partition.kernel, partition.crash_tree, partition.machine.delivered
        if len(self._trees) + len(self._topologies) > _MOST_KNOWN:
            self._trees.clear()
            self._topologies.clear()
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
                kernel.unbolted,
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
