# SPDX-License-Identifier: MIT
"""Findings as all commands show them: the colour of a severity, a rule's heading, where to read more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from drmemctl.check.finding import Severity
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.wording import count_of

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}

MESSAGE = 1000
"""Characters of a message that are shown; names from a tree can make one long."""


class Shown(NamedTuple):
    """A finding to show: its rule, and what is there."""

    rule: str
    severity: Severity
    title: str
    text: str


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


def finding_lines(screen: Screen, findings: Iterable[Shown]) -> Iterator[str]:
    """Yield a line for each finding, under the heading of its rule; those of a rule stand together."""
    first = last = ""
    for one in findings:
        if one.rule != last:
            yield screen.style(heading(one.rule, one.severity, one.title), STYLES[one.severity]) + "\n"
        first, last = first or one.rule, one.rule
        yield f"  {safe(one.text, MESSAGE)}\n"
    if first:
        yield screen.style(hint(first), "dim") + "\n"
