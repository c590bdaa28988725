# SPDX-License-Identifier: MIT
"""What the rules say of a simulated partition: after a step, what they did not say before it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from drmemctl.check.engine import all_rules
from drmemctl.check.finding import Finding, Severity
from drmemctl.check.kernel.codes import RULE_OF
from drmemctl.check.report import LmbRange, reported
from drmemctl.check.rule import Rule
from drmemctl.check.spans import Spans
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import DRC_INVALID, NODE, RESERVED, V1, V2
from drmemctl.kernel.job import Fault
from drmemctl.kernel.profiles import Profile
from drmemctl.model.lmbs import LmbTable
from drmemctl.scenario.subject import subject_of
from drmemctl.tree.node import Tree

if TYPE_CHECKING:
    from drmemctl.scenario.simulation import Situation

NOW, NEXT_FLUSH = "now", "next-flush"

_NEXT_FLUSH = frozenset({"DRM013", "DRM015", "DRM073", "DRM076", "DRM079", "DRM081", "DRM082"})
"""Rules about what is still right, until the next successful request writes the array over it."""

_BY_LAYOUT = ("blob", "connectors")
"""Families that look at where LMBs are and which connectors they have, not at what became of them."""

_BY_TREE = ("drmem", "associativity", "numa", "boot")

_STATE, _MIGRATION = "state", "migration"

_BESIDE_MEMORY = frozenset({"DRM087"})
"""Rules of the family state about CPUs: whether a partition is consistent is asked of its memory."""

_LASTING = frozenset({"DRM065", "DRM073"})
"""Rules of other families that look at what runs as well, and tell of what stays so."""


@dataclass(frozen=True, slots=True)
class StepFinding:
    """What is wrong after a step: with the partition, or with what the kernel did in it.

    Attributes:
        rule: the id of the rule.
        severity: the worst consequence.
        message: what is there, and what it leads to.
        path: the node, empty if it is about none.
        property: its property, empty if it is about none.
        offset: byte offset in the property, or None.
        lmbs: the LMBs concerned.
        when: `now`, or `next-flush` for what the next successful request would destroy.
        code: for a fault of the kernel, its kind, e.g. `oops`.
        function: the kernel function that it happens in.

    """

    rule: str
    severity: Severity
    message: str
    path: str = ""
    property: str = ""
    offset: int | None = None
    lmbs: tuple[LmbRange, ...] = ()
    when: str = NOW
    code: str = ""
    function: str = ""

    @classmethod
    def of_fault(cls, fault: Fault) -> StepFinding:
        """Return a fault of the kernel as the rule has it that it breaks."""
        rule = all_rules()[RULE_OF[fault.code]]
        place = (fault.path, fault.property)
        return cls(rule.id, rule.severity, fault.message, *place, code=fault.code, function=fault.function)

    @classmethod
    def of(cls, finding: Finding, subject: Subject) -> StepFinding:
        """Return what a rule found."""
        shown = reported(finding, subject)
        when = NEXT_FLUSH if finding.rule in _NEXT_FLUSH else NOW
        place = (shown.path, shown.property, shown.offset)
        return cls(finding.rule, finding.severity, shown.message, *place, shown.lmbs, when)

    def to_json(self) -> dict[str, Any]:
        """Return it as `drmemctl check --format json` has findings; a fault with its code and function."""
        record = {
            "rule": self.rule,
            "severity": self.severity.value,
            "message": self.message,
            "path": self.path or None,
            "property": self.property or None,
            "offset": self.offset,
            "lmbs": [lmbs.to_json() for lmbs in self.lmbs],
            "when": self.when,
        }
        return {**record, "code": self.code, "function": self.function} if self.code else record


_T = TypeVar("_T")


class _Recent(Generic[_T]):
    """The last few results by what they were made of: steps change little, and undo goes back.

    What a key names by its identity is held on to with the result, so that no other object takes its place.
    """

    _MOST = 8

    def __init__(self) -> None:
        self._known: OrderedDict[Any, tuple[object, _T]] = OrderedDict()

    def get(self, key: Any, held: object, make: Callable[[], _T]) -> _T:
        if key in self._known:
            self._known.move_to_end(key)
        else:
            self._known[key] = held, make()
            if len(self._known) > self._MOST:
                self._known.popitem(last=False)
        return self._known[key][1]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules say of a moment, and the subject that they said it of."""

    subject: Subject
    findings: tuple[Finding, ...]

    def shown(self) -> Iterator[StepFinding]:
        """Yield the findings as they are shown."""
        return (StepFinding.of(finding, self.subject) for finding in self.findings)

    def contradictions(self) -> list[Finding]:
        """Return where tree, array, connectors and memory blocks do not agree."""
        return list(filter(_contradicts, self.findings))


def _contradicts(finding: Finding) -> bool:
    """Whether a finding is about two sides that do not agree now, even if only a flush makes that matter."""
    of_memory = all_rules()[finding.rule].family == _STATE and finding.rule not in _BESIDE_MEMORY
    return of_memory and finding.severity is not Severity.INFO


def contradictions_in(subject: Subject, profile: Profile) -> list[Finding]:
    """Return where tree, array, connectors and memory blocks do not agree, asking just the rules about that."""
    rules = [rule for rule in all_rules().values() if rule.family == _STATE]
    return list(filter(_contradicts, _findings(rules, subject, profile)))


