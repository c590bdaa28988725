# SPDX-License-Identifier: MIT
"""The two FORM2 tables, as the rules about them want them."""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.check.affinity import numa_node
from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject, whole
from drmemctl.formats.numa_tables import (
    DISTANCE_TABLE,
    LOOKUP_INDEX_TABLE,
    DistanceTable,
    IndexTable,
    decode_distance_table,
    decode_index_table,
)
from drmemctl.model.associativity import MAX_NODES


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
