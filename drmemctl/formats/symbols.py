# SPDX-License-Identifier: MIT
"""Symbols of a kernel: addresses by the lines of System.map, more by the symbol table of an ELF file (vmlinux).

Source: Linux scripts/mksysmap; System V ABI, ELF-64 (Elf64_Shdr, Elf64_Sym).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from itertools import islice
from mmap import mmap
from typing import NamedTuple

from drmemctl.formats.elf_core import MAGIC

_LINE = re.compile(rb"^([0-9a-f]{16}) [A-Za-z?] (\w+)\r?$", re.MULTILINE)
_SYMBOL_TABLE = 2
_MOST_SECTIONS = 1 << 16
_LARGEST = 64 << 20
"""Bytes of a symbol table, and of its texts: 2,796,202 symbols."""

_MOST_PLACES = 1 << 16
"""Places where a name may stand in the texts of a symbol table."""


class ElfSymbol(NamedTuple):
    """A symbol: its name, `ELF64_ST_TYPE` of `st_info`, `st_other`, `st_value` and `st_size`."""

    name: str
    type: int
    other: int
    value: int
    size: int


def decode_symbols(data: bytes | mmap, names: Collection[str]) -> dict[str, int] | None:
    """Return the addresses of symbols by name; None for what is neither a System.map nor an ELF file."""
    if data[: len(MAGIC)] == MAGIC:
        return {symbol.name: symbol.value for symbol in elf_symbols(data, names) if symbol.name in names}
    addresses = {
        match[2].decode(): int(match[1], 16) for match in _LINE.finditer(data) if match[2].decode() in names
    }
    return addresses if addresses or _LINE.search(data) else None


def elf_symbols(data: bytes | mmap, names: Collection[str]) -> Iterator[ElfSymbol]:
    """Yield the symbols of these names in an ELF file, those of a compiler's clones (NAME.constprop.0) included.

    A file without a symbol table, or with a damaged one, has none.
    """
    if len(data) < 64 or data[4] != 2:
        return
    order = "<" if data[5] == 1 else ">"
    (begin,) = struct.unpack_from(order + "Q", data, 40)
    size, count = struct.unpack_from(order + "HH", data, 58)
    sections = [data[begin + 64 * n : begin + 64 * n + 64] for n in range(min(count, _MOST_SECTIONS))]
    if size != 64:
        return
    for section in sections:
        if len(section) < 64:
            break
        _, kind, _, _, at, length, link = struct.unpack_from(order + "IIQQQQI", section)
        if kind != _SYMBOL_TABLE or link >= len(sections) or len(sections[link]) < 64:
            continue
        text_at, text_size = struct.unpack_from(order + "QQ", sections[link], 24)
        named = _names_by_offset(data[text_at : text_at + min(text_size, _LARGEST)], names)
        table = data[at : at + min(length, _LARGEST)]
        for name_at, info, other, _, value, bytes_ in struct.iter_unpack(
            order + "IBBHQQ", table[: len(table) // 24 * 24]
        ):
            if name_at in named:
                yield ElfSymbol(named[name_at], info & 0xF, other, value, bytes_)
        break


def _names_by_offset(texts: bytes, names: Collection[str]) -> dict[int, str]:
    """Return the names, and those of their clones, by where they stand.

    A name may be the end of another one (binutils elf-strtab.c `_bfd_elf_strtab_finalize` has them share it).
    """
    named: dict[int, str] = {}
    for name in names:
        places = re.finditer(re.escape(name.encode()) + rb"(?:\.[\w.]{0,64})?(?=\0)", texts)
        named |= {place.start(): place[0].decode() for place in islice(places, _MOST_PLACES)}
    return named
