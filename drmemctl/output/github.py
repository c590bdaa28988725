# SPDX-License-Identifier: MIT
"""The reports of a check as workflow commands of GitHub Actions, which shows them as annotations.

Source: actions/toolkit `command.ts`: what must be escaped in a message, and besides in a property.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from drmemctl.check.finding import Severity
from drmemctl.check.report import Report
from drmemctl.output.check import CheckView, in_lines, summary, unjudged_error
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe, worded
from drmemctl.tree.source import file_of

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_RANGES = 10


def render(view: CheckView, _screen: Screen) -> Iterator[str]:
    """Yield an annotation for each finding and each unreadable input, then the summary."""
    for report in view.reports:
        if report.error:
            yield _command("error", report, "unreadable input", worded(report.error))
        if view.is_unjudged(report):
            yield _command("error", report, "nothing to judge", worded(unjudged_error(report)))
        for finding in report.findings:
            title = f"{finding.rule} {finding.title}"
            text = in_lines(finding, report.source, _RANGES)
            position = f"line={finding.line},col={finding.column}," if finding.line else ""
            yield _command(_COMMANDS[finding.severity], report, title, text, position)
    # Never at the start of a line: what comes from outside could be a command itself.
    yield f"drmemctl: {summary(view.tally)}\n"


def _command(command: str, report: Report, title: str, text: str, position: str = "") -> str:
    name = file_of(report.source)
    file = "" if name is None else f"file={_property(safe(os.path.normpath(name), None))},{position}"
    return f"::{command} {file}title={_property(safe(title))}::{_data(text)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
