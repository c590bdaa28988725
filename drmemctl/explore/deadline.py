# SPDX-License-Identifier: MIT
"""When to stop, whatever is at work just then: a search, the rules, a file that is still being read."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

NEVER = float("inf")


class TimeUpError(Exception):
    """The time is over: what was worked out until now is all that there is."""


@contextmanager
def ended_at(deadline: float) -> Iterator[None]:
    """Raise `TimeUpError` in what is done meanwhile once the clock (`monotonic`) is past a time.

    Python asks for signals in the main thread only; elsewhere what is done has to look at the clock itself.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise TimeUpError
    if deadline == NEVER or threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, left)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def _stop(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise TimeUpError
