# SPDX-License-Identifier: MIT
"""What the rules of `drmemctl check` say of an end state that they did not say of the beginning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drmemctl.check.engine import all_rules
from drmemctl.check.finding import Finding, Severity
from drmemctl.check.subject import Running, Subject
from drmemctl.explore.world import World
from drmemctl.model.lmbs import Run
from drmemctl.scenario.findings import new_findings
from drmemctl.scenario.subject import subject_of, written_back

_CRASH_RULE = "DRM080"
"""What the crash kernel was loaded with is judged as a tree beside the kernel's array."""

_FATAL = frozenset({"DRM090", "DRM093", "DRM094"})
"""Rules that are broken by a kernel that dies."""

_HANG = "a thread waits for ever"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something that is wrong at an end.

    Attributes:
        rule: the id of the rule that it breaks; empty for a thread that hangs.
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
        dies = self.title == _HANG or self.rule in _FATAL
        return (0 if dies else 1, self.severity.rank, self.rule)


class Judge:
    """Asks the rules about ends; what they say of the beginning is nobody's doing."""

    def __init__(self, first: World) -> None:
        self._profile = first.kernel.profile
        self._before = self._of_rules(_subject(first))

    def verdicts(
        self, world: World, outcomes: Sequence[int | None], endless: Sequence[bool]
    ) -> tuple[Verdict, ...]:
        """Return what is wrong with an end, the worst first."""
        found = list(self._wrong(world))
        hanging = any(out is None and not goes_on for out, goes_on in zip(outcomes, endless, strict=True))
        if hanging and not world.stopped:
            found.append(Verdict("", Severity.ERROR, _HANG, world.kernel.dead or _HANG))
        return tuple(sorted(found, key=lambda one: (one.order, one.message)))

    def _wrong(self, world: World) -> Iterator[Verdict]:
        subject = _subject(world)
        found = [finding for finding in self._of_rules(subject) if _counts(finding)]
        yield from map(_verdict, new_findings(found, self._before, subject))
        yield from self._of_crash_kernel(world)

    def _of_rules(self, subject: Subject) -> list[Finding]:
        fitting = (rule for rule in all_rules().values() if rule.applies(subject, self._profile))
        return [finding for rule in fitting for finding in rule.findings(subject)]

    def _of_crash_kernel(self, world: World) -> Iterator[Verdict]:
        if world.crash_tree is None:
            return
        subject = Subject(world.crash_tree, running=Running(array=world.kernel.table))
        rule = all_rules()[_CRASH_RULE]
        if rule.applies(subject, self._profile):
            yield from (_verdict(finding, "the crash kernel's tree: ") for finding in rule.findings(subject))


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
    subject = subject_of(world.kernel, world.machine)
    faults = tuple(sorted(world.faults, key=lambda fault: (fault.code, fault.message)))
    return Subject(subject.tree, running=subject.running._replace(faults=faults), drmem=written_back(world.kernel))
