# SPDX-License-Identifier: MIT
"""RTAS answers in lines: of each layout every field with its bytes, and the names that a tree gives to numbers."""

from __future__ import annotations

from typing import Any

import pytest

from drmemctl.formats.configure_connector import ConnectorArea
from drmemctl.formats.rtas_event import RtasEvent
from drmemctl.formats.rtas_labels import Labels
from drmemctl.formats.section_fields import section_fields
from drmemctl.formats.update_nodes import Operation, UpdateNodes
from drmemctl.formats.update_properties import UpdateProperties
from tests.formats.rtas_vectors import PRRN_SCOPE_2, QEMU_EVENT, described, words

Row = tuple[int, int, str, int | str | None, str]


class Named(Labels):
    """A tree in which every node and connector is known by its number."""

    def path(self, phandle: int) -> str:
        return f"/node@{phandle}"

    def drc(self, drc_index: int) -> str:
        return f"LMB {drc_index & 0xFF}"


def rows(value: Any, labels: Labels | None = None) -> list[Row]:
    found = value.fields() if labels is None else value.fields(labels)
    return [(one.offset, one.size, one.name, one.value, one.text) for one in found]


NODES = words(0x12, 0, 0, 7, 0x01000001, 5, 0x02000002, 6, 7, 0x03000001, 8, 0x80000004, 0x7F) + b"\1\2"


def test_a_list_of_nodes() -> None:
    expected = [
        (0, 4, "state", 0x12, "0x12"),
        (4, 12, "reserved", None, "000000000000000000000007"),
        (16, 4, "operation[0]", 0x01000001, "delete, 1 node"),
        (20, 4, "operation[0].phandle[0]", 5, "0x5"),
        (24, 4, "operation[1]", 0x02000002, "update, 2 nodes"),
        (28, 4, "operation[1].phandle[0]", 6, "0x6"),
        (32, 4, "operation[1].phandle[1]", 7, "0x7"),
        (36, 4, "operation[2]", 0x03000001, "add, 1 node"),
        (40, 4, "operation[2].parent[0]", 8, "0x8"),
        (44, 4, "operation[2].drc_index[0]", 0x80000004, "0x80000004"),
        (48, 4, "end", 0x7F, "0x7f"),
        (52, 2, "after the end", None, "01 02"),
    ]
    assert rows(UpdateNodes.decode(NODES)) == expected
    named = rows(UpdateNodes.decode(NODES), Named())
    assert [named[3][4], named[8][4], named[9][4]] == ["0x5, /node@5", "0x8, /node@8", "0x80000004, LMB 4"]


def test_lists_that_are_cut() -> None:
    assert rows(UpdateNodes.decode(b"\0\1\2")) == [(0, 3, "after the end", None, "00 01 02")]
    assert rows(UpdateNodes.decode(bytes(16) + words(0x03000002, 1, 2, 3)))[2:] == [
        (16, 4, "operation[0]", 0x03000002, "add, 2 nodes"),
        (20, 4, "operation[0].parent[0]", 1, "0x1"),
        (24, 4, "operation[0].drc_index[0]", 2, "0x00000002"),
        (28, 4, "operation[0].cut", 3, "half a pair"),
    ]
    assert rows(UpdateNodes.decode(bytes(16) + words(0x09000001, 1, 0)))[2:] == [
        (16, 4, "operation[0]", 0x09000001, "opcode 0x09, 1 node"),
        (20, 4, "operation[0].phandle[0]", 1, "0x1"),
        (24, 4, "end", 0, "0x0"),
    ]
    assert rows(UpdateNodes.decode(bytes(16) + words(0x02000003, 1)))[2:] == [
        (16, 4, "operation[0]", 0x02000003, "update, 3 nodes"),
        (20, 4, "operation[0].phandle[0]", 1, "0x1"),
    ]


