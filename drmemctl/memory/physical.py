# SPDX-License-Identifier: MIT
"""Physical memory as a dump holds it: ELF cores (kdump's, QEMU's, /proc/kcore) and compressed dumps."""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.formats import disk_dump, elf_core
from drmemctl.formats.page_compression import lzo1x, snappy
from drmemctl.memory.file import RandomAccess
from drmemctl.zstd import first_bytes

LINEAR = 0xC000_0000_0000_0000
"""Where the kernel of ppc64 has physical address 0: Linux arch/powerpc/include/asm/page.h, PAGE_OFFSET."""

LINEAR_SIZE = 1 << 51
"""Bytes of the linear map of radix and hash: Linux asm/book3s/64, H_KERN_VIRT_START, RADIX_KERN_VIRT_START."""

_KERNEL = 1 << 63
"""Virtual addresses of the kernel have this bit; QEMU puts 0 or the physical address where one should be."""

_MOST_SEGMENTS = 1 << 20
_MOST_BITMAP = 1 << 28
_MOST_NOTES = 1 << 22
_KEPT_PAGES = 1024
"""Pages kept decompressed: 64 MiB of those of 64 KiB."""

_MOST_DECOMPRESSED = 256 << 20
"""Bytes of pages that are decompressed of one dump: LZO takes some 50 ms a MiB here."""

_RANK_BYTES = 512
"""Bytes of a bitmap for which the number of pages before them is kept."""

_PAGE_ERRORS = "the dump is damaged there"


class AbsentMemoryError(DrmemctlError):
    """An address whose memory is not in the dump."""


class Dump(Protocol):
    """A dump: physical memory, and what the dump says of itself."""

    @property
    def form(self) -> str:
        """What kind of dump it is, for people."""

    @property
    def vmcoreinfo(self) -> bytes | None:
        """The text of VMCOREINFO that the dump carries, None where it has none."""

    def read(self, address: int, size: int) -> bytes:
        """Return memory at a physical address; `AbsentMemoryError` where the dump does not have all of it."""

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield what memory there is: address and bytes, ascending."""


def is_dump(head: bytes) -> bool:
    """Whether an input is a dump by its first bytes; a core of any machine is: that has an error of its own."""
    if head.startswith((disk_dump.MAGIC, disk_dump.FLAT_MAGIC)):
        return True
    # e_type, in the byte order of the header.
    return head.startswith(elf_core.MAGIC) and elf_core.CORE in head[16:18]


def open_dump(file: RandomAccess, source: str) -> Dump:
    """Return the memory in a dump, whichever kind it is; `InputError` for what is no dump of a ppc64 kernel."""
    magic = file.read(0, len(disk_dump.MAGIC))
    return CompressedDump(file, source) if magic == disk_dump.MAGIC else CoreDump(file, source)


class CoreDump:
    """An ELF core. `p_vaddr` in the linear map tells the address, else `p_paddr`: QEMU has none in `p_vaddr`."""

    def __init__(self, file: RandomAccess, source: str) -> None:
        self._file = file
        self.vmcoreinfo: bytes | None = None
        header = elf_core.decode_core_header(file.read(0, elf_core.HEADER_SIZE))
        if header is None or header.type != elf_core.CORE:
            hint = "a dump is what kdump, makedumpfile or dump-guest-memory wrote, or /proc/kcore"
            raise InputError("this ELF file is no core of 64 bits", source=source, hint=hint)
        if header.machine != elf_core.PPC64:
            message = (
                f"this is a dump of another architecture (e_machine {header.machine}, ppc64 is {elf_core.PPC64})"
            )
            raise InputError(message, source=source, hint="drmem is on IBM pseries alone")
        table = _segment_table(file, header, source)
        segments: list[tuple[int, int, int, int]] = []
        for segment in elf_core.decode_program_headers(table, header.byte_order):
            if segment.type == elf_core.LOAD and segment.memory_size:
                address = segment.physical
                if LINEAR <= segment.virtual < LINEAR + LINEAR_SIZE:
                    address = segment.virtual - LINEAR
                elif segment.virtual >= _KERNEL:
                    continue  # vmalloc, vmemmap: the same memory is in the linear map
                segments.append((address, segment.file_size, segment.offset, segment.memory_size))
            elif segment.type == elf_core.NOTE and self.vmcoreinfo is None:
                notes = file.read(segment.offset, min(segment.file_size, _MOST_NOTES))
                self.vmcoreinfo = elf_core.note_content(notes, header.byte_order, b"VMCOREINFO")
        self._segments = sorted(segments)
        self._begins = [segment[0] for segment in self._segments]
        order = "little" if header.byte_order == "<" else "big"
        self.form = f"ELF core, {order}-endian headers, {len(segments):,} segments"

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the segments."""
        return ((address, size) for address, _, _, size in self._segments)

    def read(self, address: int, size: int) -> bytes:
        """Return memory at a physical address."""
        pieces: list[bytes] = []
        while size > 0:
            piece = self._piece(address, size)
            pieces.append(piece)
            address += len(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, address: int, size: int) -> bytes:
        index = bisect_right(self._begins, address) - 1
        # A segment may begin within the one before: /proc/kcore has the kernel's image twice.
        for begin, file_size, offset, memory_size in reversed(self._segments[max(0, index - 2) : index + 1]):
            within = address - begin
            if within < file_size:
                piece = self._file.read(offset + within, min(size, file_size - within))
                if not piece:
                    raise AbsentMemoryError(
                        f"physical address {address:#x} is not in the dump: the file ends before it", hint=_CUT
                    )
                return piece
            if within < memory_size:
                return bytes(min(size, memory_size - within))  # zeros take no room in a core
        raise AbsentMemoryError(f"physical address {address:#x} is not in the dump")


