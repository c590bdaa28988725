# SPDX-License-Identifier: MIT
"""gzip, xz, zstd and bzip2 as streams, bounded: neither memory nor time follow from what the bytes claim."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from drmemctl.defect import Defect
from drmemctl.errors import InputError, LimitError
from drmemctl.tree.limits import LIMITS, MIB, RAISE_VARIABLE, Limits
from drmemctl.tree.stream import CHUNK, Stream

_LZMA_MEMORY = 256 * MIB
"""What one xz stream may use; `xz -9` needs 65 MiB."""

_ZSTD_WINDOW = 128 * MIB
"""What zstd itself reads without --long, in bytes."""

_ZSTD_PIECE = 512
"""Compressed bytes given to zstd at once: 4 of them can stand for 128 KiB, so these give at most 16 MiB."""

_FIRST_PIECE = 1 << 12
"""Compressed bytes read at the start of a member: a million tiny members must not each cost a large read."""


class _DamagedError(Exception):
    """A decoder refuses the bytes; the message is its own."""


class _Decoder(Protocol):
    """One compressed stream (gzip member, xz stream, zstd frame) on its way."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended, checksum included."""

    @property
    def needs_input(self) -> bool:
        """Whether `step` can give nothing more without further input."""

    @property
    def unused_data(self) -> bytes:
        """The input after the stream's end."""

    def step(self, data: bytes) -> bytes:
        """Take more input, or b"", and return some output; raise `_DamagedError`."""


class _Zlib:
    """gzip by zlib, which checks the member's CRC and length itself."""

    def __init__(self) -> None:
        import zlib

        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._error = zlib.error
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def step(self, data: bytes) -> bytes:
        data = self._decoder.unconsumed_tail + data
        try:
            output = self._decoder.decompress(data, CHUNK)
        except self._error as error:
            raise _DamagedError(str(error).rpartition(": ")[2]) from None
        # zlib may hold output back although it has taken all input: then it has filled its room.
        self.needs_input = not self._decoder.unconsumed_tail and len(output) < CHUNK
        return output


class _Standard:
    """A decompressor of the standard library that bounds its output itself."""

    def __init__(self, decoder: Any, error: type[Exception]) -> None:
        self._decoder = decoder
        self._error = error

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def needs_input(self) -> bool:
        return bool(self._decoder.needs_input)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decoder.unused_data)

    def step(self, data: bytes) -> bytes:
        try:
            return bytes(self._decoder.decompress(data, CHUNK))
        except self._error as error:
            raise _DamagedError(str(error)) from None


def has_zstd() -> bool:
    """Whether this Python can read and write zstd."""
    from importlib.util import find_spec

    return sys.version_info >= (3, 14) or find_spec("zstandard") is not None


def zstandard_package(instead: str) -> Any:
    """Return the zstandard package; `InputError` that says what to do instead where it is not installed.

    It is compiled, so the single-file program is without it.
    """
    try:
        import zstandard
    except ImportError:
        hint = f"{instead}, or install the Python package zstandard"
        raise InputError("zstd cannot be read or written by this Python", hint=hint) from None
    return zstandard


class _Zstandard:
    """The zstandard package: nothing bounds its output but the size of its input, so that comes in pieces."""

    def __init__(self) -> None:
        zstandard = zstandard_package("unpack it with `zstd -d`")
        self._decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self._error = zstandard.ZstdError
        self._input = b""
        self._at = 0

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def needs_input(self) -> bool:
        return self._at >= len(self._input)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decoder.unused_data) + self._input[self._at :]

    def step(self, data: bytes) -> bytes:
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        piece = self._input[self._at : self._at + _ZSTD_PIECE]
        self._at += len(piece)
        try:
            return bytes(self._decoder.decompress(piece))
        except self._error as error:
            raise _DamagedError(str(error).rpartition(": ")[2]) from None


def _xz() -> _Decoder:
    import lzma

    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
    return _Standard(decoder, lzma.LZMAError)


def _bzip2() -> _Decoder:
    import bz2

    return _Standard(bz2.BZ2Decompressor(), OSError)


def _standard_zstd() -> _Decoder:
    # By its name, since the type stubs of Pythons before 3.14 do not have it.
    zstd = import_module("compression.zstd")
    options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW.bit_length() - 1}
    return _Standard(zstd.ZstdDecompressor(options=options), zstd.ZstdError)


