# SPDX-License-Identifier: MIT
"""FORM2: `ibm,numa-lookup-index-table` and `ibm,numa-distance-table`."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.numa_tables import decode_distance_table, decode_index_table
from tests.encoders import distances_table, encode_distance_table, encode_index_table
from tests.formats.values import codes, unhex, value_in, values_of

INDEX = "ibm,numa-lookup-index-table"
DISTANCE = "ibm,numa-distance-table"


def test_the_example_of_the_kernels_documentation() -> None:
    index = decode_index_table(unhex("00000003 00000000 00000008 00000028"))
    distance = decode_distance_table(unhex("00000009 0a1450 140aa0 50a00a"))
    assert (index.ids, index.defects) == ((0, 8, 40), ())
    assert [list(distance.row(i, 3)) for i in range(3)] == [[10, 20, 80], [20, 10, 160], [80, 160, 10]]
    assert (distance.declared, distance.defects) == (9, ())
    assert (distance.row(3, 3), distance.row(-1, 3), distance.row(-2, 3)) == (b"", b"", b"")


def test_distances_as_given_to_qemu() -> None:
    data = value_in("trees/numa4-form2-dist", DISTANCE)
    assert data == unhex("00000010 0a281428 280a5028 14500a14 2828140a")
    rows = [list(decode_distance_table(data).row(i, 4)) for i in range(4)]
    assert rows == [[10, 40, 20, 40], [40, 10, 80, 40], [20, 80, 10, 20], [40, 40, 20, 10]]


def test_bundled_tables() -> None:
    for value in values_of(INDEX):
        count, *ids = struct.unpack(f">{len(value.data) // 4}I", value.data)
        found = decode_index_table(value.data)
        assert (found.declared, list(found.ids), found.defects) == (count, ids, ())
    for value in values_of(DISTANCE):
        table = decode_distance_table(value.data)
        assert (table.declared, table.distances, table.defects) == (len(value.data) - 4, value.data[4:], ())


@given(st.lists(st.integers(0, 0xFFFFFFFF), max_size=10), st.binary(max_size=40))
def test_round_trip(ids: list[int], distances: bytes) -> None:
    index, distance = encode_index_table(ids), encode_distance_table(distances)
    assert list(decode_index_table(index).ids) == ids
    assert (decode_distance_table(distance).distances, decode_distance_table(distance).defects) == (distances, ())
    assert bytes(distances_table().parse(distance)) == distances


@given(st.binary(max_size=60), st.none() | st.integers(0, 80))
def test_no_bytes_make_them_raise(data: bytes, total: int | None) -> None:
    index, distance = decode_index_table(data, total), decode_distance_table(data, total)
    assert len(index.ids) <= index.declared
    assert len(distance.distances) <= distance.declared
    distance.row(1, 3)


@pytest.mark.parametrize(
    ("data", "code", "offset", "distances"),
    [
        ("", "numa-distance-too-short", 0, ""),
        ("000004", "numa-distance-too-short", 3, ""),
        ("00000004 0a1414", "numa-distance-too-short", 7, "0a1414"),
        ("00000004 0a14140a 00", "numa-distance-trailing", 8, "0a14140a"),
        ("ffffffff 0a", "numa-distance-too-short", 5, "0a"),
    ],
)
def test_what_is_wrong_with_a_distance_table(data: str, code: str, offset: int, distances: str) -> None:
    found = decode_distance_table(unhex(data))
    assert [(one.code, one.offset) for one in found.defects] == [(code, offset)]
    assert found.distances == unhex(distances)


def test_words_in_place_of_bytes_are_seen_by_the_length() -> None:
    found = decode_distance_table(unhex("00000004 0000000a 00000014 00000014 0000000a"))
    assert (codes(found), found.distances) == (["numa-distance-trailing"], unhex("0000000a"))


def test_other_faults() -> None:
    assert codes(decode_index_table(unhex("00000002 00000000"))) == ["numa-index-too-short"]
    assert codes(decode_distance_table(unhex("00000004 0a"), total=8)) == ["numa-distance-cut"]
    assert codes(decode_distance_table(b"", total=8)) == ["numa-distance-cut"]
    assert decode_distance_table(b"\0\0\1").declared == 0
    assert encode_distance_table([10], count=4) == unhex("00000004 0a")
    with pytest.raises(FormatError, match=DISTANCE):
        encode_distance_table([256])
