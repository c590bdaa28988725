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
from drmemctl.formats.seam import build

LRDR_CAPACITY = "ibm,lrdr-capacity"


def lrdr_capacity(address_cells: int = 2, size_cells: int = 2) -> Any:
    """Return the declaration: 20 bytes where the root has two cells each."""
    from construct import Int32ub, Struct

    return Struct(
        "max_address" / cells(address_cells),
        "lmb_size" / cells(size_cells),
        "max_cpus" / Int32ub,
    )


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
    cpus = 4 * (address + size)
    second = read_cells(data, cpus + 4, 1)
    expected = cpus + (4 if second is None else 8)
    length_defects = judge_length("lrdr", "an address, a size and a count", len(data), expected, total=total)
    return LrdrCapacity(
        max_address=read_cells(data, 0, address),
        lmb_size=read_cells(data, 4 * address, size),
        max_cpus=read_cells(data, cpus, 1),
        second=second,
        defects=defects + length_defects,
    )


def encode_lrdr_capacity(
    max_address: int, lmb_size: int, max_cpus: int, address_cells: int = 2, size_cells: int = 2
) -> bytes:
    """Return the property's bytes."""
    values = {"max_address": max_address, "lmb_size": lmb_size, "max_cpus": max_cpus}
    return build(lrdr_capacity(address_cells, size_cells), values, LRDR_CAPACITY)
