# SPDX-License-Identifier: MIT
"""What a campaign came to, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.fleet.outcome import ScenarioOutcome, Summary
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.wording import count_of

_WORDS = {
    ScenarioOutcome.OOPS: "end with a dead kernel",
    ScenarioOutcome.INCONSISTENT: "end inconsistent",
    ScenarioOutcome.UNEXPECTED: "fail an expectation",
    ScenarioOutcome.INCOMPLETE: "have more states than are looked at",
    ScenarioOutcome.CONSISTENT: "end consistent",
    ScenarioOutcome.ERROR: "cannot be carried out",
}
_STYLES = {
    ScenarioOutcome.OOPS: "red",
    ScenarioOutcome.INCONSISTENT: "red",
    ScenarioOutcome.UNEXPECTED: "red",
    ScenarioOutcome.INCOMPLETE: "yellow",
    ScenarioOutcome.ERROR: "red",
}


def show_campaign(screen: Screen, summary: Summary, command: str, format: str) -> None:
    """Print what a campaign of `simulate` or `explore` came to as `text` or `json`."""
    if format == "json":
        from drmemctl.output.json import document, schema

        record = {
            "schema": schema("fleet.explore") if command == "explore" else schema("fleet.simulate"),
            "dataset": safe(summary.dataset, None),
            "scenarios": summary.inputs,
            "new": summary.new,
            "outcomes": {outcome.name.lower(): summary.outcomes[outcome] for outcome in _WORDS},
        }
        screen.write(document(record))
    else:
        screen.write_text(_lines(screen, summary))


def _lines(screen: Screen, summary: Summary) -> Iterator[str]:
    yield f"{safe(summary.dataset)}: {count_of(summary.inputs, 'scenario')}, {summary.new:,} carried out now\n"
    for outcome, words in _WORDS.items():
        if summary.outcomes[outcome]:
            number = screen.style(f"{summary.outcomes[outcome]:,}", _STYLES.get(outcome))
            yield f"  {number} {words}\n"
