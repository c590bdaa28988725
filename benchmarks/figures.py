# SPDX-License-Identifier: MIT
"""What is measured, as values: a figure with its limit, and what to say where the limit is not met."""

from __future__ import annotations

import math
from typing import NamedTuple


class Figure(NamedTuple):
    """One measurement.

    Attributes:
        name: what was measured.
        detail: the figures behind it.
        measured: the figure.
        limit: what it may be at most, in the same unit; infinite where nothing is asked for.
        unit: `x` for a ratio, `MiB`, `ms`, `k/s`, `B`.

    """

    name: str
    detail: str
    measured: float
    limit: float
    unit: str


class Miss(NamedTuple):
    """A limit that is known not to be met.

    Attributes:
        reason: why.
        bound: what the figure must stay below all the same.

    """

    reason: str
    bound: float


WORST = (
    "there is a line to be made for each LMB, some 0.5 us in Python, while fdtdump prints its six cells in 0.6 us"
    " and has no start-up; no firmware builds such a tree"
)
CHECKED_WORST = (
    "rules look at each run by name, and this tree has one for each LMB; no firmware builds such a tree, and what"
    " counts is thousands of runs"
)

KNOWN_MISSES = {
    "lmb, 262,144 LMBs, worst": Miss(WORST, 3.0),
    "lmb, 1,048,576 LMBs, worst": Miss(WORST, 3.0),
    "check, 262,144 LMBs, worst": Miss(CHECKED_WORST, 8.0),
}
"""By the name of the figure. Each is reported as not met; only beyond its bound does it fail the run."""

OK, NOT_MET, FAILED = "ok", "not met", "FAILED"


def verdict(figure: Figure) -> str:
    """Return whether a figure is within its limit; `not met` is a miss that is known."""
    if figure.measured <= figure.limit:
        return OK
    miss = KNOWN_MISSES.get(figure.name)
    return NOT_MET if miss is not None and figure.measured <= miss.bound else FAILED


def value_text(value: float, unit: str) -> str:
    """Return a figure with its unit."""
    digits = 2 if unit == "x" or value < 10 else 0
    return f"{value:,.{digits}f} {unit}"


def line_of(figure: Figure) -> str:
    """Return a figure as a run prints it."""
    limit = "" if math.isinf(figure.limit) else f"limit {value_text(figure.limit, figure.unit)}"
    said = verdict(figure) if limit else ""
    value = value_text(figure.measured, figure.unit)
    return f"{figure.name:40} {value:>10}  {limit:14} {said:8} {figure.detail}".rstrip()
