# SPDX-License-Identifier: MIT
"""`linux,drconf-usable-memory`."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.memory_reg import MemoryRange
from drmemctl.formats.usable_memory import UsableRecord, decode_usable_memory, encode_usable_memory, record
from tests.formats.values import codes, unhex, value_in

U32 = st.integers(0, 2**32 - 1)
RECORDS = st.lists(st.lists(st.builds(MemoryRange, U32, U32), max_size=3), max_size=6)

SMALL = unhex(
    "0000000000000001 0000000000000000 0000000010000000"
    "0000000000000000"
    "0000000000000002 0000000020000000 0000000000001000 0000000028000000 0000000000002000"
)


def test_a_counter_and_its_ranges_for_each() -> None:
    found = decode_usable_memory(SMALL)
    assert list(found) == [
        UsableRecord(0, 1, (MemoryRange(0, 0x10000000),)),
        UsableRecord(24, 0),
        UsableRecord(32, 2, (MemoryRange(0x20000000, 0x1000), MemoryRange(0x28000000, 0x2000))),
    ]
    assert (len(found), found.defects) == (3, ())
    assert encode_usable_memory([one.ranges for one in found]) == SMALL
    assert [(one.base, one.size) for one in record().parse(SMALL).ranges] == [(0, 0x10000000)]


def test_linux_writes_a_counter_for_every_lmb() -> None:
    data = value_in("captures/7.2-kdump", "linux,drconf-usable-memory")
    sets = value_in("captures/7.2-kdump", "ibm,dynamic-memory-v2")
    lmbs = sum(struct.unpack_from(">I", sets, 4 + 24 * i)[0] for i in range(int.from_bytes(sets[:4], "big")))
    found = decode_usable_memory(data)
    assert (len(found), found.defects) == (lmbs, ())
    assert [one.counter for one in found][:3] == [1, 2, 0]
    # What is left when all counters are taken away is ranges of 16 bytes.
    assert sum(len(one.ranges) for one in found) * 16 + 8 * lmbs == len(data)


@given(RECORDS, st.integers(1, 3), st.integers(1, 3))
def test_round_trip_and_construct(records: list[list[MemoryRange]], address: int, size: int) -> None:
    data = encode_usable_memory(records, address, size)
    found = decode_usable_memory(data, address, size)
    assert [list(one.ranges) for one in found] == records
    assert found.defects == ()
    for one in found:
        parsed = record(address, size).parse(data[one.offset :])
        assert (parsed.counter, [(r.base, r.size) for r in parsed.ranges]) == (
            one.counter,
            [(r.base, r.size) for r in one.ranges],
        )


@given(st.binary(max_size=120), st.integers(-1, 6), st.integers(-1, 6), st.none() | st.integers(0, 200))
def test_no_bytes_make_it_raise(data: bytes, address: int, size: int, total: int | None) -> None:
    found = decode_usable_memory(data, address, size, total)
    records = list(found)
    assert len(records) == len(found)
    assert all(len(one.ranges) == one.counter for one in records[:-1])


def test_a_counter_of_all_ones_ends_the_stream() -> None:
    found = decode_usable_memory(b"\xff" * 8 + SMALL)
    assert [(one.counter, len(one.ranges)) for one in found] == [(2**64 - 1, 4)]
    assert codes(found) == ["usable-memory-too-short"]
    assert "18,446,744,073,709,551,615 ranges" in found.defects[0].message


@pytest.mark.parametrize(
    ("data", "records", "faults"),
    [
        (b"", 0, []),
        (SMALL[:4], 0, [("usable-memory-trailing", 0)]),
        (SMALL + b"\0", 3, [("usable-memory-trailing", len(SMALL))]),
        (SMALL[:-1], 3, [("usable-memory-too-short", len(SMALL) - 1)]),
        (SMALL[:12], 1, [("usable-memory-too-short", 12)]),
    ],
)
def test_faults(data: bytes, records: int, faults: list[tuple[str, int]]) -> None:
    found = decode_usable_memory(data)
    assert (len(found), [(one.code, one.offset) for one in found.defects]) == (records, faults)


def test_ranges_that_are_there_are_decoded() -> None:
    last = list(decode_usable_memory(SMALL[:-8]))[-1]
    assert (last.counter, last.ranges) == (2, (MemoryRange(0x20000000, 0x1000),))


def test_cells_and_cuts() -> None:
    # A counter of no cells would never end.
    assert codes(decode_usable_memory(SMALL, 2, 0)) == ["usable-memory-size-cells"]
    assert codes(decode_usable_memory(SMALL[:20], total=len(SMALL))) == ["usable-memory-cut"]
    (defect,) = decode_usable_memory(SMALL, total=len(SMALL) + 8).defects
    assert defect.message == "the source shows 72 of 80 bytes: 3 counters"


def test_ranges_that_do_not_fit_are_a_format_error() -> None:
    with pytest.raises(FormatError, match="linux,drconf-usable-memory"):
        encode_usable_memory([[MemoryRange(-1, 0)]])
