# SPDX-License-Identifier: MIT
"""Work areas of updates: laid out as LoPAR has them, and split where they do not fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE, WORK_AREA, encode_update_nodes, in_order
from drmemctl.formats.update_properties import HEADER_SIZE, Change, encode_update_properties


def test_nodes_golden() -> None:
    (area,) = encode_update_nodes([(DELETE, [1]), (UPDATE, [2, 3]), (ADD, [4, 5])])
    assert len(area) == WORK_AREA
    assert area[:16] == bytes(16)
    assert area[16:].hex().rstrip(
        "0"
    ) == "0100000100000001020000020000000200000003030000010000000400000005".rstrip("0")


def test_properties_golden() -> None:
    (area,) = encode_update_properties(0x1234, b"/x", [Change(b"a", b"\x01\x02"), Change(b"b", None)])
    assert area[:HEADER_SIZE].hex() == "0000123400000000000000000000000000000003"
    assert area[HEADER_SIZE : HEADER_SIZE + 22] == b"\0\0\0\0\x03/x\0a\0\0\0\0\x02\x01\x02b\0\x80\0\0\0\0"[:22]


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
    assert not in_order([UPDATE, DELETE])