_zstd: Callable[[], _Decoder] = _standard_zstd if sys.version_info >= (3, 14) else _Zstandard


class Method(NamedTuple):
    """A compression: its name, what its streams begin with, and a function that makes a decoder for one."""

    name: str
    magics: tuple[bytes, ...]
    decoder: Callable[[], _Decoder]


# zstd frames may be preceded by skippable ones (RFC 8878 section 3.1.2): 0x184D2A50 to 0x184D2A5F.
_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + i, 0x2A, 0x4D, 0x18]) for i in range(16)))

METHODS = (
    Method("gzip", (b"\x1f\x8b\x08",), _Zlib),
    Method("xz", (b"\xfd7zXZ\x00",), _xz),
    Method("zstd", _ZSTD_MAGICS, _zstd),
    Method("bzip2", tuple(b"BZh%d" % level for level in range(1, 10)), _bzip2),
)


def compression_of(head: bytes) -> Method | None:
    """Return the compression whose magic number the bytes begin with, or None."""
    return next((method for method in METHODS if head.startswith(method.magics)), None)


class _Layer:
    """The state of one compressed stream that is being read: `pull` gives the next decompressed bytes."""

    def __init__(self, inner: Stream, method: Method, source: str, defects: list[Defect], limits: Limits) -> None:
        self._inner = inner
        self._method = method
        self._source = source
        self._defects = defects
        self._limits = limits
        try:
            self._decoder = method.decoder()
        except InputError as error:
            raise error.with_source(source) from None
        self._members = 1
        self._piece = _FIRST_PIECE
        self._output = 0
        self._done = False

    def pull(self) -> bytes:
        """Return more decompressed bytes, b"" at the end of the last stream."""
        while not self._done:
            if self._decoder.eof:
                self._next_member()
            elif output := self._step():
                self._count(len(output))
                return output
        return b""

    def _step(self) -> bytes:
        data = b""
        if self._decoder.needs_input:
            data = self._inner.some(self._piece)
            self._piece = min(2 * self._piece, CHUNK)
            if not data:
                raise self._error("ends early", "copy or create the file again")
        try:
            return self._decoder.step(data)
        except _DamagedError as error:
            raise self._error(f"is damaged: {error}", "copy or create the file again") from None

    def _next_member(self) -> None:
        """Go on with a further member, or end; what follows and is neither member nor padding is noted."""
        self._inner.unread(self._decoder.unused_data)
        head = self._inner.peek(6)
        if head.startswith(self._method.magics):
            self._decoder, self._piece = self._method.decoder(), _FIRST_PIECE
            self._members += 1
            if self._members > self._limits.max_members:
                message = f"the {self._method.name} data has more than {self._limits.max_members:,} members"
                raise LimitError(message, source=self._source, offset=self._inner.offset)
            return
        self._done = True
        if head.strip(b"\0"):
            message = f"bytes that are no {self._method.name} follow the {self._method.name} data; ignored"
            self._defects.append(Defect("trailing-bytes", message, offset=self._inner.offset))

    def _count(self, size: int) -> None:
        self._output += size
        limits = self._limits
        hint = f"if it is meant to be like this, raise {RAISE_VARIABLE}, or unpack it first"
        if self._output > limits.max_unpacked:
            message = f"the {self._method.name} data is more than {limits.max_unpacked // MIB} MiB unpacked"
            raise LimitError(message, source=self._source, hint=hint)
        if self._output > limits.ratio_floor + limits.max_ratio * self._inner.offset:
            message = (
                f"the {self._method.name} data grows more than {limits.max_ratio} times "
                f"({self._inner.offset:,} bytes to {self._output:,} so far)"
            )
            raise LimitError(message, source=self._source, offset=self._inner.offset, hint=hint)

    def _error(self, what: str, hint: str) -> InputError:
        message = f"the {self._method.name} data {what}"
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
    for _ in range(limits.max_layers):
        method = compression_of(stream.peek(6))
        if method is None:
            return stream
        stream = Stream(_Layer(stream, method, source, noted, limits).pull)
    if compression_of(stream.peek(6)):
        raise LimitError(f"it is compressed more than {limits.max_layers} times", source=source)
    return stream
