# SPDX-License-Identifier: MIT
"""A deadline that interrupts whatever runs when it is reached: the search, the rules, a file being read."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

NEVER = float("inf")
_LATER = 0.001
"""Seconds after which an exception that Python dropped is raised again."""


class TimeUpError(Exception):
    """The time is over: what was worked out until now is all that there is."""


@contextmanager
def ended_at(deadline: float) -> Iterator[None]:
    """Raise `TimeUpError` in what is done meanwhile once the clock (`monotonic`) is past a time.

    Python asks for signals in the main thread only; elsewhere what is done has to look at the clock itself.
    """
    remaining = deadline - monotonic()
    if remaining <= 0:
        raise TimeUpError
    if deadline == NEVER or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise TimeUpError

    earlier, hook = signal.signal(signal.SIGALRM, stop), sys.unraisablehook

    def raise_again(dropped: sys.UnraisableHookArgs) -> None:
        """See what Python drops: an exception that fell into a `__del__` or into a callback of its own."""
        if isinstance(dropped.exc_value, TimeUpError):
            signal.setitimer(signal.ITIMER_REAL, _LATER)
            return
        # An interrupt is raised again by means of the same signal.
        signal.signal(signal.SIGALRM, earlier)
        hook(dropped)

    sys.unraisablehook = raise_again
    signal.setitimer(signal.ITIMER_REAL, remaining)
    try:
        yield
    finally:
        # The time may be over just here.
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, earlier)
            sys.unraisablehook = hook
