# SPDX-License-Identifier: MIT
"""What the rules say of a state that they did not say of the one before it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from drmemctl.check.finding import Violation
from drmemctl.check.subject import Subject
from drmemctl.model.intervals import Intervals
from drmemctl.model.run import ADDRESSES, Run

_FIGURES = re.compile(r"0x[0-9a-f]+|[0-9][0-9,]*")

_Kind = tuple[object, ...]


def new_violations(after: Sequence[Violation], before: Sequence[Violation], subject: Subject) -> list[Violation]:
    """Return the violations of a state that those of the state before it do not say already.

    One about LMBs is new if it has an LMB, in the state that it is in, that none of the same rule had. Of others
    the words count, not the figures in them, nor the offset: both shift with what stands before.
    """
    size = (subject.table.lmb_size if subject.has_lmbs else None) or 1
    words = {_words(violation) for violation in before}
    addresses: dict[_Kind, Intervals] = {}
    for violation in before:
        for run in violation.lmbs:
            addresses.setdefault(_kind(violation, run), Intervals()).add(run.base, run.lmbs * size, 0)
    covered = {kind: spans.disjoint() for kind, spans in addresses.items()}

    def is_new(violation: Violation) -> bool:
        if not violation.lmbs:
            return _words(violation) not in words
        return not all(
            _covers(covered.get(_kind(violation, run), Intervals()), run.base, run.lmbs * size)
            for run in violation.lmbs
        )

    return [violation for violation in after if is_new(violation)]


def _words(violation: Violation) -> _Kind:
    return violation.rule, violation.path, violation.property, _FIGURES.sub("#", violation.message)


def _kind(violation: Violation, run: Run) -> _Kind:
    return violation.rule, violation.property, run.aa_index, run.flags


def _covers(spans: Intervals, start: int, count: int) -> bool:
    """Whether ranges that do not overlap hold all these numbers."""
    position = max(0, bisect_right(spans.starts, start) - 1)
    end = start + count
    while position < len(spans) and spans.starts[position] <= start < end:
        start = max(start, spans.lasts[position] + 1)
        position += 1
    return start >= min(end, ADDRESSES)
