# SPDX-License-Identifier: MIT
"""Running rules over a state: the one `Judge` whom all commands ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

from drmemctl.check.boot_consequence import DEADLY_RULES, BootConsequence
from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Finding, Violation
from drmemctl.check.rule import RULES, Rule, families_about
from drmemctl.check.selection import ALL, PathIgnore, RuleSelection, SeverityOverride, overridden
from drmemctl.check.subject import Subject

if TYPE_CHECKING:
    from drmemctl.check.stream.answers import RtasStream
    from drmemctl.kernel.profiles import Profile


def all_rules() -> dict[str, Rule]:
    """Return every rule by id, in the order of ids."""
    return rules_of(FAMILIES)


def rules_of(families: Iterable[str]) -> dict[str, Rule]:
    """Return the rules of some families by id, in the order of ids."""
    wanted = tuple(families)
    for family in wanted:
        import_module(f"drmemctl.check.{family}")
    return {rule_id: rule for rule_id, rule in sorted(RULES.items()) if rule.family in wanted}


class Plan(NamedTuple):
    """Which rules to run, and how grave their findings are.

    Attributes:
        select: words for rules: ids, beginnings of ids, families, `ALL`; none stands for all.
        ignore: words for rules not to run, unless `select` has a more exact one.
        kernel: the kernel that the rules must be about; None for any, unless an input names its own.
        extensions: what is selected and left out besides, each on top of those before it.
        severities: the severities that findings have instead of their rule's.
        path_ignores: what is left out besides, for inputs of some names.

    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    kernel: Profile | None = None
    extensions: tuple[RuleSelection, ...] = ()
    severities: tuple[SeverityOverride, ...] = ()
    path_ignores: tuple[PathIgnore, ...] = ()

    def rules(self, families: Iterable[str] = FAMILIES) -> list[Rule]:
        """Return the rules of these families, in the order of ids."""
        layers = (RuleSelection(self.select or (ALL,), self.ignore), *self.extensions)
        rules = []
        for rule in rules_of(families).values():
            is_selected = False
            for layer in layers:
                is_selected = layer.has(rule, otherwise=is_selected)
            if is_selected:
                rules.append(rule)
        return rules

    def at(self, source: str) -> Plan:
        """Return the plan for an input, without what that need not keep."""
        ignored = tuple(RuleSelection(ignore=entry.rules) for entry in self.path_ignores if entry.covers(source))
        return self._replace(extensions=self.extensions + ignored) if ignored else self


class Judge:
    """Asks rules about a `Subject` or a `RtasStream`, for one kernel or for any."""

    def __init__(self, plan: Plan | None = None, profile: Profile | None = None) -> None:
        """Ask those rules that are about a kernel: `profile`, else the plan's, else any."""
        self.plan = plan or Plan()
        self.profile = self.plan.kernel if profile is None else profile

    def findings(self, subject: Subject | RtasStream) -> tuple[Finding, ...]:
        """Return what is wrong, the worst first, then by rule and place."""
        return tuple(finding_of(violation, subject) for violation in self.violations(subject))

    def violations(self, subject: Subject | RtasStream) -> list[Violation]:
        """Return the same as the rules have it."""
        violations = self.ask(self.plan.rules(families_about(subject)), subject)
        severities = self.plan.severities
        if severities:
            violations = (
                item._replace(severity=overridden(severities, RULES[item.rule], item.severity))
                for item in violations
            )
        return ordered(violations)

    def ask(self, rules: Iterable[Rule], subject: Subject | RtasStream) -> Iterator[Violation]:
        """Yield what breaks some rules, rule by rule."""
        consequence: BootConsequence | None = None
        for rule in rules:
            violations = rule.violations(subject) if rule.applies(subject, self.profile) else iter(())
            if rule.id in DEADLY_RULES and isinstance(subject, Subject):
                consequence = consequence or BootConsequence(subject, self.profile)
                violations = consequence.of_rule(rule, violations)
            yield from violations


def finding_of(violation: Violation, subject: Subject | RtasStream) -> Finding:
    """Return what there is to show of a violation."""
    # A stream has no LMBs, which is all that is asked of a subject.
    return Finding.of(violation, RULES[violation.rule].title, cast(Subject, subject))


def ordered(violations: Iterable[Violation]) -> list[Violation]:
    """Return violations, the worst first, then by rule and place."""
    return sorted(
        violations,
        key=lambda violation: (
            violation.severity.rank,
            violation.rule,
            violation.answer or 0,
            violation.offset or 0,
        ),
    )
