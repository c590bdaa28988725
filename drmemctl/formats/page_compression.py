# SPDX-License-Identifier: MIT
"""LZO1X and snappy, the two compressions of dump pages that no library with wheels for ppc64le reads.

Both decoders are bounded by the size of a page and raise `ValueError` for bytes that are no such stream.
Source: Linux Documentation/staging/lzo.rst; google/snappy format_description.txt.
"""

from __future__ import annotations

_END = 17
"""First byte from which on it counts literals."""


def _copy(output: bytearray, distance: int, length: int, most: int) -> None:
    begin = len(output) - distance
    if begin < 0 or distance <= 0 or len(output) + length > most:
        raise ValueError("a match outside the page")
    if distance >= length:
        output += output[begin : begin + length]
    else:
        output += (bytes(output[begin:]) * (length // distance + 1))[:length]


class _Compressed:
    """The compressed bytes and how far they are read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        if self._at >= len(self._data):
            raise ValueError("the page ends early")
        self._at += 1
        return self._data[self._at - 1]

    def literals(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ValueError("the page ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def little(self, size: int) -> int:
        return int.from_bytes(self.literals(size), "little")

    def longer(self, base: int) -> int:
        """Return a length that goes on in further bytes: zeros of 255 each, then the rest."""
        length = base
        while (byte := self.byte()) == 0:
            length += 255
        return length + byte

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)


def lzo1x(data: bytes, most: int) -> bytes:
    """Return what an LZO1X stream of at most `most` bytes stands for."""
    source, output = _Compressed(data), bytearray()
    if not data:
        raise ValueError("the page is empty")
    # Literals that came with the last instruction, 4 for a run of them: they change what codes 0 to 15 mean.
    literals = 0
    if data[0] > _END:
        count = source.byte() - _END
        output += source.literals(count)
        literals = min(count, 4)
    while True:
        code = source.byte()
        if code < 16 and literals == 0:
            output += source.literals((code or source.longer(15)) + 3)
            literals = 4
            if len(output) > most:
                raise ValueError("more than a page")
            continue
        if code < 16:
            base, length = (0x801, 3) if literals == 4 else (1, 2)
            distance = (code >> 2) + (source.byte() << 2) + base
            literals = code & 3
        elif code >= 64:
            distance = 1 + (code >> 2 & 7) + (source.byte() << 3)
            length, literals = (code >> 5) + 1, code & 3
        else:
            mask = 31 if code >= 32 else 7
            length = (code & mask or source.longer(mask)) + 2
            word = source.little(2)
            literals = word & 3
            if code >= 32:
                distance = 1 + (word >> 2)
            else:
                distance = ((code & 8) << 11) + (word >> 2)
                if distance == 0:
                    return bytes(output)
                distance += 0x4000
        _copy(output, distance, length, most)
        output += source.literals(literals)


def snappy(data: bytes, most: int) -> bytes:
    """Return what a raw snappy stream of at most `most` bytes stands for."""
    source, output = _Compressed(data), bytearray()
    size = shift = 0
    while True:
        byte = source.byte()
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > 28:
            raise ValueError("the size is too long")
    if size > most:
        raise ValueError("more than a page")
    while not source.ended:
        tag = source.byte()
        if tag & 3 == 0:
            length = tag >> 2
            output += source.literals((source.little(length - 59) if length >= 60 else length) + 1)
            if len(output) > size:
                raise ValueError("more than its size")
        elif tag & 3 == 1:
            _copy(output, (tag >> 5) << 8 | source.byte(), (tag >> 2 & 7) + 4, size)
        else:
            _copy(output, source.little(2 if tag & 3 == 2 else 4), (tag >> 2) + 1, size)
    return bytes(output)
