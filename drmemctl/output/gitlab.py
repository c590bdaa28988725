# SPDX-License-Identifier: MIT
"""The reports of a check as GitLab's code quality report, which merge requests show.

Source: GitLab documentation, "Code Quality", "Code Quality report format".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from drmemctl.check.finding import Severity
from drmemctl.check.references import help_uri
from drmemctl.check.report import Report
from drmemctl.output.check import CheckView, in_lines, unjudged_error
from drmemctl.output.json import array
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe, worded
from drmemctl.tree.source import file_of

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}
_RANGES = 10


def render(view: CheckView, _screen: Screen) -> Iterator[str]:
    """Yield an array with an issue for each finding and each input that cannot be judged."""
    yield from array(_issues(view), "")
    yield "\n"


def _issues(view: CheckView) -> Iterator[dict[str, Any]]:
    pages = {page.rule: page for page in view.pages}
    for report in view.reports:
        if report.error:
            yield _issue(report, "unreadable", "blocker", worded(report.error), "")
        if view.is_unjudged(report):
            yield _issue(report, "unjudged", "blocker", worded(unjudged_error(report)), "")
        for finding in report.findings:
            text = f"{finding.title}: {in_lines(finding, report.source, _RANGES)}"
            if uri := help_uri(view.docs_url, finding.rule, pages[finding.rule].references):
                text += f"\n{uri}"
            issue = _issue(report, finding.rule, _SEVERITIES[finding.severity], text, finding.fingerprint)
            issue["location"]["lines"]["begin"] = finding.line or 1
            yield issue


def _issue(report: Report, check: str, severity: str, text: str, fingerprint: str) -> dict[str, Any]:
    # Two inputs may have the same finding; GitLab takes issues with one fingerprint for one issue.
    path = safe(os.path.normpath(file_of(report.source) or report.source), None)
    return {
        "description": text,
        "check_name": check,
        "fingerprint": sha256(f"{path}\n{check}\n{fingerprint}".encode()).hexdigest(),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": 1}},
    }
