# SPDX-License-Identifier: MIT
"""`/rtas/ibm,lrdr-capacity`: how far memory and processors of the partition can grow.

Source: LoPAR 2.9, "RTAS Node Properties" (phys and size in the cells of the root, which is the parent of
/rtas, then one integer; a second one exists in some implementations); Linux
arch/powerpc/kernel/setup-common.c `smp_setup_cpu_maps`, arch/powerpc/mm/numa.c `memory_hotplug_max`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drmemctl.defect import Defect
from drmemctl.formats.cells import cells, read_cells, usable_cells
from drmemctl.formats.lists import judge_length

LRDR_CAPACITY = "ibm,lrdr-capacity"


def layout(address_cells: int = 2, size_cells: int = 2) -> tuple[tuple[str, int], ...]:
    """Return the fields with the cells of each: 20 bytes where the root has two cells each."""
    return ("max_address", address_cells), ("lmb_size", size_cells), ("max_cpus", 1)


def lrdr_capacity(address_cells: int = 2, size_cells: int = 2) -> Any:
    """Return the same fields as a Construct declaration."""
    from construct import Struct

    return Struct(*(name / cells(count) for name, count in layout(address_cells, size_cells)))


@dataclass(frozen=True, slots=True)
class LrdrCapacity:
    """The limits, each None where the value ends before it.

    Attributes:
        max_address: the highest address that memory can reach, in bytes.
        lmb_size: the quantum of memory reconfiguration, in bytes.
        max_cpus: the highest number of processors (QEMU: of cores).
        second: the integer after it, which some implementations have, else None.
        defects: length and cell faults; their property is not filled in.

    """

    max_address: int | None
    lmb_size: int | None
    max_cpus: int | None
    second: int | None = None
    defects: tuple[Defect, ...] = ()


def decode_lrdr_capacity(
    data: bytes, address_cells: int = 2, size_cells: int = 2, total: int | None = None
) -> LrdrCapacity:
    """Return the limits, read in the root's cells."""
    (address, size), defects = usable_cells("lrdr", address_cells=address_cells, size_cells=size_cells)
    values, offset = {}, 0
    for name, count in layout(address, size):
        values[name] = read_cells(data, offset, count)
        offset += 4 * count
    second = read_cells(data, offset, 1)
    expected = offset + (0 if second is None else 4)
    length_defects = judge_length("lrdr", "an address, a size and a count", len(data), expected, total=total)
    return LrdrCapacity(**values, second=second, defects=defects + length_defects)
