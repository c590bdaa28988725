# SPDX-License-Identifier: MIT
"""The reports of a check as Markdown, for a job's summary or a comment: tables, all foreign text escaped."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.report import Report
from drmemctl.output.check import (
    CheckView,
    fix_lines,
    further_ranges,
    place_and_offset,
    range_text,
    summary,
    unjudged_error,
)
from drmemctl.output.findings import message
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe, worded

ROWS = 50
"""Findings of a tree that are shown without --all: a job's summary holds 1 MiB."""

_RANGES = 4
_MARKUP = frozenset("\\`*_{}[]<>()#+!|~&@$^\"'")
_SPECIAL = {ord(char): f"&#{ord(char)};" for char in _MARKUP}


def escaped(text: str) -> str:
    """Return text in which nothing is Markdown, HTML or a mention any more."""
    text = safe(text, None)
    return text if _MARKUP.isdisjoint(text) else text.translate(_SPECIAL)


def code(text: str) -> str:
    """Return text as code; an element, since backticks would make a pipe end a table's cell."""
    return f"<code>{escaped(text)}</code>"


def render(view: CheckView, _screen: Screen) -> Iterator[str]:
    """Yield a table for each input with findings, then the summary."""
    yield "# drmemctl check\n"
    for report in view.reports:
        if report.error:
            yield f"\n**{code(safe(report.source))} cannot be read:** {escaped(worded(report.error))}\n"
            continue
        if view.is_unjudged(report):
            yield f"\n**{escaped(worded(unjudged_error(report)))}**\n"
        if report.findings:
            yield _table(report, len(report.findings) if view.everything else ROWS)
    yield f"\n**{escaped(summary(view.tally))}**\n"


def _table(report: Report, rows: int) -> str:
    notes = f"{escaped(safe('; '.join(report.notes), 500))}\n\n" if report.notes else ""
    head = f"\n## {code(safe(report.source))}\n\n{notes}| severity | rule | finding | where |\n|---|---|---|---|\n"
    omitted = len(report.findings) - rows
    more = f"\n{omitted:,} more; `--all` shows them.\n" if omitted > 0 else ""
    lines = []
    for finding in report.findings[:rows]:
        text = f"{escaped(finding.title)}: {escaped(message(finding))}"
        places = [code(where)] if (where := place_and_offset(finding)) else []
        places += [code(range_text(lmbs)) for lmbs in finding.lmbs[:_RANGES]]
        places += further_ranges(finding, _RANGES)
        places += [code(f"$ {line}") for line in fix_lines((finding,), report.source)]
        lines.append(f"| {finding.severity} | {finding.rule} | {text} | {'<br>'.join(places)} |\n")
    return head + "".join(lines) + more
