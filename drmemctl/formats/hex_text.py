# SPDX-License-Identifier: MIT
"""Bytes out of the text that people paste: plain hex, xxd, hexdump -C, od, words with 0x and commas.

Nothing is guessed: an offset column must count the bytes, and what could be read in two ways is refused.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from drmemctl.errors import FormatError, LimitError

_HEX = re.compile(r"[0-9a-fA-F]+\Z", re.ASCII)
_OFFSET = re.compile(r"[0-9a-fA-F]{5,16}\Z", re.ASCII)
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\n\r\f"
_CONTROL = bytes(set(range(0x20)) - set(_TEXT)) + b"\x7f"
_LEAST_LATIN_1 = 16
"""Bytes of Latin-1 without a byte order mark; of fewer nobody can tell."""

_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_HINT = "give the bytes as they are, as plain hex, or as `xxd` or `hexdump -C` prints them"

LARGEST = 16 << 20
"""Bytes that a text may stand for: `*` in a dump can mean any number."""


def text_of(data: bytes) -> str | None:
    """Return the text that bytes are, None where they are none: a work area, with its zeros, never is.

    Text of another alphabet is text as well, that it may be told what is wrong with it. So is what Windows calls
    Unicode, as which its shell writes what a command prints.
    """
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                return None
    if not data or len(data.translate(None, delete=_CONTROL)) < len(data):
        return None
    beyond_ascii = len(data.translate(None, delete=_TEXT))
    try:
        return data.decode() if beyond_ascii * 2 <= len(data) else None
    except UnicodeDecodeError:
        is_latin_1 = len(data) >= _LEAST_LATIN_1 and beyond_ascii * 8 <= len(data)
        return data.decode("latin-1") if is_latin_1 else None


@dataclass(frozen=True, slots=True)
class _DumpLine:
    number: int
    offset: str | None
    groups: tuple[str, ...]


def parse_hex(text: str) -> bytes:
    """Return the bytes that a hex text stands for; `FormatError` with the line for any other text."""
    lines: list[_DumpLine] = []
    in_dump = False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            lines.append(_line(number, stripped, in_dump=in_dump))
            in_dump = in_dump or lines[-1].offset is not None
    try:
        return _joined(lines, 16)
    except FormatError:
        if in_dump:
            with suppress(FormatError):
                return _joined(lines, 8)  # od counts in octal
        raise


def _line(number: int, text: str, *, in_dump: bool) -> _DumpLine:
    offset, colon, content = text.partition(":")
    if colon and _OFFSET.match(offset):
        # xxd puts what the bytes are in ASCII behind two spaces.
        return _DumpLine(number, offset, tuple(content.strip().split("  ")[0].split()))
    groups = tuple(text.partition("|")[0].partition("  >")[0].replace(",", " ").split())
    if "|" in text or _has_offset(groups, in_dump=in_dump):
        return _DumpLine(number, groups[0] if groups else None, groups[1:])
    if len(groups) > 1 and len(groups[0]) == 7 and all(len(group) == 4 for group in groups[1:]):
        raise _refused(number, "words of two bytes, whose order the dump does not say")
    return _DumpLine(number, None, groups)


def _has_offset(groups: tuple[str, ...], *, in_dump: bool) -> bool:
    """Whether the first of some groups is an offset: all others are single bytes, or it ends a dump."""
    if not groups or not _OFFSET.match(groups[0]):
        return False
    return all(len(group) == 2 for group in groups[1:]) if len(groups) > 1 else in_dump


def _joined(lines: list[_DumpLine], base: int) -> bytes:
    data = bytearray()
    first: int | None = None
    last = b""
    star: _DumpLine | None = None
    for line in lines:
        if line.groups == ("*",):
            star = line
            continue
        if line.offset is not None:
            try:
                offset = int(line.offset, base)
            except ValueError:
                message = f"the offset {line.offset} is no number of base {base}"
                raise _refused(line.number, message) from None
            first = offset if first is None else first
            if star is not None:
                data += _filling(line, offset - first - len(data), last)
            if offset - first != len(data):
                message = f"the offset {line.offset} does not count the {len(data):,} bytes before it"
                raise _refused(line.number, message)
        elif star is not None:
            break
        star = None
        last = _bytes(line)
        data += last
    if star is not None:
        raise _refused(star.number, "no offset behind the * says how often it repeats the line before it")
    return bytes(data)


def _filling(line: _DumpLine, size: int, last: bytes) -> bytes:
    """Return what a `*` stands for: the line before it, again and again."""
    if size > LARGEST:
        raise LimitError(f"line {line.number} makes the dump longer than {LARGEST:,} bytes")
    if size < 0 or not last or size % len(last):
        raise _refused(line.number, "what the * before it repeats does not come out at its offset")
    return last * (size // len(last))


def _bytes(line: _DumpLine) -> bytes:
    out = []
    for group in line.groups:
        digits = group[2:] if group[:2] in ("0x", "0X") else group
        if not _HEX.match(digits):
            raise _refused(line.number, f"{group[:40]!r} is no hex")
        if len(digits) % 2:
            raise _refused(line.number, f"{group[:40]!r} has an odd number of digits")
        out.append(digits)
    return bytes.fromhex("".join(out))


def _refused(number: int, why: str) -> FormatError:
    error = FormatError(f"line {number}: {why}")
    error.hint = _HINT
    return error
