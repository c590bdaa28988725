# SPDX-License-Identifier: MIT
"""A dump as a file of which any part can be read: plain, or in makedumpfile's flattened form."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import IO, Protocol

from drmemctl.errors import InputError, LimitError
from drmemctl.formats.disk_dump import FLAT_HEADER_SIZE, FLAT_MAGIC, FLAT_RECORD

_MOST_RECORDS = 1 << 20
"""Records of the flattened form: makedumpfile writes some hundred KiB with each."""

_MOST_PIECES = 1 << 21
"""Pieces of records that all reads together may join: hostile files have records of one byte."""


class Allowance:
    """A budget of operations on one dump: a few hostile bytes can ask for endless work."""

    def __init__(self, amount: int, message: str, source: str, hint: str = "the dump is damaged") -> None:
        """Begin with an amount; `message` is that of the error where it is exceeded."""
        self._room = amount
        self._error = LimitError(message, source=source, hint=hint)

    def spend(self, amount: int = 1) -> None:
        """Take an amount from the budget; `LimitError` where it is exhausted."""
        self._room -= amount
        if self._room < 0:
            raise self._error


def in_pieces(read: Callable[[int, int], bytes], offset: int, size: int) -> bytes:
    """Return `size` bytes at an offset from reads that may give fewer; up to the first that gives none."""
    pieces: list[bytes] = []
    while size > 0 and (piece := read(offset, size)):
        pieces.append(piece)
        offset += len(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class RandomAccess(Protocol):
    """A file of which any part can be read."""

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes at an offset: `size`, fewer only at the end of the file."""


class PlainFile:
    """A file that the operating system reads; /proc/kcore has no size and cannot be mapped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes at an offset."""
        if not 0 <= offset < 1 << 63:
            return b""
        return in_pieces(lambda at, most: os.pread(self._descriptor, most, at), offset, size)


class SeekingFile:
    """A file object that can seek: bytes in memory, a spooled pipe."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes at an offset."""
        if not 0 <= offset < 1 << 63:
            return b""
        self._file.seek(offset)
        return self._file.read(size)


class FlattenedFile:
    """The flattened form: records of bytes and where they belong, in any order; the last for a place counts."""

    def __init__(self, file: RandomAccess, source: str) -> None:
        self._file = file
        self._pieces = Allowance(
            _MOST_PIECES, f"more than {_MOST_PIECES:,} pieces of the flattened dump would have to be read", source
        )
        begins, offsets, sizes = array("q"), array("q"), array("q")
        at = FLAT_HEADER_SIZE
        while len(record := file.read(at, FLAT_RECORD.size)) == FLAT_RECORD.size:
            begin, size = FLAT_RECORD.unpack(record)
            if begin < 0:
                break
            if size <= 0 or len(begins) >= _MOST_RECORDS:
                message = "a record without bytes" if size <= 0 else f"more than {_MOST_RECORDS:,} records"
                hint = "write the dump anew: makedumpfile -R FILE < THIS"
                raise LimitError(f"the flattened dump has {message}", source=source, offset=at, hint=hint)
            begins.append(begin)
            offsets.append(at + FLAT_RECORD.size)
            sizes.append(size)
            at += FLAT_RECORD.size + size
        else:
            raise InputError("the flattened dump ends early", source=source, offset=at, hint="copy it once more")
        # sorted() is stable: of records for the same place the last one in the file is the one that `read` finds.
        order = array("q", sorted(range(len(begins)), key=begins.__getitem__))
        self._begins, self._offsets, self._sizes = (
            array("q", map(column.__getitem__, order)) for column in (begins, offsets, sizes)
        )

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes at an offset of the dump; what no record holds is zeros, up to the last record."""
        return in_pieces(self._piece, offset, size)

    def _piece(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes, as many as one record, or a gap between two, has."""
        self._pieces.spend()
        index = bisect_right(self._begins, offset) - 1
        within = offset - self._begins[index] if index >= 0 else 0
        if index >= 0 and within < self._sizes[index]:
            return self._file.read(self._offsets[index] + within, min(size, self._sizes[index] - within))
        if index + 1 < len(self._begins):
            return bytes(min(size, self._begins[index + 1] - offset))
        return b""


def random_access(file: IO[bytes], source: str) -> RandomAccess:
    """Return a file of which any part can be read, whichever form it has."""
    try:
        plain: RandomAccess = PlainFile(file.fileno())
    except (OSError, AttributeError):
        plain = SeekingFile(file)
    return FlattenedFile(plain, source) if plain.read(0, len(FLAT_MAGIC)) == FLAT_MAGIC else plain
