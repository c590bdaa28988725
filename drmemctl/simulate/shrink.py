# SPDX-License-Identifier: MIT
"""Reduces steps to the fewest that still show something.

Source: A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE Transactions on Software
Engineering 28 (2002): the minimizing delta debugging algorithm, here without its test of parts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrunk(steps: Sequence[T], shows: Callable[[Sequence[T]], bool], tries: int | None = None) -> tuple[T, ...]:
    """Return a part of steps that `shows` accepts, and of which no step can be left out; it has to accept all.

    Args:
        steps: the steps; parts of them keep their order.
        shows: whether a part still shows what all of them show; called once for each part.
        tries: calls of `shows` at most (one may cost a boot); the result may then be reducible. None: any number.

    """
    remaining = tuple(range(len(steps)))
    asked: dict[tuple[int, ...], bool] = {}
    parts = 2
    while remaining:
        size = -(-len(remaining) // parts)
        for begin in range(0, len(remaining), size):
            fewer = remaining[:begin] + remaining[begin + size :]
            if fewer not in asked:
                if len(asked) == tries:
                    return tuple(steps[number] for number in remaining)
                asked[fewer] = shows([steps[number] for number in fewer])
            if asked[fewer]:
                remaining, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(remaining), 2 * parts)
    return tuple(steps[number] for number in remaining)
