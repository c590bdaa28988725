# SPDX-License-Identifier: MIT
"""`ibm,dynamic-memory` (v1, an entry per LMB) and `ibm,dynamic-memory-v2` (an entry per set of LMBs).

Source: LoPAR 2.9, "ibm,dynamic-reconfiguration-memory"; Linux arch/powerpc/include/asm/drmem.h
(`of_drconf_cell_v1`, `of_drconf_cell_v2`) and arch/powerpc/mm/drmem.c `read_drconf_v1_cell`,
`read_drconf_v2_cell`, which take the base address in the root's #address-cells.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from operator import sub
from typing import NamedTuple

from drmemctl.defect import Defect
from drmemctl.formats.lists import COUNT_SIZE, judge_length
from drmemctl.formats.progressions import progressions
from drmemctl.formats.rows import Rows, pack_words
from drmemctl.formats.seam import building
from drmemctl.wording import count_of

V1 = "ibm,dynamic-memory"
V2 = "ibm,dynamic-memory-v2"
LOOKUP_ARRAYS = "ibm,associativity-lookup-arrays"
NODE = "/ibm,dynamic-reconfiguration-memory"

PRESERVED = 0x1
PRESERVABLE = 0x2
PRESERVED_STATE = 0x4
ASSIGNED = 0x8
NO_MIGRATE_DMA = 0x10
DRC_INVALID = 0x20
AI_INVALID = 0x40
RESERVED = 0x80
HOTREMOVABLE = 0x100
KERNEL_TOUCHED = 0x80000000
"""Linux `DRMEM_LMB_RESERVED`: private to a running DLPAR request, never valid in a property."""

FLAG_NAMES: dict[int, str] = {
    PRESERVED: "preserved",
    PRESERVABLE: "preservable",
    PRESERVED_STATE: "preserved-state",
    ASSIGNED: "assigned",
    NO_MIGRATE_DMA: "no-migrate-dma",
    DRC_INVALID: "drc-invalid",
    AI_INVALID: "ai-invalid",
    RESERVED: "reserved",
    HOTREMOVABLE: "hot-removable",
}

AA_UNSET = 0xFFFFFFFF
"""aa_index of an LMB that has none (LoPAR: of an unassigned LMB)."""

_V1_REST = 16
"""Bytes of a v1 entry after its base address."""

_AT_ONCE = 4096
"""Entries decoded at a time: enough for C speed, few enough to cost no memory."""

_ADDRESS_BITS = {1: 32, 2: 64}


def aa_text(aa_index: int) -> str:
    """Return an aa_index as messages have it; tables have `-` for one that is unset."""
    return "unset" if aa_index == AA_UNSET else str(aa_index)


def flag_names(flags: int) -> list[str]:
    """Return the names of the bits set, lowest first; a bit without a name as `0x…`."""
    names: list[str] = []
    for byte in range(4):
        names += _names_in(flags >> 8 * byte & 0xFF, byte)
    return names


@cache
def _names_in(bits: int, byte: int) -> tuple[str, ...]:
    """Return the names of one byte of the flags: a hostile tree has other flags in each of very many LMBs."""
    masks = (1 << 8 * byte + n for n in range(8) if bits & 1 << n)
    return tuple(FLAG_NAMES.get(mask, f"{mask:#x}") for mask in masks)


@cache
def rows_v1(address_cells: int = 2) -> Rows:
    """Return the declaration of a v1 entry: 24 bytes where #address-cells is 2."""
    return Rows(base_addr=_ADDRESS_BITS[address_cells], drc_index=32, reserved=32, aa_index=32, flags=32)


@cache
def rows_v2(address_cells: int = 2) -> Rows:
    """Return the declaration of a v2 entry, packed: 24 bytes where #address-cells is 2."""
    return Rows(seq_lmbs=32, base_addr=_ADDRESS_BITS[address_cells], drc_index=32, aa_index=32, flags=32)


