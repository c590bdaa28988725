# SPDX-License-Identifier: MIT
"""ELF core files of 64 bits, as far as dumps of memory need them: file header, program headers, notes.

Source: System V ABI, ELF-64; QEMU dump/dump.c, which writes `e_ehsize` 8 and big-endian headers for pseries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from drmemctl.formats.file_magics import ELF

MAGIC = ELF
HEADER_SIZE = 64
PROGRAM_HEADER_SIZE = 56
CORE = 4
"""`e_type` of a core file."""

PPC64 = 21
"""`e_machine`."""

LOAD, NOTE = 1, 4
"""`p_type`: memory, notes."""

MANY = 0xFFFF
"""`e_phnum` where the number stands in `sh_info` of the first section header."""


class CoreHeader(NamedTuple):
    """The file header.

    Attributes:
        byte_order: `<` or `>`, of the headers and notes; the memory of the dump may have the other one.
        type: `e_type`.
        machine: `e_machine`.
        program_headers: their offset in the file.
        section_headers: their offset in the file.
        segments: number of program headers, `MANY` where the first section header has it.

    """

    byte_order: str
    type: int
    machine: int
    program_headers: int
    section_headers: int
    segments: int


class ProgramHeader(NamedTuple):
    """A segment: `file_size` bytes at `offset` of the file are the first of `memory_size` bytes at an address."""

    type: int
    flags: int
    offset: int
    virtual: int
    physical: int
    file_size: int
    memory_size: int
    alignment: int


def decode_core_header(data: bytes) -> CoreHeader | None:
    """Return the header, None where this is no ELF file of 64 bits."""
    if len(data) < HEADER_SIZE or not data.startswith(MAGIC) or data[4] != 2 or data[5] not in (1, 2):
        return None
    order = "<" if data[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    program_headers, section_headers = struct.unpack_from(order + "QQ", data, 32)
    (count,) = struct.unpack_from(order + "H", data, 56)
    return CoreHeader(order, kind, machine, program_headers, section_headers, count)


def decode_program_headers(data: bytes, order: str) -> Iterator[ProgramHeader]:
    """Yield the program headers of a table."""
    whole = len(data) // PROGRAM_HEADER_SIZE * PROGRAM_HEADER_SIZE
    return map(ProgramHeader._make, struct.iter_unpack(order + "IIQQQQQQ", data[:whole]))


def section_count(data: bytes, order: str) -> int:
    """Return `sh_info` of the first section header: how many program headers there are where they are `MANY`."""
    return int(struct.unpack_from(order + "I", data, 44)[0]) if len(data) >= 48 else 0


def note_content(data: bytes, order: str, name: bytes) -> bytes | None:
    """Return what the first note of a name holds, None where there is none."""
    at = 0
    while at + 12 <= len(data):
        name_size, size, _ = struct.unpack_from(order + "III", data, at)
        begin = at + 12 + (name_size + 3 & ~3)
        if data[at + 12 : at + 12 + name_size].rstrip(b"\0") == name:
            return data[begin : begin + size]
        at = begin + (size + 3 & ~3)
    return None
