# SPDX-License-Identifier: MIT
"""Pairs of captures and what a migration did to them: as text of 80 columns, JSON, or CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from drmemctl.check.finding import Severity
from drmemctl.fleet.pairs import MigratedLmbs, PairDiff
from drmemctl.output.findings import STYLES
from drmemctl.output.fleet_ask import csv_text, time_text
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.output.wrap import folded
from drmemctl.wording import count_of

OUTCOMES = {
    "memory_stayed": "memory stayed where it was, under the destination's nodes",
    "stale": "aa_index of before under other lookup arrays: not updated, or written back",
    "written_back": "aa_index of before the migration written back",
}
"""What became of LMBs, by the columns that count them."""

_WIDTH = 80
_NOT_IN_CSV = "lmb_ranges"


def show_pairs(screen: Screen, differences: Sequence[PairDiff], format: str) -> None:
    """Print what became of pairs as `text`, `json` or `csv`."""
    if format == "json":
        from drmemctl.output.json import row_text, streamed

        head = {**_counts(differences), **totals(differences)._asdict()}
        rows = (row_text({key: _plain(value) for key, value in row.items()}) for row in _rows(differences))
        screen.write_all(streamed("fleet.diff", head, {"rows": rows}))
    elif format == "csv":
        from drmemctl.fleet.tables import PAIRS

        names = [name for name in PAIRS.names if name != _NOT_IN_CSV]
        texts = (
            ["" if row[name] is None else str(_plain(row[name])) for name in names] for row in _rows(differences)
        )
        screen.write_all(csv_text(names, texts))
    else:
        screen.write_all(_lines(screen, differences))


def _rows(differences: Sequence[PairDiff]) -> Iterator[dict[str, Any]]:
    return (row for difference in differences for row in difference.rows)


def _counts(differences: Sequence[PairDiff]) -> dict[str, int]:
    return {
        "pairs": len(differences),
        "same": sum(1 for difference in differences if difference.same),
        "with_findings": sum(1 for difference in differences if difference.rows and not difference.error),
        "unreadable": sum(1 for difference in differences if difference.error),
    }


def totals(differences: Sequence[PairDiff]) -> MigratedLmbs:
    """Return the LMBs of all findings by what became of them; those with two findings count once."""
    counts = [0, 0, 0]
    for difference in differences:
        for at, name in enumerate(MigratedLmbs._fields):
            by_rule: dict[str, int] = {}
            for row in difference.rows:
                if row[name]:
                    by_rule[row["rule"]] = by_rule.get(row["rule"], 0) + row[name]
            counts[at] += max(by_rule.values(), default=0)
    return MigratedLmbs(*counts)


def _plain(value: Any) -> Any:
    return (
        time_text(value) if isinstance(value, datetime) else safe(value, None) if isinstance(value, str) else value
    )


def _lines(screen: Screen, differences: Sequence[PairDiff]) -> Iterator[str]:
    width = screen.width if screen.terminal else _WIDTH
    for difference in differences:
        if difference.rows:
            if difference.pair.partition is not None:
                yield screen.style(safe(difference.pair.partition, None), "bold") + "\n"
            for label, capture in (("before", difference.pair.before), ("after", difference.pair.after)):
                facts = [] if capture.taken is None else [time_text(capture.taken)]
                facts += [f"Linux {safe(capture.release)}"] if capture.release else []
                yield f"  {label:<6}  {', '.join(facts)}\n" if facts else ""
                yield f"  {'' if facts else label:<6}  {safe(capture.url, None)}\n"
            for row in difference.rows:
                yield from _finding_lines(screen, row, width)
            yield "\n"
    counts = _counts(differences)
    yield f"{count_of(counts['pairs'], 'pair')}: {counts['with_findings']:,} with findings,"
    yield f" {counts['unreadable']:,} unreadable, {counts['same']:,} the same\n"
    for name, number in totals(differences)._asdict().items():
        if number:
            yield from _wrapped("", 0, f"{count_of(number, 'LMB')}: {OUTCOMES[name]}", width)


def _finding_lines(screen: Screen, row: dict[str, Any], width: int) -> Iterator[str]:
    if row["rule"] is None:
        yield from _wrapped(screen.style("error", "red"), len("error"), row["error"], width)
        return
    severity = Severity(row["severity"])
    head = f"{severity.value} {row['rule']}"
    yield from _wrapped(screen.style(head, STYLES[severity]), len(head), row["message"], width)
    for name, words in OUTCOMES.items():
        if row[name]:
            yield from _wrapped(" " * len(head), len(head), f"{count_of(row[name], 'LMB')}: {words}", width)


def _wrapped(label: str, length: int, text: str, width: int) -> Iterator[str]:
    indent = length + 4
    lines = folded(safe(text, None), width - indent)
    yield f"  {label}  {lines[0]}\n"
    yield from (" " * indent + line + "\n" for line in lines[1:])