class Columns(NamedTuple):
    """Entries of either property, field by field; in v1 each counts one LMB."""

    bases: array[int]
    lmbs: array[int]
    drc_indexes: array[int]
    aa_indexes: array[int]
    flags: array[int]


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of either property, decoded on demand.

    Attributes:
        property: `ibm,dynamic-memory` or `ibm,dynamic-memory-v2`.
        data: the raw value.
        declared: the number of entries that the first word claims.
        present: how many of them are there in full.
        rows: their codec.
        defects: length and count faults; their property is not filled in.

    """

    property: str
    data: bytes
    declared: int
    present: int
    rows: Rows
    defects: tuple[Defect, ...]

    def offset(self, index: int) -> int:
        """Return the byte offset of an entry in the property."""
        return COUNT_SIZE + index * self.rows.size

    def columns(self, first: int, count: int) -> Columns:
        """Return `count` entries from the one at `first` on, field by field."""
        columns = self.rows.columns(self.data, self.offset(first), count)
        if self.property == V2:
            lmbs, bases, drc_indexes, aa_indexes, flags = columns
        else:
            bases, drc_indexes, _, aa_indexes, flags = columns
            lmbs = array("I", (1,)) * count
        return Columns(bases, lmbs, drc_indexes, aa_indexes, flags)

    def __iter__(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Yield (base address, LMBs, DRC index, aa_index, flags) of each entry: one LMB in v1."""
        for first in range(0, self.present, _AT_ONCE):
            yield from zip(*self.columns(first, min(_AT_ONCE, self.present - first)), strict=True)

    def blocks(self, lmb_size: int | None) -> Iterator[Columns]:
        """Yield the entries many at a time, v1 entries that go on LMB after LMB as one with their number."""
        address_bits = 8 * (self.rows.size - _V1_REST)
        if self.property == V2 or lmb_size is None or lmb_size.bit_length() > address_bits:
            for first in range(0, self.present, _AT_ONCE):
                yield self.columns(first, min(_AT_ONCE, self.present - first))
            return
        steps = {"base_addr": lmb_size, "drc_index": 1}
        for first, count, begins in progressions(self.rows, self.data, COUNT_SIZE, self.present, steps):
            if len(begins) == count:
                yield self.columns(first, count)
                continue
            # Each entry stands for the LMBs from it to the next, the last for those up to the block's end.
            heads = (self.rows.unpack_one(self.data, begin, COUNT_SIZE) for begin in begins)
            bases, drc_indexes, _, aa_indexes, flags = zip(*heads, strict=True)
            lmbs = map(sub, (*begins[1:], first + count), begins)
            words = (array("I", column) for column in (lmbs, drc_indexes, aa_indexes, flags))
            yield Columns(array("Q", bases), *words)


def decode_entries(property: str, data: bytes, address_cells: int = 2, total: int | None = None) -> Entries:
    """Return the entries of a v1 or v2 property, as many as are there.

    `total` is the true length where `data` is only the beginning (see `Property.total`). No error is raised:
    what does not fit is a defect `v1-…` or `v2-…` with the offset at which it shows.
    """
    short = "v2" if property == V2 else "v1"
    thing = "set" if property == V2 else "LMB"
    defects = []
    if address_cells not in _ADDRESS_BITS:
        defects.append(
            Defect(
                f"{short}-address-cells",
                f"root #address-cells is {address_cells}; read with 2, as Linux writes",
            )
        )
        address_cells = 2
    rows = rows_v2(address_cells) if property == V2 else rows_v1(address_cells)
    if len(data) < COUNT_SIZE:
        defects.append(Defect(f"{short}-too-short", f"{len(data)} bytes, too short for its count", offset=0))
        return Entries(property, data, 0, 0, rows, tuple(defects))
    declared = int.from_bytes(data[:COUNT_SIZE], "big")
    expected = COUNT_SIZE + declared * rows.size
    present = min(declared, (len(data) - COUNT_SIZE) // rows.size)
    count = count_of(declared, thing)
    content = count if present == declared else f"{count}, {present:,} whole"
    defects += judge_length(short, content, len(data), expected, total=total)
    return Entries(property, data, declared, present, rows, tuple(defects))


def encode_entries(
    property: str, entries: Iterable[tuple[int, int, int, int, int]], address_cells: int = 2
) -> bytes:
    """Return the bytes of a v1 or v2 property for entries as `Entries` yields them.

    The reserved word of a v1 entry is written as 0, as Linux does.
    """
    cells = (
        (lmbs, base, drc, aa, flags) if property == V2 else (base, drc, 0, aa, flags)
        for base, lmbs, drc, aa, flags in entries
    )
    with building(property):
        rows = rows_v2(address_cells) if property == V2 else rows_v1(address_cells)
        packed = rows.pack(cells)
        return pack_words([len(packed) // rows.size]) + packed
