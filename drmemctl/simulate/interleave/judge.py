# SPDX-License-Identifier: MIT
"""Judges end states by the rules of `drmemctl check`: violations that the first state did not have."""

from __future__ import annotations

from collections.abc import Sequence

from drmemctl.check.changes import new_violations
from drmemctl.check.engine import Judge, all_rules, finding_of
from drmemctl.check.finding import Finding, Severity, Violation
from drmemctl.check.subject import Running, Subject
from drmemctl.simulate.partition import Partition
from drmemctl.simulate.subject import subject_of, written_back

_CRASH_RULE = "DRM080"
"""The rule by which the tree that the crash kernel was loaded with is compared with the kernel's array."""

_OF_RACES = frozenset({"state", "kernel"})
"""Families of which warnings count as well."""

_FATAL = frozenset({"DRM090", "DRM093", "DRM094"})
"""Rules about a kernel that dies."""

_HANG = "a thread waits for ever"
_ABORT = "the hypervisor aborts"


def gravity(finding: Finding) -> tuple[int, int, str]:
    """Return the key that sorts findings, the worst first: a kernel that dies, then errors, then warnings."""
    dies = finding.title in (_HANG, _ABORT) or finding.rule in _FATAL
    return (0 if dies else 1, finding.severity.rank, finding.rule)


class EndJudge:
    """Judges end states; violations of the first state, which no thread caused, are left out."""

    def __init__(self, first: Partition) -> None:
        self._judge = Judge(profile=first.kernel.profile)
        self._before = self._violations(_subject(first))

    def findings(
        self, partition: Partition, outcomes: Sequence[int | None], endless: Sequence[bool]
    ) -> tuple[Finding, ...]:
        """Return what is wrong with an end, the worst first."""
        subject = _subject(partition)
        # Warnings of other families are about the tree that the user brought, not about what threads do.
        violations = [
            violation
            for violation in self._violations(subject)
            if violation.severity is Severity.ERROR
            or (violation.severity is not Severity.INFO and all_rules()[violation.rule].family in _OF_RACES)
        ]
        findings = [
            finding_of(violation, subject) for violation in new_violations(violations, self._before, subject)
        ]
        if partition.crash_tree is not None:
            crash = Subject(partition.crash_tree, running=Running(array=partition.kernel.table))
            for violation in self._judge.ask([all_rules()[_CRASH_RULE]], crash):
                finding = finding_of(violation, crash)
                findings.append(finding._replace(message=f"the crash kernel's tree: {finding.message}"))
        hanging = any(out is None and not goes_on for out, goes_on in zip(outcomes, endless, strict=True))
        if hanging and not partition.machine.aborted:
            findings.append(Finding("", Severity.ERROR, _HANG, partition.kernel.dead or _HANG))
        if partition.machine.aborted:
            findings.append(Finding("", Severity.ERROR, _ABORT, _ABORT))
        return tuple(sorted(findings, key=lambda finding: (gravity(finding), finding.message)))

    def _violations(self, subject: Subject) -> list[Violation]:
        return list(self._judge.ask(all_rules().values(), subject))


def _subject(partition: Partition) -> Subject:
    subject = subject_of(partition.kernel, partition.machine)
    faults = tuple(sorted(partition.faults, key=lambda fault: (fault.code, fault.message)))
    # Several schedules lead to the same end, with different last writers: `flush` would tell them apart.
    running = subject.running._replace(faults=faults, flush=None)
    return Subject(subject.tree, running=running, drmem=written_back(partition.kernel))
