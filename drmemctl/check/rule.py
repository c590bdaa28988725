# SPDX-License-Identifier: MIT
"""The registry of rules, and how a rule tells about itself.

A rule is a function from a `Subject` to the `Violation`s in it, or from an `RtasStream`, what RTAS answered.
Its docstring is its page: the first line says what it looks for, then sections `Why`, `Example`, `Kernel` (what a
kernel does with such bytes) and `Fix`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from drmemctl.check.bounds import first_of, limited
from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import Kernels
from drmemctl.check.subject import Subject
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.sections import is_block_size
from drmemctl.model.platform import Platform

RuleFunction = Callable[[Any], Iterator[Violation]]
"""A rule's function; what it takes is what `Rule.about` says."""

SECTIONS = ("Why", "Example", "Kernel", "Fix")
"""The sections of a page, as docstrings name them."""

NEEDS: dict[str, Callable[[Subject], bool]] = {
    "drmem": lambda subject: subject.drmem_node is not None,
    "lmbs": lambda subject: subject.has_lmbs,
    "lmb-size": lambda subject: subject.has_lmbs and bool(subject.table.lmb_size),
    "block-size": lambda subject: subject.has_lmbs and is_block_size(subject.table.lmb_size or 0),
    "after-cas": lambda subject: subject.after_cas,
    "before": lambda subject: subject.before is not None,
    "lmbs-before": lambda subject: subject.before is not None and subject.before.has_lmbs,
    "array": lambda subject: subject.running.array is not None,
    "senses": lambda subject: subject.running.senses is not None,
    "blocks": lambda subject: (
        subject.running.blocks is not None
        and subject.running.block_size is not None
        and subject.running.system is None
    ),
    "cpus": lambda subject: subject.running.cpus is not None,
    "distances": lambda subject: subject.running.distances is not None,
    "delivered": lambda subject: subject.running.delivered is not None,
    "next-kernel": lambda subject: subject.running.next_kernel,
    "unplugs": lambda subject: subject.running.unplugs is not None,
    "dump": lambda subject: subject.tree.dump is not None,
    "live": lambda subject: subject.running.system is not None,
    "faults": lambda subject: subject.running.faults is not None,
}
"""What a rule may need; a rule whose needs are not met is not run."""


FAMILY_NEEDS = {
    "state": ("array", "senses", "blocks", "cpus", "distances", "delivered", "unplugs"),
    "kernel": ("faults",),
    "dump": ("dump",),
    "live": ("live",),
}
"""Families of which every rule needs one of these: without any of them, the family is not even imported."""

ABOUT_STREAMS = "stream"
"""The family whose rules judge what RTAS answered, and no `Subject`."""

ABOUT_BLOBS = "blob"
"""The family whose rules are about any device tree; those of the others, about the tree of a partition."""


def families_about(subject: object) -> list[str]:
    """Return the families that can have a rule for what is to be judged."""
    if not isinstance(subject, Subject):
        return [ABOUT_STREAMS]
    if subject.platform is not Platform.PSERIES:
        return [ABOUT_BLOBS]
    return [
        family
        for family in FAMILIES
        if family != ABOUT_STREAMS
        and (family not in FAMILY_NEEDS or any(NEEDS[need](subject) for need in FAMILY_NEEDS[family]))
    ]


class Rule(NamedTuple):
    """A rule.

    Attributes:
        id: `DRMnnn`, stable for ever.
        severity: the worst consequence.
        family: one of `FAMILIES`.
        title: what is wrong, in a few words.
        judge: the function.
        kernels: the releases it is about.
        needs: keys of `NEEDS`.
        references: kernel commits, LoPAR sections, QEMU commits, mails.
        about: what it judges: a `Subject`, or a `drmemctl.check.stream.answers.RtasStream`.
        counted: what the violations beyond `MAX_VIOLATIONS` are called; empty where the function bounds
            them, or where they are about answers.

    """

    id: str
    severity: Severity
    family: str
    title: str
    judge: RuleFunction
    kernels: Kernels
    needs: tuple[str, ...]
    references: tuple[str, ...]
    about: type = Subject
    counted: str = ""

    def applies(self, subject: object, profile: Profile | None) -> bool:
        """Whether the rule can and should judge this for this kernel."""
        if not isinstance(subject, self.about) or not self.kernels.include(profile):
            return False
        return not isinstance(subject, Subject) or all(NEEDS[need](subject) for need in self.needs)

    def violations(self, subject: object) -> Iterator[Violation]:
        """Yield what breaks the rule."""
        violations = self.judge(subject)
        if self.counted:
            violations = limited(violations, self.counted)
        elif self.about is not Subject:
            # Of answers the place from which on they are counted says more than what they are called.
            violations = first_of(
                violations,
                lambda number, first: first._replace(message=f"{number:,} more like these from here on"),
            )
        return (violation._replace(rule=self.id, severity=self.severity) for violation in violations)

    @property
    def page(self) -> dict[str, str]:
        """The sections of the rule's page: `Summary` and those of `SECTIONS`."""
        page = {"Summary": ""}
        section = "Summary"
        for line in (inspect.getdoc(self.judge) or "").splitlines():
            if line.endswith(":") and line[:-1] in SECTIONS:
                section = line[:-1]
                page[section] = ""
            else:
                page[section] += line + "\n"
        return {section: inspect.cleandoc(text).strip() for section, text in page.items()}


RULES: dict[str, Rule] = {}
"""All rules by id; filled by importing the families, see `drmemctl.check.engine.all_rules`."""


def rule(  # noqa: PLR0913 - a rule is registered with all that is known of it
    rule_id: str,
    severity: Severity,
    title: str,
    *,
    needs: tuple[str, ...] = (),
    kernels: Kernels | None = None,
    references: tuple[str, ...] = (),
    about: type = Subject,
    counted: str = "",
) -> Callable[[RuleFunction], RuleFunction]:
    """Register the decorated function as a rule; the parameters are the attributes of `Rule`.

    Its family is the package that it stands in. `ValueError` if the id is taken, or a need or the family unknown.
    """

    def register(judge: RuleFunction) -> RuleFunction:
        *_, family, _ = judge.__module__.split(".")
        if rule_id in RULES or family not in FAMILIES or any(need not in NEEDS for need in needs):
            raise ValueError(f"rule {rule_id}: id taken, or unknown family or need")
        facts = (rule_id, severity, family, title, judge, kernels or Kernels(), needs, references)
        RULES[rule_id] = Rule(*facts, about, counted)
        return judge

    return register
