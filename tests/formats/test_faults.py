# SPDX-License-Identifier: MIT
"""What each decoder says of bytes that do not fit, word for word: what should be there, what is, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drmemctl.formats.architecture_vec5 import decode_architecture_vec5
from drmemctl.formats.associativity import decode_associativity
from drmemctl.formats.cells import decode_flags_mask, decode_lmb_size, decode_number, decode_preservation_time
from drmemctl.formats.domains import decode_domains
from drmemctl.formats.drc import decode_drc_indexes, decode_drc_names, decode_drc_power_domains, decode_drc_types
from drmemctl.formats.drc_info import decode_drc_info
from drmemctl.formats.dynamic_memory import V1, V2, decode_entries
from drmemctl.formats.lookup_arrays import decode_lookup_arrays
from drmemctl.formats.lrdr_capacity import decode_lrdr_capacity
from drmemctl.formats.memory_reg import decode_reg, decode_usable_reg
from drmemctl.formats.numa_tables import decode_distance_table, decode_index_table
from drmemctl.formats.reference_points import decode_reference_points
from drmemctl.formats.strings import decode_strings
from drmemctl.formats.usable_memory import decode_usable_memory
from tests.cases import each
from tests.formats.values import unhex


def v1(data: bytes, total: int | None = None, cells: int = 2) -> Any:
    return decode_entries(V1, data, cells, total)


def v2(data: bytes, total: int | None = None) -> Any:
    return decode_entries(V2, data, total=total)


def one_cell(data: bytes) -> Any:
    return decode_entries(V1, data, 1)


def three_cells(data: bytes) -> Any:
    return decode_entries(V1, data, 3)


def lmb_size(data: bytes, total: int | None = None) -> Any:
    return decode_lmb_size(data, total=total)


def lmb_size_of_one_cell(data: bytes) -> Any:
    return decode_lmb_size(data, 1)


def lmb_size_of_no_cells(data: bytes) -> Any:
    return decode_lmb_size(data, 0)


def reg_of_five_cells(data: bytes) -> Any:
    return decode_reg(data, 5, 5)


V1_ENTRY = "0000000010000000 80000001 00000000 00000000 00000008"
V2_SET = "0000018e 0000000020000000 80000002 00000001 00000008"


@each(
    ("decode", "data", "said"),
    [
        (v1, "0000", "v1-too-short: 2 bytes, too short for its count (at offset 0x0)"),
        (
            v1,
            f"00000003 {V1_ENTRY} {V1_ENTRY}",
            "v1-too-short: 3 LMBs, 2 whole: 76 bytes expected, there are 52 (at offset 0x34)",
        ),
        (v1, f"00000001 {V1_ENTRY} 0000", "v1-trailing: 2 bytes follow 1 LMB (at offset 0x1c)"),
        (
            one_cell,
            "00000002 10000000 80000001 00000000 00000000 00000008",
            "v1-too-short: 2 LMBs, 1 whole: 44 bytes expected, there are 24 (at offset 0x18)",
        ),
        (three_cells, "00000000", "v1-address-cells: root #address-cells is 3; read with 2, as Linux writes"),
        (v2, "000000", "v2-too-short: 3 bytes, too short for its count (at offset 0x0)"),
        (
            v2,
            f"00000002 {V2_SET} 00",
            "v2-too-short: 2 sets, 1 whole: 52 bytes expected, there are 29 (at offset 0x1d)",
        ),
        (v2, f"00000000 {V2_SET}", "v2-trailing: 24 bytes follow 0 sets (at offset 0x4)"),
        (decode_lookup_arrays, "0000", "lookup-too-short: 2 bytes, too short for its two counts (at offset 0x0)"),
        (
            decode_lookup_arrays,
            "00000002 00000002 00000000 00000001 00000002",
            "lookup-too-short: 2 arrays of 2 domains: 24 bytes expected, there are 20 (at offset 0x14)",
        ),
        (
            decode_lookup_arrays,
            "00000001 00000002 00000000 00000001 000000",
            "lookup-trailing: 3 bytes follow 1 array of 2 domains (at offset 0x10)",
        ),
        (
            decode_reference_points,
            "00000004 0000",
            "reference-points-trailing: 2 bytes follow 1 reference point (at offset 0x4)",
        ),
        (
            decode_domains,
            "0000",
            "domains-too-short: the count of levels: 4 bytes expected, there are 2 (at offset 0x2)",
        ),
        (
            decode_domains,
            "00000002 00000004",
            "domains-too-short: 2 levels: 12 bytes expected, there are 8 (at offset 0x8)",
        ),
        (
            decode_index_table,
            "00000003 00000000",
            "numa-index-too-short: 3 domain ids: 16 bytes expected, there are 8 (at offset 0x8)",
        ),
        (
            decode_distance_table,
            "00",
            "numa-distance-too-short: the count of distances: 4 bytes expected, there are 1 (at offset 0x1)",
        ),
        (
            decode_distance_table,
            "00000001 0a0a",
            "numa-distance-trailing: 1 byte follows 1 distance of a byte each (at offset 0x5)",
        ),
        (
            decode_associativity,
            "00000002 00000007",
            (
                "associativity-too-short: 1 associativity list, the first of 2 domains: 12 bytes expected,"
                " there are 8 (at offset 0x8)"
            ),
        ),
        (
            decode_associativity,
            "00000001 00000007 00000000 00",
            "associativity-trailing: 1 byte follows 2 associativity lists, the first of 1 domain (at offset 0xc)",
        ),
        (
            decode_associativity,
            "000000",
            (
                "associativity-too-short: 0 associativity lists, the first of 0 domains: 4 bytes expected,"
                " there are 3 (at offset 0x3)"
            ),
        ),
        (
            decode_architecture_vec5,
            "",
            "vec5-too-short: the length byte: 1 byte expected, there are 0 (at offset 0x0)",
        ),
        (
            decode_architecture_vec5,
            "020000",
            "vec5-too-short: 3 option bytes: 4 bytes expected, there are 3 (at offset 0x3)",
        ),
        (
            decode_lrdr_capacity,
            "0000000130000000 0000000010000000",
            "lrdr-too-short: an address, a size and a count: 20 bytes expected, there are 16 (at offset 0x10)",
        ),
        (
            decode_lrdr_capacity,
            "0000000130000000 0000000010000000 00000001 00000002 0000",
            "lrdr-trailing: 2 bytes follow an address, a size and a count (at offset 0x18)",
        ),
        (
            lmb_size,
            "10000000",
            "lmb-size-too-short: a number of 2 cells: 8 bytes expected, there are 4 (at offset 0x4)",
        ),
        (
            lmb_size_of_one_cell,
            "0000000010000000",
            "lmb-size-trailing: 4 bytes follow a number of 1 cell (at offset 0x4)",
        ),
        (lmb_size_of_no_cells, "0000000010000000", "lmb-size-size-cells: root #size-cells is 0; read with 2"),
        (
            decode_flags_mask,
            "00",
            "flags-mask-too-short: a number of 1 cell: 4 bytes expected, there are 1 (at offset 0x1)",
        ),
        (
            decode_preservation_time,
            "0000",
            "preservation-time-too-short: a number of 1 cell: 4 bytes expected, there are 2 (at offset 0x2)",
        ),
        (
            decode_drc_indexes,
            "00000002 80000000",
            "drc-indexes-too-short: 2 connectors: 12 bytes expected, there are 8 (at offset 0x8)",
        ),
        (
            decode_drc_power_domains,
            "00000001",
            "drc-power-domains-too-short: 1 power domain: 8 bytes expected, there are 4 (at offset 0x4)",
        ),
        (
            decode_drc_names,
            "0000",
            "drc-names-too-short: the count of names: 4 bytes expected, there are 2 (at offset 0x2)",
        ),
        (
            decode_drc_names,
            "00000002 4100 42",
            "drc-names-too-short: 2 names declared, 1 are there (at offset 0x7)",
        ),
        (
            decode_drc_types,
            "",
            "drc-types-too-short: the count of types: 4 bytes expected, there are 0 (at offset 0x0)",
        ),
        (decode_drc_types, "00000001 4100 4200", "drc-types-trailing: 2 bytes follow 1 type (at offset 0x6)"),
        (
            decode_drc_info,
            "",
            "drc-info-too-short: the count of entries: 4 bytes expected, there are 0 (at offset 0x0)",
        ),
        (
            decode_drc_info,
            "00000001 4d454d00",
            "drc-info-too-short: 1 sequence declared, 0 are whole (at offset 0x4)",
        ),
        (decode_drc_info, "00000000 00", "drc-info-trailing: 1 byte follows 0 sequences (at offset 0x4)"),
        (decode_reg, f"{V1_ENTRY}", "reg-trailing: 8 bytes follow 1 range of 16 bytes (at offset 0x10)"),
        (decode_usable_reg, "00", "usable-reg-trailing: 1 byte follows 0 ranges of 16 bytes (at offset 0x0)"),
        (
            decode_usable_memory,
            "0000000000000000 0000000000000002 0000000000000000 0000000000001000",
            (
                "usable-memory-too-short: 2 counters, the last one at 0x8 with 2 ranges: 48 bytes expected,"
                " there are 32 (at offset 0x20)"
            ),
        ),
        (
            decode_usable_memory,
            "0000000000000000 00000000",
            "usable-memory-trailing: 4 bytes follow 1 counter (at offset 0x8)",
        ),
        (decode_strings, "410042", "string-unterminated: the last string has no terminating NUL (at offset 0x2)"),
    ],
)
def test_what_is_wrong_is_said(decode: Callable[[bytes], Any], data: str, said: str) -> None:
    assert [f"{one.code}: {one}" for one in decode(unhex(data)).defects] == [said]


@pytest.mark.parametrize(
    ("decode", "data", "total", "said"),
    [
        (v1, f"00000003 {V1_ENTRY} 00", 76, "v1-cut: the source shows 29 of 76 bytes: 3 LMBs, 1 whole"),
        (v2, f"00000003 {V2_SET}", 29, "v2-cut: the source shows 28 of 29 bytes: 3 sets, 1 whole"),
        (
            decode_lookup_arrays,
            "00000002 00000001",
            16,
            "lookup-cut: the source shows 8 of 16 bytes: 2 arrays of 1 domain",
        ),
        (
            decode_reference_points,
            "00000004",
            8,
            "reference-points-cut: the source shows 4 of 8 bytes: reference points",
        ),
        (decode_domains, "00", 8, "domains-cut: the source shows 1 of 8 bytes: the count of levels"),
        (decode_domains, "00000001", 8, "domains-cut: the source shows 4 of 8 bytes: 1 level"),
        (decode_index_table, "00000002", 12, "numa-index-cut: the source shows 4 of 12 bytes: 2 domain ids"),
        (decode_distance_table, "", 8, "numa-distance-cut: the source shows 0 of 8 bytes: the count of distances"),
        (
            decode_distance_table,
            "00000004",
            8,
            "numa-distance-cut: the source shows 4 of 8 bytes: 4 distances of a byte each",
        ),
        (
            decode_associativity,
            "00000001",
            8,
            "associativity-cut: the source shows 4 of 8 bytes: 1 associativity list, the first of 1 domain",
        ),
        (decode_architecture_vec5, "", 9, "vec5-cut: the source shows 0 of 9 bytes: the length byte"),
        (decode_architecture_vec5, "0700", 9, "vec5-cut: the source shows 2 of 9 bytes: 8 option bytes"),
        (
            decode_lrdr_capacity,
            "00",
            20,
            "lrdr-cut: the source shows 1 of 20 bytes: an address, a size and a count",
        ),
        (lmb_size, "000000", 8, "lmb-size-cut: the source shows 3 of 8 bytes: a number of 2 cells"),
        (decode_flags_mask, "00", 4, "flags-mask-cut: the source shows 1 of 4 bytes: a number of 1 cell"),
        (
            decode_preservation_time,
            "00",
            4,
            "preservation-time-cut: the source shows 1 of 4 bytes: a number of 1 cell",
        ),
        (decode_drc_indexes, "00000001", 8, "drc-indexes-cut: the source shows 4 of 8 bytes: 1 connector"),
        (
            decode_drc_power_domains,
            "00000002",
            12,
            "drc-power-domains-cut: the source shows 4 of 12 bytes: 2 power domains",
        ),
        (decode_drc_names, "00", 9, "drc-names-cut: the source shows 1 of 9 bytes: the count of names"),
        (decode_drc_types, "00000002 4d", 9, "drc-types-cut: the source shows 5 of 9 bytes: 2 types"),
        (decode_drc_info, "00", 9, "drc-info-cut: the source shows 1 of 9 bytes: the count of entries"),
        (decode_drc_info, "00000002", 9, "drc-info-cut: the source shows 4 of 9 bytes: 0 of 2 sequences"),
        (decode_reg, "00", 16, "reg-cut: the source shows 1 of 16 bytes: 0 ranges of 16 bytes"),
        (decode_usable_reg, "00", 16, "usable-reg-cut: the source shows 1 of 16 bytes: 0 ranges of 16 bytes"),
        (
            decode_usable_memory,
            "0000000000000001 00",
            24,
            "usable-memory-cut: the source shows 9 of 24 bytes: 1 counter, the last one at 0x0 with 1 range",
        ),
    ],
)
def test_what_the_source_does_not_show_is_said(
    decode: Callable[..., Any], data: str, total: int, said: str
) -> None:
    (defect,) = decode(unhex(data), total=total).defects
    assert f"{defect.code}: {defect}" == said


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (decode_reference_points, "00000004 00"),
        (decode_index_table, "00000002 00000000"),
        (decode_associativity, "00000002 00000000"),
        (decode_lookup_arrays, "00000002 00000001 00000000"),
        (decode_drc_names, "00000002 4100"),
        (decode_drc_info, "00000001 4100"),
        (decode_reg, "00"),
        (decode_usable_memory, "0000000000000001 00"),
        (lmb_size, "0000000010"),
        (v1, "00000001 00"),
        (v2, "00000001 00"),
    ],
)
def test_a_value_that_is_shown_in_full_is_not_called_cut(decode: Callable[..., Any], data: str) -> None:
    value = unhex(data)
    (*_, defect) = decode(value).defects
    assert not defect.code.endswith("-cut")
    assert decode(value, total=len(value)).defects == decode(value).defects


def test_cells_that_cannot_be_are_named_one_by_one() -> None:
    assert [f"{one.code}: {one}" for one in decode_reg(b"", 5, 0).defects] == [
        "reg-address-cells: root #address-cells is 5; read with 2",
        "reg-size-cells: root #size-cells is 0; read with 2",
    ]
    assert [f"{one.code}: {one}" for one in decode_lmb_size(bytes(10), 3).defects] == [
        "lmb-size-odd: 10 bytes are no whole cells (at offset 0x8)",
        "lmb-size-too-short: a number of 3 cells: 12 bytes expected, there are 10 (at offset 0xa)",
    ]
    assert decode_number("x", unhex("000000000000000100000000"), 3).value == 1 << 32
