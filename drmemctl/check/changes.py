# SPDX-License-Identifier: MIT
"""What the rules say of a state that they did not say of the one before it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from drmemctl.check.finding import Violation
from drmemctl.check.spans import Spans
from drmemctl.check.subject import Subject

_FIGURES = re.compile(r"0x[0-9a-f]+|[0-9][0-9,]*")

_Kind = tuple[object, ...]


def new_violations(now: Sequence[Violation], known: Sequence[Violation], subject: Subject) -> list[Violation]:
    """Return what is wrong now and says something else than what is known.

    One about LMBs is new if it has an LMB, in the state that it is in, that none of the same rule had. Of others
    the words count, not the figures in them, nor the offset: both shift with what stands before.
    """
    said = {_words(violation) for violation in known}
    held = _covered(known, subject)
    return [
        violation
        for violation in now
        if (_has_new(violation, held, subject) if violation.lmbs else _words(violation) not in said)
    ]


def _words(violation: Violation) -> _Kind:
    return violation.rule, violation.path, violation.property, _FIGURES.sub("#", violation.message)


def _covered(known: Sequence[Violation], subject: Subject) -> dict[_Kind, Spans]:
    """Return the addresses of LMBs in violations, by rule, place, aa_index and flags."""
    size = _size(subject)
    held: dict[_Kind, Spans] = {}
    for violation in known:
        for run in violation.lmbs:
            key = (violation.rule, violation.property, run.aa_index, run.flags)
            held.setdefault(key, Spans()).add(run.base, run.lmbs * size, 0)
    return {key: spans.disjoint() for key, spans in held.items()}


def _has_new(violation: Violation, held: dict[_Kind, Spans], subject: Subject) -> bool:
    size = _size(subject)
    for run in violation.lmbs:
        spans = held.get((violation.rule, violation.property, run.aa_index, run.flags))
        if spans is None or not _covers(spans, run.base, run.lmbs * size):
            return True
    return False


def _covers(spans: Spans, start: int, count: int) -> bool:
    """Whether ranges that do not overlap hold all these numbers."""
    at = max(0, bisect_right(spans.starts, start) - 1)
    end = start + count
    while at < len(spans) and spans.starts[at] <= start < end:
        start = max(start, spans.lasts[at] + 1)
        at += 1
    return start >= min(end, 1 << 64)


def _size(subject: Subject) -> int:
    return (subject.table.lmb_size if subject.has_lmbs else None) or 1
