# SPDX-License-Identifier: MIT
"""What the rules say of a simulated partition, what they say only since a step, and who contradicts whom."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from drmemctl.check.changes import new_violations
from drmemctl.check.engine import Judge, all_rules, finding_of, ordered
from drmemctl.check.finding import NEXT_FLUSH, NOW, Finding, Severity, Violation
from drmemctl.check.kernel.codes import RULE_OF
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import DRC_INVALID, NODE, RESERVED, V1, V2
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.state import KernelState
from drmemctl.model.drmem import LmbTable
from drmemctl.simulate.partition import Partition
from drmemctl.simulate.subject import subject_of
from drmemctl.tree.node import Tree

_NEXT_FLUSH = frozenset({"DRM013", "DRM015", "DRM073", "DRM076", "DRM079", "DRM081", "DRM082"})
"""Rules about a tree that is right until the next successful request writes the array over it."""

_BY_LAYOUT = ("blob", "connectors")
"""Families that look at addresses and DRC indexes of LMBs, not at their aa_index and state."""

_BY_TREE = ("drmem", "associativity", "numa", "boot")

_STATE, _MIGRATION = "state", "migration"

_BESIDE_MEMORY = frozenset({"DRM087", "DRM150"})
"""Rules of the family state about CPUs and distances: whether a partition is consistent is asked of its memory."""

_LASTING = frozenset({"DRM065", "DRM073"})
"""Rules of other families that look at the running kernel as well, and find lasting conditions."""


def finding_of_fault(fault: Fault) -> Finding:
    """Return a fault of the simulated kernel as a finding of the rule about such faults."""
    rule = all_rules()[RULE_OF[fault.code]]
    return Finding(
        rule.id,
        rule.severity,
        rule.title,
        fault.message,
        fault.path,
        fault.property,
        code=fault.code,
        function=fault.function,
        deadly=bool(fault.dead),
    )


def step_finding(violation: Violation, subject: Subject) -> Finding:
    """Return a violation after a step as a finding, with when it matters: now, or at the next flush."""
    when = NEXT_FLUSH if violation.rule in _NEXT_FLUSH else NOW
    return finding_of(violation, subject)._replace(when=when)


_T = TypeVar("_T")


class _RecentResults(Generic[_T]):
    """A cache of the last few results: steps change little, and undo goes back.

    Keys hold `id()`s. The objects that they are of are kept with the result, so that no other gets their id.
    """

    _MOST = 8

    def __init__(self) -> None:
        self._results: OrderedDict[Any, tuple[object, _T]] = OrderedDict()

    def get(self, key: Any, kept_alive: object, make: Callable[[], _T]) -> _T:
        """Return the result for a key; where there is none, `make` computes it."""
        if key in self._results:
            self._results.move_to_end(key)
        else:
            self._results[key] = kept_alive, make()
            if len(self._results) > self._MOST:
                self._results.popitem(last=False)
        return self._results[key][1]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The violations that the rules find in a partition, and the subject that they judged."""

    subject: Subject
    violations: tuple[Violation, ...]

    def findings(self) -> Iterator[Finding]:
        """Yield the violations as findings, with when each matters."""
        return (step_finding(violation, self.subject) for violation in self.violations)

    def contradictions(self) -> list[Violation]:
        """Return where tree, array, connectors, memory blocks and the hypervisor do not agree.

        A disagreement that matters only after the next flush counts as well.
        """
        return [
            violation
            for violation in self.violations
            if all_rules()[violation.rule].family == _STATE
            and violation.rule not in _BESIDE_MEMORY
            and violation.severity is not Severity.INFO
        ]


