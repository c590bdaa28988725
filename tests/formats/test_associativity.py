# SPDX-License-Identifier: MIT
"""`ibm,associativity` of a node."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.associativity import decode_associativity, encode_associativity
from tests.formats.values import codes, unhex, values_of

NAME = "ibm,associativity"
DOMAINS = st.lists(st.integers(0, 0xFFFFFFFF), max_size=6)


def test_domains_count_from_one() -> None:
    found = decode_associativity(unhex("00000004 00000000 00000001 00000002 00000003"))
    assert (found.declared, found.domains, found.more, found.defects) == (4, (0, 1, 2, 3), (), ())
    assert [found.domain(ordinal) for ordinal in (0, 1, 4, 5)] == [None, 0, 3, None]


def test_bundled_properties_read_as_struct_reads_them() -> None:
    for value in values_of(NAME):
        length, *domains = struct.unpack(f">{len(value.data) // 4}I", value.data)
        found = decode_associativity(value.data)
        assert (found.declared, list(found.domains), found.defects) == (length, domains, ())
        assert encode_associativity(found.domains) == value.data


@given(DOMAINS, st.lists(DOMAINS, max_size=3))
def test_round_trip_of_one_list_or_several(first: list[int], more: list[list[int]]) -> None:
    data = encode_associativity(first, *more)
    found = decode_associativity(data)
    assert (list(found.domains), [list(one) for one in found.more], found.defects) == (first, more, ())


@given(st.binary(max_size=60), st.none() | st.integers(0, 80))
def test_no_bytes_make_it_raise(data: bytes, total: int | None) -> None:
    found = decode_associativity(data, total)
    assert len(found.domains) <= found.declared


@pytest.mark.parametrize(
    ("data", "domains", "more", "faults"),
    [
        ("", (), (), [("associativity-too-short", 0)]),
        ("0000", (), (), [("associativity-too-short", 2)]),
        ("00000000", (), (), []),
        ("00000002 00000007", (7,), (), [("associativity-too-short", 8)]),
        ("00000001 00000007 00", (7,), (), [("associativity-trailing", 8)]),
        ("00000001 00000007 00000001 00000008", (7,), ((8,),), []),
        ("00000001 00000007 00000002 00000008", (7,), ((8,),), [("associativity-too-short", 16)]),
        ("ffffffff 00000001", (1,), (), [("associativity-too-short", 8)]),
    ],
)
def test_faults(
    data: str, domains: tuple[int, ...], more: tuple[tuple[int, ...], ...], faults: list[tuple[str, int]]
) -> None:
    found = decode_associativity(unhex(data))
    assert (found.domains, found.more) == (domains, more)
    assert [(one.code, one.offset) for one in found.defects] == faults


def test_a_value_that_the_source_cut() -> None:
    assert codes(decode_associativity(unhex("00000004 00000000"), total=20)) == ["associativity-cut"]


def test_domains_that_do_not_fit_are_a_format_error() -> None:
    with pytest.raises(FormatError, match=NAME):
        encode_associativity([1 << 32])
