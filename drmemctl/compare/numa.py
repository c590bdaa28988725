# SPDX-License-Identifier: MIT
"""What became of the NUMA layout: form, reference points, domains, nodes, distances, agreed features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.compare.side import Side
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, FEATURES, Feature, decode_architecture_vec5
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS, decode_domains
from drmemctl.model.associativity import CHOSEN, RTAS
from drmemctl.model.distances import Distances
from drmemctl.model.numa import NumaLayout
from drmemctl.tree.node import Tree

Value = int | str | tuple[int, ...] | bool | None

LMB_SIZE = "lmb_size"
DISTANCE = "distance"
BOOT_BYTES = "boot_bytes"
CORES = "cores"
THREADS = "threads"
BRIDGES = "bridges"
PER_NODE = (BOOT_BYTES, CORES, THREADS, BRIDGES)
FEATURE = "feature"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact about the partition that changed.

    Attributes:
        quantity: `lmb_size`, `numa`, `form`, `primary_index`, `reference_points`, `max_domains`,
            `current_domains`, `possible_nodes`; `boot_bytes`, `cores`, `threads`, `bridges` of a node; `distance`
            from a node to another; `feature` of option vector 5.
        old: its old value, None where it had none.
        new: its new value.
        node: the node that it is about; None also for what has no node.
        to_node: the node that a distance leads to.
        name: the name of a feature.

    """

    quantity: str
    old: Value
    new: Value
    node: int | None = None
    to_node: int | None = None
    name: str = ""

    @property
    def is_about_node(self) -> bool:
        """Whether it is about one node, or memory without one."""
        return self.quantity in PER_NODE or self.quantity == DISTANCE

    def mirrored(self) -> Fact:
        """Return it with old and new exchanged."""
        return Fact(self.quantity, self.new, self.old, self.node, self.to_node, self.name)


def compare_numa(old: Side, new: Side) -> tuple[Fact, ...]:
    """Return the facts that changed, as far as both sources show them."""
    return tuple(fact for fact in _facts(old, new) if fact.old != fact.new)


def _facts(old: Side, new: Side) -> Iterator[Fact]:
    # Without LMBs there is no size of any.
    if old.memory.drmem is not None and new.memory.drmem is not None:
        yield Fact(LMB_SIZE, old.table.lmb_size, new.table.lmb_size)
    if old.tree.find(CHOSEN) is not None and new.tree.find(CHOSEN) is not None:
        agreed_before, agreed_after = _agreed(old.tree), _agreed(new.tree)
        for feature in FEATURES:
            yield Fact(FEATURE, feature in agreed_before, feature in agreed_after, name=feature.name)
    if not (old.shows_nodes and new.shows_nodes):
        return
    before, after = old.layout, new.layout
    yield Fact("numa", before.enabled, after.enabled)
    yield Fact("form", before.form, after.form)
    yield Fact("primary_index", before.primary_index, after.primary_index)
    yield Fact("reference_points", before.reference_points, after.reference_points)
    yield Fact("possible_nodes", _possible(before), _possible(after))
    yield Fact("max_domains", _counts(old.tree, MAX_DOMAINS), _counts(new.tree, MAX_DOMAINS))
    yield Fact("current_domains", _counts(old.tree, CURRENT_DOMAINS), _counts(new.tree, CURRENT_DOMAINS))
    yield from _nodes(before, after)
    yield from _distances(before.distances, after.distances)


def _agreed(tree: Tree) -> tuple[Feature, ...]:
    return decode_architecture_vec5(tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"\0").features


def _possible(layout: NumaLayout) -> int | None:
    return None if layout.possible is None else layout.possible.count


def _counts(tree: Tree, name: str) -> tuple[int, ...] | None:
    data = tree.get(RTAS, name)
    return None if data is None else decode_domains(data).counts


def _nodes(old: NumaLayout, new: NumaLayout) -> Iterator[Fact]:
    """Yield what nodes have beside LMBs."""
    ids = {entry.node for entry in (*old.nodes, *new.nodes)}
    for node in sorted(ids, key=lambda node: (node is None, node or 0)):
        before, after = old.find(node), new.find(node)
        yield Fact(BOOT_BYTES, before.boot_bytes, after.boot_bytes, node)
        yield Fact(CORES, before.cores, after.cores, node)
        yield Fact(THREADS, len(before.threads), len(after.threads), node)
        yield Fact(BRIDGES, before.bridges, after.bridges, node)


def _distances(before: Distances, after: Distances) -> Iterator[Fact]:
    """Yield the distances between nodes that both trees have."""
    if before == after:
        return
    rows = {node: row for row, node in enumerate(after.nodes)}
    columns = [(column, rows[node], node) for column, node in enumerate(before.nodes) if node in rows]
    for row, new_row, node in columns:
        for column, new_column, to_node in columns:
            yield Fact(DISTANCE, before.rows[row][column], after.rows[new_row][new_column], node, to_node)
