# SPDX-License-Identifier: MIT
"""What the decoders of RTAS answers say of bytes that do not fit, word for word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drmemctl.formats.configure_connector import ConnectorArea
from drmemctl.formats.rtas_event import RtasEvent
from drmemctl.formats.update_nodes import UpdateNodes
from drmemctl.formats.update_properties import UpdateProperties
from tests.formats.values import unhex

AREA = "00001234 00000000 0000000000000000"


@pytest.mark.parametrize(
    ("decode", "data", "said"),
    [
        (UpdateNodes.decode, "0000", "nodes-header-cut: 2 of the header's 16 bytes (at offset 0x2)"),
        (
            UpdateNodes.decode,
            f"{AREA} 03000002 00000001 80000000 00000001",
            "nodes-truncated: add of 2: 4 words expected, there are 3 (at offset 0x10)",
        ),
        (UpdateNodes.decode, f"{AREA} 01000000", "nodes-unterminated: no word 0 ends the list (at offset 0x14)"),
        (UpdateProperties.decode, "00", "properties-header-cut: 1 of the header's 20 bytes (at offset 0x1)"),
        (
            UpdateProperties.decode,
            f"{AREA} 00000001 4142",
            "properties-name-unterminated: a name that nothing ends (at offset 0x14)",
        ),
        (
            UpdateProperties.decode,
            f"{AREA} 00000001 410000",
            "properties-cut: a name without the word that belongs after it (at offset 0x14)",
        ),
        (
            UpdateProperties.decode,
            f"{AREA} 00000001 4100 00001000 01",
            "properties-value-cut: 4,096 bytes of a value expected, there are 1 (at offset 0x1a)",
        ),
        (
            UpdateProperties.decode,
            f"{AREA} 00001000 4100 00000001 01",
            "properties-too-many: nprops is 4,096, but there are 1 (at offset 0x10)",
        ),
        (
            UpdateProperties.decode,
            f"{AREA} 00000001 4100 00000001 01 4200 0000",
            "properties-left-over: 1 byte after the 1 that are counted (at offset 0x1b)",
        ),
        (
            UpdateProperties.decode,
            f"{AREA} 00000002 0000000000000000",
            "properties-too-many: nprops is 2, but there are 0 (at offset 0x10)",
        ),
        (ConnectorArea.decode, "0000", "connector-header-cut: 2 of the first 20 bytes (at offset 0x2)"),
        (
            ConnectorArea.decode,
            f"{AREA[:17]} 00000018 00000000 00000000",
            "connector-name-outside: no name at 0x18 (at offset 0x8)",
        ),
        (
            ConnectorArea.decode,
            f"{AREA[:17]} 00000000 00000001 00000015 00",
            "connector-value-outside: 1 byte at 0x15 are not all in the area (at offset 0xc)",
        ),
        (RtasEvent.decode, "0000", "event-header-cut: 2 of the fixed part's 8 bytes (at offset 0x2)"),
        (
            RtasEvent.decode,
            "063460e5 00001000",
            "event-cut: 4,104 bytes expected, there are 8 (at offset 0x8)",
        ),
        (
            RtasEvent.decode,
            "063460e5 00000018 86008e00000000000000000049424d00 5048000700000000",
            "event-section-stuck: a section of 7 bytes, less than the 8 of its header (at offset 0x18)",
        ),
        (
            RtasEvent.decode,
            "063460e5 00000019 86008e00000000000000000049424d00 5048100000000000 00",
            "event-section-cut: a section of 4,096 bytes, of which 9 are there (at offset 0x18)",
        ),
    ],
)
def test_what_is_wrong_is_said(decode: Callable[[bytes], Any], data: str, said: str) -> None:
    assert [f"{one.code}: {one}" for one in decode(unhex(data)).defects] == [said]


def test_what_is_cut_keeps_its_bytes() -> None:
    """Zeros at the end follow from the length; nothing else there is left out."""
    nodes = UpdateNodes.decode(b"\1 X\0\0")
    assert (nodes.state, nodes.operations, nodes.reserved, nodes.terminator) == (None, (), b"", None)
    assert (nodes.tail, nodes.length, nodes.end) == (b"\1 X", 5, 0)
    properties = UpdateProperties.decode(b"\1 X\0\0")
    assert (properties.phandle, properties.state, properties.nprops, properties.reserved) == (None, 0, 0, 0)
    assert (properties.tail, properties.length, properties.end) == (b"\1 X", 5, 0)
    area = ConnectorArea.decode(b"\1 X\0\0")
    assert (area.drc_index, area.rest, area.length) == (None, b"\1 X", 5)


def test_what_follows_the_end_keeps_its_bytes() -> None:
    head = unhex(AREA)
    nodes = UpdateNodes.decode(head + bytes(4) + b"\1 X\0\0")
    assert (nodes.terminator, nodes.tail, nodes.end) == (0, b"\1 X", 20)
    properties = UpdateProperties.decode(head + bytes(4) + b"\1 X\0\0")
    assert (properties.descriptors, properties.tail, properties.end) == ((), b"\1 X", 20)
    assert properties.defects[0].message == "3 bytes after the 0 that are counted"
    area = ConnectorArea.decode(bytes(20) + b"\1 X\0\0")
    assert (area.rest, area.name, area.value, area.defects) == (b"\1 X", None, None, ())


def test_the_header_alone_is_enough() -> None:
    nodes = UpdateNodes.decode(unhex(AREA))
    assert (nodes.state, nodes.reserved, nodes.terminator, nodes.end) == (0x1234, bytes(12), None, 16)
    assert [each.code for each in nodes.defects] == ["nodes-unterminated"]
    properties = UpdateProperties.decode(unhex(AREA) + bytes(4))
    assert (properties.phandle, properties.path, properties.defects) == (0x1234, None, ())
    area = ConnectorArea.decode(bytes(20))
    assert (area.drc_index, area.length, area.defects) == (0, 20, ())
