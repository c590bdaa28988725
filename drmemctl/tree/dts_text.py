# SPDX-License-Identifier: MIT
"""Values as device tree source: exact for every byte, and in the form in which dtc would print them.

Source: dtc's treesource.c (`guess_value_type`, `write_propval`). Unlike dtc 1.6, each string of a list stands
alone, so that no NUL meets a digit inside one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from drmemctl.tree.node import encode_name

_NOT_STRING = re.compile(rb"[^\x00\x07-\x0d\x20-\x7e]")
LETTERS = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}
"""Characters by the letter that stands for one behind a backslash."""

_ESCAPES = str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\0": '", "', **{character: f"\\{letter}" for letter, character in LETTERS.items()}}
)
_NAME = re.compile(r"[a-zA-Z0-9,._+*#?@-]+")
_OUTSIDE_NAMES = re.compile(rb"[^a-zA-Z0-9,._+*#?@-]")
_AT_ONCE = 1 << 16
"""Bytes of a value that are made into text at a time, a multiple of 4."""


def is_strings(value: bytes) -> bool:
    """Whether dtc would take a value for a list of strings."""
    return value[-1:] == b"\0" and 2 * value.count(0) <= len(value) and not _NOT_STRING.search(value)


def value_text(value: bytes) -> str:
    """Return a value that is not empty as source: strings, cells of 32 bits, or bytes."""
    return "".join(value_pieces(value))


def value_pieces(value: bytes) -> Iterator[str]:
    """Yield the same in pieces: the text of a large value is several times as large."""
    pieces = (value[start : start + _AT_ONCE] for start in range(0, len(value), _AT_ONCE))
    if is_strings(value):
        # The last NUL is no end of a string that another one follows.
        pieces = (value[start : min(start + _AT_ONCE, len(value) - 1)] for start in range(0, len(value), _AT_ONCE))
        yield '"'
        yield from (piece.decode("ascii").translate(_ESCAPES) for piece in pieces)
        yield '"'
        return
    are_cells = len(value) % 4 == 0
    opening = "<" if are_cells else "["
    for piece in pieces:
        cells = map("0x%02x".__mod__, struct.unpack(f">{len(piece) // 4}I", piece)) if are_cells else ()
        yield opening + (" ".join(cells) if are_cells else piece.hex(" "))
        opening = " "
    yield ">" if are_cells else "]"


def shown_name(name: str) -> str:
    r"""Return a name as it is, but for `\xNN` in the place of each character that source cannot hold."""
    if is_name(name):
        return name
    return _OUTSIDE_NAMES.sub(lambda match: b"\\x%02x" % match[0][0], encode_name(name)).decode("ascii")


def is_name(name: str) -> bool:
    """Whether the source can hold the name of a node or property."""
    return _NAME.fullmatch(name) is not None
