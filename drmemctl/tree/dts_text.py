# SPDX-License-Identifier: MIT
"""Values as device tree source: exact for every byte, and in the form in which dtc would print them.

Source: dtc's treesource.c (`guess_value_type`, `write_propval`). Unlike dtc 1.6, each string of a list stands
alone, so that no NUL meets a digit inside one.
"""

from __future__ import annotations

import re
import struct

from drmemctl.tree.node import encode_name

_NOT_STRING = re.compile(rb"[^\x00\x07-\x0d\x20-\x7e]")
_ESCAPES = str.maketrans(
    {
        '"': '\\"',
        "\\": "\\\\",
        "\a": "\\a",
        "\b": "\\b",
        "\t": "\\t",
        "\n": "\\n",
        "\v": "\\v",
        "\f": "\\f",
        "\r": "\\r",
    }
)
_NAME = re.compile(r"[a-zA-Z0-9,._+*#?@-]+")
_OUTSIDE_NAMES = re.compile(rb"[^a-zA-Z0-9,._+*#?@-]")
_CELLS_AT_ONCE = 1 << 14


def is_strings(value: bytes) -> bool:
    """Whether dtc would take a value for a list of strings."""
    return value[-1:] == b"\0" and 2 * value.count(0) <= len(value) and not _NOT_STRING.search(value)


def value_text(value: bytes) -> str:
    """Return a value that is not empty as source: strings, cells of 32 bits, or bytes."""
    if is_strings(value):
        texts = value[:-1].decode("ascii").split("\0")
        return ", ".join(f'"{text.translate(_ESCAPES)}"' for text in texts)
    if len(value) % 4 == 0:
        return f"<{' '.join(_cell_texts(value))}>"
    return f"[{value.hex(' ')}]"


def _cell_texts(value: bytes) -> list[str]:
    size = 4 * _CELLS_AT_ONCE
    pieces = (value[start : start + size] for start in range(0, len(value), size))
    return [" ".join(map("0x%02x".__mod__, struct.unpack(f">{len(piece) // 4}I", piece))) for piece in pieces]


def shown_name(name: str) -> str:
    r"""Return a name as it is, but for `\xNN` in the place of each character that source cannot hold."""
    if is_name(name):
        return name
    return _OUTSIDE_NAMES.sub(lambda match: b"\\x%02x" % match[0][0], encode_name(name)).decode("ascii")


def is_name(name: str) -> bool:
    """Whether the source can hold the name of a node or property."""
    return _NAME.fullmatch(name) is not None
