# SPDX-License-Identifier: MIT
"""A kernel's memory by virtual address: numbers in its byte order, texts, and what VMCOREINFO says of it.

The linear map of ppc64 holds the kernel's image, its slab and what it allocated at boot: neither the LMB array nor
the device tree needs page tables, so that hash and radix, pages of 4 and of 64 KiB are read alike.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping

from drmemctl.errors import InputError, LimitError
from drmemctl.formats.vmcoreinfo import LARGEST, MAGIC, Vmcoreinfo, decode_vmcoreinfo
from drmemctl.memory.file import Allowance
from drmemctl.memory.physical import LINEAR, LINEAR_SIZE, AbsentMemoryError, Dump

PAGE = 4096
"""Bytes in which memory is looked through, whatever the kernel's page is."""

_IMAGE = 128 << 20
"""Bytes in which the kernel's image lies: from 0, or in the memory reserved for a crash kernel."""

_AROUND = 8 << 20
"""Bytes around the variables that VMCOREINFO names, in which the others are looked for."""

_LANDMARKS = (
    *("node_data", "node_online_map", "vmemmap_list", "mmu_psize_defs", "mmu_vmemmap_psize", "clear_seq", "prb"),
    *("log_buf", "log_first_idx", "clear_idx", "init_uts_ns", "contig_page_data"),
)
_MOST_LOOKED_THROUGH = 1 << 30
_MOST_CANDIDATES = 1 << 18
"""Pointers that are followed: the data of Debian's 6.1 has 54,000 different ones."""

_MOST_READS = 1 << 21
"""Reads of the kernel's structures, each of up to a KiB: a tree and an array at their limits take half as many."""

_TOP = (LINEAR >> 48).to_bytes(2, "big")
"""The first bytes of a pointer into the linear map."""

_PRINTABLE = re.compile(rb"[\x21-\x7e]*\Z")


