# SPDX-License-Identifier: MIT
"""Keeping what rules say short, however much of a tree breaks them: all is counted, the first of it listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from drmemctl.check.finding import Violation

_T = TypeVar("_T")

MAX_VIOLATIONS = 20
"""Violations of one rule in one state."""

MAX_RUNS = 1000
"""Runs listed with a violation."""


def limited(violations: Iterable[Violation], things: str) -> Iterator[Violation]:
    """Yield the first violations; where there are more, the last one says how many more `things` there are."""
    return first_of(
        violations,
        lambda number, first: Violation(f"{number:,} more {things} like these", first.path, first.property),
    )


def in_words(items: Iterable[_T], violation_of: Callable[[_T], Violation]) -> Iterator[Violation]:
    """Yield what breaks a rule, for `limited`: what is only counted is not put into words, and so much faster."""
    violation = Violation("")
    for position, item in enumerate(items):
        if position < MAX_VIOLATIONS:
            violation = violation_of(item)
        yield violation


def first_of(
    violations: Iterable[Violation], summary: Callable[[int, Violation], Violation]
) -> Iterator[Violation]:
    """Yield at most `MAX_VIOLATIONS`.

    Where there are more, the last one is `summary` of how many are not listed, and of the first of those.
    """
    number = 0
    first = Violation("")
    for position, violation in enumerate(violations, 1):
        if position < MAX_VIOLATIONS:
            yield violation
            continue
        if not number:
            first = violation
        number += 1
    if number:
        yield first if number == 1 else summary(number, first)
