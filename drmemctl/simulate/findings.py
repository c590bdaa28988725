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
"""Rules about what is still right, until the next successful request writes the array over it."""

_BY_LAYOUT = ("blob", "connectors")
"""Families that look at where LMBs are and which connectors they have, not at what became of them."""

_BY_TREE = ("drmem", "associativity", "numa", "boot")

_STATE, _MIGRATION = "state", "migration"

_BESIDE_MEMORY = frozenset({"DRM087", "DRM150"})
"""Rules of the family state about CPUs and distances: whether a partition is consistent is asked of its memory."""

_LASTING = frozenset({"DRM065", "DRM073"})
"""Rules of other families that look at what runs as well, and tell of what stays so."""


def finding_of_fault(fault: Fault) -> Finding:
    """Return a fault of the kernel as the rule has it that it breaks."""
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
    """Return what a rule says after a step, and when that matters."""
    when = NEXT_FLUSH if violation.rule in _NEXT_FLUSH else NOW
    return finding_of(violation, subject)._replace(when=when)


_T = TypeVar("_T")


class _Recent(Generic[_T]):
    """The last few results by what they were made of: steps change little, and undo goes back.

    What a key names by its identity is held on to with the result, so that no other object takes its place.
    """

    _MOST = 8

    def __init__(self) -> None:
        self._results: OrderedDict[Any, tuple[object, _T]] = OrderedDict()

    def get(self, key: Any, parts: object, make: Callable[[], _T]) -> _T:
        if key in self._results:
            self._results.move_to_end(key)
        else:
            self._results[key] = parts, make()
            if len(self._results) > self._MOST:
                self._results.popitem(last=False)
        return self._results[key][1]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules say of a moment, and the subject that they said it of."""

    subject: Subject
    violations: tuple[Violation, ...]

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, as it is shown."""
        return (step_finding(violation, self.subject) for violation in self.violations)

    def contradictions(self) -> list[Violation]:
        """Return where tree, array, connectors, memory blocks and the hypervisor do not agree.

        They do not agree now even where only a flush makes that matter.
        """
        return [
            violation
            for violation in self.violations
            if all_rules()[violation.rule].family == _STATE
            and violation.rule not in _BESIDE_MEMORY
            and violation.severity is not Severity.INFO
        ]


class Moments:
    """Has a judge ask the rules about a partition; what has not changed is not asked again."""

    def __init__(self, *, after_steps: bool = True) -> None:
        """Without `after_steps`, the rules are not asked what a step brought, only what is so."""
        self._after_steps = after_steps
        self._moments: _Recent[Judged] = _Recent()
        self._layouts: _Recent[tuple[Violation, ...]] = _Recent()
        self._trees: _Recent[tuple[Violation, ...]] = _Recent()
        rules = list(all_rules().values())
        self._by_layout = [rule for rule in rules if rule.family in _BY_LAYOUT]
        self._by_tree = [rule for rule in rules if rule.family in _BY_TREE and rule.id not in _LASTING]
        self._of_state = [rule for rule in rules if rule.family == _STATE or rule.id in _LASTING]
        self._of_migration = [rule for rule in rules if rule.family == _MIGRATION and rule.id not in _LASTING]

    def present(self, partition: Partition) -> Judged:
        """Return all that the rules say of a partition as it is now, the worst first."""
        kernel, machine = partition.kernel, partition.machine
        parts = (
            *(kernel.tree, kernel.table, kernel.blocks, kernel.cpus, kernel.distances, kernel.profile),
            *(machine.connectors, machine.devices, machine.delivered, machine.homes, partition.flush),
        )
        return self._moments.get((*map(id, parts), kernel.dead), parts, lambda: self._judged(partition))

    def _judged(self, partition: Partition) -> Judged:
        kernel = partition.kernel
        profile, tree = kernel.profile, kernel.tree
        judge = Judge(profile=profile)
        subject = subject_of(kernel, partition.machine, partition.flush)
        layout = (_layout(subject), _all_but_lmbs(tree), id(profile))
        said = [
            *self._layouts.get(layout, (tree, profile), lambda: tuple(judge.ask(self._by_layout, subject))),
            *self._trees.get(
                (id(tree), id(profile)), (tree, profile), lambda: tuple(judge.ask(self._by_tree, subject))
            ),
        ]
        if not kernel.dead.endswith("at boot"):
            said += judge.ask(self._of_state, subject)
        return Judged(subject, tuple(ordered(said)))

    def after(
        self, before: Partition, after: Partition, faults: Sequence[Fault], *, migrated: bool
    ) -> Iterator[Finding]:
        """Yield the kernel's faults, then what the rules say of `after` that they did not say of `before`.

        `migrated` is set where a migration may have come between the two, which has rules of its own.
        """
        yield from map(finding_of_fault, faults)
        if not self._after_steps:
            return
        judged_after, judged_before = self.present(after), self.present(before)
        subject = judged_after.subject
        said: list[Violation] = []
        if judged_after is not judged_before:
            said = new_violations(judged_after.violations, judged_before.violations, subject)
        if migrated and after.kernel.tree is not before.kernel.tree:
            pair = Subject(subject.tree, running=subject.running, before=judged_before.subject)
            said += Judge(profile=after.kernel.profile).ask(self._of_migration, pair)
        for violation in ordered(said):
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
    """Return the LMBs without what requests change of them."""
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
"""Who does not agree by a rule of the family state: array and hypervisor with the tree, others with the array."""


def sides(state: KernelState, violations: Iterable[Violation]) -> str:
    """Return who agrees with whom in a few words; who is not on the hypervisor's side is wrong."""
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
