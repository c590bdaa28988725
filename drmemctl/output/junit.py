# SPDX-License-Identifier: MIT
"""The reports of a check as JUnit XML: a test suite for each input, a test case for each rule.

CI servers tell cases apart by class and name, so the class is the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from drmemctl.check.finding import Finding
from drmemctl.check.pages import Page
from drmemctl.check.report import Report
from drmemctl.check.tally import fails
from drmemctl.output.check import CheckView, in_lines, unjudged_error
from drmemctl.output.findings import message
from drmemctl.output.screen import Screen
from drmemctl.output.xml import failure, in_xml, junit_case, junit_document, junit_suite, system_out

_RANGES = 100


def render(view: CheckView, _screen: Screen) -> Iterator[str]:
    """Return the document, a suite at a time."""
    pages = view.pages
    return junit_document("check", (part for report in view.reports for part in _suite(report, pages, view)))


def _suite(report: Report, pages: Sequence[Page], view: CheckView) -> Iterator[str]:
    source = in_xml(report.source, None)
    if report.error or (view.is_unjudged(report) and not report.findings):
        case, kind, error = "can be read", "unreadable", report.error
        if not error:
            case, kind, error = "has something to judge", "unjudged", unjudged_error(report)
        body = f'<error type="{kind}" message="{in_xml(error)}"/>'
        return junit_suite(source, (1, 0, 1, 0), (junit_case(source, case, body),))
    by_rule: dict[str, list[Finding]] = {page.rule: [] for page in pages}
    for finding in report.findings:
        by_rule[finding.rule].append(finding)
    failures = sum(
        any(fails(finding.severity, view.fail_on) for finding in findings) for findings in by_rule.values()
    )
    names = (in_xml(f"{page.rule} {page.title}", None) for page in pages)
    bodies = (_body(findings, report.source, view.fail_on) for findings in by_rule.values())
    parts = [junit_case(source, name, body) for name, body in zip(names, bodies, strict=True)]
    if report.notes:
        parts.append(f"    {system_out(in_xml('; '.join(report.notes)))}\n")
    return junit_suite(source, (len(by_rule), failures, 0, 0), parts)


def _body(findings: Sequence[Finding], source: str, fail_on: str) -> str:
    if not findings:
        return ""
    text = escape("\n\n".join(in_lines(finding, source, _RANGES) for finding in findings))
    # A project may give findings another severity, and what a kernel dies of is an error whatever the rule.
    worst = min((finding.severity for finding in findings), key=lambda severity: severity.rank)
    if not fails(worst, fail_on):
        return system_out(text)
    more = f" (and {len(findings) - 1:,} more)" if len(findings) > 1 else ""
    return failure(worst, in_xml(message(findings[0]), None) + more, text)
