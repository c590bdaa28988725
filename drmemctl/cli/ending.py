# SPDX-License-Identifier: MIT
"""Signals that end the program: what came is remembered, since not every exception arrives as it was raised.

Python turns one that is raised within `__set_name__` into a RuntimeError, libraries turn others into their own.
One that falls into a `__del__` or into a callback of a weak reference, as importing has them, is lost.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

_came: list[int] = []
_LATER = 0.001
"""Seconds after which what was lost is raised again: no callback of a library takes as long."""


def end_tidily() -> None:
    """Let SIGINT and SIGTERM end the program by an exception, so that nothing half-written stays behind.

    A signal that whoever started us has ignored or handles stays as it is.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _ended)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _ended)
    signal.signal(signal.SIGALRM, _once_more)
    sys.unraisablehook = _lost


def _ended(number: int, _frame: FrameType | None) -> None:
    _came.append(number)
    _raise(number)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _lost(hook_args: sys.UnraisableHookArgs) -> None:
    """Take what Python could not raise: if it is to end the program, have it raised where it can be.

    Not from here, where it would be as lost.
    """
    if _came and isinstance(hook_args.exc_value, KeyboardInterrupt | SystemExit):
        signal.setitimer(signal.ITIMER_REAL, _LATER)
    else:
        sys.__unraisablehook__(hook_args)


def _once_more(_number: int, _frame: FrameType | None) -> None:
    raise_what_came()


def raise_what_came() -> None:
    """Raise what the first signal raised, if one came."""
    if _came:
        _raise(_came[0])
