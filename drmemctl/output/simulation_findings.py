# SPDX-License-Identifier: MIT
"""What is wrong after a step, in a line: what the rules say, and what the kernel itself did wrong."""

from __future__ import annotations

from drmemctl.output.findings import STYLES
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.scenario.findings import NEXT_FLUSH, StepFinding


def finding_line(screen: Screen, found: StepFinding) -> str:
    """Return a finding as a line: severity and rule, what is wrong, and the kernel function where it knows."""
    head = screen.style(f"{found.severity.value} {found.rule}", STYLES[found.severity])
    return f"{head} {finding_words(found)}"


def finding_words(found: StepFinding) -> str:
    """Return what is wrong, and where."""
    what = f"{found.code}: " if found.code else "next flush: " if found.when == NEXT_FLUSH else ""
    where = f" [{safe(found.function)}]" if found.function else ""
    return f"{what}{safe(found.message, 2000)}{where}"
