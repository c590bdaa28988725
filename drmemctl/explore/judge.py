# SPDX-License-Identifier: MIT
"""What the rules of `drmemctl check` say of an end state that they did not say of the beginning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drmemctl.check.engine import Plan, all_rules, judge
from drmemctl.check.finding import Finding, Severity
from drmemctl.check.subject import BlockRange, Running, SenseRange, Subject
from drmemctl.explore.world import World
from drmemctl.hypervisor.connectors import kind_of, sense_of
from drmemctl.hypervisor.machine import Machine
from drmemctl.kernel.associativity import current_associativity
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.model.lmbs import Run

_CRASH_RULE = "DRM080"
"""What the crash kernel was loaded with is judged as a tree beside the kernel's array."""

_HANG = "a thread waits for ever"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something that is wrong at an end.

    Attributes:
        rule: the id of the rule that it breaks; empty for a thread that does not come to its end.
        severity: the worst consequence.
        title: the rule in a few words.
        message: what is there, and what it leads to.
        lmbs: the LMBs concerned.

    """

    rule: str
    severity: Severity
    title: str
    message: str
    lmbs: tuple[Run, ...] = ()

    @property
    def order(self) -> tuple[int, int, str]:
        """The worst comes first: a kernel that dies, then errors, then warnings."""
        dies = self.rule in ("", "DRM090", "DRM093", "DRM094")
        return (0 if dies else 1, self.severity.rank, self.rule)


class Judge:
    """Asks the rules about ends; what they say of the beginning is nobody's doing."""

    def __init__(self, first: World) -> None:
        version = (*first.kernel.profile.release, 0)
        self._plan = Plan(kernel=version)
        self._crash = Plan(select=(_CRASH_RULE,), kernel=version)
        self._before = {_said(finding) for finding in judge(_subject(first), self._plan)}

    def verdicts(
        self, world: World, outcomes: Sequence[int | None], endless: Sequence[bool]
    ) -> tuple[Verdict, ...]:
        """Return what is wrong with an end, the worst first."""
        found = [*self._of_rules(world), *self._of_crash_kernel(world)]
        hanging = any(out is None and not goes_on for out, goes_on in zip(outcomes, endless, strict=True))
        if hanging and not world.stopped:
            found.append(Verdict("", Severity.ERROR, _HANG, world.kernel.dead or _HANG))
        return tuple(sorted(found, key=lambda one: (one.order, one.message)))

    def _of_rules(self, world: World) -> Iterator[Verdict]:
        for finding in judge(_subject(world), self._plan):
            if _counts(finding) and _said(finding) not in self._before:
                yield _verdict(finding)

    def _of_crash_kernel(self, world: World) -> Iterator[Verdict]:
        if world.crash_tree is None:
            return
        running = Running(array=world.kernel.table)
        for finding in judge(Subject(world.crash_tree, running=running), self._crash):
            yield _verdict(finding, "the crash kernel's tree: ")


def _said(finding: Finding) -> tuple[str, str]:
    return finding.rule, finding.message


def _counts(finding: Finding) -> bool:
    """Whether a finding is about what races do: not about the shape of the tree that somebody made."""
    family = all_rules()[finding.rule].family
    if family in ("state", "kernel"):
        return finding.severity is not Severity.INFO
    return finding.severity is Severity.ERROR


def _verdict(finding: Finding, prefix: str = "") -> Verdict:
    rule = all_rules()[finding.rule]
    message = prefix + finding.message
    return Verdict(finding.rule, finding.severity, rule.title, message, finding.violation.lmbs)


def _subject(world: World) -> Subject:
    kernel = world.kernel
    running = Running(
        array=kernel.table if kernel.profile.has(DRMEM_ARRAY) else None,
        senses=tuple(_senses(world.machine)),
        blocks=tuple(BlockRange(run.first, run.count, run.node) for run in kernel.blocks.runs),
        block_size=kernel.block_size,
        associativity=current_associativity(kernel),
        faults=tuple(sorted(world.faults, key=lambda fault: (fault.code, fault.message))),
    )
    return Subject(kernel.tree, running=running)


def _senses(machine: Machine) -> Iterator[SenseRange]:
    for run in machine.connectors.runs:
        if kind_of(run.first).is_lmb:
            yield SenseRange(run.first, run.count, sense_of(run))
