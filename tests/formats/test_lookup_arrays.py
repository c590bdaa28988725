# SPDX-License-Identifier: MIT
"""`ibm,associativity-lookup-arrays`."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.lookup_arrays import HEADER, decode_lookup_arrays, encode_lookup_arrays
from tests.formats.values import codes, unhex, value_in, values_of

NAME = "ibm,associativity-lookup-arrays"
POWERVM = unhex("00000002 00000004 00000000 00000000 00000000 00000000 00000000 00000000 00000002 00000002")

tables = st.integers(1, 5).flatmap(
    lambda width: st.tuples(st.just(width), st.lists(st.tuples(*[st.integers(0, 0xFFFFFFFF)] * width), max_size=5))
)


def test_the_arrays_of_a_powervm_partition() -> None:
    found = decode_lookup_arrays(POWERVM)
    assert found.rows() == [(0, 0, 0, 0), (0, 0, 2, 2)]
    assert (found.row(1), found.row(2), found.row(-1)) == ((0, 0, 2, 2), None, None)
    assert (found.usable, found.defects) == (True, ())


def test_form1_distances_as_qemu_turns_them_into_domains() -> None:
    data = value_in("trees/numa4-form1-dist", NAME)
    assert decode_lookup_arrays(data).rows() == [(0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 0, 2), (0, 0, 0, 3)]


def test_every_bundled_property_reads_as_struct_reads_it() -> None:
    for value in values_of(NAME):
        count, width, *cells = struct.unpack(f">{len(value.data) // 4}I", value.data)
        found = decode_lookup_arrays(value.data)
        assert (found.n_arrays, found.array_sz, found.defects) == (count, width, ())
        assert found.usable
        assert [cell for row in found.rows() for cell in row] == cells, value.tree


@given(tables)
def test_round_trip(table: tuple[int, list[tuple[int, ...]]]) -> None:
    width, rows = table
    data = encode_lookup_arrays(rows, width)
    found = decode_lookup_arrays(data)
    assert (found.rows(), found.defects, found.usable) == (rows, (), True)
    header = HEADER.declaration.parse(data)
    assert (header.n_arrays, header.array_sz) == (len(rows), width)


@given(st.binary(max_size=120), st.none() | st.integers(0, 200))
def test_no_bytes_make_it_raise(data: bytes, total: int | None) -> None:
    found = decode_lookup_arrays(data, total)
    rows = found.rows()
    assert all(found.row(index) == row for index, row in enumerate(rows))
    assert len(rows) == (found.present if found.array_sz else 0)


def test_too_short_for_the_counts() -> None:
    found = decode_lookup_arrays(POWERVM[:7])
    assert codes(found) == ["lookup-too-short"]
    assert (found.n_arrays, found.array_sz, list(found.cells), found.usable) == (0, 0, [], False)


def test_lmbs_share_their_list() -> None:
    found = decode_lookup_arrays(POWERVM)
    assert found.row(1) is found.row(1)
    assert found.row(0) is not found.row(1)


def test_arrays_that_are_there_are_decoded() -> None:
    found = decode_lookup_arrays(POWERVM[:-4])
    assert (codes(found), found.rows(), found.usable) == (["lookup-too-short"], [(0, 0, 0, 0)], False)
    assert found.defects[0].offset == 36


def test_bytes_behind_the_last_array() -> None:
    found = decode_lookup_arrays(POWERVM + b"\0")
    assert (codes(found), found.defects[0].offset, found.usable) == (["lookup-trailing"], 40, True)


def test_a_value_that_the_source_cut() -> None:
    assert codes(decode_lookup_arrays(POWERVM[:16], total=40)) == ["lookup-cut"]


@pytest.mark.parametrize(
    ("arrays", "width", "usable"),
    [
        (0x10000, 0x10000, True),  # the product is 2^32, which is 0 in u32: 8 bytes are enough
        (0x80000000, 2, True),
        (0xFFFFFFFF, 0xFFFFFFFF, False),  # 1 in u32: 12 bytes are needed
        (0xFFFFFFFE, 1, True),  # -2 + 2 is 0: Linux asks for no bytes at all
        (0x40000000, 1, False),  # 2^30 words do not wrap before they are multiplied by four
        (0, 5, True),
        (5, 0, True),
    ],
)
def test_counts_wrap_where_they_do_in_linux(arrays: int, width: int, usable: bool) -> None:
    assert decode_lookup_arrays(struct.pack(">II", arrays, width)).usable is usable


def test_arrays_of_no_domains_are_not_listed() -> None:
    found = decode_lookup_arrays(unhex("ffffffff 00000000"))
    assert (found.rows(), found.row(0), found.present) == ([], (), 0xFFFFFFFF)


def test_lists_of_another_length_are_a_format_error() -> None:
    with pytest.raises(FormatError, match="4 domains"):
        encode_lookup_arrays([(1, 2, 3)], 4)
    with pytest.raises(FormatError, match=NAME):
        encode_lookup_arrays([(-1,)], 1)
