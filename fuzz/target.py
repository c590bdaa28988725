# SPDX-License-Identifier: MIT
"""What a target is: something that takes any bytes, inputs to begin with, and how to change one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random


def memory_folder() -> str | None:
    """Return a folder whose files are in memory, for inputs that have to be files; None for the usual one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


Mutate = Callable[[bytes, int], bytes]
"""libFuzzer's own mutation of some bytes, which become at most so many."""

Change = Callable[[bytes, Random, Mutate], bytes | None]
"""Changes an input so that it stays one of its kind; None where that cannot be: then any of its bytes change."""


def unchanged(_data: bytes, _chosen: Random, _mutate: Mutate) -> bytes | None:
    """Leave everything to libFuzzer."""
    return None


@dataclass(frozen=True, slots=True)
class Target:
    """Something to feed bytes to.

    Attributes:
        run: takes an input; raises `AssertionError` for a wrong result, and what must not be raised.
        seeds: inputs to begin with.
        change: how to change one.
        longest: the most bytes of an input.

    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    change: Change = unchanged
    longest: int = 4096
