# SPDX-License-Identifier: MIT
"""Physical memory as a dump holds it: ELF cores (kdump's, QEMU's, /proc/kcore) and compressed dumps."""

from __future__ import annotations

import re
import zlib
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from operator import add
from typing import Protocol

from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.formats import disk_dump, elf_core
from drmemctl.memory.file import Allowance, RandomAccess, in_pieces
from drmemctl.memory.page_decompression import IN_PYTHON, decompressed, decompression_cost

LINEAR = 0xC000_0000_0000_0000
"""Where the kernel of ppc64 has physical address 0: Linux arch/powerpc/include/asm/page.h, PAGE_OFFSET."""

LINEAR_SIZE = 1 << 51
"""Bytes of the linear map of radix and hash: Linux asm/book3s/64, H_KERN_VIRT_START, RADIX_KERN_VIRT_START."""

_ADDRESSES = 1 << 64
_MOST_SEGMENTS = 1 << 20
_MOST_BITMAP = 1 << 28
_MOST_NOTES = 1 << 22
_MOST_PIECES = 1 << 20
"""Pieces that all reads of a core together are put together of: hostile ones have segments of a byte."""

_WINDOW = 1 << 16
"""Bytes of a core that are read at once: most reads are of a few words, near to one another."""

_KEPT = 64 << 20
"""Bytes of pages that are kept decompressed."""

_MOST_WORK = 192 << 20
"""What may be decompressed of one dump, by `work`: some seconds' worth."""

_IN_FILE = (LINEAR >> 48, 0)
"""The upper bits of `p_vaddr` of segments that a file holds; others of /proc/kcore lie beyond any end."""

_MACHINES = ("ppc64le", "ppc64", "Unknown", "")
"""Architectures of a compressed dump; QEMU does not know that of pseries (target/ppc/arch_dump.c)."""

_RANK_BYTES = 512
"""Bytes of a bitmap for which the number of pages before them is kept."""

_BITMAP_PIECE = 1 << 20
"""Bytes of a bitmap that are looked at in one piece; a dump of some TiB has 100 MiB of them."""

_PAGE_ERRORS = "the dump is damaged there"


class AbsentMemoryError(DrmemctlError):
    """An address whose memory is not in the dump."""

    def about(self, structure: str) -> AbsentMemoryError:
        """Return the error as one about the structure of the kernel that is there."""
        message = f"{structure} cannot be read: {self.message}"
        return AbsentMemoryError(message, source=self.source, path=self.path, hint=self.hint)


