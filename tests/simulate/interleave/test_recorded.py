# SPDX-License-Identifier: MIT
"""What real kernels came to when something else ran inside a migration: the search has to come to it as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.update_properties import Delivery
from drmemctl.kernel.fault import HOTPLUG_LOCK_HELD
from drmemctl.kernel.profiles import profile
from drmemctl.simulate.files import Files
from drmemctl.simulate.interleave.answer import Question
from drmemctl.simulate.interleave.policy import BY_NAME
from drmemctl.simulate.interleave.search import Bounds, search
from drmemctl.simulate.partition import Partition
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from tests.simulate.interleave.cases import ends_of
from tests.simulate.records import State, record, recorded_state, state_of, tree_of


def destination(name: str) -> Tree:
    """Return the tree of the system that the migration led to: with what was delivered of the drmem node."""
    tree = tree_of(name)
    for answer in record(name)["steps"][0]["answers"]:
        if answer["call"] == "update-properties":
            for change in Delivery().taken(bytes.fromhex(answer["answer"])).changes:
                tree = tree.with_property(NODE, change.name.decode(), change.value)
    return tree


def ends(name: str, thread: str) -> list[Partition]:
    """Return the partition at each end of the recorded migration beside another thread."""
    there = destination(name)
    kernel, files = profile(record(name)["kernel"]), Files(tree=lambda _: there)
    engine = Question(tree_of(name), ("lpm destination", thread), kernel, "qemu", files=files).engine(
        BY_NAME["kernel"]
    )
    graph = search(engine, Bounds())
    assert graph.complete
    return [state.partition for state in ends_of(graph)]


def went_on(name: str, end: Partition) -> Iterator[State]:
    """Yield the state at an end, then after each of the steps that the record goes on with."""
    simulation = Simulation(tree_of(name), record(name)["kernel"], "qemu")
    simulation.situation = end
    first, *steps = record(name)["steps"]
    yield state_of(simulation, list(first["properties"]))
    for step in steps:
        unmovable = " ".join(step.get("unmovable", ()))
        simulation.run(f"unmovable {unmovable}")
        simulation.run(step["step"])
        yield state_of(simulation, list(step["properties"]))


@pytest.mark.parametrize(
    ("name", "thread"),
    [
        ("races/recorded/4.19-r-prrn", "prrn 2 0x80000004"),
        ("races/recorded/4.19-r-prrn2", "prrn 2 0x80000004"),
    ],
)
def test_the_search_comes_to_what_was_recorded(name: str, thread: str) -> None:
    """A reassignment took an LMB out and in while the migration's update was half done."""
    recorded: list[Any] = [recorded_state(step) for step in record(name)["steps"]]
    assert recorded in [list(went_on(name, end)) for end in ends(name, thread)]


def test_a_plug_within_a_migration_to_v1_kills_4_19() -> None:
    """The new v1 says that the LMB is no memory, which it is since the plug: removed in sections, a BUG.

    The recorded kernel then answered no more requests (`hung`).
    """
    name = "races/recorded/4.19v1-raceplug"
    first, second = record(name)["steps"]
    assert (first["oops"], second["hung"]) == (True, True)
    dead = [end for end in ends(name, "plug 0x80000006 1 node 0") if end.kernel.dead]
    assert {end.kernel.dead for end in dead} == {HOTPLUG_LOCK_HELD}
    assert recorded_state(first) in [next(went_on(name, end)) for end in dead]
