# SPDX-License-Identifier: MIT
"""One of the two trees, read as far as the diff needs it, and what of it its source does not show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import AI_INVALID, ASSIGNED, NODE, V1, V2
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.model.associativity import NEWEST, RTAS, AffinityRules, Associativity
from drmemctl.model.boot_memory import BootMemory
from drmemctl.model.drmem import Drmem, LmbTable, RootCells
from drmemctl.model.memory import Memory, Tally
from drmemctl.model.numa import NumaLayout
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class Affinity:
    """What the lookup arrays say of LMBs with some aa_index and flags.

    Attributes:
        is_shown: whether the source shows enough of the lookup arrays to tell.
        associativity: their list in the lookup arrays, None where they have none.
        node: the Linux node, None where that leads to none.

    """

    is_shown: bool
    associativity: tuple[int, ...] | None = None
    node: int | None = None


_NOT_SHOWN = Affinity(is_shown=False)


class Side:
    """A tree and what Linux makes of it; each part is worked out once, when it is asked for."""

    def __init__(self, tree: Tree, memory: Memory, tally: Tally) -> None:
        self.tree = tree
        self.memory = memory
        self.tally = tally
        self._affinities: dict[tuple[int, int], Affinity] = {}

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
        node = self.tree.find(NODE)
        prop = None if node is None else node.find(self.table.property_name)
        return prop is not None and prop.is_cut

    def affinity(self, aa_index: int, flags: int) -> Affinity:
        """Return list and node of LMBs with this aa_index and flags; each list is looked at once."""
        key = aa_index, flags & (AI_INVALID | ASSIGNED)
        affinity = self._affinities.get(key)
        if affinity is None:
            row, lookup = self.associativity.row(*key), self.associativity.lookup
            is_named = not flags & AI_INVALID
            if row is None and is_named and lookup and lookup.is_cut and aa_index < lookup.n_arrays:
                affinity = _NOT_SHOWN
            else:
                affinity = Affinity(is_shown=True, associativity=row, node=self.associativity.node_of(*key))
            self._affinities[key] = affinity
        return affinity


def read_pair(old: Tree, new: Tree, rules: AffinityRules = NEWEST) -> tuple[Side, Side]:
    """Return both sides, as a kernel with these rules takes them; what both trees share is read once."""
    old_memory = _memory(old, None, rules)
    shared = old_memory if _drmem_bytes(old) == _drmem_bytes(new) else None
    new_memory = _memory(new, shared, rules)
    old_tally = Tally.of(old_memory)
    same = new_memory.drmem is old_memory.drmem and new_memory.associativity == old_memory.associativity
    return Side(old, old_memory, old_tally), Side(new, new_memory, old_tally if same else Tally.of(new_memory))


def _memory(tree: Tree, shared: Memory | None, rules: AffinityRules) -> Memory:
    """Return the memory of any tree, also from before client architecture support; `shared` has its LMBs."""
    associativity = Associativity.from_tree(tree, rules)
    boot = BootMemory.from_tree(tree, associativity)
    if shared is not None:
        return Memory(shared.drmem, boot, associativity, rules)
    return Memory(None if tree.find(NODE) is None else Drmem.from_tree(tree), boot, associativity, rules)


def _drmem_bytes(tree: Tree) -> tuple[object, ...]:
    """Return all that the LMBs are read from."""
    node = tree.find(NODE)
    values = [None if node is None else node.find(name) for name in (V1, V2, LMB_SIZE)]
    return RootCells.from_tree(tree), node is None, *values
