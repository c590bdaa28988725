# SPDX-License-Identifier: MIT
"""LZO1X and snappy: streams written by hand after their format's description, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from drmemctl.formats.page_compression import lzo1x, snappy
from tests.cases import each

END = b"\x11\0\0"


@each(
    ("stream", "expected"),
    [
        # A first byte above 17: so many literals less 17.
        (bytes([17 + 4]) + b"abcd" + END, b"abcd"),
        # Then a match of 3 to 4 bytes near by: 010DDDSS, distance 1 + D + 8 * H.
        (bytes([17 + 4]) + b"abcd" + bytes([0x40 | 3 << 2, 0]) + END, b"abcdabc"),
        # 001LLLLL: 2 + L bytes, distance in two bytes; here it repeats one byte.
        (bytes([17 + 4]) + b"abcd" + bytes([0x20 | 8, 0, 0]) + END, b"abcd" + b"d" * 10),
        # A long one: zeros of 255 each.
        (bytes([17 + 4]) + b"abcd" + bytes([0x20, 0, 5, 0, 0]) + END, b"abcd" + b"d" * (2 + 31 + 255 + 5)),
    ],
)
def test_lzo(stream: bytes, expected: bytes) -> None:
    assert lzo1x(stream, 4096) == expected


@each(
    ("stream", "expected"),
    [
        (b"\x04" + bytes([3 << 2]) + b"abcd", b"abcd"),
        (b"\x08" + bytes([3 << 2]) + b"abcd" + bytes([1, 4]), b"abcdabcd"),  # copy of 4, one byte of distance
        (b"\x0a" + bytes([3 << 2]) + b"abcd" + bytes([5 << 2 | 2, 1, 0]), b"abcd" + b"d" * 6),
        (b"\x46" + bytes([60 << 2, 69]) + bytes(70), bytes(70)),
    ],
)
def test_snappy(stream: bytes, expected: bytes) -> None:
    assert snappy(stream, 4096) == expected


@each("decode", [lzo1x, snappy])
def test_no_bytes_do_anything_but_raise(decode: Callable[[bytes, int], bytes]) -> None:
    seed = random.Random(7)
    for _ in range(2000):
        data = seed.randbytes(seed.randrange(60))
        with suppress(ValueError):
            assert len(decode(data, 4096)) <= 4096 + 64


@each("stream", [b"", b"\x15ab", b"\x15abcd" + bytes([0x40 | 7 << 2, 9]) + END])
def test_lzo_refuses(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r"page"):
        lzo1x(stream, 4096)


def pages() -> list[bytes]:
    """Return pages that compress well, badly and not at all, with repetitions near by and far away."""
    seed = random.Random(11)
    some = [bytes(65536), seed.randbytes(65536), b""]
    for _ in range(60):
        parts = (
            seed.choice(
                [b"a" * seed.randrange(500), seed.randbytes(seed.randrange(40)), b"xyz" * seed.randrange(9)]
            )
            for _ in range(seed.randrange(1, 2000))
        )
        some.append(b"".join(parts)[:65536])
    return some


def test_lzo_as_the_library_compresses_it() -> None:
    compressor = pytest.importorskip("lzallright").LZOCompressor()
    for page in pages():
        data = compressor.compress(page)
        assert lzo1x(data, 65536) == page
        begin = lzo1x(data, 65536, 700)
        assert begin == page[: len(begin)]
        assert len(begin) >= min(700, len(page))


def test_snappy_as_the_library_compresses_it() -> None:
    library = pytest.importorskip("cramjam").snappy
    for page in pages():
        data = bytes(library.compress_raw(page))
        assert snappy(data, 65536) == page
        begin = snappy(data, 65536, 700)
        assert begin == page[: len(begin)]
        assert len(begin) >= min(700, len(page))
