# SPDX-License-Identifier: MIT
"""Numbers as users and the kernel write them."""

from __future__ import annotations

import re

_KERNEL = re.compile(r"\+?(?:0[xX](?P<hex>[0-9a-fA-F]+)|0(?P<octal>[0-7]*)|(?P<decimal>[1-9][0-9]*))\Z", re.ASCII)
_BASES = (("hex", 16), ("octal", 8), ("decimal", 10))
_LONGEST = 40


def parse_kernel_int(text: str, bits: int = 32) -> int:
    """Return a number as the kernel's `kstrtou32`/`kstrtou64` reads it with base 0: `0x…`, octal `0…`, decimal.

    Raises `ValueError` with what to write instead; `800003fe` is not silently something else.
    """
    match = _KERNEL.match(text) if len(text) <= _LONGEST else None
    if match is None:
        advice = "0x... is hexadecimal, 0... octal, anything else decimal"
        if re.fullmatch(r"[0-9a-fA-F]{1,16}", text, re.ASCII):
            advice = f"write 0x{text} for hexadecimal"
        raise ValueError(f"not a number: {advice}")
    digits, base = next((match[kind], base) for kind, base in _BASES if match[kind] is not None)
    value = int(digits or "0", base)
    if value >> bits:
        raise ValueError(f"more than {bits} bits")
    return value


def parse_drc_index(text: str) -> int:
    """Return a DRC index: a number as the kernel parses it, but not one that it prints and a user pasted.

    The kernel prints DRC indexes as 8 hexadecimal digits without 0x ("drc index 80000004"), which base 0 takes
    for another number wherever all of them are decimal digits. Raises `ValueError` with what was meant.
    """
    if meant := printed_drc_index(text):
        raise ValueError(
            f"8 hexadecimal digits without 0x, as the kernel prints a DRC index: did you mean {meant}?"
        )
    return parse_kernel_int(text)


def printed_drc_index(text: str) -> str:
    """Return how to write a DRC index that is written as the kernel prints it; empty for any other text."""
    return f"0x{text}" if re.fullmatch(r"[0-9a-fA-F]{8}", text, re.ASCII) else ""


def as_int(count: int) -> int:
    """Return a u32 as the C int that the kernel prints and compares it as."""
    return count - (1 << 32) if count >> 31 else count
