# SPDX-License-Identifier: MIT
"""The reports of a check for people: what matters first, and no more of a tree than fits a screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from drmemctl.check.finding import Finding
from drmemctl.check.report import Report
from drmemctl.output.check import CheckView, fix_lines, further_ranges, place_and_offset, range_text, summary
from drmemctl.output.findings import STYLES, counted, heading, hint, message, severities
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.output.wrap import wrapped
from drmemctl.wording import count_of

SCREEN = 24
"""Lines of a screen."""

_AROUND = 2
"""Lines of it that the blank line and the hint after a tree take."""

_LEAST = 3
"""Lines of a rule's findings that are worth more than its heading alone."""


class _Line(NamedTuple):
    """A line; `kind` is what is counted when it is left out."""

    text: str
    kind: str = ""
    style: str | None = None


def render(view: CheckView, screen: Screen) -> Iterator[str]:
    """Yield the text of each report, then the summary."""
    room = 1 << 60 if view.everything else SCREEN - _AROUND
    many = False
    last: Report | None = None
    for report in view.reports:
        many = many or last is not None
        # A line between two trees, unless both are one line.
        gap = "\n" if last is not None and (report.findings or last.findings) else ""
        last = report
        if not report.error:
            # Standard error says why there is nothing to judge.
            shown = report._replace(note="") if view.is_unjudged(report) else report
            parts = (screen.style(line.text, line.style) + "\n" for line in _report_lines(shown, room, screen))
            yield gap + "".join(parts)
    ending = ""
    if many or last is None:
        ending += screen.style(summary(view.tally), "bold") + "\n"
    if (rule := view.tally.worst_rule) is not None:
        ending += screen.style(hint(rule), "dim") + "\n"
    yield ("\n" if ending and view.tally.faulty else "") + ending


def _report_lines(report: Report, room: int, screen: Screen) -> list[_Line]:
    number = counted(finding.severity for finding in report.findings)
    judgement = severities(number)
    if not report.judged:
        judgement = f"{judgement}, and nothing more to judge" if report.findings else "nothing to judge"
    from_baseline = f", {report.known:,} known from the baseline" if report.known else ""
    note = f" ({safe('; '.join(report.notes), 500)})" if report.notes else ""
    head = _Line(
        f"{safe(report.source)}: {judgement}{from_baseline}{note}", style="bold" if report.findings else None
    )
    groups = [
        _group(list(members), report.source)
        for _, members in groupby(report.findings, lambda finding: finding.rule)
    ]
    width = screen.width if screen.terminal else 0
    room -= _cost([head], width)
    if sum(_cost(group, width) for group in groups) <= room:
        return [head, *(line for group in groups for line in group)]
    shown, hidden = _fitted(groups, room - 1, width)
    further = [f"{count_of(hidden, 'rule')} more"] if hidden else []
    more = _Line(f"… {'; '.join([*further, '--all shows everything'])}", style="dim")
    return [head, *shown, more]


def _group(findings: Sequence[Finding], source: str) -> list[_Line]:
    """Return all lines on the findings of one rule."""
    first = findings[0]
    number = f" ({len(findings):,} findings)" if len(findings) > 1 else ""
    title = heading(first.rule, first.severity, first.title + number)
    lines = [_Line(title, style=STYLES[first.severity])]
    for finding in findings:
        lines.append(_Line(f"  {message(finding)}", "finding"))
        where = place_and_offset(finding)
        if where:
            lines.append(_Line(f"    {where}", "place", "dim"))
        lines += [_Line(f"    {range_text(lmbs)}", "range") for lmbs in finding.lmbs]
        lines += [_Line(f"    {line}") for line in further_ranges(finding)]
    lines += [_Line(f"  $ {line}", "command") for line in fix_lines(findings, source)]
    return lines


def _cost(lines: Sequence[_Line], width: int) -> int:
    """Return how many lines of the screen these take; without a width nothing is wrapped."""
    if not width:
        return len(lines)
    return sum(len(wrapped(line.text, width)) for line in lines)


def _fitted(groups: Sequence[Sequence[_Line]], room: int, width: int) -> tuple[list[_Line], int]:
    """Return as much of every rule as there is room for, and how many rules got none at all."""
    costs = [_cost(group, width) for group in groups]
    # Each gets its heading, its first finding and what is left out; if that is too much, its heading.
    least = _LEAST if sum(min(cost, _LEAST) for cost in costs) <= room else 1
    needs = [min(cost, least) for cost in costs]
    shown: list[_Line] = []
    for index, group in enumerate(groups):
        # The worst come first, and may have all that those after them can do without.
        part = _cut(group, max(room - sum(needs[index + 1 :]), needs[index]), width)
        room -= _cost(part, width)
        if room < 0:
            return shown, len(groups) - index
        shown += part
    return shown, 0


def _cut(group: Sequence[_Line], share: int, width: int) -> list[_Line]:
    """Return the first lines of a group, the last of which says what is left out."""
    if _cost(group, width) <= share:
        return list(group)
    # The messages and the LMBs say more than the places, which are nearly always the same.
    group = [line for line in group if line.kind != "place"]
    shown = [group[0]]
    for line in group[1:]:
        if _cost([*shown, line], width) > share - 1:
            break
        shown.append(line)
    if len(shown) == len(group) or share - _cost(shown, width) < 1:
        return shown
    omitted = group[len(shown) :]
    numbers = [(sum(line.kind == kind for line in omitted), kind) for kind in ("finding", "range", "command")]
    parts = [count_of(number, f"more {kind}") for number, kind in numbers if number]
    return [*shown, _Line(f"    … {', '.join(parts) or 'more'}", style="dim")]
