# SPDX-License-Identifier: MIT
"""What became of the NUMA layout: form, reference points, domains, nodes, distances, agreed features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.compare.side import Side
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, FEATURES, Feature, decode_architecture_vec5
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS, decode_domains
from drmemctl.model.associativity import CHOSEN, RTAS
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
    facts = [*_lmb_size(old, new), *_features(old.tree, new.tree)]
    if old.shows_nodes and new.shows_nodes:
        facts += (*_layout(old, new), *_domains(old.tree, new.tree), *_nodes(old, new), *_distances(old, new))
    return tuple(fact for fact in facts if fact.old != fact.new)


def _lmb_size(old: Side, new: Side) -> Iterator[Fact]:
    # Without LMBs there is no size of any.
    if old.memory.drmem is not None and new.memory.drmem is not None:
        yield Fact(LMB_SIZE, old.table.lmb_size, new.table.lmb_size)


def _features(old: Tree, new: Tree) -> Iterator[Fact]:
    if old.find(CHOSEN) is None or new.find(CHOSEN) is None:
        return
    before, after = _agreed(old), _agreed(new)
    for feature in FEATURES:
        yield Fact(FEATURE, feature in before, feature in after, name=feature.name)


def _agreed(tree: Tree) -> tuple[Feature, ...]:
    return decode_architecture_vec5(tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"\0").features


def _layout(old: Side, new: Side) -> Iterator[Fact]:
    before, after = old.layout, new.layout
    yield Fact("numa", before.enabled, after.enabled)
    yield Fact("form", before.form, after.form)
    yield Fact("primary_index", before.primary_index, after.primary_index)
    yield Fact("reference_points", before.reference_points, after.reference_points)
    yield Fact("possible_nodes", _possible(before), _possible(after))


def _possible(layout: NumaLayout) -> int | None:
    return None if layout.possible is None else layout.possible.count


def _domains(old: Tree, new: Tree) -> Iterator[Fact]:
    yield Fact("max_domains", _counts(old, MAX_DOMAINS), _counts(new, MAX_DOMAINS))
    yield Fact("current_domains", _counts(old, CURRENT_DOMAINS), _counts(new, CURRENT_DOMAINS))


def _counts(tree: Tree, name: str) -> tuple[int, ...] | None:
    data = tree.get(RTAS, name)
    return None if data is None else decode_domains(data).counts


def _nodes(old: Side, new: Side) -> Iterator[Fact]:
    """Yield what nodes have beside LMBs."""
    ids = {entry.node for side in (old, new) for entry in side.layout.nodes}
    for node in sorted(ids, key=lambda node: (node is None, node or 0)):
        before, after = old.layout.find(node), new.layout.find(node)
        yield Fact(BOOT_BYTES, before.boot_bytes, after.boot_bytes, node)
        yield Fact(CORES, before.cores, after.cores, node)
        yield Fact(THREADS, len(before.threads), len(after.threads), node)
        yield Fact(BRIDGES, before.bridges, after.bridges, node)


def _distances(old: Side, new: Side) -> Iterator[Fact]:
    """Yield the distances between nodes that both trees have."""
    before, after = old.layout.distances, new.layout.distances
    if before == after:
        return
    rows = {node: row for row, node in enumerate(after.nodes)}
    columns = [(column, rows[node], node) for column, node in enumerate(before.nodes) if node in rows]
    for row, new_row, node in columns:
        for column, new_column, to_node in columns:
            yield Fact(DISTANCE, before.rows[row][column], after.rows[new_row][new_column], node, to_node)
