# SPDX-License-Identifier: MIT
"""Blocks that two nodes list since boot (4.19 to 5.8), and the BUG of adding them again."""

from __future__ import annotations

import pytest

from drmemctl.kernel.blocks import BlockRun, Blocks
from drmemctl.kernel.listed_blocks import ListedBlocks
from drmemctl.simulate.simulation import Simulation
from tests.kernel.partitions import lmbs, tree

INTERLEAVED = tree(lmbs(2, 2, 1, 8), lmbs(4, 1, 0, 8), lmbs(5, 3))
APART = tree(lmbs(2, 2, 1, 8), lmbs(4, 1, 1, 8), lmbs(5, 3))
AGAIN = ("dlpar memory remove index 0x80000002", "dlpar memory add index 0x80000002")
ROLLBACK = ("unmovable 0x80000003 0x80000004", "dlpar memory remove count 2")


@pytest.mark.parametrize("steps", [AGAIN, ROLLBACK[:1] + AGAIN])
@pytest.mark.parametrize(
    ("kernel", "dies"), [("4.18", False), ("4.19", False), ("5.0", True), ("5.4", True), ("5.9", False)]
)
def test_memory_goes_to_the_first_node_which_lists_it_already(
    kernel: str, dies: bool, steps: tuple[str, ...]
) -> None:
    """4.19 lists it as well, and puts it on its own node again."""
    simulation = Simulation(INTERLEAVED, kernel, "powervm")
    simulation.run_all(steps)
    faults = [fault.function for fault in simulation.results[-1].faults]
    assert faults == (["add_memory_resource"] if dies else [])
    assert bool(simulation.state.dead) == dies
    apart = Simulation(APART, kernel, "powervm")
    apart.run_all(steps)
    assert not apart.state.dead


def test_a_removal_that_is_rolled_back_dies_of_it() -> None:
    simulation = Simulation(INTERLEAVED, "5.4", "powervm")
    # From 5.8 on memory is tried that cannot be moved; before, it does not count as removable.
    later = Simulation(INTERLEAVED, "5.8", "powervm")
    for partition in (simulation, later):
        partition.run_all(ROLLBACK)
    assert not simulation.state.dead
    assert [fault.function for fault in later.results[-1].faults] == ["add_memory_resource"]


def test_what_is_listed_by_whom() -> None:
    listed = ListedBlocks.of(
        Blocks.of([BlockRun(0, 2, 0), BlockRun(4, 2, 1), BlockRun(6, 1, 0), BlockRun(9, 1, 1)])
    )
    foreign = {(block, node) for block in range(12) for node in range(3) if listed.is_foreign(block, node)}
    assert foreign == {(4, 0), (5, 0), (6, 1)}
    assert [listed.n_alike(block, 12 - block) for block in (0, 1, 2, 3, 4, 6, 7, 9, 10)] == [
        2,
        1,
        2,
        1,
        2,
        1,
        2,
        1,
        2,
    ]
