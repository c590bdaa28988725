# SPDX-License-Identifier: MIT
"""The header of a flattened device tree blob, versions 1 to 17, and its token values.

Source: Devicetree Specification v0.4, 5.2 and 5.4; libfdt fdt.h for the sizes of the older headers.
"""

from __future__ import annotations

from typing import NamedTuple

from drmemctl.formats.rows import Rows

MAGIC = b"\xd0\x0d\xfe\xed"
"""The first bytes of every blob: 0xd00dfeed."""

LAST_COMPATIBLE = 17

BEGIN_NODE = 1
END_NODE = 2
PROP = 3
NOP = 4
END = 9

HEADER = Rows(
    magic=32,
    totalsize=32,
    off_dt_struct=32,
    off_dt_strings=32,
    off_mem_rsvmap=32,
    version=32,
    last_comp_version=32,
    boot_cpuid_phys=32,  # since version 2
    size_dt_strings=32,  # since version 3
    size_dt_struct=32,  # since version 17
)

SIZE_V1 = 28
"""Bytes of the shortest header, version 1."""


def header_size(version: int) -> int:
    """Return the bytes of the header that a blob of this version has."""
    return {0: SIZE_V1, 1: SIZE_V1, 2: 32}.get(version, 36 if version < 17 else 40)


class Header(NamedTuple):
    """The header's fields; those that the version does not have are None (0 for the boot CPU)."""

    totalsize: int
    off_dt_struct: int
    off_dt_strings: int
    off_mem_rsvmap: int
    version: int
    last_comp_version: int
    boot_cpuid_phys: int
    size_dt_strings: int | None
    size_dt_struct: int | None

    @property
    def size(self) -> int:
        """Bytes of the header itself."""
        return header_size(self.version)


def decode_header(blob: bytes) -> Header:
    """Return the header of a blob that has at least `SIZE_V1` bytes; absent fields read as None."""
    fields = HEADER.unpack_one(blob[: HEADER.size].ljust(HEADER.size, b"\0"), 0)
    _, total, struct_offset, strings, reservations, version, compatible, cpu, strings_size, struct_size = fields
    return Header(
        totalsize=total,
        off_dt_struct=struct_offset,
        off_dt_strings=strings,
        off_mem_rsvmap=reservations,
        version=version,
        last_comp_version=compatible,
        boot_cpuid_phys=cpu if version >= 2 else 0,
        size_dt_strings=strings_size if version >= 3 else None,
        size_dt_struct=struct_size if version >= 17 else None,
    )
