# SPDX-License-Identifier: MIT
"""Lists of u32, and the faults of lengths that all decoders report alike."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.lists import counted, decode_counted_words, decode_words, encode_words, judge_length
from drmemctl.wording import count_of
from tests.encoders import encode_counted_words
from tests.formats.values import codes, unhex

cells = st.lists(st.integers(0, 0xFFFFFFFF), max_size=20)


@given(cells)
def test_counted_round_trip(values: list[int]) -> None:
    data = encode_counted_words("p", values)
    assert data == struct.pack(f">{len(values) + 1}I", len(values), *values)
    assert data == counted().build(values)
    found = decode_counted_words("x", "thing", data)
    assert (list(found.cells), found.declared, found.defects) == (values, len(values), ())
    assert (len(found), [found[i] for i in range(len(found))]) == (len(values), values)


@given(cells)
def test_plain_round_trip(values: list[int]) -> None:
    data = encode_words("p", values)
    found = decode_words("x", "thing", data)
    assert (list(found.cells), found.declared, found.defects) == (values, len(values), ())
    assert data == struct.pack(f">{len(values)}I", *values)


@given(st.binary(max_size=60), st.none() | st.integers(0, 100))
def test_no_bytes_make_them_raise(data: bytes, total: int | None) -> None:
    counted, plain = decode_counted_words("x", "thing", data, total), decode_words("x", "thing", data, total)
    assert len(counted) <= counted.declared
    assert len(plain) == len(data) // 4
    for defect in counted.defects + plain.defects:
        assert defect.offset is None or 0 <= defect.offset <= len(data)


@pytest.mark.parametrize(
    ("data", "code", "offset", "values"),
    [
        ("", "x-too-short", 0, []),
        ("000000", "x-too-short", 3, []),
        ("00000002 0000000a", "x-too-short", 8, [10]),
        ("00000002 0000000a 00", "x-too-short", 9, [10]),
        ("00000001 0000000a 0000000b", "x-trailing", 8, [10]),
        ("00000000 00", "x-trailing", 4, []),
        ("00000004 00000001 00000002 00000003 00000004 00000005", "x-trailing", 20, [1, 2, 3, 4]),
        ("ffffffff 0000000a", "x-too-short", 8, [10]),
    ],
)
def test_what_is_wrong_with_a_counted_list(data: str, code: str, offset: int, values: list[int]) -> None:
    found = decode_counted_words("x", "thing", unhex(data))
    assert [(one.code, one.offset) for one in found.defects] == [(code, offset)]
    assert list(found.cells) == values


def test_a_list_without_a_whole_count_declares_nothing() -> None:
    assert decode_counted_words("x", "thing", b"\0\0\1").declared == 0


def test_a_tail_shorter_than_a_cell() -> None:
    found = decode_words("x", "thing", unhex("00000001 0000"))
    assert [(one.code, one.offset, one.message) for one in found.defects] == [
        ("x-trailing", 4, "2 bytes follow 1 thing")
    ]


def test_a_value_that_the_source_cut() -> None:
    assert codes(decode_counted_words("x", "thing", unhex("00000009 00000001"), total=40)) == ["x-cut"]
    assert codes(decode_counted_words("x", "thing", b"\0", total=40)) == ["x-cut"]
    found = decode_words("x", "thing", unhex("00000001 00"), total=11)
    assert (codes(found), found.declared, list(found.cells)) == (["x-cut"], 2, [1])


def test_messages_count_in_words() -> None:
    (short,) = judge_length("x", "3 domains", 5, 16)
    assert str(short) == "3 domains: 16 bytes expected, there are 5 (at offset 0x5)"
    (trailing,) = judge_length("x", "3 domains", 17, 16)
    assert str(trailing) == "1 byte follows 3 domains (at offset 0x10)"
    assert judge_length("x", "3 domains", 16, 16) == ()
    assert (count_of(1, "byte"), count_of(0, "byte")) == ("1 byte", "0 bytes")


def test_a_count_that_lies_can_be_built() -> None:
    assert encode_counted_words("p", [1], 7) == unhex("00000007 00000001")


@pytest.mark.parametrize("values", [[-1], [1 << 32], ["text"], [None]])
def test_values_that_do_not_fit_are_a_format_error(values: list[int]) -> None:
    with pytest.raises(FormatError) as caught:
        encode_counted_words("the,property", values)
    assert caught.value.property == "the,property"
