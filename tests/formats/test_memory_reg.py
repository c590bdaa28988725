# SPDX-License-Identifier: MIT
"""`reg` and `linux,usable-memory` of memory nodes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.memory_reg import MemoryRange, decode_reg, decode_usable_reg, encode_reg, pair
from tests.formats.values import codes, unhex, value_in, values_of

U32 = st.integers(0, 2**32 - 1)


def test_two_ranges() -> None:
    found = decode_reg(unhex("00000000 00000000 00000000 40000000 00000001 00000000 00000000 10000000"))
    assert found.ranges == (MemoryRange(0, 1 << 30), MemoryRange(1 << 32, 1 << 28))
    assert (found.stride, found.defects) == (16, ())


def test_the_root_of_a_pseries_tree_has_two_cells_each() -> None:
    assert encode_reg([MemoryRange(1 << 32, 1 << 28)]) == unhex("00000001 00000000 00000000 10000000")
    assert pair().sizeof() == 16


def test_bundled_memory_nodes_are_where_their_names_say() -> None:
    for value in values_of("reg", "/memory@"):
        found = decode_reg(value.data)
        (one,) = found.ranges
        assert (one.base, one.size) == struct.unpack(">QQ", value.data)
        assert one.base == int(value.path.partition("@")[2], 16)
        assert found.defects == ()


def test_what_a_kdump_kernel_may_use() -> None:
    # RTAS at the top of the first 512 MiB, and everything up to the end of the reserved memory.
    found = decode_usable_reg(value_in("captures/7.2-kdump", "linux,usable-memory", "/memory@0"))
    assert found.ranges == (MemoryRange(0x1FFFF000, 0x1000), MemoryRange(0, 0x1C000000))
    assert [(one.base, one.size) for one in found.ranges] == list(
        struct.iter_unpack(">QQ", value_in("captures/7.2-kdump", "linux,usable-memory", "/memory@0"))
    )


@given(st.lists(st.tuples(U32, U32), max_size=6), st.integers(1, 3), st.integers(1, 3))
def test_round_trip(values: list[tuple[int, int]], address: int, size: int) -> None:
    ranges = tuple(MemoryRange(*value) for value in values)
    data = encode_reg(ranges, address, size)
    found = decode_reg(data, address, size)
    assert (found.ranges, found.defects, found.stride) == (ranges, (), 4 * (address + size))
    for i, one in enumerate(ranges):
        parsed = pair(address, size).parse(data[i * found.stride :])
        assert (parsed.base, parsed.size) == (one.base, one.size)


@given(st.binary(max_size=80), st.integers(-1, 6), st.integers(-1, 6), st.none() | st.integers(0, 99))
def test_no_bytes_make_it_raise(data: bytes, address: int, size: int, total: int | None) -> None:
    found = decode_reg(data, address, size, total)
    assert len(found.ranges) == len(data) // found.stride


@pytest.mark.parametrize(
    ("length", "cells", "count", "faults"),
    [
        (0, (2, 2), 0, []),
        (15, (2, 2), 0, ["reg-trailing"]),
        (17, (2, 2), 1, ["reg-trailing"]),
        (16, (1, 1), 2, []),
        (16, (0, 1), 1, ["reg-address-cells", "reg-trailing"]),
        (32, (2, 99), 2, ["reg-size-cells"]),
    ],
)
def test_faults(length: int, cells: tuple[int, int], count: int, faults: list[str]) -> None:
    found = decode_reg(bytes(length), *cells)
    assert (len(found.ranges), codes(found)) == (count, faults)


def test_other_faults() -> None:
    assert codes(decode_usable_reg(bytes(20))) == ["usable-reg-trailing"]
    assert codes(decode_reg(bytes(20), total=32)) == ["reg-cut"]
    with pytest.raises(FormatError, match="reg"):
        encode_reg([MemoryRange(1 << 32, 0)], 1, 1)
