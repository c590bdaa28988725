# SPDX-License-Identifier: MIT
"""The tables of a capture: memory blocks and nodes, a line each."""

from __future__ import annotations

import pytest

from drmemctl.formats.system_tables import BlockLine, NodeLine, decode_blocks, decode_nodes
from tests.encoders import encode_blocks


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("4 00000004 online 0 Normal 1", BlockLine(4, "online", (0,), ("Normal",), removable=True)),
        (
            "31 0000001f going-offline 0,2 Normal,Movable 0",
            BlockLine(31, "going-offline", (0, 2), ("Normal", "Movable"), removable=False),
        ),
        ("5 00000005 offline - - -", BlockLine(5, "offline")),
        ("5 00000005 offline 1", BlockLine(5, "offline", (1,))),
        ("5 00000005 offline 1 none", BlockLine(5, "offline", (1,), ("none",))),
        ("5 00000005 offline", BlockLine(5, "offline")),
        ("  5\t00000005  offline  ", BlockLine(5, "offline")),
        ("5 - offline 1,,2 - -", BlockLine(5, "offline")),
        ("5 - offline x -", BlockLine(5, "offline")),
        ("5 - offline 123456789,000000001 -", BlockLine(5, "offline", (123456789, 1))),
        ("5 - offline 1234567890 -", BlockLine(5, "offline")),
        ("5 - offline 1,1234567890 -", BlockLine(5, "offline")),
        (f"{10**19 - 1} - online", BlockLine(10**19 - 1, "online")),
        (f"{10**19} - online", None),
        ("4 00000004", None),
        ("x 00000004 online", None),
        ("-4 00000004 online", None),
        ("\u0664 00000004 online", None),
        ("", None),
    ],
)
def test_lines_of_blocks(line: str, expected: BlockLine | None) -> None:
    assert list(decode_blocks(line)) == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 10,40 8388608 0-7", NodeLine(0, (10, 40), 8388608, "0-7")),
        ("1 40,10 - -", NodeLine(1, (40, 10))),
        ("1 40,10 - 8,12-15", NodeLine(1, (40, 10), None, "8,12-15")),
        ("1 40,10 4096", NodeLine(1, (40, 10), 4096)),
        ("1 40,10", NodeLine(1, (40, 10))),
        ("1 -", NodeLine(1)),
        ("255 x y -", NodeLine(255)),
        ("999999999 -", NodeLine(999999999)),
        ("1000000000 -", None),
        ("1", None),
        ("x 10", None),
        ("\u0661 10", None),
    ],
)
def test_lines_of_nodes(line: str, expected: NodeLine | None) -> None:
    assert list(decode_nodes(line)) == ([] if expected is None else [expected])


def test_lines_that_are_none_do_not_hide_the_others() -> None:
    assert [one.block for one in decode_blocks("1 - online\nnonsense\n\n2 - online\n")] == [1, 2]
    assert [one.node for one in decode_nodes("1 10\nnonsense\n\n2 10\n")] == [1, 2]


def test_blocks_are_written_as_capture_writes_them() -> None:
    blocks = [BlockLine(4, "online", (0, 1), ("Normal", "Movable")), BlockLine(0x123, "offline")]
    text = encode_blocks(blocks)
    assert text == "4 00000004 online 0,1 Normal,Movable -\n291 00000123 offline - - -\n"
    assert list(decode_blocks(text)) == blocks
