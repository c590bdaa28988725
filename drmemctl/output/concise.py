# SPDX-License-Identifier: MIT
"""The reports of a check with a line for each finding, as compilers and linters print them."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.output.check import CheckView, place_and_offset, unjudged_error
from drmemctl.output.findings import STYLES, message
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe, worded


def render(view: CheckView, screen: Screen) -> Iterator[str]:
    """Yield `SOURCE: RULE severity: message [place]` for each finding, and a line for what cannot be judged.

    Of device tree source it is `SOURCE:LINE:COLUMN:`, which editors go to.
    """
    for report in view.reports:
        source = safe(report.source)
        if report.error:
            yield f"{source}: error: {worded(report.error)}\n"
        if view.is_unjudged(report):
            yield f"{source}: error: {worded(unjudged_error(report))}\n"
        for finding in report.findings:
            rule = screen.style(f"{finding.rule} {finding.severity.value}", STYLES[finding.severity])
            where = place_and_offset(finding, line=False)
            at = f"{finding.line}:{finding.column}:" if finding.line else ""
            yield f"{source}:{at} {rule}: {message(finding)}{f' [{where}]' if where else ''}\n"
