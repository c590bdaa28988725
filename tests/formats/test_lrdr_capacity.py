# SPDX-License-Identifier: MIT
"""`ibm,lrdr-capacity`."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.lrdr_capacity import decode_lrdr_capacity, lrdr_capacity
from tests.encoders import encode_lrdr_capacity
from tests.formats.values import codes, unhex, value_in, values_of

NAME = "ibm,lrdr-capacity"


def test_a_gap_as_qemu_counts_it() -> None:
    found = decode_lrdr_capacity(value_in("trees/v2-gap", NAME))
    assert (found.max_address, found.lmb_size, found.max_cpus) == (0x130000000, 0x10000000, 1)
    assert (found.second, found.defects) == (None, ())


def test_the_root_of_a_pseries_tree_has_two_cells_each() -> None:
    assert encode_lrdr_capacity(0x130000000, 0x10000000, 1) == value_in("trees/v2-gap", NAME)
    assert lrdr_capacity().sizeof() == 20


def test_no_window_and_no_maximum() -> None:
    assert decode_lrdr_capacity(value_in("trees/nomaxmem", NAME)).max_address == 0


def test_bundled_properties_read_as_struct_reads_them() -> None:
    for value in values_of(NAME):
        found = decode_lrdr_capacity(value.data)
        assert (found.max_address, found.lmb_size, found.max_cpus) == struct.unpack(">QQI", value.data)
        assert found.defects == ()


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]))
def test_round_trip(address: int, size: int, cpus: int, size_cells: int) -> None:
    data = encode_lrdr_capacity(address, size, cpus, 2, size_cells)
    found = decode_lrdr_capacity(data, 2, size_cells)
    assert (found.max_address, found.lmb_size, found.max_cpus, found.defects) == (address, size, cpus, ())
    parsed = lrdr_capacity(2, size_cells).parse(data)
    assert (parsed.max_address, parsed.lmb_size, parsed.max_cpus) == (address, size, cpus)


@given(st.binary(max_size=40), st.integers(-1, 6), st.integers(-1, 6), st.none() | st.integers(0, 60))
def test_no_bytes_make_it_raise(data: bytes, address: int, size: int, total: int | None) -> None:
    decode_lrdr_capacity(data, address, size, total)


def test_the_second_integer_of_some_implementations() -> None:
    found = decode_lrdr_capacity(unhex("00000001 00000000 00000000 10000000 00000008 00000020"))
    assert (found.max_cpus, found.second, found.defects) == (8, 32, ())


@pytest.mark.parametrize(
    ("data", "values", "fault"),
    [
        ("", (None, None, None), "lrdr-too-short"),
        ("00000001 00000000 00000000", (1 << 32, None, None), "lrdr-too-short"),
        ("00000001 00000000 00000000 10000000", (1 << 32, 1 << 28, None), "lrdr-too-short"),
        ("00000001 00000000 00000000 10000000 00000008 00", (1 << 32, 1 << 28, 8), "lrdr-trailing"),
        (
            "00000001 00000000 00000000 10000000 00000008 00000020 00000000",
            (1 << 32, 1 << 28, 8),
            "lrdr-trailing",
        ),
    ],
)
def test_faults(data: str, values: tuple[int | None, ...], fault: str) -> None:
    found = decode_lrdr_capacity(unhex(data))
    assert (found.max_address, found.lmb_size, found.max_cpus) == values
    assert codes(found) == [fault]


def test_cells_and_cuts() -> None:
    assert codes(decode_lrdr_capacity(bytes(20), 0, 2)) == ["lrdr-address-cells"]
    assert codes(decode_lrdr_capacity(bytes(8), total=20)) == ["lrdr-cut"]
    assert decode_lrdr_capacity(unhex("80000000 10000000 00000004"), 1, 1).max_cpus == 4


def test_values_that_do_not_fit_are_a_format_error() -> None:
    with pytest.raises(FormatError, match=NAME):
        encode_lrdr_capacity(1 << 64, 0, 0)
