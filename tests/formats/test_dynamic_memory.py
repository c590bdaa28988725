# SPDX-License-Identifier: MIT
"""`ibm,dynamic-memory` and `ibm,dynamic-memory-v2`."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import construct
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.dynamic_memory import (
    FLAG_NAMES,
    V1,
    V2,
    decode_entries,
    encode_entries,
    flag_names,
    rows_v1,
    rows_v2,
)
from drmemctl.model.run import Run
from tests.conftest import FIXTURES, gunzip
from tests.formats.values import codes, unhex, value_in, values_of

NONE = 0xFFFFFFFF

ONE_LMB = unhex("00000001 0000000010000000 80000001 00000000 00000000 00000008")
THREE_SETS = unhex(
    "00000003 00000002 0000000040000000 80000010 00000001 00000008"
    "00000002 0000000100000000 80000040 00000001 00000008"
    "00000001 0000000200000000 80000080 ffffffff 00000000"
)

u32 = st.integers(0, 0xFFFFFFFF)
u64 = st.integers(0, 0xFFFFFFFFFFFFFFFF)
sets = st.lists(st.tuples(u64, u32, u32, u32, u32), max_size=10)
either = pytest.mark.parametrize("name", [V1, V2])


def test_one_lmb_of_v1() -> None:
    entries = decode_entries(V1, ONE_LMB)
    assert list(entries) == [(0x10000000, 1, 0x80000001, 0, 8)]
    assert (entries.declared, entries.present, entries.defects) == (1, 1, ())
    assert entries.offset(0) == 4


def test_three_sets_of_v2() -> None:
    entries = decode_entries(V2, THREE_SETS)
    assert list(entries) == [
        (0x40000000, 2, 0x80000010, 1, 8),
        (0x100000000, 2, 0x80000040, 1, 8),
        (0x200000000, 1, 0x80000080, NONE, 0),
    ]
    assert entries.defects == ()
    assert entries.offset(2) == 52


def test_a_gap_and_a_dimm_as_qemu_writes_them() -> None:
    # 1280 MiB of memory, the window from 2 GiB on, a DIMM of 256 MiB at its beginning.
    assert list(decode_entries(V2, value_in("trees/v2-gap", V2))) == [
        (0, 8, 0, NONE, 0xA0),
        (0x80000000, 1, 0x80000008, 0, 0x108),
        (0x90000000, 10, 0x80000009, NONE, 0),
    ]


def test_an_empty_window_as_qemu_writes_it() -> None:
    assert list(decode_entries(V2, value_in("trees/v2-empty", V2))) == [
        (0, 4, 0, NONE, 0xA0),
        (0x40000000, 12, 0x80000004, NONE, 0),
    ]


@pytest.mark.parametrize("path", sorted((FIXTURES / "kernel-arrays").glob("*.lmbs.json.gz")), ids=lambda p: p.name)
def test_entries_expand_to_the_array_in_the_kernels_memory(path: Path) -> None:
    tree = f"kernel-arrays/{path.name.removesuffix('.lmbs.json.gz')}"
    name = V1 if "v1" in tree else V2
    array = json.loads(gunzip(path))
    size, rows = array["lmb_size"], array["lmbs"]
    expanded = [
        [base + i * size, drc + i, aa, flags]
        for base, count, drc, aa, flags in decode_entries(name, value_in(tree, name))
        for i in range(count)
    ]
    assert expanded == rows


@pytest.mark.parametrize(("name", "layout"), [(V1, ">QIIII"), (V2, ">IQIII")])
def test_every_bundled_property_reads_as_struct_reads_it(name: str, layout: str) -> None:
    for value in values_of(name):
        count = int.from_bytes(value.data[:4], "big")
        rows = [struct.unpack_from(layout, value.data, 4 + 24 * i) for i in range(count)]
        in_v1 = [(row[0], 1, row[1], row[3], row[4]) for row in rows]
        expected = in_v1 if name == V1 else [(row[1], row[0], *row[2:]) for row in rows]
        found = decode_entries(name, value.data)
        assert list(found) == expected, value.tree
        slack = "v1-slack" in value.tree
        assert codes(found) == (["v1-trailing"] if slack else [])


@either
@given(st.binary(max_size=200), st.integers(0, 5), st.none() | st.integers(0, 400))
def test_no_bytes_make_it_raise(name: str, data: bytes, cells: int, total: int | None) -> None:
    entries = decode_entries(name, data, cells, total)
    assert len(list(entries)) == entries.present <= entries.declared
    for defect in entries.defects:
        assert defect.offset is None or 0 <= defect.offset <= len(data)


@given(sets, st.sampled_from([1, 2]))
def test_v2_round_trip(values: list[tuple[int, int, int, int, int]], cells: int) -> None:
    values = [(base % (1 << 32 * cells), *rest) for base, *rest in values]  # type: ignore[misc]
    data = encode_entries(V2, values, cells)
    entries = decode_entries(V2, data, cells)
    assert list(entries) == values
    assert entries.defects == ()
    assert encode_entries(V2, entries, cells) == data


@given(sets)
def test_v1_round_trip(values: list[tuple[int, int, int, int, int]]) -> None:
    data = encode_entries(V1, values)
    assert list(decode_entries(V1, data)) == [(base, 1, *rest) for base, _, *rest in values]
    assert data == struct.pack(">I", len(values)) + b"".join(
        struct.pack(">QIIII", base, drc, 0, aa, flags) for base, _, drc, aa, flags in values
    )


ADDRESS = {1: construct.Int32ub, 2: construct.Int64ub}


def cell_v1(cells: int) -> construct.Construct:
    """struct of_drconf_cell_v1 of the kernel, its address in the root's cells."""
    names = ("drc_index", "reserved", "aa_index", "flags")
    return construct.Struct("base_addr" / ADDRESS[cells], *(name / construct.Int32ub for name in names))