def test_a_list_that_is_made_counts_its_operands() -> None:
    made = UpdateNodes(0, (Operation(3, (8, 9)), Operation(1, (7, 7))))
    texts = [row[4] for row in rows(made) if row[2] in ("operation[0]", "operation[1]")]
    assert texts == ["add, 1 node", "delete, 2 nodes"]


HEAD = words(0x55, 0x12, 1, 2)
LONG = bytes(range(1, 18))


def test_properties_of_a_node() -> None:
    area = (
        HEAD + words(0x1000) + described(b"", 5, b"/rtas") + described(b"status", 0) + described(b"x", 0x80000000)
        + described(b"y", 17, LONG) + described(b"ibm,max-associativity-domains", 8, words(1, 4))
        + described(b"z", (1 << 32) - 2, b"ab")
    )  # fmt: skip
    expected = [
        (0, 4, "phandle", 0x55, "0x55"),
        (4, 4, "state", 0x12, "0x12"),
        (8, 8, "reserved", 0x100000002, "0x100000002"),
        (16, 4, "nprops", 0x1000, "4,096"),
        (21, 4, "path.length", 5, "0x5, 5 bytes"),
        (25, 5, "path", "/rtas", "/rtas"),
        (30, 7, "property[1]", "status", "status"),
        (37, 4, "property[1].length", 0, "0x0, name only"),
        (41, 2, "property[2]", "x", "x"),
        (43, 4, "property[2].length", 0x80000000, "0x80000000, remove the property"),
        (47, 2, "property[3]", "y", "y"),
        (49, 4, "property[3].length", 17, "0x11, 17 bytes"),
        (53, 17, "property[3].value", None, "01020304 05060708 090a0b0c 0d0e0f10 ..."),
        (70, 30, "property[4]", "ibm,max-associativity-domains", "ibm,max-associativity-domains"),
        (100, 4, "property[4].length", 8, "0x8, 8 bytes"),
        (104, 8, "property[4].value", None, "00000001 00000004"),
        (104, 4, "property[4].levels", 1, "1"),
        (108, 4, "property[4].[0]", 4, "4 domains"),
        (112, 2, "property[5]", "z", "z"),
        (114, 4, "property[5].length", 0xFFFFFFFE, "0xfffffffe, 2 bytes, to be continued"),
        (118, 2, "property[5].value", None, "6162"),
    ]
    assert rows(UpdateProperties.decode(area)) == expected
    assert rows(UpdateProperties.decode(area), Named())[0] == (0, 4, "phandle", 0x55, "0x55, /node@85")


DOMAINS = described(b"ibm,max-associativity-domains", 8, words(1, 4))


class Rtas(Labels):
    """A tree in which every phandle is that of /rtas."""

    def path(self, phandle: int) -> str:
        del phandle
        return "/rtas"


def names(area: bytes, labels: Labels | None = None) -> list[str]:
    return [row[2] for row in rows(UpdateProperties.decode(area), labels)][4:]


KNOWN = ["levels", "[0]"]


@pytest.mark.parametrize(
    ("parts", "labels", "shown"),
    [
        # The path of the area decides, or that of the tree; what comes first without a path may be a value's rest.
        ((described(b"", 6, b"/rtas\0"), DOMAINS), None, True),
        ((described(b"", 6, b"/rtax\0"), DOMAINS), Rtas(), False),
        ((described(b"", 1, b"\0"), DOMAINS), Rtas(), True),
        ((DOMAINS,), Rtas(), False),
        ((described(b"a", 1, b"b"), DOMAINS), Rtas(), True),
        ((described(b"a", (1 << 32) - 1, b"b"), DOMAINS), Rtas(), False),
        ((described(b"a", 1, b"b"), DOMAINS), None, False),
    ],
)
def test_values_that_are_whole_are_shown_with_their_parts(
    parts: tuple[bytes, ...], labels: Labels | None, shown: bool
) -> None:
    found = names(HEAD + words(len(parts)) + b"".join(parts), labels)
    prefix = f"property[{len(parts) - 1}]"
    assert found[-3:] == [f"{prefix}.{name}" for name in ("value", *KNOWN)] or not shown
    assert any(name.endswith("levels") for name in found) is shown


