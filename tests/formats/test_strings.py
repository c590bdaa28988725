# SPDX-License-Identifier: MIT
"""Strings in properties."""

from __future__ import annotations

from typing import Any

import pytest
from construct import Array
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.strings import (
    decode_strings,
    iterate_strings,
    skip_strings,
    string,
    to_bytes,
    to_text,
)
from tests.encoders import encode_strings
from tests.formats.values import codes, values_of

NAMES = st.lists(st.binary(max_size=8).filter(lambda raw: b"\0" not in raw), max_size=12)


@given(st.binary(max_size=60))
def test_every_value_comes_back_as_it_was(data: bytes) -> None:
    found = decode_strings(data)
    assert encode_strings(found.items, terminated=found.terminated) == data
    assert all("\0" not in item for item in found.items)
    assert codes(found) == ([] if found.terminated else ["string-unterminated"])


@pytest.mark.parametrize(
    ("data", "items"),
    [(b"", ()), (b"\0", ("",)), (b"a\0", ("a",)), (b"a\0\0b\0", ("a", "", "b")), (b"\xff\0", ("\udcff",))],
)
def test_terminated_strings(data: bytes, items: tuple[str, ...]) -> None:
    assert decode_strings(data).items == items
    assert decode_strings(data).defects == ()


def test_a_tail_without_a_nul_is_a_string_and_a_defect() -> None:
    found = decode_strings(b"IBM,a\0IBM,b")
    assert (found.items, found.terminated) == (("IBM,a", "IBM,b"), False)
    assert [(one.code, one.offset) for one in found.defects] == [("string-unterminated", 6)]


@pytest.mark.parametrize("name", ["compatible", "model", "device_type", "ibm,hypertas-functions", "status"])
def test_bundled_texts_read_as_libfdt_reads_them(name: str, libfdt: Any) -> None:
    for value in values_of(name):
        assert (
            list(decode_strings(value.data).items) == libfdt.Property("p", bytearray(value.data)).as_stringlist()
        )


@given(st.binary(max_size=60))
def test_text_of_any_bytes_is_lossless_and_has_a_character_for_each(data: bytes) -> None:
    assert to_bytes(to_text(data)) == data
    assert len(to_text(data)) == len(data)


def test_text_that_is_no_ascii_is_written_as_utf8() -> None:
    assert to_bytes("ä") == "ä".encode()
    # Half of a surrogate pair stands for no byte: it is written as it would be in WTF-8.
    assert to_bytes("a\ud800") == b"a\xed\xa0\x80"
    assert encode_strings(["a", "bc"]) == b"a\0bc\0"
    assert encode_strings(["a", "bc"], terminated=False) == b"a\0bc"
    assert list(iterate_strings(b"\0a\0b", 0, 3)) == ["", "a"]


@given(NAMES, st.binary(max_size=3), st.integers(0, 12))
def test_skipping_lands_where_construct_stops(raw: list[bytes], head: bytes, count: int) -> None:
    data = head + b"".join(item + b"\0" for item in raw)
    found = skip_strings(data, len(head), count)
    if count > len(raw):
        assert found is None
    else:
        parsed = Array(count, string()).parse(data[len(head) :])
        assert found == len(head) + sum(len(item) + 1 for item in parsed)
        assert list(iterate_strings(data, len(head), count)) == [to_text(item) for item in parsed]


def test_skipping_across_blocks_of_64_kib() -> None:
    data = b"head" + b"".join(b"LMB %d\0" % i for i in range(100_000))
    for count in (0, 1, 6553, 9362, 50_000, 99_999, 100_000):
        found = skip_strings(data, 4, count)
        assert found == 4 + sum(len(b"LMB %d\0" % i) for i in range(count))
    assert skip_strings(data, 4, 100_001) is None


def test_a_nul_inside_is_a_format_error() -> None:
    with pytest.raises(FormatError, match="NUL"):
        encode_strings(["a\0b"], property="compatible")
