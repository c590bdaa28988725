# SPDX-License-Identifier: MIT
"""How far nodes are from one another, as Linux's `__node_distance` computes it for each affinity form.

Source: Linux arch/powerpc/mm/numa.c `__node_distance`, `__initialize_form1_numa_distance`,
`initialize_form2_numa_distance_lookup_table`; Documentation/arch/powerpc/associativity.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from drmemctl.defect import Defect
from drmemctl.formats.numa_tables import (
    DISTANCE_TABLE,
    LOOKUP_INDEX_TABLE,
    decode_distance_table,
    decode_index_table,
)
from drmemctl.model.associativity import MAX_NODES, MAX_REFERENCE_POINTS, reference_points_node
from drmemctl.tree.node import Tree

LOCAL = 10
"""Linux LOCAL_DISTANCE: of a node to itself."""

REMOTE = 20
"""Linux REMOTE_DISTANCE: between two nodes of which nothing more is known."""

Distance = Callable[[int, int], int | None]


@dataclass(frozen=True, slots=True)
class Distances:
    """A distance matrix.

    Attributes:
        nodes: the nodes that its rows and columns stand for, ascending.
        rows: the distances; None where the tree's tables have none (Linux then holds -1).

    """

    nodes: tuple[int, ...]
    rows: tuple[tuple[int | None, ...], ...]

    @classmethod
    def of(cls, nodes: Iterable[int], distance: Distance) -> Distances:
        """Return the distances between all these nodes."""
        ids = tuple(sorted(nodes))
        return cls(ids, tuple(tuple(distance(a, b) for b in ids) for a in ids))

    def between(self, a: int, b: int) -> int | None:
        """Return the distance from node `a` to node `b`; `ValueError` if either is not in the matrix."""
        return self.rows[self.nodes.index(a)][self.nodes.index(b)]


def form0_distance(a: int, b: int) -> int:
    """Return the distance in form 0, which knows only here and elsewhere."""
    return LOCAL if a == b else REMOTE


@dataclass(frozen=True, slots=True)
class Form1:
    """Linux's `distance_lookup_table`.

    Attributes:
        points: the reference points that count, as of boot.
        rows: for each node that anything was filled in for, its domain at each reference point; else all are 0.

    """

    points: tuple[int, ...]
    rows: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def empty(cls, reference_points: Sequence[int]) -> Form1:
        """Return the table before anything was filled in."""
        return cls(tuple(reference_points[:MAX_REFERENCE_POINTS]))

    def filled(self, node: int, domains: Sequence[int]) -> Form1:
        """Return the table with a node's row taken from one resource's list; the last resource of a node wins."""
        row = list(self.row(node))
        for level, point in enumerate(self.points):
            # Linux warns "Broken ibm,associativity property" and leaves the rest of the row as it was. (For a
            # reference point 0 it reads the word before the list; what stands there is not the tree's.)
            if not 1 <= point <= len(domains):
                break
            row[level] = domains[point - 1]
        if self.rows.get(node) == tuple(row):
            return self
        return replace(self, rows={**self.rows, node: tuple(row)})

    def row(self, node: int) -> tuple[int, ...]:
        """Return a node's domains at the reference points."""
        return self.rows.get(node) or (0,) * len(self.points)

    def distance(self, a: int, b: int) -> int:
        """Return the distance: doubled for each level until the two nodes' domains are equal."""
        distance = LOCAL
        for here, there in zip(self.row(a), self.row(b), strict=True):
            if here == there:
                break
            distance *= 2
        return distance


@dataclass(frozen=True, slots=True)
class Form2:
    """The firmware's distance tables.

    Attributes:
        positions: row and column of each node; of an id that is listed twice, the last, as Linux writes it last.
        width: the number of ids in the index table.
        table: the distances, row by row; None where their number is not the square of the ids'.
        defects: faults of the two tables.

    """

    positions: dict[int, int]
    width: int
    table: bytes | None
    defects: tuple[Defect, ...] = ()

    @classmethod
    def from_tree(cls, tree: Tree) -> Form2:
        """Return the tables; without them every distance is unknown (Linux does not come up)."""
        path = reference_points_node(tree)
        index = decode_index_table(tree.get(path, LOOKUP_INDEX_TABLE) or b"")
        table = decode_distance_table(tree.get(path, DISTANCE_TABLE) or b"")
        positions = {node: position for position, node in enumerate(index.ids) if node < MAX_NODES}
        width = index.declared
        defects = [defect.at(path, LOOKUP_INDEX_TABLE) for defect in index.defects]
        defects += [defect.at(path, DISTANCE_TABLE) for defect in table.defects]
        if table.declared != width * width:
            message = f"{table.declared} distances for {width} nodes: Linux uses none and warns"
            defects.append(Defect("numa-distance-count", message, path, DISTANCE_TABLE, 0))
            return cls(positions, width, None, tuple(defects))
        return cls(positions, width, table.distances, tuple(defects))

    def distance(self, a: int, b: int) -> int | None:
        """Return the distance, None for a node that is not listed or has no byte in the table."""
        if a not in self.positions or b not in self.positions:
            return None
        if self.table is None:
            # "Wrong NUMA distance information": as in form 0 (5.15.0 went on to take the bytes all the same).
            return form0_distance(a, b)
        position = self.positions[a] * self.width + self.positions[b]
        return self.table[position] if position < len(self.table) else None
