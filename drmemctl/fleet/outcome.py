# SPDX-License-Identifier: MIT
"""What became of inputs, and what a run came to; plain values, for output too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

from drmemctl.check.finding import Severity
from drmemctl.check.tally import fails
from drmemctl.fleet.rows import Row


class InputOutcome(IntEnum):
    """What became of an input: its worst finding; or it had nothing to judge, could not be read, is no tree."""

    FINE = 0
    INFO = 1
    WARNING = 2
    ERROR = 3
    UNJUDGED = 4
    UNREADABLE = 5
    OTHER = 6


_WORST = (
    ("errors", Severity.ERROR, InputOutcome.ERROR),
    ("warnings", Severity.WARNING, InputOutcome.WARNING),
    ("infos", Severity.INFO, InputOutcome.INFO),
)


class ScenarioOutcome(IntEnum):
    """What a scenario of a campaign came to."""

    CONSISTENT = 0
    INCONSISTENT = 1
    OOPS = 2
    UNEXPECTED = 3
    INCOMPLETE = 4
    ERROR = 5


def outcome_of(row: Row) -> InputOutcome | ScenarioOutcome:
    """Return what became of an input or of a scenario, by its row."""
    if "outcome" in row:
        return ScenarioOutcome[row["outcome"].upper()]
    if row.get("error"):
        return InputOutcome.UNREADABLE
    if not row.get("kind"):
        return InputOutcome.OTHER  # it lies in a directory beside trees
    if not row.get("judged"):
        return InputOutcome.UNJUDGED
    return next((outcome for column, _, outcome in _WORST if row.get(column)), InputOutcome.FINE)


OUTCOME_COLUMNS: dict[str, tuple[str, ...]] = {
    "inputs": ("kind", "error", "judged", "errors", "warnings", "infos"),
    "simulations": ("outcome",),
    "explorations": ("outcome",),
}
"""The columns that `outcome_of` needs of a row of each table."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    Attributes:
        dataset: the data set, as it was named.
        inputs: how many inputs the URLs name, or how many scenarios a campaign has.
        new: how many of them this run has judged; the others were in the data set.
        outcomes: how many of all came to what.

    """

    dataset: str
    inputs: int
    new: int
    outcomes: Counter[int]

    def fails(self, fail_on: str) -> bool:
        """Whether any input has a finding of this severity or a worse one."""
        return any(self.outcomes[outcome] and fails(severity, fail_on) for _, severity, outcome in _WORST)
