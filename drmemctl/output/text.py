# SPDX-License-Identifier: MIT
"""Words for numbers and bytes, and the one gate through which text from a tree reaches an output."""

from __future__ import annotations

LONGEST = 200
"""Characters of a name or a text that are shown; the rest is counted."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def safe(text: str, limit: int | None = LONGEST) -> str:
    r"""Return text from a tree as printable ASCII: any other character as `\xNN` or `\u{…}`, and not too long.

    Names and values come from whoever made the dump: no escape sequence, line break or bidi mark gets through.
    """
    if text.isascii() and text.isprintable() and (limit is None or len(text) <= limit):
        return text
    shown = text if limit is None else text[:limit]
    out = "".join(char if " " <= char <= "~" else _escaped(char) for char in shown)
    rest = len(text) - len(shown)
    return f"{out}… +{rest} characters" if rest else out


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no ASCII, as surrogateescape holds it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def size(n_bytes: int) -> str:
    """Return a size as people read it: the largest binary unit that leaves it exact, or three digits of it."""
    unit = 0
    value = n_bytes
    while unit < len(_UNITS) - 1 and value >= 1024 and value % 1024 == 0:
        value //= 1024
        unit += 1
    if value < 10240:
        return f"{value} {_UNITS[unit]}"
    approximate = float(value)
    while unit < len(_UNITS) - 1 and approximate >= 1024:
        approximate /= 1024
        unit += 1
    return f"{approximate:.4g} {_UNITS[unit]}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return e.g. `1 LMB`, `4,096 LMBs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
