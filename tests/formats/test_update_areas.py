# SPDX-License-Identifier: MIT
"""Work areas of updates: laid out as LoPAR has them, and split where they do not fit."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE, WORK_AREA, encode_update_nodes, in_order
from drmemctl.formats.update_properties import HEADER_SIZE, Change, encode_update_properties
from tests.formats.rtas_vectors import words


def full(*parts: bytes) -> bytes:
    """Return a work area that begins with these bytes."""
    return b"".join(parts).ljust(4096, b"\0")


def test_nodes_golden() -> None:
    assert encode_update_nodes([(DELETE, [1]), (UPDATE, [2, 3]), (ADD, [4, 5])]) == [
        full(words(0, 0, 0, 0, 0x01000001, 1, 0x02000002, 2, 3, 0x03000001, 4, 5))
    ]
    assert encode_update_nodes([(DELETE, [])]) == [bytes(4096)]
    assert encode_update_nodes([]) == [bytes(4096)]


def test_a_pair_is_in_one_work_area() -> None:
    # 1019 words beside the header and the last one: 1 + 1013, then 1 + 4, or 1 + 2 with one left over.
    most = list(range(1, 1014))
    assert encode_update_nodes([(UPDATE, most), (ADD, [1, 2, 3, 4])]) == [
        full(words(0, 0, 0, 0, 0x020003F5, *most, 0x03000002, 1, 2, 3, 4))
    ]
    assert encode_update_nodes([(UPDATE, [*most, 0]), (ADD, [1, 2, 3, 4])]) == [
        full(words(0, 0, 0, 0, 0x020003F6, *most, 0, 0x03000001, 1, 2)),
        full(words(1, 0, 0, 0, 0x03000001, 3, 4)),
    ]


PATH = b"\0" + words(3) + b"/x\0"
ROOM = 4096 - 20 - len(PATH)


def test_properties_golden() -> None:
    assert encode_update_properties(
        0x1234, b"/x", [Change(b"a", b"\1\2"), Change(b"bc", None), Change(b"d", b"")]
    ) == [
        full(
            words(0x1234, 0, 0, 0, 4),
            PATH,
            b"a\0" + words(2) + b"\1\2",
            b"bc\0" + words(0x80000000),
            b"d\0" + words(0),
        )
    ]
    assert encode_update_properties(7, b"/x", []) == [full(words(7, 0, 0, 0, 1), PATH)]


def areas_of(*changes: Change) -> list[tuple[int, int, bytes]]:
    """Return of each work area its number, its count and its descriptors behind that of the path."""
    found = []
    for area in encode_update_properties(7, b"/x", changes):
        phandle, number, high, low, count = struct.unpack_from(">5I", area)
        assert (phandle, high, low, len(area)) == (7, 0, 0, 4096)
        assert (area[20 : 20 + len(PATH)] == PATH) is (number == 0)
        found.append((number, count, area[20 if number else 20 + len(PATH) :].rstrip(b"\0")))
    return found


def value(size: int) -> bytes:
    return b"\7" * size


def test_a_work_area_of_properties_is_filled_to_its_last_byte() -> None:
    whole = ROOM - 6
    assert areas_of(Change(b"v", value(whole))) == [(0, 2, b"v\0" + words(whole) + value(whole))]
    part = (1 << 32) - whole
    assert areas_of(Change(b"v", value(whole + 1))) == [
        (0, 2, b"v\0" + words(part) + value(whole)),
        (1, 1, b"v\0" + words(1) + value(1)),
    ]
    # The next areas have no path, so that a part of a third is longer.
    longer = (1 << 32) - (whole + len(PATH))
    assert areas_of(Change(b"v", value(2 * whole + len(PATH) + 1)))[1:] == [
        (1, 1, b"v\0" + words(longer) + value(whole + len(PATH))),
        (2, 1, b"v\0" + words(1) + value(1)),
    ]


@pytest.mark.parametrize(
    ("left", "change", "areas"),
    [
        (9, Change(b"d", value(3)), [6 + 3]),
        (8, Change(b"d", value(3)), [0, 6 + 3]),
        # No part of less than four bytes.
        (9, Change(b"d", value(9)), [0, 6 + 9]),
        (10, Change(b"d", value(9)), [6 + 4, 6 + 5]),
    ],
)
def test_what_there_is_room_for(left: int, change: Change, areas: list[int]) -> None:
    filling = Change(b"v", value(ROOM - 6 - left))
    found = [len(data) for _, _, data in areas_of(filling, change)]
    assert found == [ROOM - left + areas[0], *areas[1:]]


@pytest.mark.parametrize(("left", "counts"), [(7, [3]), (6, [2, 1])])
def test_there_is_room_for_a_deletion(left: int, counts: list[int]) -> None:
    found = areas_of(Change(b"v", value(ROOM - 6 - left)), Change(b"de", None))
    assert [count for _, count, _ in found] == counts
    assert found[-1][2].endswith(b"de\0\x80")


@given(
    st.lists(st.tuples(st.sampled_from([DELETE, UPDATE]), st.lists(st.integers(1, 9), max_size=3000)), max_size=4)
)
def test_every_operand_comes_once_and_in_order(operations: list[tuple[int, list[int]]]) -> None:
    found: list[tuple[int, int]] = []
    for area in encode_update_nodes(operations):
        assert len(area) == WORK_AREA
        at = 16
        while (word := int.from_bytes(area[at : at + 4], "big")) >> 24:
            for position in range(word & 0xFFFFFF):
                start = at + 4 + 4 * position
                found.append((word & 0xFF000000, int.from_bytes(area[start : start + 4], "big")))
            at += 4 + 4 * (word & 0xFFFFFF)
    assert found == [(opcode, operand) for opcode, operands in operations for operand in operands]


@given(
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=8).filter(lambda n: b"\0" not in n), st.binary(max_size=9000))
    )
)
def test_values_that_are_split_come_together_again(changes: list[tuple[bytes, bytes]]) -> None:
    areas = encode_update_properties(7, b"/node", [Change(name, value) for name, value in changes])
    found: list[tuple[bytes, bytes]] = []
    held = b""
    for number, area in enumerate(areas):
        assert len(area) == WORK_AREA
        at, count = HEADER_SIZE, int.from_bytes(area[16:20], "big")
        for position in range(count):
            end = area.index(b"\0", at)
            name, word = area[at:end], int.from_bytes(area[end + 1 : end + 5], "big")
            partial = word >> 31
            size = (1 << 32) - word if partial else word
            held += area[end + 5 : end + 5 + size]
            at = end + 5 + size
            if partial:
                assert position == count - 1, "a part is the last of its work area"
            elif (number, position) != (0, 0):
                found.append((name, held))
                held = b""
            else:
                assert (name, held) == (b"", b"/node\0")
                held = b""
    assert found == changes


def test_lopars_order() -> None:
    assert in_order([DELETE, UPDATE, UPDATE, ADD])
    assert in_order([UPDATE, 0x09000000, ADD])
    assert not in_order([UPDATE, 0x09000000, DELETE])
    assert not in_order([ADD, UPDATE])
