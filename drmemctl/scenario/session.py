# SPDX-License-Identifier: MIT
"""Steps done one after the other, each kept with what was before and after it, and which of them failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drmemctl.kernel.trace import Event, recorded
from drmemctl.scenario.result import StepResult
from drmemctl.scenario.simulation import Simulation, Situation
from drmemctl.scenario.steps import Expect, Step


@dataclass(frozen=True, slots=True)
class DoneStep:
    """A step and what came of it.

    Attributes:
        step: the step.
        result: what came of it.
        before: the partition before it.
        after: the partition after it.
        events: what the kernel did meanwhile, if that was wanted.

    """

    step: Step
    result: StepResult
    before: Situation
    after: Situation
    events: Sequence[Event] = ()

    @property
    def is_expectation(self) -> bool:
        """Whether the step only asks."""
        return isinstance(self.step, Expect)


class Session:
    """A simulation with its past.

    Attributes:
        simulation: the partition.
        done: the steps so far.
        traced: whether the kernel's events are collected.

    """

    def __init__(self, simulation: Simulation, *, traced: bool = False) -> None:
        self.simulation = simulation
        self.done: list[DoneStep] = []
        self.traced = traced
        self._start = simulation.situation

    @property
    def start(self) -> Situation:
        """The partition after boot."""
        return self._start

    def do(self, step: Step) -> DoneStep:
        """Do a step."""
        before = self.simulation.situation
        events: Sequence[Event] = ()
        if self.traced:
            with recorded() as events:
                result = self.simulation.run(step)
        else:
            result = self.simulation.run(step)
        done = DoneStep(step, result, before, self.simulation.situation, events)
        self.done.append(done)
        return done

    def do_all(self, steps: Iterable[Step]) -> Iterator[DoneStep]:
        """Do steps up to the first expectation that fails; yield each when it is done."""
        for step in steps:
            one = self.do(step)
            yield one
            if one.is_expectation and not one.result.ok:
                return

    def undo(self) -> DoneStep | None:
        """Take the last step back and return it, None if there is none."""
        if not self.done:
            return None
        one = self.done.pop()
        self.simulation.situation = one.before
        self.simulation.results.pop()
        return one

    @property
    def failed(self) -> list[int]:
        """The numbers of the steps that failed though the steps did not expect it, from 1 on."""
        return [at + 1 for at in range(len(self.done)) if is_failure(self.done, at)]

    @property
    def succeeded(self) -> bool:
        """Whether the kernel came up, and no step failed but as expected."""
        return not self.start.kernel.dead and not self.failed


def is_failure(done: Sequence[DoneStep], at: int) -> bool:
    """Whether a step failed, and no expectation right behind it says so.

    An expectation that holds and names an error number or a finding says so. Of a step without an error number
    (nobody gets one for a `plug`) any other that holds does, too: the script knows how things are after it.
    """
    one = done[at]
    if one.result.ok:
        return False
    return one.is_expectation or not any(_knows(expected, one) for expected in _expectations(done, at))


def _expectations(done: Sequence[DoneStep], at: int) -> Iterator[DoneStep]:
    for one in done[at + 1 :]:
        if not one.is_expectation:
            return
        yield one


def _knows(expected: DoneStep, failed: DoneStep) -> bool:
    if not isinstance(expected.step, Expect) or not expected.result.ok:
        return False
    return expected.step.kind in ("errno", "finding") or failed.result.errno is None