_CUT = "it was cut: copy it once more"


def _segment_table(file: RandomAccess, header: elf_core.CoreHeader, source: str) -> bytes:
    count = header.segments
    if count == elf_core.MANY:
        count = elf_core.section_count(file.read(header.section_headers, 64), header.byte_order)
    if count > _MOST_SEGMENTS:
        raise LimitError(f"the core has {count:,} segments, more than {_MOST_SEGMENTS:,}", source=source)
    table = file.read(header.program_headers, count * elf_core.PROGRAM_HEADER_SIZE)
    if len(table) < count * elf_core.PROGRAM_HEADER_SIZE:
        message = "the core ends within its program headers"
        raise InputError(message, source=source, offset=header.program_headers, hint=_CUT)
    return table


class CompressedDump:
    """A dump as makedumpfile and QEMU compress it: a bitmap of the pages that are there, and each for itself."""

    def __init__(self, file: RandomAccess, source: str) -> None:
        self._file = file
        head = file.read(0, 4096)
        size = disk_dump.block_size_of(head)
        header = None if size is None else disk_dump.decode_disk_dump(head, file.read(size, 4096))
        if header is None:
            raise InputError("the header of this compressed dump is damaged", source=source, offset=0, hint=_CUT)
        if header.machine not in ("ppc64le", "ppc64", ""):
            message = f"this is a dump of another architecture ({header.machine[:20]!a})"
            raise InputError(message, source=source, hint="drmem is on IBM pseries alone")
        if header.bitmap_size > _MOST_BITMAP:
            raise LimitError(f"the bitmap of the dump has {header.bitmap_size:,} bytes", source=source)
        self._header = header
        self._bitmap = file.read(header.bitmap_offset, header.bitmap_size)
        self._ranks = [0]
        for begin in range(0, len(self._bitmap), _RANK_BYTES):
            chunk = self._bitmap[begin : begin + _RANK_BYTES]
            self._ranks.append(self._ranks[-1] + int.from_bytes(chunk, "little").bit_count())
        offset, length = header.vmcoreinfo
        self.vmcoreinfo = file.read(offset, min(length, _MOST_NOTES)) if offset and length else None
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._room = _MOST_DECOMPRESSED
        self._source = source
        order = "little" if header.byte_order == "<" else "big"
        self.form = (
            f"compressed dump of version {header.version}, {order}-endian, {self._ranks[-1]:,} pages of "
            f"{header.block_size} bytes"
        )

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the pages that are there, eight by eight."""
        size = 8 * self._header.block_size
        for match in re.finditer(rb"[^\0]+", self._bitmap):
            yield match.start() * size, (match.end() - match.start()) * size

    def read(self, address: int, size: int) -> bytes:
        """Return memory at a physical address."""
        page_size = self._header.block_size
        pieces: list[bytes] = []
        while size > 0:
            begin = address % page_size
            piece = self._page(address // page_size)[begin : begin + size]
            pieces.append(piece)
            address += len(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _page(self, frame: int) -> bytes:
        page = self._pages.get(frame)
        if page is None:
            page = self._decompressed(frame)
            self._room -= len(page)
            if self._room < 0:
                message = f"what is looked for is not in the first {_MOST_DECOMPRESSED >> 20} MiB of pages read"
                raise LimitError(message, source=self._source, hint="write the dump as ELF: makedumpfile -E")
            self._pages[frame] = page
            if len(self._pages) > _KEPT_PAGES:
                self._pages.popitem(last=False)
        return page

    def _decompressed(self, frame: int) -> bytes:
        header, address = self._header, frame * self._header.block_size
        if frame // 8 >= len(self._bitmap) or not self._bitmap[frame // 8] >> frame % 8 & 1:
            level = f" (dump level {header.dump_level})" if header.dump_level else ""
            absent = f"the page at physical address {address:#x} is not in the dump"
            if header.status & disk_dump.INCOMPLETE:
                why, hint = ", which was not written to its end", "the disk was full, or makedumpfile was stopped"
                raise AbsentMemoryError(f"{absent}{why}", hint=hint)
            raise AbsentMemoryError(
                f"{absent}: makedumpfile left it out{level}",
                hint="write the dump with a lower level: makedumpfile -d 1",
            )
        chunk = frame // (8 * _RANK_BYTES)
        before = int.from_bytes(self._bitmap[chunk * _RANK_BYTES : frame // 8 + 1], "little")
        rank = self._ranks[chunk] + (before & (1 << frame - chunk * 8 * _RANK_BYTES) - 1).bit_count()
        where = header.descriptors_offset + rank * disk_dump.PAGE_DESCRIPTOR_SIZE
        descriptor = disk_dump.decode_page_descriptor(
            self._file.read(where, disk_dump.PAGE_DESCRIPTOR_SIZE), header.byte_order
        )
        if descriptor is None or not 0 < descriptor.size <= 2 * header.block_size:
            raise AbsentMemoryError(f"the page at physical address {address:#x} has no descriptor", hint=_CUT)
        data = self._file.read(descriptor.offset, descriptor.size)
        try:
            page = _decompressed(data, descriptor.flags, header.block_size)
        except (ValueError, zlib.error) as error:
            raise AbsentMemoryError(
                f"the page at physical address {address:#x} cannot be decompressed: {error}", hint=_PAGE_ERRORS
            ) from None
        if len(page) != header.block_size:
            message = f"the page at physical address {address:#x} has {len(page)} bytes, not {header.block_size}"
            raise AbsentMemoryError(message, hint=_CUT if len(data) < descriptor.size else _PAGE_ERRORS)
        return page


def _decompressed(data: bytes, flags: int, page_size: int) -> bytes:
    if flags & disk_dump.ZLIB:
        return zlib.decompressobj().decompress(data, page_size)
    if flags & disk_dump.LZO:
        return lzo1x(data, page_size)
    if flags & disk_dump.SNAPPY:
        return snappy(data, page_size)
    if flags & disk_dump.ZSTD:
        return first_bytes(data, page_size)
    return data
