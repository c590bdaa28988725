# SPDX-License-Identifier: MIT
"""Findings as all commands show them: the colour of a severity, a rule's heading, where to read more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from drmemctl.check.finding import NEXT_FLUSH, Finding, Severity
from drmemctl.check.fixes import commands
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe, worded
from drmemctl.wording import count_of

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}

MESSAGE = 1000
"""Characters of a message that are shown; names from a tree can make one long."""


def message(finding: Finding) -> str:
    """Return a finding's message, to be shown."""
    return worded(finding.message, MESSAGE)


def place_and_fix(finding: Finding, source: str) -> dict[str, Any]:
    """Return what JSON has of a finding only where there is any: line and column, and command lines that help."""
    place = {"line": finding.line, "column": finding.column} if finding.line else {}
    fix = [safe(line, None) for line in commands(finding, source)]
    return {**place, "fix": fix} if fix else place


def counted(severities: Iterable[Severity]) -> dict[Severity, int]:
    """Return how many there are of each severity, the worst first."""
    numbers = dict.fromkeys(Severity, 0)
    for severity in severities:
        numbers[severity] += 1
    return numbers


def severities(numbers: Mapping[Severity, int]) -> str:
    """Return e.g. `2 errors, 1 warning`."""
    parts = [
        count_of(number, severity.value, "info" if severity is Severity.INFO else None)
        for severity, number in numbers.items()
        if number
    ]
    return ", ".join(parts) or "no findings"


def heading(rule: str, severity: Severity, title: str) -> str:
    """Return the line above the findings of a rule."""
    return f"{severity.value:<7} {rule}  {title}"


def hint(rule: str) -> str:
    """Return the line that says where to read more of a rule."""
    return f"drmemctl explain {rule}: what it means and what to do"


def finding_lines(
    screen: Screen, findings: Iterable[Finding], words: Callable[[Finding], str] = message
) -> Iterator[str]:
    """Yield a line for each finding, under the heading of its rule; those of a rule stand together."""
    first = last = ""
    for finding in findings:
        if finding.rule != last:
            title = heading(finding.rule, finding.severity, finding.title)
            yield screen.style(title, STYLES[finding.severity]) + "\n"
        first, last = first or finding.rule, finding.rule
        yield f"  {words(finding)}\n"
    if first:
        yield screen.style(hint(first), "dim") + "\n"


def finding_line(screen: Screen, finding: Finding) -> str:
    """Return a finding of a step as a line: severity and rule, what is wrong, and the kernel function."""
    head = screen.style(f"{finding.severity.value} {finding.rule}", STYLES[finding.severity])
    return f"{head} {step_words(finding)}"


def step_words(finding: Finding) -> str:
    """Return what is wrong after a step, and the kernel function where it knows."""
    prefix = f"{finding.code}: " if finding.code else "next flush: " if finding.when == NEXT_FLUSH else ""
    where = f" [{safe(finding.function)}]" if finding.function else ""
    return f"{prefix}{worded(finding.message)}{where}"
