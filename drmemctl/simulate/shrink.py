# SPDX-License-Identifier: MIT
"""As few steps as will do for what many steps show.

Source: A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE Transactions on Software
Engineering 28 (2002): the minimizing delta debugging algorithm, here without its test of parts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrunk(steps: Sequence[T], shows: Callable[[Sequence[T]], bool], tries: int | None = None) -> tuple[T, ...]:
    """Return steps that still show it, of which none can be left out; all of them have to show it.

    `shows` is asked once for each choice of steps, which keep their order; where it costs a boot, no more often
    than `tries` says, and what is left out then may not be all that could be.
    """
    needed = tuple(range(len(steps)))
    asked: dict[tuple[int, ...], bool] = {}
    parts = 2
    while needed:
        size = -(-len(needed) // parts)
        for begin in range(0, len(needed), size):
            fewer = needed[:begin] + needed[begin + size :]
            if fewer not in asked:
                if len(asked) == tries:
                    return tuple(steps[number] for number in needed)
                asked[fewer] = shows([steps[number] for number in fewer])
            if asked[fewer]:
                needed, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(needed), 2 * parts)
    return tuple(steps[number] for number in needed)