class PartitionJudge:
    """Judges partitions by the rules; rules whose input has not changed are not asked again."""

    def __init__(self, *, after_steps: bool = True) -> None:
        """Without `after_steps`, `new_findings` has the kernel's own faults only: the rules are not asked."""
        self._after_steps = after_steps
        self._judgements: _RecentResults[Judgement] = _RecentResults()
        self._layouts: _RecentResults[tuple[Violation, ...]] = _RecentResults()
        self._trees: _RecentResults[tuple[Violation, ...]] = _RecentResults()
        rules = list(all_rules().values())
        self._by_layout = [rule for rule in rules if rule.family in _BY_LAYOUT]
        self._by_tree = [rule for rule in rules if rule.family in _BY_TREE and rule.id not in _LASTING]
        self._of_state = [rule for rule in rules if rule.family == _STATE or rule.id in _LASTING]
        self._of_migration = [rule for rule in rules if rule.family == _MIGRATION and rule.id not in _LASTING]

    def judged(self, partition: Partition) -> Judgement:
        """Return the violations in a partition as it is now, the worst first."""
        kernel, machine = partition.kernel, partition.machine
        parts = (
            *(kernel.tree, kernel.table, kernel.blocks, kernel.cpus, kernel.distances, kernel.profile),
            *(machine.connectors, machine.devices, machine.delivered, machine.homes, partition.flush),
        )
        return self._judgements.get((*map(id, parts), kernel.dead), parts, lambda: self._judge(partition))

    def _judge(self, partition: Partition) -> Judgement:
        kernel = partition.kernel
        profile, tree = kernel.profile, kernel.tree
        judge = Judge(profile=profile)
        subject = subject_of(kernel, partition.machine, partition.flush)
        layout_key = (_layout(subject), _all_but_lmbs(tree), id(profile))
        violations = [
            *self._layouts.get(layout_key, (tree, profile), lambda: tuple(judge.ask(self._by_layout, subject))),
            *self._trees.get(
                (id(tree), id(profile)), (tree, profile), lambda: tuple(judge.ask(self._by_tree, subject))
            ),
        ]
        if not kernel.dead.endswith("at boot"):
            violations += judge.ask(self._of_state, subject)
        return Judgement(subject, tuple(ordered(violations)))

    def new_findings(
        self, before: Partition, after: Partition, faults: Sequence[Fault], *, migrated: bool
    ) -> Iterator[Finding]:
        """Yield the kernel's faults, then the violations in `after` that were not in `before`.

        `migrated`: whether a migration may have come between the two, which has rules of its own.
        """
        yield from map(finding_of_fault, faults)
        if not self._after_steps:
            return
        judged_after, judged_before = self.judged(after), self.judged(before)
        subject = judged_after.subject
        violations: list[Violation] = []
        if judged_after is not judged_before:
            violations = new_violations(judged_after.violations, judged_before.violations, subject)
        if migrated and after.kernel.tree is not before.kernel.tree:
            pair = Subject(subject.tree, running=subject.running, before=judged_before.subject)
            violations += Judge(profile=after.kernel.profile).ask(self._of_migration, pair)
        for violation in ordered(violations):
            yield step_finding(violation, subject)


def _all_but_lmbs(tree: Tree) -> tuple[int, ...]:
    """Return the identities of all of a tree but the lists of LMBs, which every request writes anew."""
    drmem = tree.find(NODE)
    inside: tuple[int, ...] = ()
    if drmem is not None:
        properties = (id(prop) for prop in drmem.properties if prop.name not in (V1, V2))
        inside = (*properties, *map(id, drmem.children), *(drmem.find(name) is None for name in (V1, V2)))
    nodes = (id(node) for node in tree.root.children if node is not drmem)
    return (*map(id, tree.root.properties), *nodes, *inside)


def _layout(subject: Subject) -> LmbTable | None:
    """Return the LMBs without what requests change: aa_index, and flags but reserved and drc-invalid."""
    if not subject.has_lmbs:
        return None
    table = subject.table
    runs = (run._replace(aa_index=0, flags=run.flags & (RESERVED | DRC_INVALID)) for run in table.runs)
    return LmbTable.of(runs, table.lmb_size)


TREE, ARRAY, CONNECTORS, BLOCKS, HYPERVISOR = "tree", "array", "connectors", "memory blocks", "the hypervisor"

_SPLITS = {
    "DRM080": ARRAY,
    "DRM081": ARRAY,
    "DRM082": ARRAY,
    "DRM083": CONNECTORS,
    "DRM084": BLOCKS,
    "DRM085": BLOCKS,
    "DRM086": BLOCKS,
    "DRM088": HYPERVISOR,
    "DRM089": CONNECTORS,
}
"""Who disagrees where a rule of the family state is broken: array and hypervisor with the tree, others with the
array."""


def agreement_text(state: KernelState, violations: Iterable[Violation]) -> str:
    """Return in a few words which parties agree; those that do not agree with the hypervisor are wrong."""
    apart = {_SPLITS[violation.rule] for violation in violations if violation.rule in _SPLITS}
    array = TREE if not state.profile.has(DRMEM_ARRAY) else ARRAY if ARRAY in apart else TREE
    # Connectors know nothing of an aa_index: they go with the tree as long as that is about nothing else.
    with_whom = {ARRAY: array, TREE: TREE, CONNECTORS: TREE, BLOCKS: array, HYPERVISOR: TREE}
    if not state.profile.has(DRMEM_ARRAY):
        del with_whom[ARRAY]
    by_side: dict[str, list[str]] = {}
    for party, side in with_whom.items():
        by_side.setdefault(party if party in apart else side, []).append(party)
    camps = sorted(by_side.values(), key=lambda camp: (HYPERVISOR not in camp, TREE not in camp))
    right, wrong = camps[0], [party for camp in camps[1:] for party in camp]
    if not wrong:
        return f"{_listed(right)} agree"
    if right == [HYPERVISOR]:
        # Nobody follows it: what the others agree on is what was before.
        right, wrong = camps[1], [party for camp in camps[2:] for party in camp]
        agree = "agree with each other" if len(right) > 1 else "agrees with nobody"
        return f"{_listed(right)} {agree}, not with {_listed([*wrong, HYPERVISOR])}"
    return f"{_listed(right)} agree, {_listed(wrong)} {'does' if wrong == [ARRAY] else 'do'} not"


def _listed(parties: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parties[:-1]), parties[-1])))