def cell_v2(cells: int) -> construct.Construct:
    """struct of_drconf_cell_v2."""
    names = ("drc_index", "aa_index", "flags")
    rest = (name / construct.Int32ub for name in names)
    return construct.Struct("seq_lmbs" / construct.Int32ub, "base_addr" / ADDRESS[cells], *rest)


@pytest.mark.parametrize(("rows", "cell"), [(rows_v1, cell_v1), (rows_v2, cell_v2)])
@pytest.mark.parametrize("cells", [1, 2])
@given(data=st.binary(min_size=24, max_size=240))
def test_bulk_codec_is_the_kernels_structure(rows: object, cell: object, cells: int, data: bytes) -> None:
    bulk, layout = rows(cells), cell(cells)  # type: ignore[operator]
    count = len(data) // bulk.size
    parsed = construct.Array(count, layout).parse(data)
    assert list(bulk.iterate(data, 0, count)) == [tuple(one[name] for name in bulk.names) for one in parsed]
    assert bulk.pack(list(bulk.iterate(data, 0, count))) == construct.Array(count, layout).build(parsed)


def test_values_that_do_not_fit_are_a_format_error() -> None:
    with pytest.raises(FormatError, match=V2):
        encode_entries(V2, [Run(0, 1 << 32, 0, 0, 0)])
    with pytest.raises(FormatError):
        encode_entries(V2, [], address_cells=3)


def test_too_short_for_its_count() -> None:
    found = decode_entries(V2, b"\0\0\0")
    assert (codes(found), found.defects[0].offset, list(found)) == (["v2-too-short"], 0, [])
    assert (found.property, found.data, found.declared, found.rows.size) == (V2, b"\0\0\0", 0, 24)


def test_too_few_sets_are_still_decoded() -> None:
    found = decode_entries(V2, THREE_SETS[:-1])
    assert (codes(found), found.defects[0].offset, found.present) == (["v2-too-short"], 75, 2)
    assert len(list(found)) == 2


def test_bytes_behind_the_last_lmb() -> None:
    found = decode_entries(V1, ONE_LMB + bytes(24))
    assert (codes(found), found.defects[0].offset, found.present) == (["v1-trailing"], 28, 1)


def test_a_value_that_the_source_cut_is_not_called_short() -> None:
    found = decode_entries(V2, THREE_SETS[:40], total=len(THREE_SETS))
    assert (codes(found), found.present) == (["v2-cut"], 1)
    assert "40 of 76 bytes" in found.defects[0].message


def test_address_cells_that_linux_does_not_write() -> None:
    found = decode_entries(V1, ONE_LMB, 3)
    assert codes(found) == ["v1-address-cells"]
    assert list(found) == [(0x10000000, 1, 0x80000001, 0, 8)]


def test_a_count_of_four_thousand_million_costs_nothing() -> None:
    found = decode_entries(V2, b"\xff" * 28)
    assert (found.declared, found.present, codes(found)) == (0xFFFFFFFF, 1, ["v2-too-short"])


def test_flags_have_the_names_of_lopar_and_keep_the_unknown() -> None:
    assert flag_names(0x108) == ["assigned", "hot-removable"]
    assert flag_names(0x800000A0) == ["drc-invalid", "reserved", "0x80000000"]
    assert flag_names(0) == []
    assert flag_names(1) == ["preserved"]
    assert sum(FLAG_NAMES) == 0x1FF


LINES = st.lists(
    st.tuples(
        st.integers(1, 600), st.integers(0, 30), st.integers(0, 30), st.integers(0, 1), st.sampled_from([0, 8])
    ),
    max_size=5,
)


@pytest.mark.parametrize("lmb_size", [None, 0, 16, 1 << 63, 1 << 64])
@pytest.mark.parametrize(("name", "cells"), [(V1, 1), (V1, 2), (V2, 2)])
@given(lines=LINES)
def test_blocks_hold_each_lmb_in_its_place(
    name: str, cells: int, lmb_size: int | None, lines: list[tuple[int, int, int, int, int]]
) -> None:
    step = lmb_size or 0
    wrap = 1 << 32 * cells
    single = [
        ((16 * base + at * step) % wrap, 1, 2 * drc + at, aa, flags)
        for count, base, drc, aa, flags in lines
        for at in range(count)
    ]
    found = decode_entries(name, encode_entries(name, single, cells), cells)
    listed = [
        ((base + at * step) % wrap, 1, drc + at, aa, flags)
        for block in found.blocks(lmb_size)
        for base, count, drc, aa, flags in zip(*block, strict=True)
        for at in range(count)
    ]
    assert listed == single


@pytest.mark.parametrize("cells", [1, 2])
def test_a_long_v1_property_is_few_entries(cells: int) -> None:
    single = [(at * 16, 1, at, 0, 9) for at in range(100_000)]
    blocks = list(decode_entries(V1, encode_entries(V1, single, cells), cells).blocks(16))
    assert sum(len(block.lmbs) for block in blocks) < 200
    assert sum(count for block in blocks for count in block.lmbs) == 100_000


@either
def test_entries_end_where_the_count_says(name: str) -> None:
    single = [(at * 16, 1, 7, 0, 8) for at in range(5000)]
    found = decode_entries(name, encode_entries(name, single) + bytes(24 * 5000))
    assert list(found) == single
    assert sum(len(block.lmbs) for block in found.blocks(None)) == 5000
