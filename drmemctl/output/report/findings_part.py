# SPDX-License-Identifier: MIT
"""The findings of the page: by rule, the worst first, each with the rule's own explanation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from drmemctl.check.engine import all_rules
from drmemctl.check.pages import HEADINGS, Page
from drmemctl.check.report import LmbRange, Report, ReportedFinding
from drmemctl.output.check import addresses, message, place_and_offset, range_text, ranges_left_out
from drmemctl.output.findings import counted, severities
from drmemctl.output.text import safe
from drmemctl.wording import count_of

_MOST = 25
"""Findings of a rule that are shown."""

_RANGES = 12
"""Ranges of LMBs of a finding that are shown."""


class ShownRange(NamedTuple):
    """A range of LMBs: words, and the addresses that the page's script finds it by."""

    words: str
    addresses: str


class ShownFinding(NamedTuple):
    """A finding: what is there, where, which LMBs."""

    message: str
    place: str
    ranges: tuple[ShownRange, ...]
    more: str


class Section(NamedTuple):
    """A part of a rule's page: heading and paragraphs."""

    heading: str
    paragraphs: tuple[str, ...]


class RulePage(NamedTuple):
    """What a rule says of itself."""

    rule: str
    title: str
    kernels: str
    summary: str
    sections: tuple[Section, ...]
    references: tuple[str, ...]


class RuleGroup(NamedTuple):
    """A rule with its findings and its page."""

    rule: str
    severity: str
    title: str
    number: str
    findings: tuple[ShownFinding, ...]
    more: str
    page: RulePage


class FindingsPart(NamedTuple):
    """All findings of a tree.

    Attributes:
        summary: how many of each severity.
        worst: the worst severity, empty if there is none.
        note: what could not be judged.
        groups: the rules.

    """

    summary: str
    worst: str
    note: str
    groups: tuple[RuleGroup, ...]


def findings_part(report: Report) -> FindingsPart:
    """Return what there is to show of a report."""
    numbers = counted(finding.severity for finding in report.findings)
    worst = next((severity.value for severity, number in numbers.items() if number), "")
    groups = (list(members) for _, members in groupby(report.findings, lambda finding: finding.rule))
    return FindingsPart(severities(numbers), worst, safe(report.note, 500), tuple(map(_group, groups)))


def _group(findings: Sequence[ReportedFinding]) -> RuleGroup:
    first, rest = findings[0], len(findings) - _MOST
    return RuleGroup(
        first.rule,
        first.severity.value,
        first.title,
        count_of(len(findings), "finding") if len(findings) > 1 else "",
        tuple(map(_shown, findings[:_MOST])),
        f"{count_of(rest, 'more finding')}: drmemctl check --all shows them" if rest > 0 else "",
        rule_page(first.rule),
    )


def rule_page(rule: str) -> RulePage:
    """Return the page of a rule."""
    page = Page.of(all_rules()[rule])
    parts = tuple(Section(HEADINGS[key], tuple(text.split("\n\n"))) for key, text in page.sections)
    return RulePage(page.rule, page.title, page.kernels, page.summary, parts, page.references)


def _shown(finding: ReportedFinding) -> ShownFinding:
    left_out = max(0, len(finding.lmbs) - _RANGES) + finding.ranges_left_out
    ranges = tuple(_ranges(finding.lmbs[:_RANGES]))
    more = ranges_left_out(left_out) if left_out else ""
    return ShownFinding(message(finding), place_and_offset(finding), ranges, more)


def _ranges(lmbs: Sequence[LmbRange]) -> Iterator[ShownRange]:
    return (ShownRange(range_text(one), addresses(one)) for one in lmbs)
