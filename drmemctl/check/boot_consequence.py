# SPDX-License-Identifier: MIT
"""Which violations a kernel dies of while it boots: those that stand for a fault of the simulated boot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import Rule
from drmemctl.check.subject import Subject
from drmemctl.kernel.fault import OOPS, PANIC, Cause, Fault
from drmemctl.kernel.profiles import Profile, profile

RULE_OF_CAUSE = {
    Cause.NO_MEMORY: "DRM063",
    Cause.NO_MEMORY_NODE: "DRM063",
    Cause.NO_FORM2_TABLE: "DRM042",
    Cause.MEMORY_NODE_WITHOUT_NODE: "DRM033",
    Cause.LMB_WITHOUT_NODE: "DRM030",
    Cause.BLOCK_SIZE: "DRM011",
    Cause.CUT_BLOCK_SIZE: "DRM012",
}
"""The rule that tells of what a kernel dies of at boot."""

DEADLY_RULES = frozenset(RULE_OF_CAUSE.values())

_CONSEQUENCES = {OOPS: "the kernel dies at boot", PANIC: "Linux panics while it boots"}


class BootConsequence:
    """Knows what a kernel dies of when it boots a tree, and says so with the violations that are about that."""

    def __init__(self, subject: Subject, kernel: Profile | None) -> None:
        """Ask for a kernel; without one, for the newest."""
        self._subject = subject
        self._kernel = kernel

    def of_rule(self, rule: Rule, violations: Iterable[Violation]) -> Iterator[Violation]:
        """Yield the violations of a rule with what becomes of the kernel; at least one where it dies of that."""
        faults = self._faults.get(rule.id, [])
        deaths = {fault.path: fault.dead for fault in reversed(faults)}
        paths: set[str] = set()
        for violation in violations:
            paths.add(violation.path)
            yield _deadly(violation, deaths.get(violation.path, ""))
        for fault in faults:
            if fault.path not in paths:
                paths.add(fault.path)
                violation = Violation(
                    fault.message, fault.path, fault.property, rule=rule.id, severity=rule.severity
                )
                yield _deadly(violation, fault.dead)

    @cached_property
    def _faults(self) -> dict[str, list[Fault]]:
        """The faults by the rule that tells of them."""
        from drmemctl.kernel.boot_faults import deadly_at_boot

        faults: dict[str, list[Fault]] = {}
        subject = self._subject
        drmem = None if subject.drmem_node is None else subject.drmem
        for fault in deadly_at_boot(subject.tree, self._kernel or profile(), drmem):
            if fault.cause is not None:
                faults.setdefault(RULE_OF_CAUSE[fault.cause], []).append(fault)
        return faults


def _deadly(violation: Violation, dead: str) -> Violation:
    if not dead:
        return violation
    message = f"{violation.message}: {_CONSEQUENCES[dead]}"
    return violation._replace(message=message, deadly=True, severity=Severity.ERROR)
