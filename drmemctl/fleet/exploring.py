# SPDX-License-Identifier: MIT
"""A scenario of `fleet explore`, explored into a row: what a worker does for each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from drmemctl.fleet.outcome import ScenarioOutcome
from drmemctl.fleet.rows import Row, Rows, printable
from drmemctl.fleet.scenario import Scenario, failed_row, row_of
from drmemctl.hypervisor.inference import inferred_hypervisor
from drmemctl.kernel.profiles import profile
from drmemctl.simulate.interleave.answer import DeadKernelError, PolicyAnswer, Question, answer
from drmemctl.simulate.interleave.policy import policy_named
from drmemctl.simulate.interleave.search import Bounds
from drmemctl.simulate.shrink import shrunk

ITEM = Scenario

_STATES = 100_000
"""States of a scenario: captures and two threads have hundreds. A limit of time would not give the same twice."""


def rows_of(scenario: Scenario, _kernels: Sequence[str] = ()) -> Rows:
    """Return the row of a scenario."""
    return {"explorations": [row_of(scenario, _explored)]}


def failed(scenario: Scenario, reason: str) -> Rows:
    """Return the row of a scenario over which a process ended."""
    return {"explorations": [failed_row(scenario, f"{scenario.capture}: {reason}")]}


def _explored(scenario: Scenario) -> Row:
    try:
        policy_answer = _answer(scenario, scenario.steps)
    except DeadKernelError as error:
        # Whatever the threads would do: the first of them is a command to show it.
        replay = _replay(scenario, scenario.steps[:1])
        return {
            "outcome": ScenarioOutcome.OOPS.name.lower(),
            "verdict": printable(error.message),
            "replay": replay,
        }
    worst = policy_answer.worst
    outcome = ScenarioOutcome.CONSISTENT if policy_answer.complete else ScenarioOutcome.INCOMPLETE
    row: Row = {
        "outcome": (ScenarioOutcome.INCONSISTENT if worst else outcome).name.lower(),
        "states": policy_answer.states,
        "ends": policy_answer.ends,
        "inconsistent": len(policy_answer.bad),
        "by_race": len(policy_answer.races),
        "complete": policy_answer.complete,
    }
    if worst is None:
        return row
    raced = bool(policy_answer.races)

    def shows(threads: Sequence[str]) -> bool:
        fewer = _answer(scenario, threads) if threads else None
        if fewer is None or fewer.worst is None:
            return False
        return fewer.worst.rule == worst.rule and bool(fewer.races) == raced

    replay = _replay(scenario, shrunk(scenario.steps, shows))
    return row | {"rule": worst.rule or None, "verdict": printable(worst.message), "replay": replay}


def _replay(scenario: Scenario, threads: Sequence[str]) -> str:
    options = [word for thread in threads for word in ("--thread", thread)]
    words = ["drmemctl", "explore", scenario.capture, *options, *scenario.options(), "--locking", scenario.policy]
    return printable(shlex.join(words))


def _answer(scenario: Scenario, threads: Sequence[str]) -> PolicyAnswer:
    tree = scenario.tree()
    machine = scenario.hypervisor or inferred_hypervisor(tree).name
    question = Question(tree, tuple(threads), profile(scenario.kernel), machine, Bounds(_STATES))
    return answer(question, policy_named(scenario.policy))
