# SPDX-License-Identifier: MIT
"""The kernel's memory sections: which exist, which are online, and the node in each one's first page.

Source: Linux include/linux/mmzone.h struct mem_section; arch/powerpc/mm/init_64.c vmemmap_list; page tables of
radix as in arch/powerpc/include/asm/book3s/64/radix-4k.h, radix-64k.h. All by offsets and symbols of VMCOREINFO.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from drmemctl.memory.file import Allowance
from drmemctl.memory.kernel_memory import KernelMemory
from drmemctl.memory.physical import LINEAR, AbsentMemoryError

_PRESENT, _ONLINE = 1, 4
"""Bits of section_mem_map: SECTION_MARKED_PRESENT, SECTION_IS_ONLINE."""

_MAP_MASK = ~0x3F
"""What of section_mem_map is the address of its struct page; the bits below are flags."""

_ROOTS_AT_ONCE = 512
_MOST_ROOTS = 1 << 20
_MOST_SECTIONS = 1 << 21
"""32 TiB in sections of 16 MiB."""

_MOST_ASKED = 4096
"""Sections up to which the struct page of each one is read for its node: 64 GiB."""

_MOST_ASKED_SLOWLY = 128
"""The same where Python decompresses: a block's first struct page begins a page of the map, others lie within."""

_MOST_BACKINGS = 1 << 16


class MemorySection(NamedTuple):
    """A memory section: address and bytes, whether it is online, its Linux node then."""

    base: int
    size: int
    online: bool
    node: int | None


class _Layout(NamedTuple):
    """What VMCOREINFO says of sections, pages and the map of pages."""

    page_size: int
    section_bits: int
    section_size: int
    map_offset: int
    page_bytes: int
    flags_offset: int
    roots: int
    roots_address: int
    node_shift: int


def _layout(memory: KernelMemory) -> _Layout | None:
    vmcoreinfo = memory.vmcoreinfo
    nodes = vmcoreinfo.length("node_data") or 0
    values = (
        vmcoreinfo.page_size,
        vmcoreinfo.number("SECTION_SIZE_BITS"),
        vmcoreinfo.size("mem_section"),
        vmcoreinfo.offset("mem_section.section_mem_map"),
        vmcoreinfo.size("page"),
        vmcoreinfo.offset("page.flags"),
        vmcoreinfo.length("mem_section"),
        vmcoreinfo.symbol("mem_section"),
    )
    if any(value is None for value in values) or nodes < 1:
        return None
    layout = _Layout._make((*(value or 0 for value in values), 64 - (nodes - 1).bit_length()))
    sane = layout.page_size in (4096, 65536) and 20 <= layout.section_bits <= 40
    sane = sane and 8 <= layout.section_size <= 4096 and 0 <= layout.map_offset <= layout.section_size - 8
    sane = sane and 0 < layout.page_bytes <= 512 and 0 <= layout.flags_offset <= layout.page_bytes - 8
    return layout if sane and 0 < layout.roots <= _MOST_ROOTS else None


def sections(memory: KernelMemory, block_size: int = 0) -> Iterator[MemorySection]:
    """Yield the sections by ascending address; none where VMCOREINFO does not describe them.

    Where there are very many (`_MOST_ASKED`), a section's node is that of the first one in its memory block, whose
    size in bytes is given: the page map of a partition of some TiB has GiBs, which are not all decompressed.

    Raises `AbsentMemoryError` where the dump lacks a section or its first page: a part of them would say that the
    kernel had less memory.
    """
    layout = _layout(memory)
    if layout is None:
        return
    numbers, maps = _present(memory, layout)
    pages = _PageMap(memory)
    size = 1 << layout.section_bits
    block, node = -1, None
    most_asked = _MOST_ASKED_SLOWLY if memory.dump.is_slow else _MOST_ASKED
    for number, encoded in zip(numbers, maps, strict=True):
        base = number << layout.section_bits
        online = bool(encoded & _ONLINE)
        is_asked = len(numbers) <= most_asked or not block_size or base // block_size != block
        if not online:
            yield MemorySection(base, size, online, None)
            continue
        if is_asked:
            first_page = (encoded & _MAP_MASK) + base // layout.page_size * layout.page_bytes
            try:
                node = pages.node(first_page + layout.flags_offset, layout.node_shift)
            except AbsentMemoryError as error:
                raise error.about(f"struct page of the memory section at {base:#x}") from None
            block = base // block_size if block_size else -1
        yield MemorySection(base, size, online, node)


