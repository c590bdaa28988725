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
from drmemctl.output.xml import in_xml

_RANGES = 100


def render(view: CheckView, _screen: Screen) -> Iterator[str]:
    """Yield the document, a suite at a time."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="drmemctl check">\n'
    pages = view.pages
    for report in view.reports:
        if report.error:
            yield from _broken(report.source, "can be read", "unreadable", report.error)
        elif view.is_unjudged(report) and not report.findings:
            yield from _broken(report.source, "has something to judge", "unjudged", unjudged_error(report))
        else:
            yield from _suite(report, pages, view.fail_on)
    yield "</testsuites>\n"


def _broken(name: str, case: str, kind: str, error: str) -> Iterator[str]:
    source = in_xml(name, None)
    yield f'  <testsuite name="{source}" tests="1" failures="0" errors="1" skipped="0">\n'
    yield f'    <testcase classname="{source}" name="{case}">\n'
    yield f'      <error type="{kind}" message="{in_xml(error)}"/>\n'
    yield "    </testcase>\n  </testsuite>\n"


def _suite(report: Report, pages: Sequence[Page], fail_on: str) -> Iterator[str]:
    by_rule: dict[str, list[Finding]] = {page.rule: [] for page in pages}
    for finding in report.findings:
        by_rule[finding.rule].append(finding)
    failures = sum(any(fails(finding.severity, fail_on) for finding in findings) for findings in by_rule.values())
    source = in_xml(report.source, None)
    counts = f'tests="{len(by_rule)}" failures="{failures}" errors="0" skipped="0"'
    yield f'  <testsuite name="{source}" {counts}>\n'
    for page in pages:
        yield _case(page, by_rule[page.rule], report.source, fail_on)
    if report.notes:
        yield f"    <system-out>{in_xml('; '.join(report.notes))}</system-out>\n"
    yield "  </testsuite>\n"


def _case(page: Page, findings: Sequence[Finding], source: str, fail_on: str) -> str:
    head = f'    <testcase classname="{in_xml(source, None)}" name="{in_xml(f"{page.rule} {page.title}", None)}"'
    if not findings:
        return f"{head}/>\n"
    text = "\n\n".join(in_lines(finding, source, _RANGES) for finding in findings)
    # A project may give findings another severity, and what a kernel dies of is an error whatever the rule.
    worst = min((finding.severity for finding in findings), key=lambda severity: severity.rank)
    if fails(worst, fail_on):
        first = in_xml(message(findings[0]), None)
        more = f" (and {len(findings) - 1:,} more)" if len(findings) > 1 else ""
        body = f'<failure type="{worst}" message="{first}{more}">{escape(text)}</failure>'
    else:
        body = f"<system-out>{escape(text)}</system-out>"
    return f"{head}>\n      {body}\n    </testcase>\n"
