# SPDX-License-Identifier: MIT
"""Steps done one after the other, and which of them failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.simulation import Simulation


class Session:
    """A simulation with its past.

    Attributes:
        simulation: the partition.
        start: the partition after boot.
        done: the results of the steps so far.
        traced: whether the kernel's events are collected.

    """

    def __init__(self, simulation: Simulation, *, traced: bool = False) -> None:
        self.simulation = simulation
        self.start = simulation.situation
        self.done: list[StepResult] = []
        self.traced = traced
        self._past: list[Partition] = []

    def do(self, step: Step) -> StepResult:
        """Do a step."""
        before = self.simulation.situation
        result = self.simulation.run(step, traced=self.traced)
        self._past.append(before)
        self.done.append(result)
        return result

    def do_all(self, steps: Iterable[Step]) -> Iterator[StepResult]:
        """Do steps up to the first expectation that fails; yield the result of each when it is done."""
        for step in steps:
            result = self.do(step)
            yield result
            if step.is_expectation and not result.ok:
                return

    def undo(self) -> StepResult | None:
        """Take the last step back and return its result, None if there is none."""
        if not self.done:
            return None
        self.simulation.situation = self._past.pop()
        self.simulation.results.pop()
        return self.done.pop()

    @property
    def failed(self) -> list[int]:
        """The numbers of the steps that failed though the steps did not expect it, from 1 on."""
        return [at + 1 for at in range(len(self.done)) if is_failure(self.done, at)]

    @property
    def succeeded(self) -> bool:
        """Whether the kernel came up, and no step failed but as expected."""
        return not self.start.kernel.dead and not self.failed


def is_failure(results: Sequence[StepResult], at: int) -> bool:
    """Whether a step failed, and no expectation right behind it says so.

    An expectation that holds and names an error number or a finding says so. Of a step without an error number
    (nobody gets one for a `plug`) any other that holds does, too: the script knows how things are after it.
    """
    result = results[at]
    if result.ok:
        return False
    if result.parsed.is_expectation:
        return True
    following = (results[number] for number in range(at + 1, len(results)))
    expectations = takewhile(lambda expectation: expectation.parsed.is_expectation, following)
    return not any(
        expectation.ok and (expectation.parsed.names_cause or result.errno is None) for expectation in expectations
    )
