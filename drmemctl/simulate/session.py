# SPDX-License-Identifier: MIT
"""Steps done one after the other, and which of them failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from drmemctl.arguments import checked
from drmemctl.check.finding import Violation
from drmemctl.kernel import plugins
from drmemctl.kernel.choice import kernel_for
from drmemctl.kernel.profiles import Profile
from drmemctl.notebook import short_repr
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import agreement_text
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.state_changes import LmbRangeChange, next_flush
from drmemctl.simulate.steps.language import parse_script
from drmemctl.tree.node import Tree
from drmemctl.wording import count_of

Steps = str | Iterable[str | Step]
"""Steps as a text with one in each line, or one by one as text or parsed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a partition stands after its steps.

    Attributes:
        dead: why its kernel runs no more, empty where it does.
        contradictions: where array, tree, connectors, memory blocks and the hypervisor do not agree.
        sides: who agrees with whom, in words.
        next_flush: what the tree would lose if the kernel wrote its array back now.
        failed: the numbers of the steps that failed, from 1 on.
        steps: how many steps were done.
        address_digits: hex digits to which the addresses of LMBs are padded.

    """

    dead: str
    contradictions: tuple[Violation, ...]
    sides: str
    next_flush: tuple[LmbRangeChange, ...]
    failed: tuple[int, ...]
    steps: int
    address_digits: int

    __repr__ = short_repr

    @property
    def consistent(self) -> bool:
        """Whether the kernel runs and all agree."""
        return not self.dead and not self.contradictions


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

    def __repr__(self) -> str:
        failed = f", failed: {self.failed}" if self.failed else ""
        return (
            f"<Session: {count_of(len(self.done), 'step')} done on Linux {self.simulation.profile.name}{failed}>"
        )

    def do(self, step: Step) -> StepResult:
        """Do a step."""
        before = self.simulation.situation
        with plugins.faults_told():
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

    def verdict(self) -> Verdict:
        """Return how the partition stands now."""
        partition = self.simulation.situation
        dead = partition.kernel.dead
        contradictions = () if dead else tuple(self.simulation.contradictions)
        return Verdict(
            dead,
            contradictions,
            "" if dead else agreement_text(partition.kernel, contradictions),
            tuple(next_flush(partition.kernel, partition.machine)),
            tuple(self.failed),
            len(self.done),
            partition.kernel.table.address_digits,
        )

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


def steps_of(steps: Steps) -> list[Step]:
    """Return steps as they are carried out: parsed ones as they are, text line by line.

    Raises `StepError`, with line and column, for what is none.
    """
    if isinstance(steps, str):
        return list(parse_script(steps, in_file=True))
    parsed: list[Step] = []
    for step in steps:
        parsed += [step] if isinstance(step, Step) else parse_script(step)
    return parsed


@checked()
def simulate(  # noqa: PLR0913 - as its command has options
    tree: Tree,
    steps: Steps = (),
    *,
    kernel: str | Profile | None = None,
    hypervisor: str | None = None,
    added: Iterable[str] = (),
    removed: Iterable[str] = (),
    files: Files | None = None,
    findings: bool = True,
    traced: bool = False,
) -> Session:
    """Do steps on a tree as a kernel and a hypervisor would, up to the first expectation that fails.

    Args:
        tree: the tree that the kernel boots, or runs on if it is of a dump.
        steps: the steps, as a text with one in each line or one by one.
        kernel: the kernel; the input's if there is none, else the newest. So everywhere below.
        hypervisor: `qemu`, `qemu-6.0`, `powervm`; without it, as the tree says.
        added: capabilities that the kernel has besides, as a backport brings them.
        removed: capabilities that it lacks.
        files: how trees and files in steps are read.
        findings: whether the rules are asked after each step.
        traced: whether the kernel's calls and writes are collected.

    """
    parsed = steps_of(steps)
    profile = kernel_for(tree, kernel, added=added, removed=removed).profile
    session = Session(Simulation(tree, profile, hypervisor, files=files, findings=findings), traced=traced)
    for _ in session.do_all(parsed):
        pass
    return session
