# SPDX-License-Identifier: MIT
"""Tests of breadth, every command on every input and the like: `make test` takes part of the pairs, `WIDE=1` all.

Which part goes by the position of both and by nothing else: it is the same in every run, every input meets some
commands and every command some inputs. `.ci/run` takes all of them, on one Python.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

WIDE = os.environ.get("WIDE", "") not in ("", "0")


def share(items: Sequence[T], number: int, of: int) -> list[T]:
    """Return what the input of a number meets: each `of`th of the items, from one on that goes by the number."""
    return list(items if WIDE else items[number % of :: of])


def pairs(inputs: Sequence[T], items: Sequence[U], of: int) -> list[tuple[T, U]]:
    """Return each input with its share of the items."""
    return [(value, item) for number, value in enumerate(inputs) for item in share(items, number, of)]


def examples(most: int) -> int:
    """Return how many examples Hypothesis makes of the many that a search has: a third without `WIDE=1`.

    They are others in every run, but where `CI` is set; `make fuzz` goes on from there by the code it reaches.
    """
    return most if WIDE else -(-most // 3)
