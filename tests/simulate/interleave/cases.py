# SPDX-License-Identifier: MIT
"""Small partitions with threads on them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from drmemctl.kernel.profiles import profile
from drmemctl.model.run import Run
from drmemctl.simulate.files import Files
from drmemctl.simulate.interleave.answer import Question
from drmemctl.simulate.interleave.engine import Engine, SearchState
from drmemctl.simulate.interleave.keys import Keys
from drmemctl.simulate.interleave.policy import BY_NAME
from drmemctl.simulate.interleave.search import Bounds, Graph, search
from drmemctl.tree.node import Node, Property, Tree
from tests.kernel.partitions import lmbs, tree, u32

BEFORE = tree(lmbs(2, 2, 1, 8), lmbs(4, 4))
TREES = {
    # The same places under other numbers: whoever takes all of it over, or nothing, is right.
    "after": tree(lmbs(2, 2, 0, 8), lmbs(4, 4), rows=((1,), (0,))),
    "after-v1": tree(lmbs(2, 2, 0, 8), lmbs(4, 4), rows=((1,), (0,)), v1=True),
    "moved": tree(lmbs(2, 2, 0, 8), lmbs(4, 4)),
    "reassigned": tree(lmbs(2, 1, 0, 8), lmbs(3, 1, 1, 8), lmbs(4, 4)),
}


def _no_file(name: str) -> bytes:
    raise AssertionError(name)


VPHN = Node(
    "rtas",
    (
        Property("ibm,associativity-reference-points", u32(1)),
        Property("ibm,max-associativity-domains", u32(1, 4)),
        Property("ibm,hypertas-functions", b"hcall-vphn\0"),
    ),
)


def with_vphn(cpu_node: int, *entries: Run, rows: Sequence[tuple[int, ...]] = ((0,), (1,))) -> Tree:
    """Return a partition that asks its hypervisor where its one CPU is."""
    base = tree(*entries, cpu_node=cpu_node, rows=rows)
    children = tuple(VPHN if child.name == "rtas" else child for child in base.root.children)
    return Tree(replace(base.root, children=children))


CPU_BEFORE = with_vphn(0, lmbs(2, 2, 1, 8), lmbs(4, 4))
TREES["cpu-reassigned"] = with_vphn(1, lmbs(2, 2, 1, 8), lmbs(4, 4))
TREES["cpu-after"] = with_vphn(0, lmbs(2, 2, 0, 8), lmbs(4, 4), rows=((1,), (0,)))


FILES = Files(file=_no_file, tree=lambda name: TREES[name])


def question(*threads: str, kernel: str = "latest", base: Tree = BEFORE, **more: Any) -> Question:
    return Question(base, threads, profile(kernel), files=FILES, **more)


def explored(asked: Question, locking: str = "kernel", *, reduce: bool = True) -> tuple[Engine, Graph]:
    engine = asked.engine(BY_NAME[locking])
    return engine, search(engine, Bounds(), reduce=reduce)


def ends_of(graph: Graph) -> list[SearchState]:
    """Return the states in which no thread can go on."""
    return [graph.state(number) for number in graph.ends]


def end_keys(engine: Engine, graph: Graph) -> set[Hashable]:
    """Return what tells ends apart, independent of the engine's numbers."""
    keys = Keys(BEFORE)

    def key(state: SearchState) -> Hashable:
        world = keys.of(state.partition)
        assert isinstance(world, tuple)
        # Of the machine its tree is known by identity, which another engine does not share.
        machine, topology = world[4]
        return (*world[:4], machine[1:], topology, *world[5:], engine.outcomes(state))

    return {key(state) for state in ends_of(graph)}
