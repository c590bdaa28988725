# SPDX-License-Identifier: MIT
"""Numbers of one cell or more, and the properties that are one number."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.cells import (
    cells,
    decode_flags_mask,
    decode_lmb_size,
    decode_number,
    decode_preservation_time,
    read_cells,
    usable_cells,
)
from tests.encoders import encode_flags_mask, encode_lmb_size, encode_number, encode_preservation_time
from tests.formats.values import codes, unhex, values_of


@given(st.binary(max_size=40), st.integers(-2, 12), st.integers(0, 6))
def test_read_cells_is_what_construct_reads(data: bytes, offset: int, number: int) -> None:
    found = read_cells(data, offset, number)
    if offset < 0 or offset + 4 * number > len(data):
        assert found is None
    elif number:
        assert found == cells(number).parse(data[offset:])
    else:
        assert found == 0


def test_read_cells_of_two_are_high_and_low() -> None:
    assert read_cells(unhex("ffffffff 00000001 30000000"), 4, 2) == 0x130000000


@given(st.integers(1, 6), st.data())
def test_number_round_trip(number: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, (1 << 32 * number) - 1))
    raw = encode_number("p", value, number)
    assert raw == value.to_bytes(4 * number, "big")
    assert (decode_number("x", raw, number).value, decode_number("x", raw, number).defects) == (value, ())


@given(st.binary(max_size=40), st.integers(-1, 6), st.none() | st.integers(0, 60))
def test_no_bytes_make_it_raise(data: bytes, number: int, total: int | None) -> None:
    for found in (decode_lmb_size(data, number, total), decode_flags_mask(data, total)):
        assert found.value is not None or found.defects
    decode_preservation_time(data, total)


def test_bundled_lmb_sizes() -> None:
    for value in values_of("ibm,lmb-size"):
        expected = struct.unpack(">Q", value.data)[0]
        found = decode_lmb_size(value.data, 2)
        assert (found.value, found.defects) == (expected, ())


@pytest.mark.parametrize(
    ("data", "size_cells", "value", "faults"),
    [
        ("00000000 10000000", 2, 0x10000000, []),
        ("00000001 00000000", 2, 1 << 32, []),
        ("10000000", 1, 0x10000000, []),
        ("00000000 10000000", 1, 0, ["lmb-size-trailing"]),
        ("10000000", 2, None, ["lmb-size-too-short"]),
        ("", 2, None, ["lmb-size-too-short"]),
        ("00000000 1000000000", 2, 0x10000000, ["lmb-size-odd", "lmb-size-trailing"]),
        ("000000", 1, None, ["lmb-size-odd", "lmb-size-too-short"]),
        ("00000000 10000000", 0, 0x10000000, ["lmb-size-size-cells"]),
        ("00000000 10000000", 0xFFFFFFFF, 0x10000000, ["lmb-size-size-cells"]),
        ("00000000 00000000 10000000", 3, 0x10000000, []),
    ],
)
def test_lmb_size_is_read_in_the_roots_cells(
    data: str, size_cells: int, value: int | None, faults: list[str]
) -> None:
    found = decode_lmb_size(unhex(data), size_cells)
    assert (found.value, codes(found)) == (value, faults)


def test_flags_mask_and_preservation_time() -> None:
    assert decode_flags_mask(unhex("000000ff")).value == 0xFF
    assert encode_flags_mask(0xFF) == unhex("000000ff")
    assert decode_preservation_time(unhex("7fffffff")).value == 0x7FFFFFFF
    assert encode_preservation_time(90) == unhex("0000005a")
    assert encode_lmb_size(1 << 32) == unhex("00000001 00000000")
    assert codes(decode_flags_mask(unhex("0000ff"))) == ["flags-mask-too-short"]
    assert codes(decode_preservation_time(bytes(5))) == ["preservation-time-trailing"]


def test_bundled_flags_masks() -> None:
    assert {decode_flags_mask(value.data).value for value in values_of("ibm,memory-flags-mask")} == {0xFF}


def test_a_value_that_the_source_cut() -> None:
    found = decode_lmb_size(b"\0\0\0", 2, total=8)
    assert (found.value, codes(found)) == (None, ["lmb-size-cut"])


def test_cell_counts_that_cannot_be_are_read_as_two() -> None:
    (address, size), defects = usable_cells("reg", address_cells=0, size_cells=1)
    assert (address, size) == (2, 1)
    assert [str(one) for one in defects] == ["root #address-cells is 0; read with 2"]
    assert usable_cells("reg", address_cells=4, size_cells=1) == ([4, 1], ())
    assert [one.code for one in usable_cells("reg", size_cells=5)[1]] == ["reg-size-cells"]


@pytest.mark.parametrize("value", [-1, 1 << 32, "x", None, 1.5])
def test_numbers_that_do_not_fit_are_a_format_error(value: int) -> None:
    with pytest.raises(FormatError, match="ibm,memory-flags-mask"):
        encode_flags_mask(value)
