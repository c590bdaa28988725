# SPDX-License-Identifier: MIT
"""Running rules over a state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import NamedTuple

from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Finding
from drmemctl.check.rule import RULES, Rule, families_about
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
    """Which rules to run.

    Attributes:
        select: rule ids, family names or prefixes of ids; empty is all.
        ignore: the same, taken away again.
        kernel: the kernel that the rules must be about; None for any, unless an input names its own.

    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    kernel: Profile | None = None

    def rules(self, families: Iterable[str] = FAMILIES) -> list[Rule]:
        """Return the rules of these families, in the order of ids."""
        return [rule for rule in rules_of(families).values() if self._takes(rule)]

    def _takes(self, rule: Rule) -> bool:
        if self.select and not _named(rule, self.select):
            return False
        return not _named(rule, self.ignore)


def _named(rule: Rule, words: Iterable[str]) -> bool:
    return any(word == rule.family or rule.id.startswith(word.upper()) for word in words)


def unknown_words(words: Sequence[str]) -> list[str]:
    """Return those words that name no rule and no family."""
    return [word for word in words if not any(_named(rule, (word,)) for rule in all_rules().values())]


def judge(subject: object, plan: Plan | None = None) -> list[Finding]:
    """Return the findings of a `Subject` or a `Stream`, the worst first, then by rule and place."""
    plan = plan or Plan()
    findings = [
        finding
        for rule in plan.rules(families_about(subject))
        if rule.applies(subject, plan.kernel)
        for finding in rule.findings(subject)
    ]
    return sorted(findings, key=_order)


def _order(finding: Finding) -> tuple[int, str, int, int]:
    violation = finding.violation
    return finding.severity.rank, finding.rule, violation.answer or 0, violation.offset or 0
