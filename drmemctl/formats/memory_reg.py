# SPDX-License-Identifier: MIT
"""`reg` and `linux,usable-memory` of `memory@` nodes: pairs in the root's cells; `hotpluggable`.

Source: Devicetree Specification v0.4, 2.3.6 and 3.4; Linux arch/powerpc/kernel/prom.c
`early_init_dt_add_memory_arch` and drivers/of/fdt.c `early_init_dt_scan_memory`: `linux,usable-memory`,
which kexec writes, stands in for `reg`, a pair of size 0 is passed over, and `hotpluggable` counts by being
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import starmap
from typing import Any

from drmemctl.defect import Defect
from drmemctl.formats.cells import DEFAULT_CELLS, cells, read_cells, usable_cells
from drmemctl.formats.lists import judge_length
from drmemctl.formats.rows import Rows
from drmemctl.formats.seam import build
from drmemctl.wording import count_of

REG = "reg"
USABLE_MEMORY = "linux,usable-memory"
HOTPLUGGABLE = "hotpluggable"


def pair(address_cells: int = 2, size_cells: int = 2) -> Any:
    """Return the declaration of a pair: 16 bytes where the root has two cells each."""
    from construct import Struct

    return Struct("base" / cells(address_cells), "size" / cells(size_cells))


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """Some memory: `size` bytes from address `base` on."""

    base: int
    size: int


@dataclass(frozen=True, slots=True)
class MemoryReg:
    """The ranges of a memory node.

    Attributes:
        ranges: the pairs that are there in full, in their order.
        stride: bytes of a pair: pair `i` begins at `i * stride`.
        defects: length and cell faults; their property is not filled in.

    """

    ranges: tuple[MemoryRange, ...]
    stride: int
    defects: tuple[Defect, ...] = ()


def read_range(data: bytes, offset: int, address_cells: int, size_cells: int) -> MemoryRange | None:
    """Return the (base, size) pair at byte `offset`, or None if it is not there in full."""
    base = read_cells(data, offset, address_cells)
    size = read_cells(data, offset + 4 * address_cells, size_cells)
    return None if base is None or size is None else MemoryRange(base, size)


@cache
def _pairs(address_cells: int, size_cells: int) -> Rows:
    return Rows(base=32 * address_cells, size=32 * size_cells)


def decode_reg(
    data: bytes, address_cells: int = 2, size_cells: int = 2, total: int | None = None, short: str = "reg"
) -> MemoryReg:
    """Return the pairs of `reg`, or of another property of that layout whose defects begin with `short`."""
    (address, size), defects = usable_cells(short, address_cells=address_cells, size_cells=size_cells)
    stride = 4 * (address + size)
    whole = len(data) // stride
    if address <= DEFAULT_CELLS and size <= DEFAULT_CELLS:
        # Numbers of one or two cells are integers to `struct`: a quarter of a million pairs at C speed.
        ranges = tuple(starmap(MemoryRange, _pairs(address, size).iterate(data, 0, whole)))
    else:
        pairs = (read_range(data, i * stride, address, size) for i in range(whole))
        ranges = tuple(item for item in pairs if item is not None)
    content = count_of(whole, "range") + f" of {stride} bytes"
    return MemoryReg(
        ranges, stride, defects + judge_length(short, content, len(data), whole * stride, total=total)
    )


def decode_usable_reg(
    data: bytes, address_cells: int = 2, size_cells: int = 2, total: int | None = None
) -> MemoryReg:
    """Return the pairs of `linux,usable-memory`, which has the layout of `reg`."""
    return decode_reg(data, address_cells, size_cells, total, "usable-reg")


def encode_reg(
    ranges: Sequence[MemoryRange], address_cells: int = 2, size_cells: int = 2, property: str = REG
) -> bytes:
    """Return the property's bytes."""
    declaration = pair(address_cells, size_cells)
    return b"".join(build(declaration, {"base": item.base, "size": item.size}, property) for item in ranges)
