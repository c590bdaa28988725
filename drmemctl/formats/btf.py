# SPDX-License-Identifier: MIT
"""BTF, as far as the offsets of members of structures go: what a kernel says of its own layouts.

Source: Linux include/uapi/linux/btf.h; Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

HEADER_SIZE = 24
LARGEST = 64 << 20
"""Bytes of all of it; those of a distribution's kernel have 6 MiB."""

_MAGIC = 0xEB9F
_STRUCT = 4
_MOST_TYPES = 1 << 20

_BEHIND = {
    1: (4, 0),
    3: (12, 0),
    4: (0, 12),
    5: (0, 12),
    6: (0, 8),
    13: (0, 8),
    14: (4, 0),
    15: (0, 12),
    17: (4, 0),
}
"""Kind → bytes behind a type, and for each of its members: integer, array, structure, union and so on."""

_ENUM64 = 19


class BtfHeader(NamedTuple):
    """Where types and strings are, from the end of the header; sizes in bytes."""

    length: int
    types: int
    types_size: int
    strings: int
    strings_size: int

    @property
    def whole(self) -> int:
        """Bytes from the header to the end of the types and strings."""
        return self.length + max(self.types + self.types_size, self.strings + self.strings_size)


def magic(order: str) -> bytes:
    """Return the bytes that BTF of a byte order begins with: magic, version 1, no flags, length of the header."""
    return struct.pack(order + "HBBI", _MAGIC, 1, 0, HEADER_SIZE)


def decode_btf_header(data: bytes, order: str) -> BtfHeader | None:
    """Return the header, None where this is no BTF."""
    if len(data) < HEADER_SIZE or not data.startswith(magic(order)):
        return None
    header = BtfHeader(*struct.unpack_from(order + "5I", data, 4))
    is_whole = header.types_size and header.strings_size and header.whole <= LARGEST
    return header if is_whole and header.strings >= header.types + header.types_size else None


def decode_structs(data: bytes, order: str, names: frozenset[bytes]) -> dict[str, Mapping[str, int]]:
    """Return the members of structures by name, each with its offset in bytes; those that are there.

    Of bytes that are no BTF comes what they happen to hold, and no exception. Bit-fields are left out.
    """
    header = decode_btf_header(data, order)
    structs: dict[str, Mapping[str, int]] = {}
    if header is None:
        return structs
    begin = header.length + header.strings
    strings = data[begin : begin + header.strings_size]
    # BTF holds each name once, but may end another one with it.
    wanted = {
        place.start(): name.decode("latin-1")
        for name in names
        for place in islice(re.finditer(re.escape(name) + rb"\0", strings), 64)
    }
    at = header.length + header.types
    end = min(at + header.types_size, len(data))
    type_ = struct.Struct(order + "3I")
    for _ in range(_MOST_TYPES):
        if at + type_.size > end:
            break
        name, info, _ = type_.unpack_from(data, at)
        kind, count = info >> 24 & 31, info & 0xFFFF
        at += type_.size
        fixed, member = (0, 12) if kind == _ENUM64 else _BEHIND.get(kind, (0, 0))
        size = fixed + member * count
        if kind == _STRUCT and count and name in wanted:
            structs.setdefault(wanted[name], _members(data[at : min(at + size, end)], order, info >> 31, strings))
        at += size
    return structs


def _members(data: bytes, order: str, has_bit_fields: int, strings: bytes) -> dict[str, int]:
    members: dict[str, int] = {}
    for name, _, offset in struct.iter_unpack(order + "3I", data[: len(data) // 12 * 12]):
        if has_bit_fields and offset >> 24:
            continue
        text = strings[name : name + 128].partition(b"\0")[0].decode("latin-1")
        if text and not offset % 8:
            members.setdefault(text, offset // 8)
    return members
