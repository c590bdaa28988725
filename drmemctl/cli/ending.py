# SPDX-License-Identifier: MIT
"""Signals that end the program: what came is remembered, since not every exception arrives as it was raised.

Python turns one that is raised within `__set_name__` into a RuntimeError, libraries turn others into their own.
"""

from __future__ import annotations

import signal
from types import FrameType

_came: list[int] = []


def end_tidily() -> None:
    """Let SIGINT and SIGTERM end the program by an exception, so that nothing half-written stays behind.

    A signal that whoever started us has ignored or handles stays as it is.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _ended)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _ended)


def _ended(number: int, _frame: FrameType | None) -> None:
    _came.append(number)
    _raise(number)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def raise_what_came() -> None:
    """Raise what the first signal raised, if one came."""
    if _came:
        _raise(_came[0])
