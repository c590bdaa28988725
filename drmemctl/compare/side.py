# SPDX-License-Identifier: MIT
"""One of the two trees, read as far as the diff needs it, and what of it its source does not show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import AI_INVALID, LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.model.associativity import NEWEST, RTAS, AffinityRules, Associativity
from drmemctl.model.boot_memory import BootMemory
from drmemctl.model.drmem import Drmem, LmbTable, RootCells
from drmemctl.model.memory import Memory, Tally
from drmemctl.model.numa import NumaLayout
from drmemctl.tree.node import Property, Tree


@dataclass(frozen=True, slots=True)
class Place:
    """Where Linux finds LMBs in the NUMA layout.

    Attributes:
        known: whether the source shows enough to tell.
        associativity: their list in the lookup arrays, None where they have none.
        node: the Linux node, None where that leads to none.

    """

    known: bool
    associativity: tuple[int, ...] | None = None
    node: int | None = None


NOWHERE = Place(known=False)


class Side:
    """A tree and what Linux makes of it; each part is worked out once, when it is asked for."""

    def __init__(self, tree: Tree, memory: Memory, tally: Tally) -> None:
        self.tree = tree
        self.memory = memory
        self.tally = tally
        self._places: dict[tuple[int, int], Place] = {}

    @cached_property
    def table(self) -> LmbTable:
        """The LMBs; none where there is no drmem node."""
        return self.memory.table

    @property
    def associativity(self) -> Associativity:
        """How Linux finds nodes."""
        return self.memory.associativity

    @cached_property
    def cells(self) -> RootCells:
        """What addresses in the tree are read with."""
        return RootCells.from_tree(self.tree)

    @cached_property
    def layout(self) -> NumaLayout:
        """The NUMA layout after boot."""
        return NumaLayout.of(self.tree, self.memory, self.tally)

    @cached_property
    def shows_nodes(self) -> bool:
        """Whether the source shows where the NUMA layout stands: a dump of the drmem node alone does not."""
        return self.tree.find(RTAS) is not None or self.tree.root.find(REFERENCE_POINTS) is not None

    @cached_property
    def is_cut(self) -> bool:
        """Whether the source shows only the beginning of the LMBs."""
        prop = self.drmem_property(self.table.property_name)
        return prop is not None and prop.is_cut

    @cached_property
    def _lookup_is_cut(self) -> bool:
        prop = self.drmem_property(LOOKUP_ARRAYS)
        return prop is not None and prop.is_cut

    def drmem_property(self, name: str) -> Property | None:
        """Return a property of the drmem node."""
        node = self.tree.find(NODE)
        return None if node is None else node.find(name)

    def place(self, aa_index: int, flags: int) -> Place:
        """Return where LMBs with this aa_index and flags are; each list is looked at once."""
        key = aa_index, flags & AI_INVALID
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = self._find(*key)
        return found

    def _find(self, aa_index: int, flags: int) -> Place:
        row = self.associativity.row(aa_index, flags)
        lookup = self.associativity.lookup
        if row is None and not flags and self._lookup_is_cut and lookup and aa_index < lookup.n_arrays:
            return NOWHERE
        node = None if row is None else self.associativity.node_of_row(row)
        return Place(known=True, associativity=row, node=node)


def read_pair(old: Tree, new: Tree, rules: AffinityRules = NEWEST) -> tuple[Side, Side]:
    """Return both sides, as a kernel with these rules takes them; what both trees share is read once."""
    old_memory = _memory(old, None, rules)
    shared = old_memory if _drmem_bytes(old) == _drmem_bytes(new) else None
    new_memory = _memory(new, shared, rules)
    old_tally = Tally.of(old_memory)
    same = new_memory.drmem is old_memory.drmem and new_memory.associativity == old_memory.associativity
    return Side(old, old_memory, old_tally), Side(new, new_memory, old_tally if same else Tally.of(new_memory))


def _memory(tree: Tree, like: Memory | None, rules: AffinityRules) -> Memory:
    """Return the memory of any tree, also of one made before the firmware could describe it."""
    associativity = Associativity.from_tree(tree, rules)
    boot = BootMemory.from_tree(tree, associativity)
    if like is not None:
        return Memory(like.drmem, boot, associativity, rules)
    return Memory(None if tree.find(NODE) is None else Drmem.from_tree(tree), boot, associativity, rules)


def _drmem_bytes(tree: Tree) -> tuple[object, ...]:
    """Return all that the LMBs are read from."""
    node = tree.find(NODE)
    values = [None if node is None else node.find(name) for name in (V1, V2, LMB_SIZE)]
    return RootCells.from_tree(tree), node is None, *values
