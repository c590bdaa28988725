# SPDX-License-Identifier: MIT
"""The findings of the page: by rule, the worst first, each with the rule's own explanation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from drmemctl.check.engine import all_rules
from drmemctl.check.finding import Finding
from drmemctl.check.pages import Page
from drmemctl.check.report import Report
from drmemctl.output.findings import counted, severities
from drmemctl.output.text import safe
from drmemctl.wording import count_of

_MOST = 25
"""Findings of a rule that are shown."""


class RuleGroup(NamedTuple):
    """A rule with its findings and its page."""

    rule: str
    severity: str
    title: str
    number: str
    findings: tuple[Finding, ...]
    more: str
    page: Page


class FindingsPart(NamedTuple):
    """All findings of a tree.

    Attributes:
        summary: how many of each severity.
        worst: the worst severity, empty if there is none.
        first: the worst finding.
        note: what could not be judged.
        groups: the rules.

    """

    summary: str
    worst: str
    first: Finding | None
    note: str
    groups: tuple[RuleGroup, ...]


def findings_part(report: Report) -> FindingsPart:
    """Return what there is to show of a report."""
    numbers = counted(finding.severity for finding in report.findings)
    worst = next((severity.value for severity, number in numbers.items() if number), "")
    groups = (list(members) for _, members in groupby(report.findings, lambda finding: finding.rule))
    first = next(iter(report.findings), None)
    return FindingsPart(
        severities(numbers), worst, first, safe("; ".join(report.notes), 500), tuple(map(_group, groups))
    )


def _group(findings: Sequence[Finding]) -> RuleGroup:
    first, hidden = findings[0], len(findings) - _MOST
    return RuleGroup(
        first.rule,
        first.severity.value,
        first.title,
        count_of(len(findings), "finding") if len(findings) > 1 else "",
        tuple(findings[:_MOST]),
        f"{count_of(hidden, 'more finding')}: drmemctl check --all shows them" if hidden > 0 else "",
        Page.of(all_rules()[first.rule]),
    )
