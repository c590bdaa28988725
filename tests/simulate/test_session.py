# SPDX-License-Identifier: MIT
"""Sessions: what counts as a failure, and undo, against a simulation to which the undone step was never done."""

from __future__ import annotations

import pytest

from drmemctl.simulate.partition import Step
from drmemctl.simulate.session import Session
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.steps.language import parse_step
from tests.simulate.records import record, tree_of

TREE = "captures/6.1-lpm"
STEPS = [step["step"] for step in record(TREE)["steps"]]
FAILS = "dlpar memory remove index 0x8000000f"
NOBODY_GETS_AN_ERRNO = "unplug 0x80000010 1"


def parsed(text: str) -> Step:
    step = parse_step(text)
    assert step is not None
    return step


def session(*steps: str, traced: bool = False) -> Session:
    made = Session(Simulation(tree_of(TREE), "6.1"), traced=traced)
    list(made.do_all(map(parsed, steps)))
    return made


@pytest.mark.parametrize(
    ("steps", "failed"),
    [
        (STEPS, []),
        ([FAILS], [1]),
        ([FAILS, FAILS, "expect EINVAL"], [1]),
        ([FAILS, "expect EINVAL", "expect consistent"], []),
        ([FAILS, "expect consistent"], [1]),
        ([FAILS, "expect ok", "reboot"], [1, 2]),
        ([FAILS, "reboot", "expect EINVAL"], [1, 3]),
        ([NOBODY_GETS_AN_ERRNO], [1]),
        ([NOBODY_GETS_AN_ERRNO, "expect consistent"], []),
        (["expect EINVAL", "reboot"], [1]),
    ],
)
def test_what_failed_unexpectedly(steps: list[str], failed: list[int]) -> None:
    made = session(*steps)
    assert made.failed == failed
    assert made.succeeded == (not failed)


def test_nothing_is_done_after_an_expectation_that_fails() -> None:
    assert len(session("expect EBUSY", *STEPS).done) == 1


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_undo_leaves_what_was_before(number: int) -> None:
    made = session(*STEPS[: number + 1])
    undone = made.undo()
    assert undone is not None
    assert undone.step == STEPS[number]
    other = session(*STEPS[:number])
    assert made.simulation.to_json() == other.simulation.to_json()
    assert made.simulation.situation.kernel == other.simulation.situation.kernel


def test_there_is_nothing_to_undo_at_the_start() -> None:
    assert session().undo() is None


def test_events_are_collected_only_if_wanted_and_change_nothing() -> None:
    quiet, traced = session(*STEPS), session(*STEPS, traced=True)
    assert [result.trace for result in quiet.done] == [()] * len(STEPS)
    assert all(result.trace for result in traced.done)
    assert quiet.simulation.to_json() == traced.simulation.to_json()
