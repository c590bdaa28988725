# SPDX-License-Identifier: MIT
"""What a run of `fleet check` came to, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.fleet.outcome import InputOutcome, Summary
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.wording import count_of

_WORDS = {
    InputOutcome.ERROR: "with errors",
    InputOutcome.WARNING: "with warnings",
    InputOutcome.INFO: "with what is odd",
    InputOutcome.FINE: "in which nothing is found",
    InputOutcome.UNJUDGED: "with nothing to judge",
    InputOutcome.UNREADABLE: "that cannot be read",
    InputOutcome.OTHER: "that are no tree",
}
_STYLES = {InputOutcome.ERROR: "red", InputOutcome.WARNING: "yellow", InputOutcome.UNREADABLE: "red"}


def show_summary(screen: Screen, summary: Summary, format: str) -> None:
    """Print what a run came to as `text` or `json`."""
    if format == "json":
        from drmemctl.output.json import document, schema

        screen.write(
            document(
                {
                    "schema": schema("fleet.check"),
                    "dataset": safe(summary.dataset, None),
                    "inputs": summary.inputs,
                    "new": summary.new,
                    "outcomes": {outcome.name.lower(): summary.outcomes[outcome] for outcome in _WORDS},
                }
            )
        )
    else:
        screen.write_text(_lines(screen, summary))


def _lines(screen: Screen, summary: Summary) -> Iterator[str]:
    yield f"{safe(summary.dataset)}: {count_of(summary.inputs, 'input')}, {summary.new:,} judged now\n"
    for outcome, words in _WORDS.items():
        if summary.outcomes[outcome]:
            number = screen.style(f"{summary.outcomes[outcome]:,}", _STYLES.get(outcome))
            yield f"  {number} {words}\n"