class Dump(Protocol):
    """A dump: physical memory, and what the dump says of itself."""

    @property
    def form(self) -> str:
        """What kind of dump it is, for people."""

    @property
    def vmcoreinfo(self) -> bytes | None:
        """The text of VMCOREINFO that the dump carries, None where it has none."""

    @property
    def cut(self) -> str:
        """Where the file ends that should go on; empty for a whole one."""

    @property
    def is_slow(self) -> bool:
        """Whether pages are decompressed in Python, so that no more are read than have to be."""

    def read(self, address: int, size: int) -> bytes:
        """Return memory at a physical address; `AbsentMemoryError` where the dump does not have all of it."""

    def peek(self, address: int, size: int) -> bytes:
        """Return the same, of a page near to which nothing else will be read."""

    def has(self, address: int) -> bool:
        """Whether the dump has memory at a physical address; costs less than an `AbsentMemoryError`."""

    def forget(self) -> None:
        """Forget what was read: a kernel that runs changes it, and the next read is of what is there then."""

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
    """An ELF core. `p_vaddr` in the linear map tells the address, else `p_paddr`: QEMU has that in both."""

    is_slow = False

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
        columns = array("Q"), array("Q"), array("Q"), array("Q")
        last = header.program_headers
        room = _MOST_NOTES
        for segment in elf_core.decode_program_headers(table, header.byte_order):
            if segment.file_size and segment.virtual >> 48 in _IN_FILE:
                last = max(last, segment.offset + segment.file_size - 1)
            if segment.type == elf_core.LOAD and segment.memory_size:
                address = segment.physical
                if LINEAR <= segment.virtual < LINEAR + LINEAR_SIZE:
                    address = segment.virtual - LINEAR
                elif segment.virtual >= LINEAR:
                    continue  # vmalloc, vmemmap: the same memory is in the linear map
                values = (address, segment.file_size, segment.offset, segment.memory_size)
                for column, value in zip(columns, values, strict=True):
                    column.append(value)
            elif segment.type == elf_core.NOTE and self.vmcoreinfo is None and room > 0:
                notes = file.read(segment.offset, min(segment.file_size, room))
                room -= len(notes) + elf_core.PROGRAM_HEADER_SIZE
                self.vmcoreinfo = elf_core.note_content(notes, header.byte_order, b"VMCOREINFO")
        by_address = array("Q", sorted(range(len(columns[0])), key=columns[0].__getitem__))
        self.cut = "" if file.read(last, 1) else f"the file was cut: it ends before offset {last:#x}"
        self._begins, self._file_sizes, self._offsets, self._sizes = (
            array("Q", map(column.__getitem__, by_address)) for column in columns
        )
        # The highest end of each segment and those before it: where it is too low, none of them has an address.
        ends = map(add, self._begins, map(max, self._file_sizes, self._sizes))
        self._reach = array("Q", (min(end, _ADDRESSES - 1) for end in accumulate(ends, max)))
        self._pieces = Allowance(
            _MOST_PIECES, f"more than {_MOST_PIECES:,} pieces of the core's segments would have to be read", source
        )
        self._window, self._window_begin = b"", 0
        order = "little" if header.byte_order == "<" else "big"
        self.form = f"ELF core, {order}-endian headers, {len(by_address):,} segments"

    def forget(self) -> None:
        """Forget what was read ahead."""
        self._window = b""

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the segments."""
        return zip(self._begins, self._sizes, strict=True)

    def has(self, address: int) -> bool:
        """Whether a segment has the address."""
        return self._segment_with(address) is not None

    def _segment_with(self, address: int) -> int | None:
        """Return the last segment that has an address; they may lie in one another, as those of /proc/kcore."""
        index = bisect_right(self._begins, address) - 1
        while index >= 0 and address < self._reach[index]:
            if address - self._begins[index] < max(self._file_sizes[index], self._sizes[index]):
                return index
            self._pieces.spend()
            index -= 1
        return None

    def read(self, address: int, size: int) -> bytes:
        """Return memory at a physical address."""
        at = address - self._window_begin
        if 0 <= at <= len(self._window) - size:
            return self._window[at : at + size]
        return in_pieces(self._piece, address, size)

    peek = read

    def _piece(self, address: int, size: int) -> bytes:
        """Return at most `size` bytes, as many as one segment has."""
        self._pieces.spend()
        index = self._segment_with(address)
        if index is None:
            raise AbsentMemoryError(f"physical address {address:#x} is not in the dump")
        within = address - self._begins[index]
        in_file = self._file_sizes[index] - within
        if in_file <= 0:
            return bytes(min(size, self._sizes[index] - within))  # zeros take no room in a core
        most = in_file
        if most > size:  # read ahead, but for what a later segment has
            following = self._begins[index + 1] - address if index + 1 < len(self._begins) else most
            most = max(size, min(most, _WINDOW, following))
        window = self._file.read(self._offsets[index] + within, most)
        if not window:
            message = f"physical address {address:#x} is not in the dump: the file ends before it"
            raise AbsentMemoryError(message, hint=_CUT)
        if len(window) <= size:
            return window
        self._window, self._window_begin = window, address
        return window[:size]


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
        if header.machine not in _MACHINES:
            message = f"this is a dump of another architecture ({header.machine[:20]!a})"
            raise InputError(message, source=source, hint="drmem is on IBM pseries alone")
        if header.is_part:
            message = "this is a part of a dump that was split (makedumpfile --split)"
            raise InputError(message, source=source, hint="join the parts: makedumpfile --reassemble PART… DUMP")
        if header.bitmap_size > _MOST_BITMAP:
            raise LimitError(f"the bitmap of the dump has {header.bitmap_size:,} bytes", source=source)
        self._header = header
        self._ranks = array("Q", [0])
        for begin in range(0, header.bitmap_size, _BITMAP_PIECE):
            piece = self._bitmap(begin, _BITMAP_PIECE)
            if len(piece) < min(_BITMAP_PIECE, header.bitmap_size - begin):
                message = "the compressed dump ends within its bitmap"
                raise InputError(
                    message, source=source, offset=header.bitmap_offset + begin + len(piece), hint=_CUT
                )
            for at in range(0, len(piece), _RANK_BYTES):
                chunk = piece[at : at + _RANK_BYTES]
                self._ranks.append(self._ranks[-1] + int.from_bytes(chunk, "little").bit_count())
        offset, length = header.vmcoreinfo
        self.vmcoreinfo = file.read(offset, min(length, _MOST_NOTES)) if offset and length else None
        self._chunk, self._chunk_bits = -1, 0
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._most_pages = max(1, _KEPT // header.block_size)
        message = "too many pages of this dump would have to be decompressed"
        self._work = Allowance(_MOST_WORK, message, source, "write the dump as ELF: makedumpfile -E")
        self.cut = self._cut()
        self.is_slow = bool(header.status & IN_PYTHON)
        order = "little" if header.byte_order == "<" else "big"
        self.form = (
            f"compressed dump of version {header.version}, {order}-endian, {self._ranks[-1]:,} pages of "
            f"{header.block_size} bytes"
        )

    def _cut(self) -> str:
        """Return where the file ends if it does before its last page."""
        count = self._ranks[-1]
        last = self._header.descriptors_offset + disk_dump.PAGE_DESCRIPTOR_SIZE * (count - 1)
        descriptor = disk_dump.decode_page_descriptor(
            self._file.read(last, disk_dump.PAGE_DESCRIPTOR_SIZE), self._header.byte_order
        )
        if descriptor is not None:
            last = descriptor.offset + max(descriptor.size, 1) - 1
        is_cut = count and not self._file.read(last, 1)
        return f"the file was cut: it ends before offset {last:#x}" if is_cut else ""

    def _bitmap(self, begin: int, size: int) -> bytes:
        size = max(0, min(size, self._header.bitmap_size - begin))
        return self._file.read(self._header.bitmap_offset + begin, size)

    def has(self, address: int) -> bool:
        """Whether the bitmap has the page of an address."""
        return self._rank(address // self._header.block_size) is not None

    def forget(self) -> None:
        """Forget pages that were decompressed."""
        self._pages.clear()

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the pages that are there, eight by eight."""
        size = 8 * self._header.block_size
        for begin in range(0, self._header.bitmap_size, _BITMAP_PIECE):
            for match in re.finditer(rb"[^\0]+", self._bitmap(begin, _BITMAP_PIECE)):
                yield (begin + match.start()) * size, (match.end() - match.start()) * size

    def read(self, address: int, size: int) -> bytes:
        """Return memory at a physical address."""
        return in_pieces(self._piece, address, size)

    def peek(self, address: int, size: int) -> bytes:
        """Return the same; of the page no more is decompressed than has to be, and nothing is kept."""
        frame, begin = divmod(address, self._header.block_size)
        if frame in self._pages or begin + size > self._header.block_size:
            return self.read(address, size)
        return self._decompressed(frame, begin + size)[begin : begin + size]

    def _piece(self, address: int, size: int) -> bytes:
        """Return at most `size` bytes, as many as one page has."""
        frame, begin = divmod(address, self._header.block_size)
        page = self._pages.get(frame)
        if page is None:
            page = self._pages[frame] = self._decompressed(frame, self._header.block_size)
            if len(self._pages) > self._most_pages:
                self._pages.popitem(last=False)
        return page[begin : begin + size]

    def _decompressed(self, frame: int, enough: int) -> bytes:
        """Return a page, or the first bytes of it: at least `enough`."""
        header, address = self._header, frame * self._header.block_size
        rank = self._rank(frame)
        if rank is None:
            raise self._absent(address)
        descriptor_offset = header.descriptors_offset + rank * disk_dump.PAGE_DESCRIPTOR_SIZE
        descriptor = disk_dump.decode_page_descriptor(
            self._file.read(descriptor_offset, disk_dump.PAGE_DESCRIPTOR_SIZE), header.byte_order
        )
        # makedumpfile and QEMU write a page as it is where it does not become smaller.
        if descriptor is None or not 0 < descriptor.size <= header.block_size:
            raise AbsentMemoryError(f"the page at physical address {address:#x} has no descriptor", hint=_CUT)
        data = self._file.read(descriptor.offset, descriptor.size)
        # Not every writer says in the header how pages are compressed.
        self.is_slow = self.is_slow or bool(descriptor.flags & IN_PYTHON)
        self._work.spend(decompression_cost(len(data), descriptor.flags, enough))
        try:
            page = decompressed(data, descriptor.flags, header.block_size, enough)
        except (ValueError, zlib.error) as error:
            raise AbsentMemoryError(
                f"the page at physical address {address:#x} cannot be decompressed: {error}", hint=_PAGE_ERRORS
            ) from None
        if len(page) < enough or len(page) > header.block_size:
            message = f"the page at physical address {address:#x} has {len(page)} bytes, not {header.block_size}"
            raise AbsentMemoryError(message, hint=_CUT if len(data) < descriptor.size else _PAGE_ERRORS)
        return page

    def _rank(self, frame: int) -> int | None:
        """Return how many pages are in the dump before one, None where that is not in it."""
        chunk, within = divmod(frame, 8 * _RANK_BYTES)
        if chunk != self._chunk:
            bits = int.from_bytes(self._bitmap(chunk * _RANK_BYTES, _RANK_BYTES), "little")
            self._chunk, self._chunk_bits = chunk, bits
        bits = self._chunk_bits
        if not bits >> within & 1:
            return None
        return self._ranks[chunk] + (bits & (1 << within) - 1).bit_count()

    def _absent(self, address: int) -> AbsentMemoryError:
        message = f"the page at physical address {address:#x} is not in the dump"
        if self._header.status & disk_dump.INCOMPLETE:
            hint = "the disk was full, or makedumpfile was stopped"
            return AbsentMemoryError(f"{message}, which was not written to its end", hint=hint)
        level = f" (dump level {self._header.dump_level})" if self._header.dump_level else ""
        hint = "write the dump with a lower level: makedumpfile -d 1"
        return AbsentMemoryError(f"{message}: makedumpfile left it out{level}", hint=hint)
