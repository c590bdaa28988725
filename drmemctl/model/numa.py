# SPDX-License-Identifier: MIT
"""The NUMA layout that Linux makes of a tree: nodes with their memory and CPUs, distances, possible nodes.

Source: Linux arch/powerpc/mm/numa.c `parse_numa_properties`, `setup_nonnuma`, `find_possible_nodes`,
`numa_setup_cpu`. The order in which resources are met (CPUs, memory nodes, PCI host bridges since 6.11, LMBs)
decides which of them gives a node its place in form 1.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from drmemctl.arguments import checked
from drmemctl.defect import Defect
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS, MIGRATABLE, decode_domains
from drmemctl.model.associativity import DEFAULT_NODE, NEWEST, RTAS, AffinityRules, domains_of
from drmemctl.model.distances import Distance, Distances, Form1, Form2, form0_distance
from drmemctl.model.memory import Memory, Tally
from drmemctl.model.processors import cores
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class NumaNode:
    """A Linux node that has something at boot.

    Attributes:
        node: its id; None stands for memory for which Linux finds no node.
        boot_bytes: memory of `memory@` nodes.
        lmbs: assigned LMBs.
        lmb_bytes: their memory; 0 where the tree gives no LMB size, since Linux then takes none of them.
        cores: CPU cores that are present.
        threads: their interrupt server numbers.
        bridges: PCI host bridges.

    """

    node: int | None
    boot_bytes: int = 0
    lmbs: int = 0
    lmb_bytes: int = 0
    cores: int = 0
    threads: array[int] = field(default_factory=lambda: array("I"))
    bridges: int = 0

    __repr__ = short_repr

    @property
    def bytes(self) -> int:
        """All memory of the node."""
        return self.boot_bytes + self.lmb_bytes


@dataclass(frozen=True, slots=True)
class PossibleNodes:
    """How many nodes the platform may ever have: Linux takes 0 to `count` - 1 for possible, whatever is there.

    `property` is the one that Linux reads the number from.
    """

    count: int
    property: str


@dataclass(frozen=True, slots=True)
class NumaLayout:
    """The layout as Linux has it after boot.

    Attributes:
        enabled: whether Linux runs with NUMA; without, everything is in node 0. None where `unknown`.
        form: affinity form 0, 1 or 2. None where `unknown`.
        primary_index: the position in an associativity list that gives the node.
        reference_points: the positions that give distances in form 1.
        nodes: the nodes that have something, ascending; the entry for no node comes last.
        possible: the nodes there may be, None where the tree does not say.
        distances: between the nodes that have something, and those that FORM2 tables list.
        defects: faults of the domain counts and distance tables.
        unknown: why the tree does not tell the nodes, of which it shows a part only; all is under no node then.

    """

    enabled: bool | None
    form: int | None
    primary_index: int | None
    reference_points: tuple[int, ...]
    nodes: tuple[NumaNode, ...]
    possible: PossibleNodes | None
    distances: Distances
    defects: tuple[Defect, ...] = ()
    unknown: str = ""

    __repr__ = short_repr

    @classmethod
    @checked()
    def from_tree(cls, tree: Tree, rules: AffinityRules = NEWEST) -> NumaLayout:
        """Return the layout as a kernel with these rules has it.

        `NotInTreeError` for a tree that was made before the firmware could describe it.
        """
        memory = Memory.from_tree(tree, rules)
        return cls.of(tree, memory, Tally.of(memory))

    @classmethod
    def of(cls, tree: Tree, memory: Memory, tally: Tally) -> NumaLayout:
        """Return the layout of a tree whose memory was read and whose LMBs were counted before."""
        associativity = memory.associativity
        builder = _NodeCounter(tree, memory, tally)
        nodes = builder.nodes()
        distances, defects = builder.distances({node.node for node in nodes if node.node is not None})
        possible, more = possible_nodes(tree, associativity.primary_index, memory.rules)
        unknown = associativity.unknown
        return cls(
            None if unknown else associativity.primary_index is not None,
            None if unknown else associativity.form,
            associativity.primary_index,
            associativity.reference_points,
            nodes,
            possible,
            distances,
            defects + more,
            unknown,
        )

    def find(self, node: int | None) -> NumaNode:
        """Return what a node has, which may be nothing."""
        return next((numa_node for numa_node in self.nodes if numa_node.node == node), NumaNode(node))


@dataclass(slots=True)
class _Counts:
    boot_bytes: int = 0
    lmbs: int = 0
    cores: int = 0
    threads: array[int] = field(default_factory=lambda: array("I"))
    bridges: int = 0


class _NodeCounter:
    """Meets the resources in Linux's order."""

    def __init__(self, tree: Tree, memory: Memory, tally: Tally) -> None:
        self._tree = tree
        self._memory = memory
        self._tally = tally
        self._numa = memory.associativity.primary_index is not None
        self._counts: dict[int | None, _Counts] = {}
        self._form1 = Form1.empty(memory.associativity.reference_points)

    def _fill(self, node: int | None, domains: Sequence[int]) -> None:
        """Fill a node's row of the distance table; kernels before 5.15 leave that of node 0 at zeros."""
        if node is not None and (node > 0 or self._memory.rules.node_0_has_row):
            self._form1 = self._form1.filled(node, domains)

    def _at(self, node: int | None) -> _Counts:
        return self._counts.setdefault(node, _Counts())

    def nodes(self) -> tuple[NumaNode, ...]:
        homeless = self._add_cores()
        for memory_node in self._memory.boot.nodes:
            if memory_node.ranges:
                self._at(memory_node.node).boot_bytes += memory_node.size
                if memory_node.domains is not None:
                    self._fill(memory_node.node, memory_node.domains)
        if self._memory.rules.bridges:
            self._add_bridges()
        self._add_lmbs()
        self._add_homeless(homeless)
        if not self._memory.rules.bridges:
            # Kernels before 6.11 put no node online for a bridge: it counts where its node has something else.
            self._add_bridges()
        size = self._memory.table.lmb_size or 0
        return tuple(
            NumaNode(node, at.boot_bytes, at.lmbs, at.lmbs * size, at.cores, at.threads, at.bridges)
            for node, at in sorted(self._counts.items(), key=lambda item: (item[0] is None, item[0] or 0))
        )

    def _add_cores(self) -> _Counts:
        """Count the cores of each node, and return those that have none."""
        homeless = _Counts()
        for core in cores(self._tree, self._memory.associativity):
            counts = homeless if core.node is None else self._at(core.node)
            counts.cores += 1
            counts.threads.extend(core.threads)
            if core.domains is not None:
                self._fill(core.node, core.domains)
        return homeless

    def _add_bridges(self) -> None:
        counted = self._memory.rules.bridges
        for domains in bridge_lists(self._tree):
            node = self._memory.associativity.node_of_row(domains)
            if counted and node is not None:
                self._at(node).bridges += 1
                self._fill(node, domains)
            elif not counted and node in self._counts:
                self._at(node).bridges += 1

    def _add_lmbs(self) -> None:
        if not self._memory.table.lmb_size:
            return  # walk_drmem_lmbs gives up: none of them becomes memory
        for node, count in self._tally.nodes.items():
            self._at(node).lmbs += count
        for node, aa_index in self._tally.last_aa.items():
            row = self._memory.associativity.row(aa_index)
            # get_nid_and_numa_distance leaves node 0 out: its row comes from CPUs and memory nodes, or is zero.
            if node > 0 and row is not None:
                self._fill(node, row)

    def _add_homeless(self, homeless: _Counts) -> None:
        """Put CPUs without a node in the first online one (`numa_setup_cpu`)."""
        if homeless.cores:
            first = (
                None
                if self._memory.associativity.unknown
                else min((node for node in self._counts if node is not None), default=DEFAULT_NODE)
            )
            counts = self._at(first)
            counts.cores += homeless.cores
            counts.threads.extend(homeless.threads)

    def distances(self, online: set[int]) -> tuple[Distances, tuple[Defect, ...]]:
        """Return the distances between these nodes; call it after `nodes`."""
        table = self.table()
        if isinstance(table, Form2):
            return Distances.of(online | set(table.positions), table.distance), table.defects
        distance: Distance = form0_distance if table is None else table.distance
        return Distances.of(online, distance), ()

    def table(self) -> Form1 | Form2 | None:
        """Return what distances come from, None for form 0 and without NUMA; call it after `nodes`."""
        form = self._memory.associativity.form if self._numa else 0
        if form == 2:
            return Form2.from_tree(self._tree)
        return self._form1 if form == 1 else None


