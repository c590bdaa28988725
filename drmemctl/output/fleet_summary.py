# SPDX-License-Identifier: MIT
"""What a run of `fleet check`, or a campaign, came to, as text and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from drmemctl.fleet.outcome import InputOutcome, ScenarioOutcome, Summary
from drmemctl.output.json import document, schema
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.wording import count_of


class _Wording(NamedTuple):
    """How the counts of a command are called.

    Attributes:
        item: what is counted.
        items: its key in JSON.
        done: what became of the new ones.
        outcomes: what they came to, in the order in which that is said.

    """

    item: str
    items: str
    done: str
    outcomes: Mapping[IntEnum, str]


_OF_CHECK = _Wording(
    "input",
    "inputs",
    "judged",
    {
        InputOutcome.ERROR: "with errors",
        InputOutcome.WARNING: "with warnings",
        InputOutcome.INFO: "with what is odd",
        InputOutcome.FINE: "in which nothing is found",
        InputOutcome.UNJUDGED: "with nothing to judge",
        InputOutcome.UNREADABLE: "that cannot be read",
        InputOutcome.OTHER: "that are no tree",
    },
)
_OF_CAMPAIGN = _Wording(
    "scenario",
    "scenarios",
    "carried out",
    {
        ScenarioOutcome.OOPS: "end with a dead kernel",
        ScenarioOutcome.INCONSISTENT: "end inconsistent",
        ScenarioOutcome.UNEXPECTED: "fail an expectation",
        ScenarioOutcome.INCOMPLETE: "have more states than are looked at",
        ScenarioOutcome.CONSISTENT: "end consistent",
        ScenarioOutcome.ERROR: "cannot be carried out",
    },
)
_BY_COMMAND = {
    "check": (schema("fleet.check"), _OF_CHECK),
    "simulate": (schema("fleet.simulate"), _OF_CAMPAIGN),
    "explore": (schema("fleet.explore"), _OF_CAMPAIGN),
}

_STYLES = {"OOPS": "red", "INCONSISTENT": "red", "UNEXPECTED": "red", "UNREADABLE": "red", "ERROR": "red"}
_STYLES |= {"WARNING": "yellow", "INCOMPLETE": "yellow"}


def show_summary(screen: Screen, summary: Summary, command: str, format: str) -> None:
    """Print what a run of `check`, `simulate` or `explore` came to as `text` or `json`."""
    name, wording = _BY_COMMAND[command]
    if format == "json":
        record = {
            "schema": name,
            "dataset": safe(summary.dataset, None),
            wording.items: summary.inputs,
            "new": summary.new,
            "outcomes": {outcome.name.lower(): summary.outcomes[outcome] for outcome in wording.outcomes},
        }
        screen.write(document(record))
    else:
        screen.write_text(_lines(screen, summary, wording))


def _lines(screen: Screen, summary: Summary, wording: _Wording) -> Iterator[str]:
    total = count_of(summary.inputs, wording.item)
    yield f"{safe(summary.dataset)}: {total}, {summary.new:,} {wording.done} now\n"
    for outcome, words in wording.outcomes.items():
        if summary.outcomes[outcome]:
            number = screen.style(f"{summary.outcomes[outcome]:,}", _STYLES.get(outcome.name))
            yield f"  {number} {words}\n"
    if summary.outcomes.get(InputOutcome.UNREADABLE) and wording is _OF_CHECK:
        yield screen.style(
            f"drmemctl fleet ask {shlex.quote(safe(summary.dataset))} unreadable: which, and why\n", "dim"
        )
