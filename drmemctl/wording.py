# SPDX-License-Identifier: MIT
"""Numbers in words: counts and sizes as messages and tables have them."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_LONGEST = 10_240


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
    # 12800 MiB is 12.5 GiB exactly; 1073741825 KiB must not become 1 TiB.
    larger = f"{value / 1024:g}"
    if value >= _LONGEST and power < len(_UNITS) and float(larger) * 1024 == value:
        return f"{larger} {_UNITS[power]}"
    return f"{value} {_UNITS[power - 1]}"


def range_text(base: int, size: int) -> str:
    """Return an address range with its size, the last address included."""
    if size == 0:
        return f"{base:#x}, empty"
    return f"{base:#x}-{base + size - 1:#x} ({size_text(size)})"
