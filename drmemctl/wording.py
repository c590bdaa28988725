# SPDX-License-Identifier: MIT
"""Numbers in words, counts and sizes as messages and tables have them; and what a wrong word may have meant."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from itertools import islice

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_LONGEST = 10_240
_DIGITS = 6
"""Digits that a size with decimals has at least, if it takes them to be exact."""

_NAMED = 3
"""Words that are proposed."""
_COMPARED = 4_096
"""Words that are compared with a wrong one; each comparison costs some microseconds."""
_LONGEST_WORD = 128
"""Characters of a wrong word that is compared: what is longer is no misspelling."""
_ALIKE = 0.6
"""How alike words are that are proposed, from 0 to 1."""


def count_of(number: int, thing: str, things: str | None = None) -> str:
    """Return e.g. `1 LMB`, `4,096 LMBs`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def size_text(size: int) -> str:
    """Return a number of bytes exactly, e.g. `256 MiB`, `1280 MiB`; a long number with decimals: `12.5 GiB`."""
    zero_bits = (size & -size).bit_length() - 1
    power = min(max(zero_bits, 0) // 10, len(_UNITS))
    value = size >> 10 * power
    if not power:
        return count_of(size, "byte")
    # 12800 MiB is 12.5 GiB exactly; 1073741825 KiB must not become 1 TiB. LMBs of 256 MiB are quarters of a GiB,
    # which leave two decimals beyond 10 TiB as well.
    digits = max(_DIGITS, len(str(value // 1024)) + 2)
    larger = f"{value / 1024:.{digits}g}"
    if value >= _LONGEST and power < len(_UNITS) and float(larger) * 1024 == value:
        return f"{larger} {_UNITS[power]}"
    return f"{value} {_UNITS[power - 1]}"


def range_text(base: int, size: int) -> str:
    """Return an address range with its size, the last address included."""
    if size == 0:
        return f"{base:#x}, empty"
    return f"{base:#x}-{base + size - 1:#x} ({size_text(size)})"


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return the words, at most three, that a wrong one may have meant.

    These are those that begin with it, else those that it is a part of, which is what people remember of names,
    else those that are spelled alike. Case does not count.
    """
    from difflib import SequenceMatcher

    folded = word.casefold()
    if not folded or len(folded) > _LONGEST_WORD:
        return []
    names = {name: name.casefold() for name in islice(dict.fromkeys(known), _COMPARED)}
    near = [name for name, text in names.items() if text.startswith(folded)]
    if not near and len(folded) > 2:
        near = [name for name, text in names.items() if folded in text]
    if not near:
        matcher = SequenceMatcher()
        matcher.set_seq2(folded)
        likeness = {}
        for name, text in names.items():
            matcher.set_seq1(text)
            if matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE:
                likeness[name] = matcher.ratio()
        near = sorted((name for name in likeness if likeness[name] >= _ALIKE), key=lambda name: -likeness[name])
    return near[:_NAMED]


def did_you_mean(names: Iterable[str]) -> str:
    """Return `did you mean …?` with these words; nothing without any."""
    text = " or ".join(names)
    return f"did you mean {text}?" if text else ""


def how_it_ended(code: int) -> str:
    """Return how a process ended, by its exit code; that is negative where a signal ended it."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"was killed by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")
