# SPDX-License-Identifier: MIT
"""A scenario of `fleet simulate`, carried out into a row: what a worker does for each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import NamedTuple

from drmemctl.fleet.outcome import ScenarioOutcome
from drmemctl.fleet.rows import Row, Rows, printable
from drmemctl.fleet.scenario import Scenario, failed_row, row_of
from drmemctl.kernel.profiles import profile
from drmemctl.simulate.random_steps import random_step
from drmemctl.simulate.session import Session
from drmemctl.simulate.shrink import shrunk
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.steps.language import parse_script
from drmemctl.tree.node import Tree

ITEM = Scenario


class _Verdict(NamedTuple):
    """What steps led to."""

    outcome: ScenarioOutcome
    rule: str = ""
    words: str = ""


def rows_of(scenario: Scenario, _kernels: Sequence[str] = ()) -> Rows:
    """Return the row of a scenario."""
    return {"simulations": [row_of(scenario, _simulated)]}


def failed(scenario: Scenario, reason: str) -> Rows:
    """Return the row of a scenario over which a process ended."""
    return {"simulations": [failed_row(scenario, f"{scenario.capture}: {reason}")]}


def _simulated(scenario: Scenario) -> Row:
    steps = _random_steps(scenario) if scenario.random else list(scenario.steps)
    verdict = _verdict(scenario, steps)
    row = {
        "steps": list(map(printable, steps)),
        "outcome": verdict.outcome.name.lower(),
        "rule": verdict.rule or None,
        "verdict": printable(verdict.words) or None,
    }
    if verdict.outcome is ScenarioOutcome.CONSISTENT:
        return row
    fewest = shrunk(steps, lambda fewer: _verdict(scenario, fewer)[:2] == verdict[:2])
    words = ["drmemctl", "simulate", scenario.capture, *fewest, *scenario.options()]
    return row | {"replay": printable(shlex.join(words))}


def _session(scenario: Scenario) -> Session:
    kernel = profile(scenario.kernel)
    return Session(Simulation(scenario.tree(), kernel, scenario.hypervisor or None, findings=False))


def _verdict(scenario: Scenario, steps: Sequence[str]) -> _Verdict:
    """Return what steps lead to: a step that fails is no fault, an expectation that fails is one."""
    session = _session(scenario)
    for result in session.do_all(step for text in steps for step in parse_script(text)):
        if result.parsed.is_expectation and not result.ok:
            return _Verdict(ScenarioOutcome.UNEXPECTED, words=result.step)
    if session.simulation.state.dead:
        return _Verdict(ScenarioOutcome.OOPS, words=session.simulation.state.dead)
    contradictions = session.simulation.contradictions
    if contradictions:
        return _Verdict(ScenarioOutcome.INCONSISTENT, contradictions[0].rule, contradictions[0].message)
    return _Verdict(ScenarioOutcome.CONSISTENT)


def _random_steps(scenario: Scenario) -> list[str]:
    """Return random steps: all follow from the seed, what the kernel can do, and what is in the tree."""
    tree, capabilities = scenario.tree(), sorted(profile(scenario.kernel).capabilities)
    random = Random(f"{scenario.seed}/{' '.join(capabilities)}/{_digest(tree)}")  # noqa: S311 - to be repeated
    session = _session(scenario)
    steps: list[str] = []
    for _ in range(scenario.random):
        if session.simulation.state.dead:
            break
        partition = session.simulation.situation
        steps.append(random_step(random, partition.kernel, partition.machine, scenario.destinations))
        session.simulation.run(steps[-1])
    return steps


def _digest(tree: Tree) -> str:
    """Return what tells trees apart, wherever they lie."""
    digest = sha256()
    for path, node in tree.walk():
        for property in node.properties:
            head = f"{path}:{property.name}:{len(property.value)}:"
            digest.update(head.encode("utf-8", "surrogateescape") + property.value)
    return digest.hexdigest()