def _present(memory: KernelMemory, layout: _Layout) -> tuple[array[int], array[int]]:
    """Return the numbers of the sections that are present, and each one's section_mem_map."""
    numbers, maps = array("Q"), array("Q")
    per_root = layout.page_size // layout.section_size
    message = f"more than {_MOST_SECTIONS:,} memory sections"
    looked_at = Allowance(
        _MOST_SECTIONS, message, memory.source, "no real machine has as many: the dump is damaged"
    )
    member = struct.Struct(f"{memory.byte_order}Q{layout.section_size - 8}x")
    for root, address in _roots(memory, layout):
        looked_at.spend(per_root)
        try:
            content = memory.read(address + layout.map_offset, per_root * layout.section_size - layout.map_offset)
        except AbsentMemoryError as error:
            raise error.about(f"struct mem_section {root * per_root:#x} and those after it") from None
        content += bytes(layout.map_offset)
        for index, (encoded,) in enumerate(member.iter_unpack(content)):
            if encoded & _PRESENT:
                numbers.append(root * per_root + index)
                maps.append(encoded)
    return numbers, maps


def _roots(memory: KernelMemory, layout: _Layout) -> Iterator[tuple[int, int]]:
    """Yield number and address of each root that is there.

    The table of roots has up to 8 MiB, nearly all of it zeros: makedumpfile leaves such pages out.
    """
    for first in range(0, layout.roots, _ROOTS_AT_ONCE):
        count = min(_ROOTS_AT_ONCE, layout.roots - first)
        try:
            words = memory.u64s(layout.roots_address + 8 * first, count)
        except AbsentMemoryError:
            continue
        if any(words):
            yield from ((first + index, word) for index, word in enumerate(words) if word)


class _PageMap:
    """Where a struct page is: its virtual address is mapped by vmemmap_list, or by the page tables of radix."""

    def __init__(self, memory: KernelMemory) -> None:
        self._memory = memory
        self._backings = sorted(self._read_backings())

    def node(self, address: int, shift: int) -> int:
        """Return the node in the flags of a page, which are at an address."""
        data = self._memory.peek(self._linear(address), 8)
        return int.from_bytes(data, "little" if self._memory.byte_order == "<" else "big") >> shift

    def _read_backings(self) -> Iterator[tuple[int, int, int]]:
        """Yield virtual address, bytes and physical address of what vmemmap_list has."""
        vmcoreinfo = self._memory.vmcoreinfo
        following, physical, virtual = (
            vmcoreinfo.offset(f"vmemmap_backing.{member}") for member in ("list", "phys", "virt_addr")
        )
        size = self._backing_size()
        symbol = vmcoreinfo.symbol("vmemmap_list")
        if symbol is None or size is None or following is None or physical is None or virtual is None:
            return
        try:
            address = self._memory.u64(symbol)
            for _ in range(_MOST_BACKINGS):
                if not address:
                    return
                yield (
                    self._memory.u64(address + virtual),
                    size,
                    self._memory.u64(address + physical),
                )
                address = self._memory.u64(address + following)
        except AbsentMemoryError:
            return

    def _backing_size(self) -> int | None:
        vmcoreinfo = self._memory.vmcoreinfo
        psize_index, definitions = vmcoreinfo.symbol("mmu_vmemmap_psize"), vmcoreinfo.symbol("mmu_psize_defs")
        size, shift = vmcoreinfo.size("mmu_psize_def"), vmcoreinfo.offset("mmu_psize_def.shift")
        if psize_index is None or definitions is None or size is None or shift is None:
            return None
        try:
            bits = self._memory.u32(definitions + self._memory.u32(psize_index) * size + shift)
        except AbsentMemoryError:
            return None
        return 1 << bits if 12 <= bits <= 40 else None

    def _linear(self, address: int) -> int:
        """Return the address in the linear map of what the kernel has at another virtual address."""
        index = bisect_right(self._backings, (address, 1 << 64, 0)) - 1
        if index >= 0:
            virtual, size, physical = self._backings[index]
            if address < virtual + size:
                return LINEAR + physical + address - virtual
        return self._by_page_tables(address)

    def _by_page_tables(self, address: int) -> int:
        """Walk the tables of radix, whose entries are big-endian: 13, 9, 9 and 9 (5 with pages of 64 KiB) bits."""
        memory = self._memory
        table = memory.vmcoreinfo.symbol("swapper_pg_dir")
        if table is None:
            raise AbsentMemoryError(f"the page tables are not known, by which {address:#x} is mapped")
        leaf = (16, 5) if memory.vmcoreinfo.page_size == 65536 else (12, 9)
        for shift, bits in ((39, 13), (30, 9), (21, 9), leaf):
            index = address >> shift & (1 << bits) - 1
            entry = int.from_bytes(memory.read(table + 8 * index, 8), "big")
            if not entry >> 63:  # _PAGE_PRESENT
                break
            if entry >> 62 & 1:  # _PAGE_PTE: the entry of a page, of whatever size
                frame = entry & 0x01FF_FFFF_FFFF_F000
                return LINEAR + (frame & -(1 << shift)) + (address & (1 << shift) - 1)
            table = LINEAR + (entry & 0x0FFF_FFFF_FFFF_FF00)
        raise AbsentMemoryError(f"address {address:#x} is not mapped")
