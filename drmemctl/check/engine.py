# SPDX-License-Identifier: MIT
"""Running rules over a state: the one `Judge` whom all commands ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

from drmemctl.check.boot_consequence import DEADLY_RULES, BootConsequence
from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Finding, Violation
from drmemctl.check.rule import RULES, Rule, families_about
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
        return [
            rule
            for rule in rules_of(families).values()
            if (not self.select or _named(rule, self.select)) and not _named(rule, self.ignore)
        ]


def _named(rule: Rule, words: Iterable[str]) -> bool:
    return any(word == rule.family or rule.id.startswith(word.upper()) for word in words)


def unknown_words(words: Sequence[str]) -> list[str]:
    """Return those words that name no rule and no family."""
    rules = all_rules().values()
    return [word for word in words if not any(_named(rule, (word,)) for rule in rules)]


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
        return ordered(self.ask(self.plan.rules(families_about(subject)), subject))

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
