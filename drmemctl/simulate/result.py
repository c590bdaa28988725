# SPDX-License-Identifier: MIT
"""What came of a step, and which properties two trees differ in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from drmemctl.check.finding import Finding
from drmemctl.kernel.processors import CpuChange
from drmemctl.tree.node import Node, Tree


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of a step.

    Attributes:
        step: the step as it was written.
        ok: whether it did what was asked: for a plug, whether the guest took the memory.
        errno: the name of the error number that write(2) returned, None for none, and where nobody gets one.
        log: what the kernel printed.
        events: what the hypervisor told its user; `ABORT` where it stopped itself.
        changed: new bytes of the properties that changed, None for removed ones, by `PATH:PROPERTY`.
        findings: what the kernel did wrong, then what the rules say that they did not say before the step.
        answer: the words that an `rtas` step returned, None for other steps.
        note: why it is not ok, where the log does not say.
        hypervisor: which hypervisor refused it for want of a connector, and what that one gives; else empty.
        cpus: the CPUs that the step gave another associativity, and the node that each keeps or gets.

    """

    step: str
    ok: bool = True
    errno: str | None = None
    log: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    changed: dict[str, bytes | None] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    answer: tuple[int, ...] | None = None
    note: str = ""
    hypervisor: str = ""
    cpus: tuple[CpuChange, ...] = ()

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What the kernel itself did wrong in the step."""
        return tuple(finding for finding in self.findings if finding.code)

    def to_json(self) -> dict[str, Any]:
        """Return the step as `drmemctl simulate --format json` has it."""
        found: dict[str, Any] = {
            "step": self.step,
            "ok": self.ok,
            "errno": self.errno,
            "log": list(self.log),
            "events": list(self.events),
            "changed": {name: None if data is None else data.hex() for name, data in self.changed.items()},
            "findings": [_finding_record(finding) for finding in self.findings],
        }
        if self.answer is not None:
            found["answer"] = list(self.answer)
        if self.note:
            found["note"] = self.note
        if self.hypervisor:
            found["hypervisor"] = self.hypervisor
        if self.cpus:
            found["cpus"] = [_cpu_record(change) for change in self.cpus]
        return found


def _finding_record(finding: Finding) -> dict[str, Any]:
    """Return it as `drmemctl check --format json` has findings; a fault with its code and function."""
    record = {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "path": finding.path or None,
        "property": finding.property or None,
        "offset": finding.offset,
        "lmbs": [lmbs.to_json() for lmbs in finding.lmbs],
        "when": finding.when,
    }
    return {**record, "code": finding.code, "function": finding.function} if finding.code else record


def _cpu_record(change: CpuChange) -> dict[str, Any]:
    return {
        "path": change.path,
        "threads": list(change.threads),
        "before": change.before,
        "node": change.node,
        "in_tree": change.in_tree,
        "why": change.why or None,
    }


def changed_properties(old: Tree, new: Tree) -> dict[str, bytes | None]:
    """Return the properties in which two trees differ, with their bytes in the new one.

    Costs by what changed: subtrees that are one and the same value in both are not looked at.
    """
    return dict(_changed("", old.root, new.root))


def _changed(path: str, old: Node | None, new: Node | None) -> Iterator[tuple[str, bytes | None]]:
    if old is new:
        return
    before = {} if old is None else {prop.name: prop.value for prop in old.properties}
    after = {} if new is None else {prop.name: prop.value for prop in new.properties}
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield f"{path or '/'}:{name}", after.get(name)
    left = {} if old is None else {child.name: child for child in old.children}
    for child in () if new is None else new.children:
        yield from _changed(f"{path}/{child.name}", left.pop(child.name, None), child)
    for name, child in left.items():
        yield from _changed(f"{path}/{name}", child, None)
