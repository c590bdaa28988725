# SPDX-License-Identifier: MIT
"""What the rules of `drmemctl check` say of an end state that they did not say of the beginning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drmemctl.check.changes import new_violations
from drmemctl.check.engine import Judge, all_rules, finding_of
from drmemctl.check.finding import Finding, Severity, Violation
from drmemctl.check.subject import Running, Subject
from drmemctl.simulate.partition import Partition
from drmemctl.simulate.subject import subject_of, written_back

_CRASH_RULE = "DRM080"
"""What the crash kernel was loaded with is judged as a tree beside the kernel's array."""

_OF_RACES = frozenset({"state", "kernel"})
"""Families of which warnings count as well."""

_FATAL = frozenset({"DRM090", "DRM093", "DRM094"})
"""Rules that are broken by a kernel that dies."""

_HANG = "a thread waits for ever"
_ABORT = "the hypervisor aborts"


def gravity(finding: Finding) -> tuple[int, int, str]:
    """Return what puts the worst first: a kernel that dies, then errors, then warnings."""
    dies = finding.title in (_HANG, _ABORT) or finding.rule in _FATAL
    return (0 if dies else 1, finding.severity.rank, finding.rule)


class Ends:
    """Asks the rules about ends; what they say of the beginning no thread brought about."""

    def __init__(self, first: Partition) -> None:
        self._judge = Judge(profile=first.kernel.profile)
        self._before = self._of_rules(_subject(first))

    def findings(
        self, partition: Partition, outcomes: Sequence[int | None], endless: Sequence[bool]
    ) -> tuple[Finding, ...]:
        """Return what is wrong with an end, the worst first."""
        subject = _subject(partition)
        # What races do, and not the shape of the tree that somebody made.
        said = [
            violation
            for violation in self._of_rules(subject)
            if violation.severity is Severity.ERROR
            or (violation.severity is not Severity.INFO and all_rules()[violation.rule].family in _OF_RACES)
        ]
        wrong = [finding_of(violation, subject) for violation in new_violations(said, self._before, subject)]
        wrong += self._of_crash_kernel(partition)
        hanging = any(out is None and not goes_on for out, goes_on in zip(outcomes, endless, strict=True))
        if hanging and not partition.machine.aborted:
            wrong.append(Finding("", Severity.ERROR, _HANG, partition.kernel.dead or _HANG))
        if partition.machine.aborted:
            wrong.append(Finding("", Severity.ERROR, _ABORT, _ABORT))
        return tuple(sorted(wrong, key=lambda finding: (gravity(finding), finding.message)))

    def _of_rules(self, subject: Subject) -> list[Violation]:
        return list(self._judge.ask(all_rules().values(), subject))

    def _of_crash_kernel(self, partition: Partition) -> Iterator[Finding]:
        if partition.crash_tree is None:
            return
        subject = Subject(partition.crash_tree, running=Running(array=partition.kernel.table))
        for violation in self._judge.ask([all_rules()[_CRASH_RULE]], subject):
            finding = finding_of(violation, subject)
            yield finding._replace(message=f"the crash kernel's tree: {finding.message}")


def _subject(partition: Partition) -> Subject:
    subject = subject_of(partition.kernel, partition.machine)
    faults = tuple(sorted(partition.faults, key=lambda fault: (fault.code, fault.message)))
    # The way to an end is no part of it: several lead to most, not all with the same function as the last writer.
    running = subject.running._replace(faults=faults, flush=None)
    return Subject(subject.tree, running=running, drmem=written_back(partition.kernel))