class Judge:
    """Asks the rules about a partition; what has not changed is not asked again."""

    def __init__(self) -> None:
        self._moments: _Recent[Judged] = _Recent()
        self._layouts: _Recent[tuple[Finding, ...]] = _Recent()
        self._trees: _Recent[tuple[Finding, ...]] = _Recent()
        rules = list(all_rules().values())
        self._by_layout = [rule for rule in rules if rule.family in _BY_LAYOUT]
        self._by_tree = [rule for rule in rules if rule.family in _BY_TREE and rule.id not in _LASTING]
        self._of_state = [rule for rule in rules if rule.family == _STATE or rule.id in _LASTING]
        self._of_migration = [rule for rule in rules if rule.family == _MIGRATION and rule.id not in _LASTING]

    def present(self, situation: Situation) -> Judged:
        """Return all that the rules say of a partition as it is now, the worst first."""
        kernel, machine = situation.kernel, situation.machine
        parts = (kernel.tree, kernel.table, kernel.blocks, kernel.cpus, machine.connectors, kernel.profile)
        return self._moments.get((*map(id, parts), kernel.dead), parts, lambda: self._judged(situation))

    def _judged(self, situation: Situation) -> Judged:
        kernel = situation.kernel
        profile, tree = kernel.profile, kernel.tree
        subject = subject_of(kernel, situation.machine)
        layout = (_layout(subject), _others(tree), id(profile))
        found = [
            *self._layouts.get(layout, (tree, profile), lambda: _findings(self._by_layout, subject, profile)),
            *self._trees.get(
                (id(tree), id(profile)), (tree, profile), lambda: _findings(self._by_tree, subject, profile)
            ),
        ]
        if not kernel.dead.endswith("at boot"):
            found += _findings(self._of_state, subject, profile)
        return Judged(subject, tuple(_sorted(found)))

    def after(
        self, before: Situation, after: Situation, faults: Sequence[Fault], *, migrated: bool
    ) -> Iterator[StepFinding]:
        """Yield the kernel's faults, then what the rules say of `after` that they did not say of `before`.

        `migrated` is set where a migration may have come between the two, which has rules of its own.
        """
        yield from map(StepFinding.of_fault, faults)
        now, then = self.present(after), self.present(before)
        subject = now.subject
        found = [] if now is then else new_findings(now.findings, then.findings, subject)
        if migrated and after.kernel.tree is not before.kernel.tree:
            pair = Subject(subject.tree, running=subject.running, before=then.subject)
            found += _findings(self._of_migration, pair, after.kernel.profile)
        for finding in _sorted(found):
            yield StepFinding.of(finding, subject)


def _findings(rules: Iterable[Rule], subject: Subject, profile: Profile) -> tuple[Finding, ...]:
    fitting = (rule for rule in rules if rule.applies(subject, profile))
    return tuple(finding for rule in fitting for finding in rule.findings(subject))


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (one.severity.rank, one.rule, one.violation.offset or 0))


def _others(tree: Tree) -> tuple[int, ...]:
    """Return the identities of all of a tree but the lists of LMBs, which every request writes anew."""
    drmem = tree.find(NODE)
    inside: tuple[int, ...] = ()
    if drmem is not None:
        kept = (id(prop) for prop in drmem.properties if prop.name not in (V1, V2))
        inside = (*kept, *map(id, drmem.children), *(drmem.find(name) is None for name in (V1, V2)))
    nodes = (id(node) for node in tree.root.children if node is not drmem)
    return (*map(id, tree.root.properties), *nodes, *inside)


def _layout(subject: Subject) -> LmbTable | None:
    """Return the LMBs without what requests change of them."""
    if not subject.has_lmbs:
        return None
    table = subject.table
    entries = (
        (n, base, drc, 0, flags & (RESERVED | DRC_INVALID)) for n, base, drc, _, flags in table.runs.entries()
    )
    return LmbTable.of(entries, table.lmb_size)


_FIGURES = re.compile(r"0x[0-9a-f]+|[0-9][0-9,]*")

_Kind = tuple[object, ...]


def new_findings(found: Sequence[Finding], known: Sequence[Finding], subject: Subject) -> list[Finding]:
    """Return the findings that say something else than the known ones.

    One about LMBs is new if it has an LMB, in the state that it is in, that none of the same rule had. Of others
    the words count, not the figures in them, nor the offset: both shift with what stands before.
    """
    said = {_words(finding) for finding in known}
    held = _covered(known, subject)
    return [
        one for one in found if (_has_new(one, held, subject) if one.violation.lmbs else _words(one) not in said)
    ]


def _words(finding: Finding) -> _Kind:
    violation = finding.violation
    return finding.rule, violation.path, violation.property, _FIGURES.sub("#", violation.message)


def _covered(known: Sequence[Finding], subject: Subject) -> dict[_Kind, Spans]:
    """Return the addresses of LMBs in the findings, by rule, place, aa_index and flags."""
    size = _size(subject)
    held: dict[_Kind, Spans] = {}
    for finding in known:
        for run in finding.violation.lmbs:
            key = (finding.rule, finding.violation.property, run.aa_index, run.flags)
            held.setdefault(key, Spans()).add(run.base, run.count * size, 0)
    return {key: spans.disjoint() for key, spans in held.items()}


def _has_new(finding: Finding, held: dict[_Kind, Spans], subject: Subject) -> bool:
    size = _size(subject)
    for run in finding.violation.lmbs:
        spans = held.get((finding.rule, finding.violation.property, run.aa_index, run.flags))
        if spans is None or not _covers(spans, run.base, run.count * size):
            return True
    return False


def _covers(spans: Spans, start: int, count: int) -> bool:
    """Whether ranges that do not overlap hold all these numbers."""
    at = max(0, bisect_right(spans.starts, start) - 1)
    end = start + count
    while at < len(spans) and spans.starts[at] <= start < end:
        start = max(start, spans.lasts[at] + 1)
        at += 1
    return start >= min(end, 1 << 64)


def _size(subject: Subject) -> int:
    return (subject.table.lmb_size if subject.has_lmbs else None) or 1
