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
        verb: what became of the new ones.
        outcomes: what they came to, in the order in which that is said.
        questions: what `fleet ask` is asked next where there are some of an outcome, and what it answers.

    """

    item: str
    verb: str
    outcomes: Mapping[IntEnum, str]
    questions: Mapping[IntEnum, tuple[str, str]]


_RULES = ("rules", "which rules are broken, and how often")
_UNREADABLE = ("unreadable", "which, and why")
_NOT_CARRIED_OUT = ("not-carried-out", "which, and why")
_REPLAY = ("replay", "commands that show the failing ones again")

_OF_CHECK = _Wording(
    "input",
    "judged",
    {
        InputOutcome.ERROR: "with errors",
        InputOutcome.WARNING: "with warnings",
        InputOutcome.INFO: "with what is odd",
        InputOutcome.FINE: "in which nothing is found",
        InputOutcome.UNJUDGED: "with nothing to judge",
        InputOutcome.UNREADABLE: "that cannot be read",
        InputOutcome.OTHER: "without a tree",
    },
    {
        InputOutcome.ERROR: _RULES,
        InputOutcome.WARNING: _RULES,
        InputOutcome.INFO: _RULES,
        InputOutcome.UNREADABLE: _UNREADABLE,
    },
)
_OF_CAMPAIGN = _Wording(
    "scenario",
    "carried out",
    {
        ScenarioOutcome.OOPS: "with a dead kernel at the end",
        ScenarioOutcome.INCONSISTENT: "with an inconsistent end",
        ScenarioOutcome.UNEXPECTED: "with a failed expectation",
        ScenarioOutcome.INCOMPLETE: "with more states than are looked at",
        ScenarioOutcome.CONSISTENT: "with a consistent end",
        ScenarioOutcome.ERROR: "that cannot be carried out",
    },
    {
        ScenarioOutcome.OOPS: _REPLAY,
        ScenarioOutcome.INCONSISTENT: _REPLAY,
        ScenarioOutcome.UNEXPECTED: _REPLAY,
        ScenarioOutcome.ERROR: _NOT_CARRIED_OUT,
    },
)
_WORDINGS = {
    "check": (schema("fleet.check"), _OF_CHECK),
    "simulate": (schema("fleet.simulate"), _OF_CAMPAIGN),
    "explore": (schema("fleet.explore"), _OF_CAMPAIGN),
}
_STYLES = {"OOPS": "red", "INCONSISTENT": "red", "UNEXPECTED": "red", "UNREADABLE": "red", "ERROR": "red"}
_STYLES |= {"WARNING": "yellow", "INCOMPLETE": "yellow"}


def show_summary(screen: Screen, summary: Summary, command: str, format: str) -> None:
    """Print what a run of `check`, `simulate` or `explore` came to as `text` or `json`."""
    name, wording = _WORDINGS[command]
    if format == "json":
        record = {
            "schema": name,
            "dataset": safe(summary.dataset, None),
            f"{wording.item}s": summary.inputs,
            "new": summary.new,
            "outcomes": {outcome.name.lower(): summary.outcomes[outcome] for outcome in wording.outcomes},
        }
        screen.write(document(record))
    else:
        screen.write_text(_lines(screen, summary, wording))


def _lines(screen: Screen, summary: Summary, wording: _Wording) -> Iterator[str]:
    total = count_of(summary.inputs, wording.item)
    yield f"{safe(summary.dataset)}: {total}, {summary.new:,} {wording.verb} now\n"
    for outcome, words in wording.outcomes.items():
        if summary.outcomes[outcome]:
            number = screen.style(f"{summary.outcomes[outcome]:,}", _STYLES.get(outcome.name))
            yield f"  {number} {words}\n"
    questions = (words for outcome, words in wording.questions.items() if summary.outcomes.get(outcome))
    for question, answer in dict.fromkeys(questions):
        line = f"drmemctl fleet ask {shlex.quote(safe(summary.dataset))} {question}: {answer}"
        yield screen.style(line + "\n", "dim")