class KernelMemory:
    """The memory of one kernel in a dump.

    Attributes:
        dump: the physical memory.
        vmcoreinfo: what the kernel tells dump tools of itself.
        byte_order: `<` or `>`.
        pinned: addresses of variables that were named, by name; others are looked for.
        structs: members of structures by BTF, None as long as nobody asked.

    """

    def __init__(self, dump: Dump, source: str, text: bytes | None = None) -> None:
        """Take VMCOREINFO's text, or find it in the dump's notes or in memory; `InputError` where none is."""
        self.dump = dump
        self.source = source
        self.pinned: Mapping[str, int] = {}
        self.structs: Mapping[str, Mapping[str, int]] | None = None
        self._absent_pages: set[int] = set()
        self._first_absent: AbsentMemoryError | None = None
        self._reads = Allowance(_MOST_READS, f"more than {_MOST_READS:,} structures would have to be read", source)
        text = text or dump.vmcoreinfo or _vmcoreinfo_in_memory(dump)
        if text is None:
            raise InputError(
                "this dump has no VMCOREINFO, by which the kernel's structures are found",
                source=source,
                hint=dump.cut
                or "a dump of a guest before its kernel ran, or of a kernel without CONFIG_CRASH_CORE",
            )
        self.vmcoreinfo: Vmcoreinfo = decode_vmcoreinfo(text)
        self.byte_order = self._byte_order()

    def _byte_order(self) -> str:
        # The first node's pg_data_t is in the linear map: 0xc000… is its first or its last byte.
        at = self.vmcoreinfo.symbol("node_data")
        if at is None:
            hint = self.dump.cut or "the kernel has no NUMA (CONFIG_NUMA), or this is no dump of Linux on ppc64"
            raise InputError("VMCOREINFO does not name node_data", source=self.source, hint=hint)
        try:
            return "<" if self.read(at, 8)[7] == LINEAR >> 56 else ">"
        except AbsentMemoryError as error:
            raise error.about("the variable node_data") from None

    def read(self, address: int, size: int) -> bytes:
        """Return memory at a virtual address of the linear map; `AbsentMemoryError` where there is none."""
        if not LINEAR <= address <= LINEAR + LINEAR_SIZE - size:
            raise AbsentMemoryError(f"address {address:#x} is not in the kernel's linear map", source=self.source)
        self._reads.spend(1 + (size >> 10))
        return self.dump.read(address - LINEAR, size)

    def peek(self, address: int, size: int) -> bytes:
        """Return memory as `read` does, of a page near to which nothing else will be read."""
        if not LINEAR <= address <= LINEAR + LINEAR_SIZE - size:
            return self.read(address, size)
        self._reads.spend()
        return self.dump.peek(address - LINEAR, size)

    def u64s(self, address: int, count: int) -> tuple[int, ...]:
        """Return numbers of 64 bits."""
        return struct.unpack(f"{self.byte_order}{count}Q", self.read(address, 8 * count))

    def u64(self, address: int) -> int:
        """Return a number of 64 bits."""
        return self.u64s(address, 1)[0]

    def u32(self, address: int) -> int:
        """Return a number of 32 bits."""
        return int(struct.unpack(f"{self.byte_order}I", self.read(address, 4))[0])

    def text(self, address: int, most: int = 256) -> bytes:
        """Return a text of printable characters, without its NUL; `AbsentMemoryError` for anything else."""
        data = b""
        while b"\0" not in data and len(data) < most:
            # Not beyond a page: what follows may not be in the dump.
            at = address + len(data)
            data += self.read(at, min(64, PAGE - at % PAGE, most - len(data)))
        text, nul, _ = data.partition(b"\0")
        if not nul or not _PRINTABLE.match(text):
            raise AbsentMemoryError(f"there is no text at {address:#x}", source=self.source)
        return text

    def image(self) -> Iterator[tuple[int, bytes]]:
        """Yield pages around the variables that VMCOREINFO names: the kernel's own are there. (address, bytes)."""
        begin = self._image_begin()
        places = [
            address - LINEAR
            for name in _LANDMARKS
            if (address := self.vmcoreinfo.symbol(name)) and 0 <= address - LINEAR - begin < _IMAGE
        ]
        if places:
            yield from self._pages(max(min(places) - _AROUND, 0) & -PAGE, max(places) + _AROUND)

    def whole_image(self) -> Iterator[tuple[int, bytes]]:
        """Yield all pages that may be the kernel's image."""
        begin = self._image_begin()
        yield from self._pages(begin, begin + _IMAGE)

    def image_before_data(self) -> Iterator[tuple[int, bytes]]:
        """Yield the pages of the image up to its variables, each with the first bytes of the next one."""
        begin, end = self._image_begin(), (self.vmcoreinfo.symbol("node_data") or LINEAR) - LINEAR
        for address in range(begin, min(end, begin + _IMAGE), PAGE):
            try:
                if self.dump.has(address):
                    page = self.dump.read(address, PAGE)
                    yield LINEAR + address, page + self.dump.read(address + PAGE, 8)
            except AbsentMemoryError:
                continue

    def _image_begin(self) -> int:
        """Return where the image is looked for: KERNELOFFSET is 0 for a crash kernel as well."""
        return max(0, (self.vmcoreinfo.symbol("node_data") or LINEAR) - LINEAR - _IMAGE // 2) & -PAGE

    def _pages(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        for address in range(begin, end, PAGE):
            if self._first_absent is not None and not self.dump.has(address):
                self._absent_pages.add(address)
                continue
            try:
                yield LINEAR + address, self.dump.read(address, PAGE)
            except AbsentMemoryError as error:
                self._absent_pages.add(address)
                self._first_absent = self._first_absent or error

    def not_found(self, structure: str) -> InputError:
        """Return the error that a structure is not found, and what of the image could not be looked at."""
        message = f"{structure} is not found in this dump"
        reason = self._first_absent
        if reason is None:
            hint = "the kernel has none, or is one whose structures are not known"
            return InputError(message, source=self.source, hint=hint)
        count = len(self._absent_pages)
        pages = "a page" if count == 1 else f"{count:,} pages"
        message += f": {pages} of 4 KiB of the kernel's image cannot be read, the first because {reason.message}"
        hint = f"{self.dump.cut}; copy it once more" if self.dump.cut else reason.hint or "the dump is damaged"
        return InputError(message, source=self.source, hint=hint)

    def crash_kernel(self, base: int, size: int) -> KernelMemory | None:
        """Return the kernel that runs in the memory reserved for a crash kernel, None where none was started.

        A dump with VMCOREINFO in its notes is one of the kernel that crashed, whatever else is in it.
        """
        if self.dump.vmcoreinfo is not None:
            return None
        for address in range(base & -PAGE, base + min(size, _MOST_LOOKED_THROUGH), PAGE):
            text = _vmcoreinfo_at(self.dump, address)
            if text is not None and decode_vmcoreinfo(text).values != self.vmcoreinfo.values:
                return KernelMemory(self.dump, self.source, text)
        return None

    def pointers(self, pages: Iterable[tuple[int, bytes]]) -> Iterator[int]:
        """Yield what the words of pages may point to, each address once; `LimitError` for too many."""
        yielded: set[int] = set()
        for _, page in pages:
            for word in set(_words(page, self.byte_order)) - yielded:
                if is_pointer(word):
                    yielded.add(word)
                    yield word
            if len(yielded) > _MOST_CANDIDATES:
                message = f"more than {_MOST_CANDIDATES:,} pointers would have to be followed"
                raise LimitError(message, source=self.source, hint="the dump is damaged, or no kernel of ppc64")


def is_pointer(word: int) -> bool:
    """Whether a word may point to something in the linear map that is aligned as allocated memory is."""
    return LINEAR <= word < LINEAR + LINEAR_SIZE and not word & 7


def places_in(page: bytes, pattern: bytes) -> Iterator[int]:
    """Yield where a pattern begins in a page; of places less than four bytes apart only the first."""
    at = page.find(pattern)
    while at >= 0:
        yield at
        at = page.find(pattern, at + 4)


def _words(page: bytes, order: str) -> array[int]:
    words = array("Q", page)
    if order != ("<" if sys.byteorder == "little" else ">"):
        words.byteswap()
    return words


def _vmcoreinfo_in_memory(dump: Dump) -> bytes | None:
    """Return VMCOREINFO of a dump without notes.

    `vmcoreinfo_data` in the kernel's image points to a page that begins with it (kernel/crash_core.c).
    """
    tried: set[int] = set()
    for begin in range(0, _IMAGE, PAGE):
        if not dump.has(begin):
            continue
        try:
            page = dump.read(begin, PAGE)
        except AbsentMemoryError:
            continue
        for order, top in (("<", _TOP[::-1]), (">", _TOP)):
            if top not in page:  # most pages hold no pointer at all
                continue
            for word in {w for w in _words(page, order) if w >> 48 == LINEAR >> 48 and not w & 0xFFF} - tried:
                tried.add(word)
                text = _vmcoreinfo_at(dump, word - LINEAR)
                if text is not None:
                    return text
            if len(tried) > _MOST_CANDIDATES:
                return None
    return _vmcoreinfo_anywhere(dump)


def _vmcoreinfo_anywhere(dump: Dump) -> bytes | None:
    """Look at the beginning of every page, of as many as can be looked at in some seconds."""
    looked_at = 0
    for begin, size in dump.ranges():
        for address in range(begin & -PAGE, begin + size, PAGE):
            text = _vmcoreinfo_at(dump, address)
            if text is not None:
                return text
            looked_at += PAGE
            if looked_at > _MOST_LOOKED_THROUGH:
                return None
    return None


def _vmcoreinfo_at(dump: Dump, address: int) -> bytes | None:
    try:
        if dump.read(address, len(MAGIC)) != MAGIC:
            return None
        text = dump.read(address, PAGE).partition(b"\0")[0]
        if len(text) == PAGE:
            text += dump.read(address + PAGE, LARGEST - PAGE).partition(b"\0")[0]
    except AbsentMemoryError:
        return None
    return text if b"SYMBOL(node_data)=" in text else None
