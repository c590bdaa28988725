# SPDX-License-Identifier: MIT
"""A compressed dump with its pages as LZO: `python -m tests.memory.to_lzo ZLIB-DUMP OUT`.

QEMU as Debian builds it writes dumps with zlib only (`dump-guest-memory -z`): the large LZO dumps that are
measured come from here.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from lzallright import LZOCompressor

from drmemctl.formats.disk_dump import (
    LZO,
    PAGE_DESCRIPTOR_SIZE,
    ZLIB,
    block_size_of,
    decode_disk_dump,
    decode_page_descriptor,
)
from drmemctl.memory.file import random_access

_STATUS = 424
"""Offset of `status` in the header."""


def to_lzo(source: Path, out: Path) -> None:
    """Write a dump anew, its pages as LZO."""
    compressed_by(source, out, LZO, LZOCompressor().compress)


def compressed_by(source: Path, out: Path, flag: int, compress: Callable[[bytes], bytes]) -> None:
    """Write a dump anew with its pages compressed otherwise; pages that share their bytes share them again."""
    with source.open("rb") as file, out.open("wb") as target:
        reader = random_access(file, str(source))
        head = reader.read(0, 4096)
        header = decode_disk_dump(head, reader.read(block_size_of(head) or 0, 4096))
        assert header is not None
        order = header.byte_order
        bitmap = reader.read(header.bitmap_offset, header.bitmap_size)
        count = int.from_bytes(bitmap, "little").bit_count()
        begin = header.descriptors_offset
        target.write(reader.read(0, begin))
        end = begin + PAGE_DESCRIPTOR_SIZE * count
        places: dict[int, tuple[int, int, int]] = {}
        descriptors: list[bytes] = []
        target.seek(end)
        for number in range(count):
            data = reader.read(begin + PAGE_DESCRIPTOR_SIZE * number, PAGE_DESCRIPTOR_SIZE)
            descriptor = decode_page_descriptor(data, order)
            assert descriptor is not None
            if descriptor.offset not in places:
                page = reader.read(descriptor.offset, descriptor.size)
                page = zlib.decompress(page) if descriptor.flags & ZLIB else page
                packed = compress(page)
                smaller = len(packed) < len(page)
                places[descriptor.offset] = (
                    target.tell(),
                    len(packed if smaller else page),
                    flag if smaller else 0,
                )
                target.write(packed if smaller else page)
            at, size, flags = places[descriptor.offset]
            descriptors.append(struct.pack(f"{order}QIIQ", at, size, flags, descriptor.page_flags))
        target.seek(begin)
        target.write(b"".join(descriptors))
        target.seek(_STATUS)
        target.write(struct.pack(f"{order}I", header.status & ~ZLIB | flag))


if __name__ == "__main__":
    to_lzo(Path(sys.argv[1]), Path(sys.argv[2]))