def test_only_the_first_empty_name_is_a_path() -> None:
    area = HEAD + words(2) + described(b"", 5, b"/a X\0") + described(b"", 1, b"b")
    assert rows(UpdateProperties.decode(area))[4:] == [
        (21, 4, "path.length", 5, "0x5, 5 bytes"),
        (25, 5, "path", "/a X", "/a X"),
        (31, 4, "property[1].length", 1, "0x1, 1 byte"),
        (35, 1, "property[1].value", None, "62"),
    ]


def test_the_rest_of_a_value_has_no_parts_whatever_it_is_called() -> None:
    assert names(HEAD + words(1) + described(b"status", 5, b"okay\0"), Rtas()) == [
        "property[0]",
        "property[0].length",
        "property[0].value",
    ]


def test_a_value_that_is_cut_has_no_parts() -> None:
    area = HEAD + words(2) + described(b"", 6, b"/rtas\0") + DOMAINS
    assert names(area)[-2:] == ["property[1].levels", "property[1].[0]"]
    assert names(area[:-4])[-1] == "property[1].value"
    area = HEAD + words(1) + described(b"y", 16, LONG[:16])
    assert rows(UpdateProperties.decode(area))[-1][4] == "01020304 05060708 090a0b0c 0d0e0f10"


def test_long_values_show_their_first_fields() -> None:
    many = described(b"ibm,max-associativity-domains", 404, words(100, *range(100)))
    found = names(HEAD + words(2) + described(b"", 6, b"/rtas\0") + many)
    assert found[-2:] == ["property[1].[61]", "property[1].[62]"]


def test_cells_of_the_root_decide() -> None:
    class OneCell(Rtas):
        cells = (1, 2)

        def path(self, phandle: int) -> str:
            return f"/memory@{phandle}"

    area = HEAD + words(2) + described(b"a", 1, b"b") + described(b"reg", 12, words(0x40000000, 0, 0x10000000))
    assert rows(UpdateProperties.decode(area), OneCell())[-1][4] == "0x40000000-0x4fffffff (256 MiB)"


def test_properties_that_are_cut() -> None:
    assert rows(UpdateProperties.decode(b"\0\1")) == [(0, 2, "after the end", None, "00 01")]
    area = HEAD + words(0) + bytes(range(1, 18))
    assert rows(UpdateProperties.decode(area))[4:] == [
        (20, 17, "after the end", None, "01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 ..."),
    ]
    area = HEAD + words(0) + bytes(range(1, 17))
    assert rows(UpdateProperties.decode(area))[-1][4] == "01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10"
    assert rows(UpdateProperties.decode(HEAD + words(1) + b"\0" + words(0)))[4:] == [
        (21, 4, "path.length", 0, "0x0, name only"),
    ]


def test_a_connector() -> None:
    area = words(0x80000004, 7, 20, 17, 27) + b"reg-ab\0" + LONG
    expected = [
        (0, 4, "drc_index", 0x80000004, "0x80000004"),
        (4, 4, "zero", 7, "0x7"),
        (8, 4, "name_offset", 20, "0x14"),
        (12, 4, "value_length", 17, "17 bytes"),
        (16, 4, "value_offset", 27, "0x1b"),
        (20, 7, "name", "reg-ab", "reg-ab"),
        (27, 17, "value", None, "01020304 05060708 090a0b0c 0d0e0f10 ..."),
    ]
    assert rows(ConnectorArea.decode(area)) == expected
    assert rows(ConnectorArea.decode(area), Named())[0] == (0, 4, "drc_index", 0x80000004, "0x80000004, LMB 4")
    whole = rows(ConnectorArea.decode(words(1, 0, 0, 16, 20) + LONG[:16]))
    assert whole[5:] == [(20, 16, "value", None, "01020304 05060708 090a0b0c 0d0e0f10")]
    assert rows(ConnectorArea.decode(words(1, 0, 0, 1, 20) + b"\7"))[3:] == [
        (12, 4, "value_length", 1, "1 byte"),
        (16, 4, "value_offset", 20, "0x14"),
        (20, 1, "value", None, "07"),
    ]
    assert rows(ConnectorArea.decode(b"\1\2")) == [(0, 2, "cut", None, "less than the first five words")]
    assert rows(ConnectorArea(None)) == [(0, 0, "cut", None, "less than the first five words")]