def distance_table(tree: Tree, memory: Memory, tally: Tally) -> Form1 | Form2 | None:
    """Return the table of distances that Linux makes at boot; None for form 0 and without NUMA."""
    counter = _NodeCounter(tree, memory, tally)
    counter.nodes()
    return counter.table()


def bridge_lists(tree: Tree) -> Iterator[tuple[int, ...]]:
    """Yield the associativity lists of PCI host bridges, and of bridges below them that are called so, too."""
    for child in tree.root.children:
        if child.base_name != "pci":
            continue
        nodes = [child]
        while nodes:
            bridge = nodes.pop()
            domains = domains_of(bridge)
            if domains is not None:
                yield domains
            nodes += [below for below in bridge.children if below.base_name == "pci"]


def possible_nodes(
    tree: Tree, primary_index: int | None, rules: AffinityRules
) -> tuple[PossibleNodes | None, tuple[Defect, ...]]:
    """Return what `find_possible_nodes` reads: the current number, or the maximum where nodes may come by LPM."""
    name = counting_property(tree, rules)
    if name is None or primary_index is None:
        return None, ()
    data = tree.get(RTAS, name) or b""
    defects = tuple(defect.at(RTAS, name) for defect in decode_domains(data).defects)
    # Linux reads the word at that position, whatever the count before them says.
    word = data[4 * primary_index : 4 * primary_index + 4]
    if len(word) < 4:
        return None, defects
    return PossibleNodes(int.from_bytes(word, "big"), name), defects


def counting_property(tree: Tree, rules: AffinityRules = NEWEST) -> str | None:
    """Return the property that Linux counts possible nodes by, None where neither is there."""
    migratable = rules.migratable_max and tree.root.find(MIGRATABLE) is not None
    names = (CURRENT_DOMAINS, MAX_DOMAINS) if rules.current_domains and not migratable else (MAX_DOMAINS,)
    return next((name for name in names if tree.get(RTAS, name) is not None), None)
