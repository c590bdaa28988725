# SPDX-License-Identifier: MIT
"""The pages of the rules: what `explain` prints, what SARIF and JUnit carry, and what the site has of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drmemctl.check.finding import Severity
from drmemctl.check.powervm import POWERVM
from drmemctl.check.rule import SECTIONS, Rule


@dataclass(frozen=True, slots=True)
class Page:
    """All that there is to say of a rule.

    Attributes:
        rule: its id.
        severity: the worst consequence.
        family: one of `FAMILIES`.
        title: what is wrong, in a few words.
        kernels: the releases that it is about, in words.
        summary: what it looks for, in a sentence.
        sections: (one of `rule.SECTIONS`, text), in their order.
        references: kernel commits, chapters of LoPAR, and the like.
        powervm: what is known of it on PowerVM.

    """

    rule: str
    severity: Severity
    family: str
    title: str
    kernels: str
    summary: str
    sections: tuple[tuple[str, str], ...]
    references: tuple[str, ...]
    powervm: str = ""

    def mentions(self, text: str) -> bool:
        """Whether a text is anywhere on the page, in capitals or not."""
        sections = (section for _, section in self.sections)
        parts = (self.rule, self.title, self.summary, *sections, *self.references, self.powervm)
        # As if the lines of a paragraph were one.
        return " ".join(text.lower().split()) in " ".join(" ".join(parts).lower().split())

    @classmethod
    def of(cls, rule: Rule) -> Page:
        """Return the page of a rule, from its docstring."""
        page = rule.page
        sections = tuple((key, page[key]) for key in SECTIONS if page.get(key))
        facts = (rule.id, rule.severity, rule.family, rule.title, str(rule.kernels))
        return cls(*facts, page["Summary"], sections, rule.references, POWERVM.get(rule.id, ""))


def pages(rules: Iterable[Rule]) -> tuple[Page, ...]:
    """Return the pages of rules."""
    return tuple(Page.of(rule) for rule in rules)
