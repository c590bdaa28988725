# SPDX-License-Identifier: MIT
"""Arrays of fixed records: one list of fields, of which both a Construct declaration and a bulk codec are made.

Construct interprets a declaration field by field: a million records take it seven seconds. The same fields give
one `struct` format, which decodes the same records at C speed and without importing Construct.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, starmap
from typing import Any

_CHUNK_RECORDS = 4096
"""Records decoded at a time: enough for C speed, few enough to cost no memory."""


_CODES = {8: "B", 16: "H", 32: "L", 64: "Q"}


class Rows:
    """A record of big-endian unsigned integers, declared by its fields in order with the bits of each.

    Attributes:
        bits: the bits of each field, in order.
        names: the field names in order.
        size: bytes of a record.

    """

    def __init__(self, **bits: int) -> None:
        """Declare it: `Rows(n_arrays=32, array_sz=32)`; `KeyError` for a size that no integer has."""
        self.bits = bits
        self.names: tuple[str, ...] = tuple(bits)
        self._codes = "".join(_CODES[size] for size in bits.values())
        self._struct = struct.Struct(">" + self._codes)
        self.size: int = self._struct.size

    @cached_property
    def declaration(self) -> Any:
        """The same record as a Construct `Struct`."""
        from construct import FormatField, Struct

        fields = zip(self.names, self._codes, strict=True)
        return Struct(*(name / FormatField(">", code) for name, code in fields))

    def iterate(self, data: bytes | memoryview, start: int, count: int) -> Iterator[tuple[int, ...]]:
        """Yield `count` records from byte `start` on; the caller has made sure that they are there."""
        view = memoryview(data)
        for first in range(0, count, _CHUNK_RECORDS):
            begin = start + first * self.size
            yield from self._struct.iter_unpack(
                view[begin : begin + min(_CHUNK_RECORDS, count - first) * self.size]
            )

    def unpack_one(self, data: bytes | memoryview, position: int, start: int = 0) -> tuple[int, ...]:
        """Return the record at a position of those that begin at byte `start`."""
        return self._struct.unpack_from(data, start + position * self.size)

    def columns(self, data: bytes | memoryview, start: int, count: int) -> list[array[int]]:
        """Return the fields of `count` records from byte `start` on, each field as a column.

        At some nanoseconds a record; only for records of whole words.
        """
        cells = words(memoryview(data)[start : start + count * self.size])
        stride = self.size // 4
        columns, at = [], 0
        for code in self._codes:
            column = cells[at::stride]
            columns.append(_joined(column, cells[at + 1 :: stride]) if code == "Q" else column)
            at += 2 if code == "Q" else 1
        return columns

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


def _joined(high: array[int], low: array[int]) -> array[int]:
    """Return the 64-bit numbers that two columns of words make."""
    halves = array(high.typecode, bytes(8 * len(high)))
    low_first = sys.byteorder == "little"
    halves[0::2], halves[1::2] = (low, high) if low_first else (high, low)
    return array("Q", halves.tobytes())


def words(data: bytes | memoryview) -> array[int]:
    """Return the whole big-endian u32 words of `data`; a tail shorter than a word is left out."""
    cells = array("I")
    cells.frombytes(memoryview(data)[: len(data) & ~3])
    if sys.byteorder == "little":
        cells.byteswap()
    return cells


def lowered(cells: array[int], by: int) -> Sequence[int]:
    """Return u32 words less a number each: at once where all have the same upper byte, as DRC indexes have."""
    raw = cells.tobytes()
    tops = raw[3 if sys.byteorder == "little" else 0 :: 4]
    # With `by` below the least word of that byte, no word borrows from the next one.
    if not raw or tops != tops[:1] * len(tops) or not 0 <= by <= tops[0] << 24:
        return [cell - by for cell in cells]
    subtrahend = by.to_bytes(4, sys.byteorder) * len(cells)
    difference = int.from_bytes(raw, sys.byteorder) - int.from_bytes(subtrahend, sys.byteorder)
    return array(cells.typecode, difference.to_bytes(len(raw), sys.byteorder))


def pack_words(cells: Sequence[int]) -> bytes:
    """Return u32 words as big-endian bytes."""
    return struct.pack(f">{len(cells)}I", *cells)
