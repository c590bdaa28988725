# SPDX-License-Identifier: MIT
"""Addresses of a kernel's variables: lines of System.map, or the symbol table of an ELF file (vmlinux).

Source: Linux scripts/mksysmap; System V ABI, ELF-64 (Elf64_Shdr, Elf64_Sym).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from mmap import mmap

from drmemctl.formats.elf_core import MAGIC

_LINE = re.compile(rb"^([0-9a-f]{16}) [A-Za-z?] (\w+)\r?$", re.MULTILINE)
_SYMBOL_TABLE = 2
_MOST_SECTIONS = 1 << 16
_LARGEST = 64 << 20
"""Bytes of a symbol table, and of its texts: 2,796,202 symbols."""

_MOST_NAMES = 64
"""Places where a name may end a string of the string table."""


def decode_symbols(data: bytes | mmap, names: Collection[str]) -> dict[str, int] | None:
    """Return the addresses of symbols by name; None for what is neither a System.map nor an ELF file."""
    if data[: len(MAGIC)] == MAGIC:
        return _of_elf(data, names)
    addresses = {
        match[2].decode(): int(match[1], 16) for match in _LINE.finditer(data) if match[2].decode() in names
    }
    return addresses if addresses or _LINE.search(data) else None


def _of_elf(data: bytes | mmap, names: Collection[str]) -> dict[str, int]:
    if len(data) < 64 or data[4] != 2:
        return {}
    order = "<" if data[5] == 1 else ">"
    (begin,) = struct.unpack_from(order + "Q", data, 40)
    size, count = struct.unpack_from(order + "HH", data, 58)
    addresses: dict[str, int] = {}
    sections = [data[begin + 64 * n : begin + 64 * n + 64] for n in range(min(count, _MOST_SECTIONS))]
    if size != 64:
        return {}
    for section in sections:
        if len(section) < 64:
            break
        _, kind, _, _, at, length, link = struct.unpack_from(order + "IIQQQQI", section)
        if kind != _SYMBOL_TABLE or link >= len(sections) or len(sections[link]) < 64:
            continue
        text_at, text_size = struct.unpack_from(order + "QQ", sections[link], 24)
        texts = data[text_at : text_at + min(text_size, _LARGEST)]
        wanted = {offset: name for name in names for offset in _offsets(texts, name.encode())}
        table = data[at : at + min(length, _LARGEST)]
        for name_at, _, _, _, value, _ in struct.iter_unpack(order + "IBBHQQ", table[: len(table) // 24 * 24]):
            if name_at in wanted:
                addresses[wanted[name_at]] = value
        break
    return addresses


def _offsets(texts: bytes, name: bytes) -> list[int]:
    offsets: list[int] = []
    at = texts.find(b"\0" + name + b"\0")
    while at >= 0 and len(offsets) < _MOST_NAMES:
        offsets.append(at + 1)
        at = texts.find(b"\0" + name + b"\0", at + 1)
    return offsets
