# SPDX-License-Identifier: MIT
"""`linux,drconf-usable-memory`: which parts of the LMBs a kdump kernel may use.

Source: Linux arch/powerpc/kexec/file_load_64.c `kdump_setup_usable_lmb` and kexec-tools fs2dt.c, which write
it; Linux arch/powerpc/kernel/prom.c `early_init_drmem_lmb`, which reads it. A stream without a length: a
counter in the root's #size-cells, then that many (address, size) pairs in the root's cells, and again.

Those who write it have a counter for every LMB in property order, Linux reads one for every LMB that is
assigned and not reserved. So which LMB a counter belongs to is not in these bytes, and not said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drmemctl.defect import Defect
from drmemctl.formats.cells import cells, usable_cells
from drmemctl.formats.lists import judge_length
from drmemctl.formats.memory_reg import MemoryRange, pair, read_range
from drmemctl.formats.seam import build
from drmemctl.wording import count_of

DRCONF_USABLE_MEMORY = "linux,drconf-usable-memory"


def record(address_cells: int = 2, size_cells: int = 2) -> Any:
    """Return the declaration of a counter and its ranges."""
    from construct import Array, Struct, this

    return Struct("counter" / cells(size_cells), "ranges" / Array(this.counter, pair(address_cells, size_cells)))


@dataclass(frozen=True, slots=True)
class UsableRecord:
    """A counter and its ranges.

    Attributes:
        offset: where the counter begins in the property.
        counter: how many ranges it claims.
        ranges: those that are there in full.

    """

    offset: int
    counter: int
    ranges: tuple[MemoryRange, ...] = ()


@dataclass(frozen=True, slots=True)
class UsableMemory:
    """The stream, decoded on demand: iterate for its records.

    Attributes:
        data: the raw value.
        address_cells: the cells of an address that it is read with.
        size_cells: the cells of a counter and of a size.
        count: how many records begin in it.
        defects: length and cell faults; their property is not filled in.

    """

    data: bytes
    address_cells: int
    size_cells: int
    count: int
    defects: tuple[Defect, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[UsableRecord]:
        head, stride = 4 * self.size_cells, 4 * (self.address_cells + self.size_cells)
        for start, counter, end in _spans(self.data, self.address_cells, self.size_cells):
            ranges = []
            for offset in range(start + head, min(end, len(self.data)), stride):
                part = read_range(self.data, offset, self.address_cells, self.size_cells)
                if part is not None:
                    ranges.append(part)
            yield UsableRecord(start, counter, tuple(ranges))


def _spans(data: bytes, address_cells: int, size_cells: int) -> Iterator[tuple[int, int, int]]:
    """Yield (offset, counter, where the next record would begin); the last may reach beyond `data`."""
    start, head, stride = 0, 4 * size_cells, 4 * (address_cells + size_cells)
    while start + head <= len(data):
        counter = int.from_bytes(data[start : start + head], "big")
        end = start + head + counter * stride
        yield start, counter, end
        start = end


def decode_usable_memory(
    data: bytes, address_cells: int = 2, size_cells: int = 2, total: int | None = None
) -> UsableMemory:
    """Return the stream; a counter that claims more ranges than there are ends it, and is a defect."""
    (address, size), defects = usable_cells("usable-memory", address_cells=address_cells, size_cells=size_cells)
    count = counter = start = end = 0
    for start, counter, end in _spans(data, address, size):  # noqa: B007 - the last one is what is wanted
        count += 1
    content = count_of(count, "counter")
    if end > len(data):
        content += f", the last one at {start:#x} with {count_of(counter, 'range')}"
    length_defects = judge_length("usable-memory", content, len(data), end, total=total)
    return UsableMemory(data, address, size, count, defects + length_defects)


def encode_usable_memory(
    records: Iterable[Sequence[MemoryRange]], address_cells: int = 2, size_cells: int = 2
) -> bytes:
    """Return the stream's bytes: for each LMB in turn, the ranges that may be used."""
    declaration = record(address_cells, size_cells)
    # Most records of a large partition are of no range, all alike.
    nothing = bytes(4 * size_cells)
    return b"".join(
        build(
            declaration,
            {"counter": len(ranges), "ranges": [{"base": part.base, "size": part.size} for part in ranges]},
            DRCONF_USABLE_MEMORY,
        )
        if ranges
        else nothing
        for ranges in records
    )
