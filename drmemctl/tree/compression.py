# SPDX-License-Identifier: MIT
"""gzip, xz, zstd and bzip2 as streams, bounded: neither memory nor time follow from what the bytes claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from drmemctl.defect import Defect
from drmemctl.errors import InputError, LimitError
from drmemctl.formats.file_magics import BZIP2, GZIP, XZ, ZSTD
from drmemctl.tree.limits import LIMITS, MIB, RAISE_VARIABLE, Limits
from drmemctl.tree.stream import CHUNK, Stream
from drmemctl.zstd import zstd_module

_MEMORY = 256 * MIB
"""What the decoders of all layers may use together; `xz -9` needs 65 MiB, zstd without --long up to 128."""

_SMALL = 8 * MIB
"""What a decoder uses beside its dictionary, and at most without one."""

_ZSTD_LARGEST = 128 * MIB
"""The largest window that zstd itself takes without --long or --memory."""

_FIRST_PIECE = 1 << 12
"""Compressed bytes read at the start of a member: a million tiny members must not each cost a large read."""


Decoder = tuple[Any, type[Exception]]
"""A decompressor of one stream that bounds its output as bz2 and lzma do; what it raises of damaged bytes."""


class _Gzip:
    """A member of gzip by zlib, which checks its CRC and length itself, with the methods of bz2 and lzma."""

    def __init__(self) -> None:
        import zlib

        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        output = self._decoder.decompress(self._decoder.unconsumed_tail + data, most)
        # zlib may hold output back although it has taken all input: then it has filled its room.
        self.needs_input = not self._decoder.unconsumed_tail and len(output) < most
        return output


class _Budget:
    """What all layers of one input share: memory for decoders, decompressed bytes."""

    def __init__(self, limits: Limits, source: str, compressed: Stream) -> None:
        self.limits = limits
        self._source = source
        self._compressed = compressed
        self._memory = _MEMORY
        self._output = 0

    def decoder(self, method: Method, head: bytes, previous: int = 0) -> tuple[Decoder, int]:
        """Return a decoder for a stream that begins with `head`, and the bytes that it may use.

        `previous` is what the decoder that it takes the place of has used.
        """
        self._memory += previous
        memory = method.dictionary(head) + _SMALL
        if memory > self._memory:
            message = (
                f"the {method.name} data needs {memory // MIB} MiB to be unpacked, "
                f"more than the {self._memory // MIB} MiB that are left of {_MEMORY // MIB}"
            )
            raise LimitError(message, source=self._source, hint="unpack it first")
        self._memory -= memory
        try:
            return method.decoder(memory), memory
        except InputError as error:
            raise error.with_source(self._source) from None

    def count(self, size: int, name: str) -> None:
        """Count decompressed bytes of any layer."""
        self._output += size
        limits, compressed = self.limits, self._compressed.offset
        hint = f"if it is meant to be like this, raise {RAISE_VARIABLE}, or unpack it first"
        if self._output > limits.max_unpacked:
            message = f"the {name} data is more than {limits.max_unpacked // MIB} MiB unpacked"
            raise LimitError(message, source=self._source, hint=hint)
        if self._output > limits.ratio_floor + limits.max_ratio * compressed:
            message = (
                f"the {name} data grows more than {limits.max_ratio} times "
                f"({compressed:,} bytes to {self._output:,} so far)"
            )
            raise LimitError(message, source=self._source, offset=compressed, hint=hint)


def _gzip(_memory: int) -> Decoder:
    import zlib

    return _Gzip(), zlib.error


def _xz(memory: int) -> Decoder:
    import lzma

    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=memory), lzma.LZMAError


def _bzip2(_memory: int) -> Decoder:
    import bz2

    return bz2.BZ2Decompressor(), OSError


def _zstd(memory: int) -> Decoder:
    zstd = zstd_module("unpack it with `zstd -d`")
    # The smallest power of two that holds the window for which there is room.
    options = {zstd.DecompressionParameter.window_log_max: max(10, (memory - _SMALL - 1).bit_length())}
    return zstd.ZstdDecompressor(options=options), zstd.ZstdError


def _xz_dictionary(head: bytes) -> int:
    """Return the bytes of the first block's LZMA2 dictionary; 0 without a block (xz file format 3.1, 5.3.1)."""
    if len(head) < 14 or not head[12]:
        return 0
    flags, at = head[13], 14
    for has_size in (flags & 0x40, flags & 0x80):
        _, at = _varint(head, at) if has_size else (0, at)
    for _ in range((flags & 3) + 1):
        kind, at = _varint(head, at)
        size, at = _varint(head, at)
        if kind == 0x21:
            bits = head[at] & 0x3F if at < len(head) else 0
            return (2 | bits & 1) << (bits // 2 + 11)
        at += size
    return 0


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and where it ends."""
    number = shift = 0
    while at < len(data) and shift < 63:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            break
    return number, at


def _zstd_window(head: bytes) -> int:
    """Return the bytes of a frame's window (RFC 8878, 3.1.1.1); of a skippable frame's successor the largest."""
    if head[:4] != ZSTD:
        return _ZSTD_LARGEST
    if len(head) < 6:
        return 0
    descriptor = head[4]
    if not descriptor & 0x20:
        exponent, mantissa = head[5] >> 3, head[5] & 7
        base = 1 << (10 + exponent)
        return base + base // 8 * mantissa
    # One segment: the window is as large as the content.
    at = 5 + (0, 1, 2, 4)[descriptor & 3]
    size = 1 << (descriptor >> 6)
    return int.from_bytes(head[at : at + size], "little") + (256 if size == 2 else 0)


_HEAD = 64
"""Bytes of a stream that tell its dictionary: an xz block's header has four filters at most."""


class Method(NamedTuple):
    """A compression.

    Attributes:
        name: what it is called in messages.
        magics: what its streams begin with.
        decoder: makes a decoder for one stream, which may use this many bytes.
        dictionary: the bytes of the dictionary (window) that a stream asks for, by its first `HEAD` bytes.

    """

    name: str
    magics: tuple[bytes, ...]
    decoder: Callable[[int], Decoder]
    dictionary: Callable[[bytes], int] = lambda _head: 0


# zstd frames may be preceded by skippable ones (RFC 8878 section 3.1.2): 0x184D2A50 to 0x184D2A5F.
_ZSTD_MAGICS = (ZSTD, *(bytes([0x50 + i, 0x2A, 0x4D, 0x18]) for i in range(16)))

METHODS = (
    Method("gzip", (GZIP,), _gzip),
    Method("xz", (XZ,), _xz, _xz_dictionary),
    Method("zstd", _ZSTD_MAGICS, _zstd, _zstd_window),
    Method("bzip2", tuple(BZIP2 + b"%d" % level for level in range(1, 10)), _bzip2),
)


def compression_of(head: bytes) -> Method | None:
    """Return the compression whose magic number the bytes begin with, or None."""
    return next((method for method in METHODS if head.startswith(method.magics)), None)


class _Layer:
    """The state of one compressed stream that is being read: `pull` gives the next decompressed bytes."""

    def __init__(self, inner: Stream, method: Method, source: str, defects: list[Defect], budget: _Budget) -> None:
        self._inner = inner
        self._method = method
        self._source = source
        self._defects = defects
        self._budget = budget
        (self._decoder, self._damage), self._memory = budget.decoder(method, inner.peek(_HEAD))
        self._members = 1
        self._piece = _FIRST_PIECE
        self._done = False

    def pull(self) -> bytes:
        """Return more decompressed bytes, b"" at the end of the last stream."""
        while not self._done:
            if self._decoder.eof:
                self._next_member()
                continue
            data = b""
            if self._decoder.needs_input:
                data = self._inner.some(self._piece)
                self._piece = min(2 * self._piece, CHUNK)
                if not data:
                    raise self._error("ends early")
            try:
                output = bytes(self._decoder.decompress(data, CHUNK))
            except self._damage as error:
                # zstd says first what it could not do.
                raise self._error(f"is damaged: {str(error).rpartition(': ')[2]}") from None
            if output:
                self._budget.count(len(output), self._method.name)
                return output
        return b""

    def _next_member(self) -> None:
        """Go on with a further member, or end; what follows and is neither member nor padding is noted."""
        self._inner.unread(self._decoder.unused_data)
        head = self._inner.peek(_HEAD)
        if head.startswith(self._method.magics):
            (self._decoder, self._damage), self._memory = self._budget.decoder(self._method, head, self._memory)
            self._piece = _FIRST_PIECE
            self._members += 1
            most = min(self._budget.limits.max_members, self._budget.limits.max_frames)
            if self._members > most:
                message = f"the {self._method.name} data has more than {most:,} members"
                raise LimitError(message, source=self._source, offset=self._inner.offset)
            return
        self._done = True
        if head[:6].strip(b"\0"):
            message = f"bytes that are no {self._method.name} follow the {self._method.name} data; ignored"
            self._defects.append(Defect("trailing-bytes", message, offset=self._inner.offset))

    def _error(self, fault: str) -> InputError:
        message, hint = f"the {self._method.name} data {fault}", "copy or create the file again"
        return InputError(message, source=self._source, offset=self._inner.offset, hint=hint)


def decompressed(
    stream: Stream, source: str, defects: list[Defect] | None = None, limits: Limits | None = None
) -> Stream:
    """Return the stream behind all compressions of `stream`, itself if it is not compressed.

    Members and frames that follow one another are one, as for gzip, xz, zstd and bzip2. Bytes after the last
    one are ignored and noted in `defects` (gzip and bzip2 warn of them).
    Reading the result raises `InputError` where the data is damaged or ends early, with the offset in the
    compressed bytes, and `LimitError` where it is beyond `limits`.
    """
    limits = limits or LIMITS
    noted = [] if defects is None else defects
    budget = _Budget(limits, source, stream)
    for _ in range(limits.max_layers):
        method = compression_of(stream.peek(6))
        if method is None:
            return stream
        stream = Stream(_Layer(stream, method, source, noted, budget).pull)
    if compression_of(stream.peek(6)):
        raise LimitError(f"it is compressed more than {limits.max_layers} times", source=source)
    return stream
