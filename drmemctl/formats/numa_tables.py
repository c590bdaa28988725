# SPDX-License-Identifier: MIT
"""FORM2 of `/rtas`: `ibm,numa-lookup-index-table` and `ibm,numa-distance-table`.

Source: Linux Documentation/arch/powerpc/associativity.rst and arch/powerpc/mm/numa.c
`initialize_form2_numa_distance_lookup_table`; not in LoPAR 2.9. The index table is a u32 n, then n domain ids
(u32); the distance table a u32 count, then that many BYTES, row by row in the order of the index table.
"""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.defect import Defect
from drmemctl.formats.lists import COUNT_SIZE, decode_counted_words, judge_length
from drmemctl.wording import count_of

LOOKUP_INDEX_TABLE = "ibm,numa-lookup-index-table"
DISTANCE_TABLE = "ibm,numa-distance-table"


@dataclass(frozen=True, slots=True)
class IndexTable:
    """Which domain ids the rows and columns of the distance table stand for.

    Attributes:
        declared: the number of ids that the first word claims.
        ids: those that are there, in the order of the table's rows.
        defects: length and count faults; their property is not filled in.

    """

    declared: int
    ids: tuple[int, ...]
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class DistanceTable:
    """The distances, a byte each.

    Attributes:
        declared: the number of bytes that the first word claims.
        distances: those that are there, row by row.
        defects: length and count faults; their property is not filled in.

    """

    declared: int
    distances: bytes
    defects: tuple[Defect, ...] = ()

    def row(self, index: int, width: int) -> bytes:
        """Return row `index` of a table of `width` columns; short or empty where the bytes end."""
        return self.distances[index * width : (index + 1) * width] if index >= 0 else b""


def decode_index_table(data: bytes, total: int | None = None) -> IndexTable:
    """Return the domain ids."""
    ids = decode_counted_words("numa-index", "domain id", data, total)
    return IndexTable(ids.declared, tuple(ids.cells), ids.defects)


def decode_distance_table(data: bytes, total: int | None = None) -> DistanceTable:
    """Return the distances; whether they fit the index table is for a rule to say."""
    if len(data) < COUNT_SIZE:
        short = judge_length("numa-distance", "the count of distances", len(data), COUNT_SIZE, total=total)
        return DistanceTable(0, b"", short)
    declared = int.from_bytes(data[:COUNT_SIZE], "big")
    content = f"{count_of(declared, 'distance')} of a byte each"
    defects = judge_length("numa-distance", content, len(data), COUNT_SIZE + declared, total=total)
    return DistanceTable(declared, data[COUNT_SIZE : COUNT_SIZE + declared], defects)
