# SPDX-License-Identifier: MIT
"""`ibm,drc-info`."""

from __future__ import annotations

import struct
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.drc import Connector
from drmemctl.formats.drc_info import DrcInfoEntry, decode_drc_info, drc_info
from tests.encoders import encode_drc_info
from tests.formats.values import codes

U32 = st.integers(0, 0xFFFFFFFF)
TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=6)
ENTRIES = st.lists(st.builds(DrcInfoEntry, TEXT, TEXT, U32, U32, U32, U32, U32), max_size=5)

# As a PowerVM partition shows it (Linux commit "pseries/drc-info: Search DRC properties for CPU indexes" and its
# fixes: index_start 0x20000001, suffix_start 1, 3072 elements, last index 0x20000c00), with memory before it.
POWERVM = (
    struct.pack(">I", 2)
    + b"MEM\0LMB \0" + struct.pack(">IIIII", 0x80000002, 2, 0x18E, 1, 0xFFFFFFFF)
    + b"PHB\0PHB \0" + struct.pack(">IIIII", 0x20000001, 1, 3072, 1, 0xFFFFFFFF)
)  # fmt: skip


def bare(entry: DrcInfoEntry) -> tuple[object, ...]:
    return (
        entry.type,
        entry.prefix,
        entry.index_start,
        entry.suffix_start,
        entry.n_sequential,
        entry.increment,
        entry.power_domain,
    )


def test_the_sequences_of_a_powervm_partition() -> None:
    found = decode_drc_info(POWERVM)
    memory, bridges = found.entries
    assert bare(bridges) == ("PHB", "PHB ", 0x20000001, 1, 3072, 1, 0xFFFFFFFF)
    assert (memory.offset, memory.size, bridges.offset, bridges.size) == (4, 29, 33, 29)
    assert (bridges.index(3071), bridges.name(3071)) == (0x20000C00, "PHB 3072")
    assert next(iter(memory)) == Connector(0x80000002, "LMB 2", "MEM", 0xFFFFFFFF)
    assert (found.count, found.declared, found.defects) == (0x18E + 3072, 2, ())
    assert found.find(0x20000C00) == Connector(0x20000C00, "PHB 3072", "PHB", 0xFFFFFFFF)
    assert (found.find(0x20000C01), found.find(0x20000000), found.find(-1)) == (None, None, None)
    assert len(list(found)) == found.count
    assert encode_drc_info(found.entries) == POWERVM


@given(ENTRIES)
def test_round_trip_and_construct(entries: list[DrcInfoEntry]) -> None:
    data = encode_drc_info(entries)
    found = decode_drc_info(data)
    assert ([bare(one) for one in found.entries], found.defects) == ([bare(one) for one in entries], ())
    assert encode_drc_info(found.entries) == data
    parsed = drc_info().parse(data)
    assert [(one.type.decode(), one.prefix.decode(), one.index_start) for one in parsed] == [
        (one.type, one.prefix, one.index_start) for one in entries
    ]
    assert sum(one.size for one in found.entries) + 4 == len(data)


@given(st.binary(max_size=120), st.none() | st.integers(0, 150))
def test_no_bytes_make_it_raise(data: bytes, total: int | None) -> None:
    found = decode_drc_info(data, total)
    assert len(found.entries) <= found.declared
    for one in islice(found, 10):
        assert found.find(one.index) is not None


@given(st.integers(1, 4), st.binary(max_size=80))
def test_no_bytes_behind_a_sound_count_make_it_raise(count: int, data: bytes) -> None:
    found = decode_drc_info(struct.pack(">I", count) + data)
    assert len(found.entries) == count or codes(found) == ["drc-info-too-short"]
    assert len(list(found.entries)) == len(found.entries), "also those of a value that is not whole"


@given(U32, st.integers(0, 50), st.one_of(st.integers(0, 8), U32), st.one_of(st.integers(0, 60), U32))
def test_positions_are_those_that_a_search_finds(start: int, count: int, increment: int, ahead: int) -> None:
    entry = DrcInfoEntry("MEM", "LMB ", start, 0, count, increment, 0)
    index = (start + ahead) % (1 << 32)
    searched = next((i for i in range(count) if (start + i * increment) % (1 << 32) == index), None)
    assert entry.position(index) == searched
    if searched is not None:
        assert entry.index(searched) == index


def test_four_thousand_million_connectors_cost_nothing() -> None:
    entry = DrcInfoEntry("MEM", "LMB ", 0, 0, 0xFFFFFFFF, 3, 0)
    found = decode_drc_info(encode_drc_info([entry] * 3))
    assert found.count == 3 * 0xFFFFFFFF
    # 1 is 3 times the inverse of 3: the sequence comes around to it near its end.
    assert found.find(1) == entry.connector(0xAAAAAAAB)
    assert [one.name for one in islice(found, 2)] == ["LMB 0", "LMB 3"]


def test_indexes_and_names_wrap_as_in_linux() -> None:
    entry = DrcInfoEntry("MEM", "LMB ", 0xFFFFFFFE, 0xFFFFFFFF, 4, 2, 0)
    assert [(one.index, one.name) for one in entry] == [
        (0xFFFFFFFE, "LMB 4294967295"),
        (0, "LMB 1"),
        (2, "LMB 3"),
        (4, "LMB 5"),
    ]
    assert [entry.position(index) for index in (0xFFFFFFFE, 4, 6, 1, 1 << 32)] == [0, 3, None, None, None]


@pytest.mark.parametrize(
    ("data", "entries", "faults"),
    [
        (b"", 0, [("drc-info-too-short", 0)]),
        (b"\0\0", 0, [("drc-info-too-short", 2)]),
        (b"\0\0\0\0", 0, []),
        (b"\0\0\0\0\0", 0, [("drc-info-trailing", 4)]),
        (POWERVM[:-1], 1, [("drc-info-too-short", 33)]),
        (POWERVM[:36], 1, [("drc-info-too-short", 33)]),
        (POWERVM[:38], 1, [("drc-info-too-short", 33)]),
        (POWERVM + b"x", 2, [("drc-info-trailing", 62)]),
        (b"\xff\xff\xff\xff" + POWERVM[4:], 2, [("drc-info-too-short", 62)]),
    ],
)
def test_faults(data: bytes, entries: int, faults: list[tuple[str, int]]) -> None:
    found = decode_drc_info(data)
    assert (len(found.entries), [(one.code, one.offset) for one in found.defects]) == (entries, faults)


def test_a_value_that_the_source_cut() -> None:
    found = decode_drc_info(POWERVM[:40], total=len(POWERVM))
    assert (codes(found), len(found.entries)) == (["drc-info-cut"], 1)
    assert list(found.entries) == list(decode_drc_info(POWERVM).entries)[:1]
    assert codes(decode_drc_info(b"", total=9)) == ["drc-info-cut"]
    found = decode_drc_info(POWERVM, total=len(POWERVM) + 4)
    assert (codes(found), len(found.entries)) == (["drc-info-cut"], 2)
    short = decode_drc_info(b"\0\0\1")
    assert (short.declared, short.entries.data) == (0, b"\0\0\1")


@pytest.mark.parametrize(
    "entry",
    [DrcInfoEntry("M\0", "L", 0, 0, 0, 0, 0), DrcInfoEntry("M", "L", -1, 0, 0, 0, 0)],
    ids=["a NUL inside", "negative"],
)
def test_values_that_do_not_fit_are_a_format_error(entry: DrcInfoEntry) -> None:
    with pytest.raises(FormatError, match="ibm,drc-info"):
        encode_drc_info([entry])
