# SPDX-License-Identifier: MIT
"""Tests of breadth, every command on every input and the like: `make test` takes part of the pairs, `WIDE=1` all.

Which part goes by the position of both and by nothing else: it is the same in every run, every input meets some
commands and, where there are enough inputs, every command some of them. `WIDE=1/3`, `WIDE=2/3` and `WIDE=3/3` take
other parts, which together are all pairs: `.ci/run` takes one of them on each of three Pythons. Without a choice
it is half of the first of these, a sixth of all pairs; with fewer than six inputs some commands meet none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

_PARTS = ("1/3", "2/3", "3/3")

_CHOICE = os.environ.get("WIDE", "")
WIDE = _CHOICE not in ("", "0", *_PARTS)
PART = _PARTS.index(_CHOICE) if _CHOICE in _PARTS else 0
HALF = _CHOICE in ("", "0")
"""Whether it is half of a part."""

FULL_SIZE = not HALF
"""Whether what takes long because it is large has all its size."""


def share(items: Sequence[T], number: int, of: int) -> list[T]:
    """Return what the input of a number meets: of each `of` items one, which goes by the number and moves on.

    Were it the same of each, of what comes by turns (two formats of each tree) only one would be met.
    """
    assert of <= len(_PARTS), "the parts of three runs have to be all"
    assert len(items) >= of, "some inputs would meet nothing, and their tests could not fail"
    if WIDE:
        return list(items)
    # A half has half as many as a part, but at least one.
    stride = of if not HALF or len(items) < 2 * of else 2 * of
    places = (start + (number + PART + turn) % stride for turn, start in enumerate(range(0, len(items), stride)))
    return [items[place] for place in places if place < len(items)]


def once(items: Sequence[T]) -> list[T]:
    """Return what this run has of what need not be run on each Python: all but where it is one of three parts."""
    return [item for number, item in enumerate(items) if WIDE or HALF or number % len(_PARTS) == PART]


def pairs(inputs: Sequence[T], items: Sequence[U], of: int) -> list[tuple[T, U]]:
    """Return each input with its share of the items."""
    return [(value, item) for number, value in enumerate(inputs) for item in share(items, number, of)]


def examples(most: int) -> int:
    """Return how many examples Hypothesis makes of the many that a search has: `WIDE=1` all, others their part.

    They are others in every run, but where `CI` is set: three runs find what a run of thrice as many does. `make
    fuzz` goes on from there by the code it reaches.
    """
    return most if WIDE else -(-most // (len(_PARTS) * (1 + HALF)))


def seeds(most: int) -> range:
    """Return the seeds of a walk at random of which there are that many: `WIDE=1` all, others their part."""
    third = -(-most // len(_PARTS))
    first = PART * third
    return range(most) if WIDE else range(first, min(first + third // (1 + HALF), most))