def test_a_hotplug_event_of_qemu() -> None:
    assert rows(RtasEvent.decode(QEMU_EVENT), Named()) == [
        (0, 1, "version", 6, "6"),
        (1, 1, "severity", 1, "1, event"),
        (1, 1, "disposition", 2, "2, not recovered"),
        (1, 1, "extended", 1, "an extended log follows"),
        (2, 1, "initiator", 6, "6, hot plug"),
        (2, 1, "target", 0, "0, unknown"),
        (3, 1, "type", 0xE5, "229, hotplug"),
        (4, 4, "length", 108, "108 bytes of extended log"),
        (8, 1, "log.flags", 0x86, "0x86, valid new big-endian"),
        (10, 1, "log.format", 14, "14, platform event"),
        (20, 4, "log.company", 0x49424D00, "0x49424d00, IBM"),
        (24, 2, "PH", 0x5048, "0x5048"),
        (26, 2, "PH.length", 48, "48"),
        (28, 1, "PH.version", 0, "0"),
        (29, 1, "PH.subtype", 0, "0"),
        (30, 2, "PH.creator", 0, "0x0000"),
        (32, 4, "PH.date", 0x20240131, "2024-01-31"),
        (36, 4, "PH.time", 0x12595800, "12:59:58"),
        (48, 1, "PH.creator_id", 0x48, "0x48, H: hypervisor"),
        (51, 1, "PH.section_count", 3, "3"),
        (64, 4, "PH.log_id", 1, "0x1"),
        (72, 2, "UH", 0x5548, "0x5548"),
        (74, 2, "UH.length", 24, "24"),
        (76, 1, "UH.version", 0, "0"),
        (77, 1, "UH.subtype", 0, "0"),
        (78, 2, "UH.creator", 0, "0x0000"),
        (80, 1, "UH.subsystem", 0x80, "0x80, external environment"),
        (82, 1, "UH.event_severity", 0, "0x00, informational"),
        (83, 1, "UH.event_subtype", 0, "0x00"),
        (90, 2, "UH.action_flags", 0, "0x0000"),
        (96, 2, "HP", 0x4850, "0x4850"),
        (98, 2, "HP.length", 20, "20"),
        (100, 1, "HP.version", 1, "1"),
        (101, 1, "HP.subtype", 0, "0"),
        (102, 2, "HP.creator", 0, "0x0000"),
        (104, 1, "HP.resource", 2, "2, memory"),
        (105, 1, "HP.action", 1, "1, add"),
        (106, 1, "HP.id_type", 4, "4, by indexed count"),
        (107, 1, "HP.capabilities", 0, "0x00"),
        (108, 4, "HP.count", 4, "4"),
        (112, 4, "HP.index", 0x80000010, "0x80000010, LMB 16"),
    ]


def test_a_reassignment() -> None:
    found = rows(RtasEvent.decode(PRRN_SCOPE_2 + b"\1"))
    assert found[3] == (1, 1, "extended", 0, "no extended log")
    assert found[6:] == [
        (3, 1, "type", 0xA0, "160, PRRN: platform resource reassignment"),
        (4, 4, "scope", 2, "2: asks for updates of scope -2"),
        (8, 1, "after the end", None, "01"),
    ]


