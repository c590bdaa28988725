# SPDX-License-Identifier: MIT
"""Single numbers made of u32 cells, and the few properties that are nothing else.

Source: Devicetree Specification v0.4, 2.2.4 and 2.3.5 (#address-cells, #size-cells); Linux `of_read_number`;
LoPAR 2.9, "ibm,dynamic-reconfiguration-memory" for `ibm,lmb-size` (Linux `init_drmem_lmb_size`, which takes
it in the root's #size-cells), `ibm,memory-flags-mask` and `ibm,memory-preservation-time`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from drmemctl.defect import Defect
from drmemctl.formats.lists import judge_length
from drmemctl.wording import count_of

ADDRESS_CELLS = "#address-cells"
SIZE_CELLS = "#size-cells"
LMB_SIZE = "ibm,lmb-size"
FLAGS_MASK = "ibm,memory-flags-mask"
PRESERVATION_TIME = "ibm,memory-preservation-time"

MAX_CELLS = 4
"""More cells than any address has (PCI has three); a tree that says more is wrong."""

DEFAULT_CELLS = 2
"""What every pseries tree has at its root."""


def cells(number: int) -> Any:
    """Return the declaration of a number of that many cells."""
    from construct import BytesInteger

    return BytesInteger(4 * number)


def read_cells(data: bytes, offset: int, number: int) -> int | None:
    """Return the number in `number` cells from byte `offset` on, or None if they are not all there.

    Exact, however many cells; Linux keeps the low 64 bits. No cells make 0, as in Linux.
    """
    end = offset + 4 * number
    return int.from_bytes(data[offset:end], "big") if 0 <= offset <= end <= len(data) else None


def usable(number: int) -> int:
    """Return a count of cells to read with: 2 in place of one that cannot be."""
    return number if 1 <= number <= MAX_CELLS else DEFAULT_CELLS


def usable_cells(short: str, **declared: int) -> tuple[list[int], tuple[Defect, ...]]:
    """Return the cell counts to read with, and a defect for each that cannot be.

    `declared` is what the tree's root says, by keyword: `address_cells=2, size_cells=2`.
    """
    defects = tuple(
        Defect(
            f"{short}-{name.replace('_', '-')}",
            f"root #{name.replace('_', '-')} is {number}; read with {DEFAULT_CELLS}",
        )
        for name, number in declared.items()
        if usable(number) != number
    )
    return list(map(usable, declared.values())), defects


class Number(NamedTuple):
    """A number, or None where there are too few bytes for it.

    Attributes:
        value: the number.
        defects: length faults; their property is not filled in.

    """

    value: int | None
    defects: tuple[Defect, ...] = ()


def decode_number(short: str, data: bytes, number: int = 1, total: int | None = None) -> Number:
    """Return the number in the first `number` cells; `short` begins the code of any defect."""
    content = f"a number of {count_of(number, 'cell')}"
    return Number(read_cells(data, 0, number), judge_length(short, content, len(data), 4 * number, total=total))


def decode_lmb_size(data: bytes, size_cells: int = DEFAULT_CELLS, total: int | None = None) -> Number:
    """Return the LMB size in bytes, read as Linux does: `size_cells` cells, whatever follows."""
    (number,), defects = usable_cells("lmb-size", size_cells=size_cells)
    size = decode_number("lmb-size", data, number, total)
    if len(data) % 4 and (total is None or total == len(data)):
        odd = Defect("lmb-size-odd", f"{len(data)} bytes are no whole cells", offset=len(data) & ~3)
        defects = (*defects, odd)
    return Number(size.value, defects + size.defects)


def decode_flags_mask(data: bytes, total: int | None = None) -> Number:
    """Return which bits of the flags word are defined, as the firmware says."""
    return decode_number("flags-mask", data, total=total)


def decode_preservation_time(data: bytes, total: int | None = None) -> Number:
    """Return for how many minutes preservable memory is kept without power; 0: there is none."""
    return decode_number("preservation-time", data, total=total)
