# SPDX-License-Identifier: MIT
"""Running rules over a state: the one `Judge` whom all commands ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Finding, Violation
from drmemctl.check.kernels import Version
from drmemctl.check.rule import RULES, Rule, families_about
from drmemctl.kernel.capabilities import (
    AA_SYNC,
    CURRENT_DOMAINS,
    DRMEM_ARRAY,
    FORM2,
    LMB_SIZE_U32,
    Capability,
)

if TYPE_CHECKING:
    from drmemctl.check.stream.answers import Stream
    from drmemctl.check.subject import Subject
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
        kernel: the release that the rules must be about, None for any.

    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    kernel: Version | None = None

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
    rules = all_rules().values()
    return [word for word in words if not any(_named(rule, (word,)) for rule in rules)]


_NEEDS: dict[str, tuple[tuple[Capability, ...], tuple[Capability, ...]]] = {
    "DRM012": ((LMB_SIZE_U32,), ()),
    "DRM015": ((DRMEM_ARRAY,), ()),
    "DRM016": ((DRMEM_ARRAY,), ()),
    "DRM040": ((CURRENT_DOMAINS,), ()),
    "DRM045": ((FORM2,), ()),
    "DRM076": ((DRMEM_ARRAY,), (AA_SYNC,)),
    "DRM080": ((DRMEM_ARRAY,), ()),
    "DRM081": ((DRMEM_ARRAY,), ()),
    "DRM082": ((DRMEM_ARRAY,), ()),
}
"""Rules about releases that a capability tells apart as well: (those needed, those that must be missing)."""


class Judge:
    """Asks rules about a `Subject` or a `Stream`, for one kernel or for any."""

    def __init__(self, plan: Plan | None = None, profile: Profile | None = None) -> None:
        """Ask those rules that are about a kernel: that of `profile`, else the plan's release, else any."""
        self.plan = plan or Plan()
        self.profile = profile

    def findings(self, subject: Subject | Stream) -> tuple[Finding, ...]:
        """Return what is wrong, the worst first, then by rule and place."""
        return tuple(finding_of(violation, subject) for violation in self.violations(subject))

    def violations(self, subject: Subject | Stream) -> list[Violation]:
        """Return the same as the rules have it."""
        return ordered(self.ask(self.plan.rules(families_about(subject)), subject))

    def ask(self, rules: Iterable[Rule], subject: Subject | Stream) -> Iterator[Violation]:
        """Yield what breaks some rules, rule by rule."""
        for rule in rules:
            if self._fits(rule, subject):
                yield from rule.violations(subject)

    def _fits(self, rule: Rule, subject: Subject | Stream) -> bool:
        """Whether a rule can judge this, and is about the kernel: by capability, else by release."""
        profile = self.profile
        if profile is None:
            return rule.applies(subject, self.plan.kernel)
        if rule.id not in _NEEDS:
            return rule.applies(subject, (*profile.release, 0))
        has, lacks = _NEEDS[rule.id]
        fits = all(map(profile.has, has)) and not any(map(profile.has, lacks))
        return fits and rule.applies(subject, None)


def finding_of(violation: Violation, subject: Subject | Stream) -> Finding:
    """Return what there is to show of a violation."""
    # A stream has no LMBs, which is all that is asked of a subject.
    return Finding.of(violation, RULES[violation.rule].title, cast("Subject", subject))


def ordered(violations: Iterable[Violation]) -> list[Violation]:
    """Return violations, the worst first, then by rule and place."""
    return sorted(violations, key=_order)


def _order(violation: Violation) -> tuple[int, str, int, int]:
    return violation.severity.rank, violation.rule, violation.answer or 0, violation.offset or 0
