# SPDX-License-Identifier: MIT
"""`ibm,associativity-reference-points`."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.reference_points import decode_reference_points
from tests.encoders import encode_reference_points
from tests.formats.values import codes, unhex, value_in, values_of

NAME = "ibm,associativity-reference-points"


def test_what_qemu_gives_by_form_and_machine() -> None:
    assert decode_reference_points(value_in("trees/numa4-form1-dist", NAME)).points == (4, 3, 2, 1)
    assert decode_reference_points(value_in("trees/numa4-form2-dist", NAME)).points == (1,)
    assert decode_reference_points(value_in("trees/legacy-5.0", NAME)).points == (4, 4)


def test_bundled_properties_read_as_struct_reads_them() -> None:
    for value in values_of(NAME):
        found = decode_reference_points(value.data)
        assert (found.points, found.defects) == (struct.unpack(f">{len(value.data) // 4}I", value.data), ())


@given(st.lists(st.integers(0, 0xFFFFFFFF), max_size=8))
def test_round_trip(points: list[int]) -> None:
    found = decode_reference_points(encode_reference_points(points))
    assert (list(found.points), found.defects) == (points, ())


@given(st.binary(max_size=40), st.none() | st.integers(0, 60))
def test_no_bytes_make_it_raise(data: bytes, total: int | None) -> None:
    assert len(decode_reference_points(data, total).points) == len(data) // 4


def test_faults() -> None:
    found = decode_reference_points(unhex("00000004 000000"))
    assert (found.points, codes(found), found.defects[0].offset) == ((4,), ["reference-points-trailing"], 4)
    assert decode_reference_points(b"").points == ()
    assert codes(decode_reference_points(unhex("00000004"), total=16)) == ["reference-points-cut"]
