# SPDX-License-Identifier: MIT
"""Compressed kernel dumps (`KDUMP   `) and the flattened form of them.

Source: makedumpfile diskdump_mod.h and makedumpfile.h (struct disk_dump_header, kdump_sub_header, page_desc,
makedumpfile_header, makedumpfile_data_header); QEMU include/sysemu/dump.h writes the same.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGIC = b"KDUMP   "
FLAT_MAGIC = b"makedumpfile"
FLAT_HEADER_SIZE = 4096
"""Bytes before the first record of the flattened form."""

FLAT_RECORD = struct.Struct(">qq")
"""A record: offset in the dump and number of bytes, which follow; a negative offset ends it."""

PAGE_DESCRIPTOR_SIZE = 24
ZLIB, LZO, SNAPPY, INCOMPLETE, ZSTD = 0x1, 0x2, 0x4, 0x8, 0x20
"""`flags` of a page: how it is compressed; `INCOMPLETE` of the header: the disk was full."""

_HEADER_SIZE = 464
_MAX_VERSION = 99


class DiskDumpHeader(NamedTuple):
    """The header and sub header; sizes in bytes.

    Attributes:
        byte_order: `<` or `>`.
        version: of the format, 1 to 6.
        machine: the architecture as `uname -m` prints it; untrusted text.
        status: `INCOMPLETE` where the dump ends early.
        block_size: bytes of a page of the dump.
        sub_header_blocks: blocks of the sub header.
        bitmap_blocks: blocks of both bitmaps together.
        page_count: frames that the bitmaps are about.
        vmcoreinfo: offset and size of the text, (0, 0) where there is none.
        dump_level: what makedumpfile left out (-d).
        is_part: whether it has the pages of a part of memory only (--split), others are in other files.

    """

    byte_order: str
    version: int
    machine: str
    status: int
    block_size: int
    sub_header_blocks: int
    bitmap_blocks: int
    page_count: int
    vmcoreinfo: tuple[int, int]
    dump_level: int
    is_part: bool

    @property
    def bitmap_offset(self) -> int:
        """Where the second bitmap begins, which tells the pages that are in the dump."""
        return self.block_size * (1 + self.sub_header_blocks) + self.bitmap_blocks * self.block_size // 2

    @property
    def bitmap_size(self) -> int:
        """Bytes of the second bitmap that are used."""
        return min(self.bitmap_blocks * self.block_size // 2, self.page_count // 8 + 1)

    @property
    def descriptors_offset(self) -> int:
        """Where the page descriptors begin, one for each page that is in the dump."""
        return self.block_size * (1 + self.sub_header_blocks + self.bitmap_blocks)


def block_size_of(data: bytes) -> int | None:
    """Return the bytes of a block, at which the sub header begins; None for what is no such header."""
    header = _fixed(data)
    return None if header is None else header[4]


def decode_disk_dump(data: bytes, sub_header: bytes) -> DiskDumpHeader | None:
    """Return both headers; None for what is none."""
    fixed = _fixed(data)
    if fixed is None or len(sub_header) < 48:
        return None
    order, version, machine, status, block_size, sub_blocks, bitmap_blocks, page_count = fixed
    level, split = struct.unpack_from(order + "ii", sub_header, 8)
    vmcoreinfo = struct.unpack_from(order + "QQ", sub_header, 32) if version >= 3 else (0, 0)
    if version >= 6 and len(sub_header) >= 104:
        page_count = max(page_count, struct.unpack_from(order + "Q", sub_header, 96)[0])
    return DiskDumpHeader(
        *(order, version, machine, status, block_size, sub_blocks, bitmap_blocks, page_count, vmcoreinfo, level),
        is_part=version >= 2 and bool(split),
    )


def _fixed(data: bytes) -> tuple[str, int, str, int, int, int, int, int] | None:
    if len(data) < _HEADER_SIZE or not data.startswith(MAGIC):
        return None
    order = "<" if struct.unpack_from("<I", data, 8)[0] < _MAX_VERSION else ">"
    (version,) = struct.unpack_from(order + "I", data, 8)
    # struct new_utsname: six texts of 65 bytes, the fifth of which is the machine; then padding and a timeval.
    machine = data[12 + 4 * 65 : 12 + 5 * 65].partition(b"\0")[0].decode("latin-1")
    status, block_size, sub_blocks, bitmap_blocks, page_count = struct.unpack_from(order + "IiiII", data, 424)
    is_size = 4096 <= block_size <= 1 << 20 and block_size & block_size - 1 == 0
    if not is_size or not 0 < version < _MAX_VERSION or not 0 < sub_blocks < 1 << 16:
        return None
    return order, version, machine, status, block_size, sub_blocks, bitmap_blocks, page_count


class PageDescriptor(NamedTuple):
    """Where a page is in the file, its bytes there, and how it is compressed."""

    offset: int
    size: int
    flags: int
    page_flags: int


def decode_page_descriptor(data: bytes, order: str) -> PageDescriptor | None:
    """Return a page descriptor, None where it is cut."""
    if len(data) < PAGE_DESCRIPTOR_SIZE:
        return None
    return PageDescriptor._make(struct.unpack_from(order + "QIIQ", data))
