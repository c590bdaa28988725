# SPDX-License-Identifier: MIT
"""`ibm,drc-indexes`, `-names`, `-types`, `-power-domains`."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.drc import (
    INDEXES,
    NAMES,
    POWER_DOMAINS,
    TYPES,
    Connector,
    decode_connectors,
    decode_drc_indexes,
    decode_drc_names,
    decode_drc_power_domains,
    decode_drc_types,
)
from tests.encoders import encode_drc_strings, encode_drc_words
from tests.formats.values import codes, unhex, values_of

TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=8)


def four(tree: str, path: str) -> dict[str, bytes]:
    return {
        name: value.data
        for name in (INDEXES, NAMES, TYPES, POWER_DOMAINS)
        for value in values_of(name)
        if (value.tree, value.path) == (tree, path)
    }


def test_the_connectors_of_a_bundled_tree_by_their_names() -> None:
    found = decode_connectors(*four("trees/v2-gap", "/").values())
    lmbs = [one for one in found if one.type == "MEM"]
    # QEMU: index 0x80000000 | address / 256 MiB, name `LMB n`; the window is 2 GiB to 0x130000000.
    assert sorted((one.index, one.name) for one in lmbs) == [(0x80000000 | n, f"LMB {n}") for n in range(8, 19)]
    assert {one.power_domain for one in found} == {0xFFFFFFFF}
    assert found.defects == ()


def test_bundled_properties_read_as_struct_and_libfdt_read_them(libfdt: Any) -> None:
    for name, decode in ((INDEXES, decode_drc_indexes), (POWER_DOMAINS, decode_drc_power_domains)):
        for value in values_of(name):
            count, *cells = struct.unpack(f">{len(value.data) // 4}I", value.data)
            words = decode(value.data)
            assert (words.declared, list(words.cells), words.defects) == (count, cells, ())
    for name, decode_strings in ((NAMES, decode_drc_names), (TYPES, decode_drc_types)):
        for value in values_of(name):
            expected = libfdt.Property("p", bytearray(value.data[4:])).as_stringlist()
            strings = decode_strings(value.data)
            assert (strings.declared, list(strings), strings.defects) == (len(expected), expected, ())


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), TEXT, TEXT, st.integers(0, 2**32 - 1)), max_size=12))
def test_round_trip(rows: list[tuple[int, str, str, int]]) -> None:
    indexes, names, types, domains = ([row[i] for row in rows] for i in range(4))
    values = (
        encode_drc_words(INDEXES, indexes),  # type: ignore[arg-type]
        encode_drc_strings(NAMES, names),  # type: ignore[arg-type]
        encode_drc_strings(TYPES, types),  # type: ignore[arg-type]
        encode_drc_words(POWER_DOMAINS, domains),  # type: ignore[arg-type]
    )
    found = decode_connectors(*values)
    assert list(found) == [Connector(*row) for row in rows]
    assert (len(found), found.defects) == (len(rows), ())
    for row in rows:
        first = next(one for one in rows if one[0] == row[0])
        assert found.find(row[0]) == Connector(*first)


@given(st.binary(max_size=60), st.binary(max_size=60), st.none() | st.integers(0, 90))
def test_no_bytes_make_them_raise(numbers: bytes, strings: bytes, total: int | None) -> None:
    found = decode_connectors(numbers, strings, strings, numbers)
    assert len(list(found)) == len(found)
    assert found.find(-1) is None
    decode_drc_indexes(numbers, total)
    names = decode_drc_names(strings, total)
    assert [names.get(i) for i in range(len(names))] == list(names)
    assert len(names) <= names.declared
    assert names.get(len(names)) is names.get(-1) is None


@pytest.mark.parametrize(
    ("data", "items", "faults"),
    [
        (b"", [], [("drc-names-too-short", 0)]),
        (b"\0\0\0", [], [("drc-names-too-short", 3)]),
        (b"\0\0\0\0", [], []),
        (b"\0\0\0\1LMB 0\0", ["LMB 0"], []),
        (b"\0\0\0\2LMB 0\0", ["LMB 0"], [("drc-names-too-short", 10)]),
        (b"\0\0\0\2LMB 0\0LMB", ["LMB 0"], [("drc-names-too-short", 13)]),
        (b"\0\0\0\1LMB 0\0LMB 1\0", ["LMB 0"], [("drc-names-trailing", 10)]),
        (b"\xff\xff\xff\xff\0", [""], [("drc-names-too-short", 5)]),
        (b"\0\0\0\1\xff\0", ["\udcff"], []),
    ],
)
def test_what_is_wrong_with_names(data: bytes, items: list[str], faults: list[tuple[str, int]]) -> None:
    found = decode_drc_names(data)
    assert (list(found), [(one.code, one.offset) for one in found.defects]) == (items, faults)


def test_what_is_there_of_names() -> None:
    found = decode_drc_names(b"\0\0\0\1LMB 0\0LMB 1\0")
    assert [found.get(position) for position in (-1, 0, 1)] == [None, "LMB 0", None]
    for data, declared in ((b"\0\0\1", 0), (b"\0\0\0\2", 2)):
        found = decode_drc_names(data)
        assert (found.data, found.declared, found.present) == (data, declared, 0)


def test_values_that_the_source_cut() -> None:
    cut = b"\0\0\0\2LMB 0\0LM"
    found = decode_drc_names(cut, total=16)
    assert (found.data, list(found), codes(found)) == (cut, ["LMB 0"], ["drc-names-cut"])
    found = decode_drc_names(b"\0\0\0\1LMB 0\0", total=16)
    assert (list(found), codes(found)) == (["LMB 0"], ["drc-names-cut"])
    assert codes(decode_drc_types(b"\0\0\0\3MEM\0ME", total=16)) == ["drc-types-cut"]
    assert codes(decode_drc_types(b"\0\0", total=16)) == ["drc-types-cut"]
    assert codes(decode_drc_power_domains(unhex("00000003 ffffffff"), total=16)) == ["drc-power-domains-cut"]


def test_counts_that_disagree() -> None:
    found = decode_connectors(unhex("00000002 80000000 80000001"), b"\0\0\0\1LMB 0\0", None, unhex("00000000"))
    assert [f"{one.code}: {one.property}: {one.message}, {one.offset}" for one in found.defects] == [
        f"drc-names-count: {NAMES}: declares 1 connectors, {INDEXES} declares 2, 0",
        f"drc-power-domains-count: {POWER_DOMAINS}: declares 0 connectors, {INDEXES} declares 2, 0",
    ]
    assert list(found) == [Connector(0x80000000, "LMB 0"), Connector(0x80000001)]
    assert found.find(0x80000001) == Connector(0x80000001)
    assert found.find(0x80000000) == Connector(0x80000000, "LMB 0")


def test_indexes_alone_are_connectors() -> None:
    found = decode_connectors(unhex("00000002 80000000 80000001"))
    assert list(found) == [Connector(0x80000000), Connector(0x80000001)]
    assert found.find(0x80000001) == Connector(0x80000001)


def test_defects_name_their_property() -> None:
    found = decode_connectors(unhex("00000002 80000000"), None, b"\0\0\0\2MEM\0")
    assert [(one.code, one.property) for one in found.defects] == [
        ("drc-indexes-too-short", INDEXES),
        ("drc-types-too-short", TYPES),
    ]


def test_a_million_connectors_need_no_million_objects() -> None:
    count = 1 << 20
    numbers = struct.pack(">I", count) + b"".join(struct.pack(">I", 0x80000000 + i) for i in range(count))
    names = struct.pack(">I", count) + b"".join(b"LMB %d\0" % i for i in range(count))
    types = struct.pack(">I", count) + b"MEM\0" * count
    tracemalloc.start()
    found = decode_connectors(numbers, names, types, numbers)
    assert found.find(0x80000000 + 999_999) == Connector(0x800F423F, "LMB 999999", "MEM", 0x800F423F)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Two columns of four bytes each, and one such column while it is made.
    assert peak < 4 * count * 4
    assert (len(found), found.defects) == (count, ())


def test_values_that_do_not_fit_are_a_format_error() -> None:
    with pytest.raises(FormatError, match=NAMES):
        encode_drc_strings(NAMES, ["a\0b"])
    with pytest.raises(FormatError, match=INDEXES):
        encode_drc_words(INDEXES, [-1])
    assert encode_drc_words(INDEXES, [1], count=2) == unhex("00000002 00000001")
    assert encode_drc_strings(NAMES, ["a"], count=2) == b"\0\0\0\2a\0"
