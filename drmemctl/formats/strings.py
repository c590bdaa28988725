# SPDX-License-Identifier: MIT
"""Text in properties: one string, or several, each with its terminating NUL (encode-string).

Source: Devicetree Specification v0.4, 2.2.4 (`string`, `stringlist`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drmemctl.defect import Defect
from drmemctl.formats.seam import building

_BLOCK = 1 << 16


def string() -> Any:
    """Return the declaration of bytes up to a NUL, which is consumed."""
    from construct import GreedyBytes, NullTerminated

    return NullTerminated(GreedyBytes)


def to_text(raw: bytes) -> str:
    """Return bytes as text from which `to_bytes` gets the same bytes back, whatever they are."""
    return raw.decode("ascii", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Return the bytes of a text made by `to_text`, or of any other in UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def to_string(text: str, property: str) -> bytes:
    """Return a text with its terminator; a NUL inside would make two strings of it: `FormatError`."""
    raw = to_bytes(text)
    with building(property):
        if 0 in raw:
            raise ValueError("a string with a NUL inside")
    return raw + b"\0"


@dataclass(frozen=True, slots=True)
class Strings:
    """The strings of a property.

    Attributes:
        items: each string, without its terminator; those make the same bytes again.
        terminated: whether the last one ends in a NUL.
        defects: `string-unterminated`; its property is not filled in.

    """

    items: tuple[str, ...]
    terminated: bool = True
    defects: tuple[Defect, ...] = ()


def decode_strings(data: bytes) -> Strings:
    """Return every string of the value: no bytes, no strings; the tail without a NUL is the last one."""
    if not data:
        return Strings(())
    parts = data.split(b"\0")
    terminated = not parts[-1]
    if terminated:
        parts.pop()
        return Strings(tuple(map(to_text, parts)))
    start = len(data) - len(parts[-1])
    defect = Defect("string-unterminated", "the last string has no terminating NUL", offset=start)
    return Strings(tuple(map(to_text, parts)), terminated, (defect,))


def iterate_strings(data: bytes, start: int, count: int) -> Iterator[str]:
    """Yield up to `count` terminated strings from byte `start` on, one at a time."""
    for _ in range(count):
        end = data.find(b"\0", start)
        if end < 0:
            return
        yield to_text(data[start:end])
        start = end + 1


def skip_strings(data: bytes, start: int, count: int) -> int | None:
    """Return the offset behind `count` strings from byte `start` on, or None if there are not that many.

    A million names are skipped by counting NULs, a block at a time, without an object for each.
    """
    if count == 0:
        return start
    for block in range(start, len(data), _BLOCK):
        here = data.count(b"\0", block, block + _BLOCK)
        if here >= count:
            tail = data[block : block + _BLOCK].split(b"\0", count)[-1]
            return min(block + _BLOCK, len(data)) - len(tail)
        count -= here
    return None
