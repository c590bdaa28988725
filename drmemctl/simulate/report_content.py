# SPDX-License-Identifier: MIT
"""What a report is made of: trees read and judged, their diff, a simulation. Nothing here is drawn yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from drmemctl.check.engine import Plan
from drmemctl.check.report import Report, report_tree
from drmemctl.check.subject import Running
from drmemctl.compare.diff import Diff, diff
from drmemctl.errors import LimitError, NotInTreeError
from drmemctl.kernel.affinity import affinity_rules
from drmemctl.kernel.choice import kernel_for, migrated
from drmemctl.kernel.cmdline import not_as_the_tree
from drmemctl.kernel.profiles import Profile
from drmemctl.model.address_map import AddressMap
from drmemctl.model.live_system import LiveSystem
from drmemctl.model.lookup_usage import LookupUsage
from drmemctl.model.memory import Memory
from drmemctl.model.overview import Overview
from drmemctl.model.sizes import LISTS
from drmemctl.simulate.files import Files, read_tree
from drmemctl.simulate.partition import Step
from drmemctl.simulate.session import Session, Verdict
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class JudgedTree:
    """A tree and what is known of it.

    Attributes:
        overview: what `show` says.
        memory: LMBs and `memory@` nodes.
        address_map: what is at each address.
        usage: the lookup arrays and who uses them, None without dynamic memory or where there are too many.
        report: what `check` says.
        system: what the files beside the tree show of its kernel, None where they show no memory blocks.
        unlike: what has to be said where the command line makes Linux have other memory or nodes.

    """

    overview: Overview
    memory: Memory
    address_map: AddressMap
    usage: LookupUsage | None
    report: Report
    system: LiveSystem | None = None
    unlike: str = ""

    @classmethod
    def of(cls, tree: Tree, plan: Plan, name: str, before: Tree | None = None) -> JudgedTree:
        """Judge a tree, with what lies beside it.

        Args:
            tree: the tree.
            plan: the rules and kernels to judge it by.
            name: what the report calls it.
            before: the tree that a migration to it started from.

        """
        profile = kernel_for(tree, plan.kernel).profile
        rules = affinity_rules(profile)
        memory = Memory.from_tree(tree, rules)
        running = Running.of_tree(tree)
        judged = report_tree(tree, plan, before, running=running)
        overview = replace(Overview.from_tree(tree, rules=rules), source=name)
        usage = None
        if memory.drmem is not None:
            with suppress(LimitError):
                usage = LookupUsage.of(memory.drmem, memory.associativity, LISTS)
        address_map = AddressMap.of(memory)
        return cls(overview, memory, address_map, usage, judged, running.system, not_as_the_tree(tree, profile))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A second tree, and what is different in it.

    Attributes:
        other: the second tree.
        diff: the differences.

    """

    other: JudgedTree
    diff: Diff

    @classmethod
    def of(cls, old: Tree, new: Tree, plan: Plan, name: str) -> Comparison:
        """Compare two trees and judge the new one, which the report calls `name`."""
        new = migrated(old, new)
        differences = diff(old, new, kernel=plan.kernel)  # first, since too many of them are refused
        return cls(JudgedTree.of(new, plan, name, before=old), differences)


@dataclass(frozen=True, slots=True)
class SimulatedSteps:
    """Steps that were done to the tree.

    Attributes:
        session: the steps and what came of each.
        verdict: how the partition stands after the last.
        address_map: what is at each address after the last, None where that cannot be said.

    """

    session: Session
    verdict: Verdict
    address_map: AddressMap | None

    @classmethod
    def of(cls, simulation: Simulation, steps: Sequence[Step]) -> SimulatedSteps:
        """Do steps to a partition, up to the first expectation that fails."""
        session = Session(simulation, traced=True)
        for _ in session.do_all(steps):
            pass
        try:
            memory = Memory.from_tree(simulation.tree, affinity_rules(simulation.profile))
            address_map = AddressMap.of(memory)
        except NotInTreeError:
            address_map = None
        return cls(session, session.verdict(), address_map)


@dataclass(frozen=True, slots=True)
class ReportContent:
    """All of a report.

    Attributes:
        title: its heading, empty to make one of the partition's name.
        partition: the tree.
        comparison: the second tree, if there is one.
        simulated: the steps, if there are any.
        names: how to call the files that steps name, where not as they are written.

    """

    title: str
    partition: JudgedTree
    comparison: Comparison | None = None
    simulated: SimulatedSteps | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def newest(self) -> JudgedTree:
        """The tree that the page is about first of all: the second one, if there is one."""
        return self.partition if self.comparison is None else self.comparison.other


@dataclass(frozen=True, slots=True)
class ReportSources:
    """What a report says of its trees: nothing of where they lay; redacted, nothing of whose they are."""

    redact: bool = False

    def shown_tree(self, tree: Tree) -> Tree:
        """Return a tree as the report has it."""
        if not self.redact:
            return tree
        from drmemctl.tree.capture import redacted_tree

        return redacted_tree(tree)

    def name(self, source: str) -> str:
        """Return what the page calls an input."""
        if self.redact:
            return "FILE"
        file, inside = source.partition("::")[::2]
        file = PurePath(file).name if file.startswith("/") else file
        return f"{file}::{inside}" if inside else file

    @property
    def files(self) -> Files:
        """How the trees of steps are read."""
        return Files(tree=lambda name: self.shown_tree(read_tree(name)))


def report_content(  # noqa: PLR0913, PLR0917 - the parts of a page
    sources: ReportSources,
    title: str,
    tree: Tree,
    second: Tree | None,
    plan: Plan,
    profile: Profile,
    steps: Sequence[Step],
    hypervisor: str | None,
) -> ReportContent:
    """Return what the page about a tree has, with a second tree and steps if there are any."""
    # What can be refused comes first, before anybody waits for the rest.
    simulated = None
    if steps:
        simulated = SimulatedSteps.of(Simulation(tree, profile, hypervisor, files=sources.files), steps)
    comparison = None if second is None else Comparison.of(tree, second, plan, sources.name(second.source))
    partition = JudgedTree.of(tree, plan, sources.name(tree.source))
    names = {name: sources.name(name) for step in steps for name in step.inputs}
    return ReportContent(title, partition, comparison, simulated, names)
