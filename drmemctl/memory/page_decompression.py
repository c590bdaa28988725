# SPDX-License-Identifier: MIT
"""Decompression of the pages of a dump, and an estimate of its cost."""

from __future__ import annotations

import zlib

from drmemctl.formats import disk_dump
from drmemctl.formats.page_compression import lzo1x, snappy
from drmemctl.zstd import first_bytes

IN_PYTHON = disk_dump.LZO | disk_dump.SNAPPY
"""Flags of pages that are decompressed in Python."""


def decompression_cost(size: int, flags: int, enough: int) -> int:
    """Return the cost of decompressing `size` bytes up to `enough` bytes of output, in bytes copied by C.

    Python's loops (LZO, snappy) cost by the byte of input; the decompressors in C by what they write.
    """
    if flags & IN_PYTHON:
        return 1024 + min(8 * size, 16 * enough) + enough
    return 1024 + size + enough // 4


def decompressed(data: bytes, flags: int, page_size: int, enough: int) -> bytes:
    """Return a page that is compressed as flags say, or at least the first `enough` bytes of it."""
    if flags & disk_dump.ZLIB:
        return zlib.decompressobj().decompress(data, enough)
    if flags & disk_dump.LZO:
        return lzo1x(data, page_size, enough)
    if flags & disk_dump.SNAPPY:
        return snappy(data, page_size, enough)
    if flags & disk_dump.ZSTD:
        return first_bytes(data, enough)
    return data
