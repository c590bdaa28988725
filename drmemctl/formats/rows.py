# SPDX-License-Identifier: MIT
"""Bulk decoding of arrays of fixed records, derived from their Construct declaration.

Construct interprets a declaration field by field: a million records take it seven seconds. The declaration
stays the one truth; its fields give one `struct` format, which decodes the same records at C speed.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, starmap
from typing import Any

import construct

_CHUNK_RECORDS = 4096
"""Records decoded at a time: enough for C speed, few enough to cost no memory."""


class Rows:
    """The bulk codec of a fixed-size record, derived from its declaration.

    Attributes:
        declaration: the Construct `Struct`, of big-endian integer fields only.
        names: the field names in order.
        size: bytes of a record.

    """

    def __init__(self, declaration: Any) -> None:
        fields = [(sub.name, sub.subcon) for sub in declaration.subcons]
        if not all(isinstance(kind, construct.FormatField) and kind.fmtstr[0] == ">" for _, kind in fields):
            raise TypeError("only big-endian fixed-size fields make rows")
        self.declaration = declaration
        self.names: tuple[str, ...] = tuple(name for name, _ in fields)
        self._codes = "".join(kind.fmtstr[1] for _, kind in fields)
        self._struct = struct.Struct(">" + self._codes)
        self.size: int = self._struct.size
        if self.size != declaration.sizeof():
            raise TypeError(f"derived size {self.size} is not the declared size {declaration.sizeof()}")

    def iterate(self, data: bytes | memoryview, start: int, count: int) -> Iterator[tuple[int, ...]]:
        """Yield `count` records from byte `start` on; the caller has made sure that they are there."""
        view = memoryview(data)
        for first in range(0, count, _CHUNK_RECORDS):
            begin = start + first * self.size
            yield from self._struct.iter_unpack(
                view[begin : begin + min(_CHUNK_RECORDS, count - first) * self.size]
            )

    def pack(self, rows: Iterable[Sequence[int]]) -> bytes:
        """Return the records as bytes; `struct.error` if a value does not fit its field."""
        packed = bytearray()
        remaining = iter(rows)
        # A part at a time: an object for each of four million records takes seven times their own room.
        while part := b"".join(starmap(self._struct.pack, islice(remaining, _CHUNK_RECORDS))):
            packed += part
        return bytes(packed)

    def pack_one(self, *values: int) -> bytes:
        """Return one record as bytes."""
        return self._struct.pack(*values)


def words(data: bytes | memoryview) -> array[int]:
    """Return the whole big-endian u32 words of `data`; a tail shorter than a word is left out."""
    cells = array("I")
    if cells.itemsize != 4:  # pragma: no cover - no platform of CPython's has another size
        cells = array("L")
    cells.frombytes(memoryview(data)[: len(data) & ~3])
    if struct.pack("=I", 1) != struct.pack(">I", 1):
        cells.byteswap()
    return cells


def pack_words(cells: Sequence[int]) -> bytes:
    """Return u32 words as big-endian bytes."""
    return struct.pack(f">{len(cells)}I", *cells)
