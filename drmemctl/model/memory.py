# SPDX-License-Identifier: MIT
"""All memory of a partition: `memory@` nodes, LMBs, and what says to which node each belongs.

Unlike `Drmem`, this does not need dynamic memory to be there: a partition may have been given none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from drmemctl.defect import Defect
from drmemctl.formats.dynamic_memory import HOTREMOVABLE, NODE
from drmemctl.model.associativity import NEWEST, AffinityRules, Associativity
from drmemctl.model.boot_memory import BootMemory
from drmemctl.model.drmem import Drmem, LmbTable, drmem_node
from drmemctl.model.platform import describes_memory
from drmemctl.model.run import STATES, is_assigned, state_of
from drmemctl.tree.node import Tree

_REMEMBERED = 4096
"""Nodes of aa_index values kept at hand: few in practice, without number in a hostile tree."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a tree says about memory.

    Attributes:
        drmem: the LMBs, None where the partition has no dynamic memory.
        boot: the `memory@` nodes.
        associativity: how Linux finds the node of each.
        rules: by which rules of affinity it was read.

    """

    drmem: Drmem | None
    boot: BootMemory
    associativity: Associativity
    rules: AffinityRules = NEWEST

    @classmethod
    def from_tree(cls, tree: Tree, rules: AffinityRules = NEWEST) -> Memory:
        """Return the memory of a tree, as a kernel with these rules takes it.

        `NotInTreeError` if that is of another machine, or from before CAS.
        """
        if not describes_memory(tree):
            drmem_node(tree)
        drmem = Drmem.from_tree(tree) if tree.find(NODE) is not None else None
        associativity = Associativity.from_tree(tree, rules)
        return cls(drmem, BootMemory.from_tree(tree, associativity), associativity, rules)

    @property
    def table(self) -> LmbTable:
        """The LMBs, none where there is no dynamic memory."""
        return LmbTable.of((), None) if self.drmem is None else self.drmem.table

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The faults of every property that was read for it."""
        drmem = () if self.drmem is None else self.drmem.defects
        return drmem + self.boot.defects + self.associativity.defects


@dataclass(frozen=True, slots=True)
class Tally:
    """The LMBs counted.

    Attributes:
        states: how many LMBs have each state of `STATES`; hot-removable ones have another state as well.
        nodes: how many assigned LMBs each node has; None for those for which Linux finds no node.
        last_aa: the aa_index of each node's last assigned LMB in array order.

    """

    states: dict[str, int]
    nodes: dict[int | None, int]
    last_aa: dict[int, int]

    @classmethod
    def of(cls, memory: Memory) -> Tally:
        """Count in one pass over the runs, of which a hostile tree has millions."""
        states = dict.fromkeys(STATES, 0)
        nodes: dict[int | None, int] = {}
        last_aa: dict[int, int] = {}
        node_of = lru_cache(_REMEMBERED)(memory.associativity.node_of)
        for _, count, _, aa_index, flags in memory.table.runs:
            states[state_of(flags)] += count
            if flags & HOTREMOVABLE:
                states["hot-removable"] += count
            if is_assigned(flags):
                node = node_of(aa_index, flags)
                nodes[node] = nodes.get(node, 0) + count
                if node is not None:
                    last_aa[node] = aa_index
        return cls(states, nodes, last_aa)
