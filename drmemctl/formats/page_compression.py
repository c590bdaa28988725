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


def lzo1x(data: bytes, most: int, enough: int | None = None) -> bytes:
    """Return what an LZO1X stream of at most `most` bytes stands for, or at least the first `enough` of it."""
    output = bytearray()
    try:
        _decode_lzo1x(data, most, most + 1 if enough is None else enough, output)
    except IndexError:
        raise ValueError("the page ends early") from None
    return bytes(output)


def _decode_lzo1x(  # noqa: C901, PLR0912 - a call for each instruction would double the time of a page
    data: bytes, most: int, enough: int, output: bytearray
) -> None:
    """Append to the output; `IndexError` where the stream ends early."""
    at = 0
    # Literals that came with the last instruction, 4 for a run of them: they change what codes 0 to 15 mean.
    literals = 0
    if data[0] > _END:
        literals = data[0] - _END
        at = 1 + literals
        output += data[1:at]
        literals = min(literals, 4)
    while len(output) < enough:
        code = data[at]
        at += 1
        if code >= 64:
            distance = 1 + (code >> 2 & 7) + (data[at] << 3)
            length, literals = (code >> 5) + 1, code & 3
            at += 1
        elif code >= 16:
            mask = 31 if code >= 32 else 7
            length = code & mask
            if not length:
                length, at = _longer(data, at, mask)
            length += 2
            word = data[at] | data[at + 1] << 8
            at += 2
            literals = word & 3
            distance = word >> 2
            if code >= 32:
                distance += 1
            else:
                distance += (code & 8) << 11
                if not distance:
                    return
                distance += 0x4000
        elif literals:
            distance = (code >> 2) + (data[at] << 2) + (0x801 if literals == 4 else 1)
            length, literals = (3 if literals == 4 else 2), code & 3
            at += 1
        else:
            if not code:
                code, at = _longer(data, at, 15)
            at += code + 3
            output += data[at - code - 3 : at]
            literals = 4
            if len(output) > most or at > len(data):
                raise ValueError("more than a page")
            continue
        _copy(output, distance, length, most)
        if literals:
            at += literals
            output += data[at - literals : at]


def _longer(data: bytes, at: int, base: int) -> tuple[int, int]:
    """Return a length that goes on in further bytes, zeros of 255 each and then the rest, and where they end."""
    while not data[at]:
        base += 255
        at += 1
    return base + data[at], at + 1


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

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)


def snappy(data: bytes, most: int, enough: int | None = None) -> bytes:
    """Return what a raw snappy stream of at most `most` bytes stands for, or at least the first `enough` of it."""
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
    while not source.ended and (enough is None or len(output) < enough):
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
