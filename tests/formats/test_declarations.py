# SPDX-License-Identifier: MIT
"""Decoders read what Construct's declarations say: every bundled value without a defect, read both ways."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, decode_architecture_vec5, vector
from drmemctl.formats.domains import MAX_DOMAINS, decode_domains
from drmemctl.formats.drc import INDEXES, POWER_DOMAINS, decode_drc_indexes, decode_drc_power_domains
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, V1, V2, decode_entries, rows_v1, rows_v2
from drmemctl.formats.lists import counted
from drmemctl.formats.lookup_arrays import HEADER, decode_lookup_arrays
from drmemctl.formats.lrdr_capacity import LRDR_CAPACITY, decode_lrdr_capacity, layout, lrdr_capacity
from drmemctl.formats.numa_tables import (
    DISTANCE_TABLE,
    LOOKUP_INDEX_TABLE,
    decode_distance_table,
    decode_index_table,
)
from tests.cases import each
from tests.encoders import distances_table
from tests.formats.values import codes, values_of


class TwoReadings(NamedTuple):
    """How a property is read: by Construct as plain values, and what the same are in the decoder's result."""

    decode: Callable[[bytes], Any]
    declared: Callable[[bytes], object]
    decoded: Callable[[Any], object]


def records(declaration: Any, names: tuple[str, ...], data: bytes, count: int) -> list[tuple[int, ...]]:
    size = declaration.sizeof()
    parsed = (declaration.parse(data[at * size : (at + 1) * size]) for at in range(count))
    return [tuple(item[name] for name in names) for item in parsed]


def entries_of(rows: Any, data: bytes) -> list[tuple[int, ...]]:
    names = ("base_addr", "seq_lmbs", "drc_index", "aa_index", "flags")
    there = tuple(name for name in names if name in rows.names)
    # Construct takes some 20 us a field: the first records of each value are enough.
    count = min(int.from_bytes(data[:4], "big"), 64)
    values = records(rows.declaration, there, data[4:], count)
    return [value if len(value) == 5 else (value[0], 1, *value[1:]) for value in values]


def head(data: bytes) -> tuple[int, int]:
    parsed = HEADER.declaration.parse(data)
    return parsed.n_arrays, parsed.array_sz


def counted_cells(data: bytes) -> list[int]:
    return list(counted().parse(data))


READINGS: dict[str, TwoReadings] = {
    V1: TwoReadings(partial(decode_entries, V1), partial(entries_of, rows_v1()), lambda found: list(found)[:64]),
    V2: TwoReadings(partial(decode_entries, V2), partial(entries_of, rows_v2()), lambda found: list(found)[:64]),
    LOOKUP_ARRAYS: TwoReadings(decode_lookup_arrays, head, lambda lookup: (lookup.n_arrays, lookup.array_sz)),
    LRDR_CAPACITY: TwoReadings(
        decode_lrdr_capacity,
        lambda data: [lrdr_capacity().parse(data)[name] for name, _ in layout()],
        lambda limits: [getattr(limits, name) for name, _ in layout()],
    ),
    ARCHITECTURE_VEC5: TwoReadings(
        decode_architecture_vec5,
        lambda data: bytes(vector().build(vector().parse(data))),
        lambda agreed: agreed.data,
    ),
    DISTANCE_TABLE: TwoReadings(
        decode_distance_table, lambda data: bytes(distances_table().parse(data)), lambda table: table.distances
    ),
    LOOKUP_INDEX_TABLE: TwoReadings(decode_index_table, counted_cells, lambda table: list(table.ids)),
    MAX_DOMAINS: TwoReadings(decode_domains, counted_cells, lambda domains: list(domains.counts)),
    INDEXES: TwoReadings(decode_drc_indexes, counted_cells, lambda words: list(words.cells)),
    POWER_DOMAINS: TwoReadings(decode_drc_power_domains, counted_cells, lambda words: list(words.cells)),
}


@each("name", sorted(READINGS))
def test_the_decoder_reads_what_is_declared(name: str) -> None:
    reading = READINGS[name]
    distinct = {value.data for value in values_of(name)}
    decoded = {data: reading.decode(data) for data in distinct}
    whole = {data: result for data, result in decoded.items() if not codes(result)}
    assert whole
    for data, result in whole.items():
        assert reading.decoded(result) == reading.declared(data)