def test_numbers_that_nobody_defines() -> None:
    event = bytes.fromhex("06f077ee 00001010") + bytes.fromhex("7900fd00000000000000000049424d01") + b"\1"
    assert rows(RtasEvent.decode(event)) == [
        (0, 1, "version", 6, "6"),
        (1, 1, "severity", 7, "7, reserved"),
        (1, 1, "disposition", 2, "2, not recovered"),
        (1, 1, "extended", 0, "no extended log"),
        (2, 1, "initiator", 7, "7, not known"),
        (2, 1, "target", 7, "7, not known"),
        (3, 1, "type", 238, "238, not known"),
        (4, 4, "length", 0x1010, "4,112 bytes of extended log"),
        (8, 17, "after the end", None, "79 00 fd 00 00 00 00 00 00 00 00 00 49 42 4d 01 ..."),
    ]
    event = bytes.fromhex("06f477ee 00000010") + bytes.fromhex("7900fd00000000000000000049424d01")
    assert rows(RtasEvent.decode(event))[8:] == [
        (8, 1, "log.flags", 0x79, "0x79, unrecoverable recoverable degraded predictive reserved"),
        (10, 1, "log.format", 13, "13, not known to Linux"),
        (20, 4, "log.company", 0x49424D01, "0x49424d01, not IBM"),
    ]
    event = bytes.fromhex("06f477ee 00000010") + bytes(16)
    assert rows(RtasEvent.decode(event))[8] == (8, 1, "log.flags", 0, "0x00, none")


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        (
            "EP",
            "03 02 01 00 00000000000000ff",
            [
                (9, 1, "EP.action", 3, "3, shut the system down"),
                (10, 1, "EP.event_modifier", 2, "2, on a UPS"),
                (11, 1, "EP.extended_modifier", 1, "1, this partition"),
                (13, 8, "EP.reason", 255, "0xff"),
            ],
        ),
        (
            "EP",
            "17 05 02 00 0000000000000000 99",
            [
                (9, 1, "EP.action", 0x17, "23, power off"),
                (10, 1, "EP.event_modifier", 5, "5, not known"),
                (11, 1, "EP.extended_modifier", 2, "2, whole system"),
                (13, 8, "EP.reason", 0, "0x0"),
            ],
        ),
        ("EP", "08" + "00" * 11, None),
        (
            "UH",
            "20 00 51 07 00000000 0000 8001 00000000",
            [
                (9, 1, "UH.subsystem", 0x20, "0x20"),
                (11, 1, "UH.event_severity", 0x51, "0x51"),
                (12, 1, "UH.event_subtype", 7, "0x07"),
                (19, 2, "UH.action_flags", 0x8001, "0x8001"),
            ],
        ),
        ("EP", "030201000000000000ff", [(9, 10, "EP.data", None, "03 02 01 00 00 00 00 00 00 ff")]),
        ("XY", "01", [(9, 1, "XY.data", None, "01")]),
        ("XY", "01" * 16, [(9, 16, "XY.data", None, " ".join(["01"] * 16))]),
        ("XY", "01" * 17, [(9, 17, "XY.data", None, " ".join(["01"] * 16) + " ...")]),
        ("XY", "", []),
    ],
)
def test_sections(name: str, body: str, expected: list[Row] | None) -> None:
    found = [
        (one.offset, one.size, one.name, one.value, one.text)
        for one in section_fields(name, 9, bytes.fromhex(body))
    ]
    if expected is None:
        assert found[0] == (9, 1, "EP.action", 8, "8, not known")
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("creator", "text"),
    [
        (0x43, "0x43, C: hardware console"),
        (0x5A, "0x5a, Z: not known"),
        (0x21, "0x21, !: not known"),
        (0x20, "0x20"),
        (0x7E, "0x7e, ~: not known"),
        (0x7F, "0x7f"),
        (0x00, "0x00"),
    ],
)
def test_creators_are_letters(creator: int, text: str) -> None:
    body = bytearray(QEMU_EVENT[32:72])
    body[16] = creator
    assert [one.text for one in section_fields("PH", 0, bytes(body)) if one.name == "PH.creator_id"] == [text]
