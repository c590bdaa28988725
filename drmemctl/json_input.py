# SPDX-License-Identifier: MIT
"""JSON that somebody else wrote.

Python's parser takes numbers that nothing here can mean (1e999 is infinity), and the last of a key given twice.
"""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import Any, NoReturn

_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
"""What a field of firmware or the kernel can be: 64 bits, with a sign or without."""

_DIGITS = 20


def parse_json(text: str | bytes) -> Any:
    """Return what a text says.

    `ValueError` if it is no JSON, nested too deeply, or has a number out of range or a key twice in an object.
    """
    import json

    if isinstance(text, str):
        text = text.removeprefix("\ufeff")  # of bytes Python takes it away
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_no_number
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {_shown(repr(twice))} is there twice in an object")
    return members


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= _DIGITS else _MOST + 1
    if not _LEAST <= number <= _MOST:
        raise ValueError(f"{_shown(digits)} is a number of more than 64 bits")
    return number


def _fraction(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{_shown(digits)} is too large a number")
    return number


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _shown(digits: str) -> str:
    return digits if len(digits) <= 2 * _DIGITS else f"{digits[:_DIGITS]}…"
