# SPDX-License-Identifier: MIT
"""Small partitions with threads on them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from drmemctl.explore.answer import Question
from drmemctl.explore.engine import Engine, State
from drmemctl.explore.policy import BY_NAME
from drmemctl.explore.search import Bounds, Graph, search
from drmemctl.explore.world import Keys
from drmemctl.kernel.profiles import profile
from drmemctl.scenario.simulation import Files
from drmemctl.tree.node import Tree
from tests.kernel.partitions import lmbs, tree

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


FILES = Files(file=_no_file, tree=lambda name: TREES[name])


def question(*threads: str, kernel: str = "latest", base: Tree = BEFORE, **more: Any) -> Question:
    return Question(base, threads, profile(kernel), files=FILES, **more)


def explored(asked: Question, locking: str = "kernel", *, reduce: bool = True) -> tuple[Engine, Graph]:
    engine = asked.engine(BY_NAME[locking])
    return engine, search(engine, Bounds(), reduce=reduce)


def end_keys(engine: Engine, graph: Graph) -> set[Hashable]:
    """Return what tells ends apart, independent of the engine's numbers."""
    keys = Keys(BEFORE)

    def key(state: State) -> Hashable:
        world = keys.of(engine.world(state))
        assert isinstance(world, tuple)
        # Of the machine its tree is known by identity, which another engine does not share.
        return (*world[:5], world[5][1:], *world[6:], engine.outcomes(state))

    return {key(state) for state in graph.ends}
