# SPDX-License-Identifier: MIT
"""Actions: what they are called, what they touch, and who must wait for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drmemctl.kernel.job import Job
from drmemctl.kernel.task import Action, Footprint, Lock, StatePart, Task, atomic, drop, in_turn, run, take
from tests.kernel.partitions import lmbs, partition

READS = Footprint(reads=frozenset({StatePart.FLAGS}))
WRITES = Footprint(writes=frozenset({StatePart.FLAGS}))
READS_OTHER = Footprint(reads=frozenset({StatePart.AA}))
WRITES_OTHER = Footprint(writes=frozenset({StatePart.AA}))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (READS, READS, False),
        (READS, WRITES, True),
        (WRITES, WRITES, True),
        (READS, WRITES_OTHER, False),
        (WRITES, WRITES_OTHER, False),
        (READS | WRITES_OTHER, READS, False),
        (READS | WRITES_OTHER, READS_OTHER, True),
        (READS | WRITES_OTHER, READS | READS_OTHER, True),
        (Footprint(), WRITES, False),
    ],
)
def test_two_actions_conflict_where_one_writes_what_the_other_touches(
    one: Footprint, other: Footprint, expected: bool
) -> None:
    assert one.conflicts(other) is expected
    assert other.conflicts(one) is expected


def test_footprints_of_two_together() -> None:
    both = READS | WRITES_OTHER
    assert both == Footprint(frozenset({StatePart.FLAGS}), frozenset({StatePart.AA}))
    assert both | READS_OTHER | WRITES == Footprint(
        frozenset({StatePart.FLAGS, StatePart.AA}), frozenset({StatePart.FLAGS, StatePart.AA})
    )


def job() -> Job:
    simulation = partition(lmbs(2, 2, 1, 8))
    return Job(simulation.state, simulation.situation.machine)


def actions_of(task: Task[Any]) -> list[Action]:
    return list(task)


def noting() -> Callable[..., Task[int]]:
    @atomic(reads=(StatePart.FLAGS,), writes=(StatePart.AA, StatePart.BLOCKS))
    def _noted(job: Job, text: str, *, times: int) -> int:
        """Note a text."""
        job.log += [text] * times
        return times

    return _noted


def test_an_atomic_function_is_one_action_of_its_name() -> None:
    made = noting()
    (action,) = actions_of(made(job(), "x", times=2))
    assert action.name == "noted"
    assert action.touches == Footprint(frozenset({StatePart.FLAGS}), frozenset({StatePart.AA, StatePart.BLOCKS}))
    assert (action.joins, action.takes, action.drops) == (None, None, None)
    assert made.__doc__ == "Note a text."


def test_an_atomic_function_is_done_to_the_job_that_it_is_run_with() -> None:
    asked, done = job(), job()
    assert run(done, noting()(asked, "x", times=2)) == 2
    assert (asked.log, done.log) == ([], ["x", "x"])


def test_who_queues_first_has_its_turn_first() -> None:
    """It queues, waits for those before it, and leaves the queue once it is done."""
    found = actions_of(in_turn(Lock.WORKQUEUE, noting()(job(), "x", times=1)))
    assert [one.name for one in found] == ["queue", "take", "noted", "drop"]
    assert [one.joins for one in found] == [Lock.WORKQUEUE, None, None, None]
    assert [one.takes for one in found] == [None, Lock.WORKQUEUE, None, None]
    assert [one.drops for one in found] == [None, None, None, Lock.WORKQUEUE]
    assert [one.touches for one in found if one.name != "noted"] == [Footprint()] * 3


def test_a_lock_is_taken_and_given_back() -> None:
    found = [*actions_of(take(Lock.HOTPLUG)), *actions_of(drop(Lock.HOTPLUG))]
    assert [(one.name, one.takes, one.drops) for one in found] == [
        ("take", Lock.HOTPLUG, None),
        ("drop", None, Lock.HOTPLUG),
    ]
