# SPDX-License-Identifier: MIT
"""From which nodes drmgr takes LMBs, and which: nodes by the tree and by sysfs, shares, and what is tried.

Source: powerpc-utils src/drmgr/common_numa.c, common_ofdt.c, drslot_chrp_mem.c `numa_based_remove` and what it
calls; read, the same from 1.3.9 to 1.3.13.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, decode_entries
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.formats.rows import words
from drmemctl.model.associativity import CHOSEN, RTAS
from drmemctl.tree.node import Tree

ERROR, WARN, INFO = 1, 2, 3
"""Levels of messages (`-d`); those of DEBUG are left out."""

_U32 = 0xFFFFFFFF


class NodeLmbs(NamedTuple):
    """A node as drmgr counts it.

    Attributes:
        node: its number.
        cpus: threads that are online there, by sysfs.
        lmbs: ranges of DRC indexes (first, count) of LMBs that the tree has there, in its order.

    """

    node: int
    cpus: int
    lmbs: tuple[tuple[int, int], ...]


class Numa(NamedTuple):
    """What drmgr knows before it begins.

    Attributes:
        nodes: the nodes by number; none where the tree tells too little, and the kernel is to choose.
        n_lmbs: how many LMBs the tree has.
        missing: what it lacked, an ERROR or a WARN that is printed; empty for neither.

    """

    nodes: tuple[NodeLmbs, ...]
    n_lmbs: int = 0
    missing: tuple[tuple[int, str], ...] = ()


_MOST_NODES = 256
_NOT_BY_NODE = (WARN, "Can't do NUMA based removal operation.")


def numa_topology(tree: Tree, cpus: dict[int, int]) -> Numa:
    """Return the nodes with their CPUs (threads by node, as sysfs has them) and the LMBs of the tree.

    `ppcnuma_get_topology`, `get_lmbs`: flags do not matter, only that the lookup arrays lead somewhere.
    """
    firsts = _first_domains(tree)
    if isinstance(firsts, str):
        return Numa((), missing=((ERROR, firsts),) if firsts else ())
    name = next((name for name in (V1, V2) if tree.get(NODE, name) is not None), None)
    if name is None:
        return Numa((), missing=((ERROR, "No dynamic reconfiguration LMBs found"), _NOT_BY_NODE))
    ranges: dict[int, list[tuple[int, int]]] = {node: [] for node in cpus}
    n_lmbs = 0
    for _, lmbs, drc_index, aa_index, _ in decode_entries(name, tree.get(NODE, name) or b""):
        n_lmbs += lmbs
        if aa_index < len(firsts):
            node = firsts[aa_index]
            if node >= _MOST_NODES:
                return Numa((), n_lmbs, (_NOT_BY_NODE,))
            ranges.setdefault(node, []).append((drc_index, lmbs))
    nodes = tuple(NodeLmbs(node, cpus.get(node, 0), tuple(_joined(ranges[node]))) for node in sorted(ranges))
    return Numa(nodes, n_lmbs)


def _joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    first = count = 0
    for drc_index, lmbs in ranges:
        if count and drc_index == first + count:
            count += lmbs
            continue
        if count:
            yield first, count
        first, count = drc_index, lmbs
    if count:
        yield first, count


def _first_domains(tree: Tree) -> list[int] | str:
    """Return what makes the node of each row of the lookup arrays, or what drmgr says where it does not know."""
    vector5 = tree.get(CHOSEN, ARCHITECTURE_VEC5)
    references = tree.get(RTAS, REFERENCE_POINTS)
    data = tree.get(NODE, LOOKUP_ARRAYS)
    # Byte 5, 0x80: the form of affinity (`get_min_common_depth`).
    if vector5 is None or len(vector5) < 6 or not vector5[5] & 0x80 or references is None or data is None:
        return ""
    position, cells = next(iter(words(references)), 0), words(data)
    if len(cells) < 2:
        return "Could not find the associativity lookup arrays"
    rows, width = cells[0], cells[1]
    if position > width:
        return "Bad min common depth or associativity array size"
    if len(cells) != rows * width + 2 or len(data) % 4:
        return "Bad size of the associativity lookup arrays"
    return [cells[row * width + position + 1] for row in range(rows)]


@dataclass(slots=True)
class _Node:
    node: int
    cpus: int
    waiting: Iterator[int]
    lmbs: int
    ratio: int = 0


Asking = Generator[int, int, int]
"""Yields DRC indexes that are to be removed and is sent what write(2) returned, 0 or a negative error number."""


@dataclass(slots=True)
class NumaRemoval:
    """A removal of some number of LMBs.

    Attributes:
        output: messages so far, each with its level.

    """

    nodes: list[_Node]
    cpu_count: int
    lmb_count: int
    cpuless_lmbs: int
    output: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, numa: Numa) -> NumaRemoval:
        """Return the removal before it begins."""
        nodes = [
            # `link_lmb_to_numa_node` puts each LMB before the others: the last of the tree goes first.
            _Node(
                node,
                cpus,
                chain.from_iterable(range(first + count - 1, first - 1, -1) for first, count in reversed(lmbs)),
                sum(count for _, count in lmbs),
            )
            for node, cpus, lmbs in numa.nodes
        ]
        removal = cls(
            nodes,
            sum(node.cpus for node in nodes),
            sum(node.lmbs for node in nodes if node.cpus),
            sum(node.lmbs for node in nodes if not node.cpus),
        )
        removal.output.append((INFO, f"Found {numa.n_lmbs} LMBs currently allocated"))
        removal.output += [
            (INFO, f"node {node.node:4d} {node.cpus:4d} CPUs {node.lmbs:8d} LMBs") for node in nodes
        ]
        return removal

    def run(self, count: int) -> Asking:
        """Remove so many; return how many went (`numa_based_remove`).

        Numbers are u32: where nodes without CPUs gave more than was asked for, the rest is almost 2^32.
        """
        total_removed = yield from self._from_cpuless(count & _U32)
        return total_removed + (yield from self._from_nodes_with_cpus(count - total_removed & _U32))

    def _from_cpuless(self, count: int) -> Asking:
        """`remove_cpuless_lmbs`: by how many LMBs each has."""
        total, total_removed = count, 0
        while count:
            count = min(count, self.cpuless_lmbs)
            if not count:
                break
            for node in self.nodes:
                if not node.cpus and node.lmbs:
                    node.ratio = node.lmbs * 100 // self.cpuless_lmbs
            this_loop = 0
            for node in self.nodes:
                if not node.lmbs or node.cpus:
                    continue
                # A share that is rounded to nothing is made all that is left, and the others get theirs as well.
                share = min((count * node.ratio & _U32) // 100, node.lmbs) or count - this_loop & _U32
                removed = 0
                if share:
                    removed = yield from self._from_node(node, share)
                this_loop += removed
                total_removed += removed
                if total_removed >= total:
                    break
            if not this_loop:
                break
            count = count - this_loop & _U32
        return total_removed

    def _from_nodes_with_cpus(self, count: int) -> Asking:
        """`remove_cpu_lmbs`: what a node is to have left goes by 9 parts its CPUs and 1 part its LMBs."""
        total_removed = 0
        while count:
            count = min(count, self.lmb_count)
            if not count:
                break
            ordered = self._by_ratio()
            to_be_left = self.lmb_count - count
            this_loop = 0
            for node in ordered:
                if not node.lmbs:
                    continue
                share = min(count, node.lmbs - min((to_be_left * node.ratio & _U32) // 100, node.lmbs))
                if share:
                    removed = yield from self._from_node(node, share)
                    count -= removed
                    this_loop += removed
                if not count:
                    break
            if not this_loop:
                break
            total_removed += this_loop
        return total_removed

    def _by_ratio(self) -> list[_Node]:
        """`update_node_ratio`: the nodes, the one with the smallest share first."""
        ordered: list[_Node] = []
        for node in self.nodes:
            if not node.lmbs or not node.cpus:
                continue
            cpu_ratio = node.cpus * 100 // self.cpu_count
            node.ratio = (cpu_ratio * 9 + node.lmbs * 100 // self.lmb_count) // 10
            # Among equals the last comes first.
            place = sum(1 for placed in ordered if placed.ratio < node.ratio)
            ordered.insert(place, node)
        return ordered

    def _from_node(self, node: _Node, count: int) -> Asking:
        """`remove_lmb_from_node`: what fails is not tried again."""
        total_removed = tried = 0
        while total_removed < count and tried < node.lmbs:
            drc_index = next(node.waiting)
            tried += 1
            rc = yield drc_index
            if rc:
                self.output.append(
                    (WARN, f"Can't remove LMB node:{node.node} index:{drc_index:#x}: {os.strerror(-rc)}")
                )
            else:
                total_removed += 1
        node.lmbs -= tried
        if node.cpus:
            self.lmb_count -= tried
            if not node.lmbs:
                self.cpu_count -= node.cpus
        # Of nodes without CPUs it takes them off `cpuless_node_count`: their LMBs stay as many as before.
        self.output.append((INFO, f"Removed {total_removed} LMBs from node {node.node}"))
        return total_removed
