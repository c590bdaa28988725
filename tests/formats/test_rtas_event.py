# SPDX-License-Identifier: MIT
"""RTAS events: those that documents and QEMU have, and sections that do not fit."""

from __future__ import annotations

import pytest

from drmemctl.formats.hotplug_section import HOTPLUG, Hotplug
from drmemctl.formats.rtas_event import EPOW, RtasEvent
from tests.formats.rtas_vectors import HP_COUNT, HP_INDEXED_COUNT, PRRN_SCOPE_2, QEMU_EVENT


def texts(data: bytes) -> dict[str, str]:
    return {field.name: field.text for field in RtasEvent.decode(data).fields()}


def test_a_reassignment_has_its_scope_in_place_of_a_length() -> None:
    event = RtasEvent.decode(PRRN_SCOPE_2)
    assert event.fixed is not None
    assert (event.fixed.type, event.fixed.scope, event.defects) == (160, 2, ())
    assert texts(PRRN_SCOPE_2)["scope"] == "2: asks for updates of scope -2"
    negative = RtasEvent.decode(bytes.fromhex("062060a0fffffffe"))
    assert negative.fixed is not None
    assert negative.fixed.scope == -2


def test_what_qemu_gives() -> None:
    event = RtasEvent.decode(QEMU_EVENT)
    assert event.defects == ()
    assert [each.name for each in event.sections] == ["PH", "UH", "HP"]
    section = event.section(HOTPLUG)
    assert section is not None
    assert section.body == b""
    assert section.hotplug == Hotplug(2, 1, 4, 0, count=4, index=0x80000010)
    assert section.hotplug.request == "memory add by indexed count 4 0x80000010"
    shown = texts(QEMU_EVENT)
    assert shown["severity"] == "1, event"
    assert shown["disposition"] == "2, not recovered"
    assert shown["initiator"] == "6, hot plug"
    assert shown["type"] == "229, hotplug"
    assert shown["log.flags"] == "0x86, valid new big-endian"
    assert (shown["PH.date"], shown["PH.time"]) == ("2024-01-31", "12:59:58")
    assert (shown["PH.creator_id"], shown["PH.section_count"]) == ("0x48, H: hypervisor", "3")
    assert shown["UH.subsystem"] == "0x80, external environment"


def test_a_section_alone() -> None:
    for data in (HP_INDEXED_COUNT, HP_COUNT):
        event = RtasEvent.decode(data)
        assert (event.fixed, event.header, event.defects) == (None, None, ())
        assert event.sections[0].hotplug is not None


def test_a_name_and_a_token() -> None:
    body = bytes.fromhex("03020180") + b"U78A-P1\0" + b"\1\2\3\4"
    found = Hotplug.decode(body)
    assert found == Hotplug(3, 2, 1, 0x80, name="U78A-P1", rest=b"\1\2\3\4")
    names = [field.name for field in found.fields(0)]
    assert names[-2:] == ["HP.name", "HP.token"]
    assert Hotplug.decode(body[:8]) is None


def test_a_section_of_no_length_ends_the_walk() -> None:
    event = RtasEvent.decode(QEMU_EVENT[:26] + b"\0\0" + QEMU_EVENT[28:])
    assert [each.name for each in event.sections] == ["PH"]
    assert [(each.code, each.offset) for each in event.defects] == [("event-section-stuck", 24)]


def test_an_event_that_is_cut() -> None:
    event = RtasEvent.decode(QEMU_EVENT[:100])
    assert [each.code for each in event.defects] == ["event-cut"]
    assert RtasEvent.decode(b"\6").defects[0].code == "event-header-cut"


def test_a_power_warning() -> None:
    data = QEMU_EVENT[:96].replace(b"\xe5", bytes([EPOW])) + bytes.fromhex(
        "4550001401000000030100000000000000000000"
    )
    shown = texts(data)
    assert shown["type"] == "64, EPOW: environmental and power warning"
    assert shown["EP.action"] == "3, shut the system down"
    assert shown["EP.event_modifier"] == "1, normal"


def test_logs_of_other_formats_keep_their_bytes() -> None:
    older = b"\3" + QEMU_EVENT[1:]
    assert RtasEvent.decode(older).header is None
    assert RtasEvent.decode(older).tail == QEMU_EVENT[8:]
    foreign = QEMU_EVENT[:20] + b"XYZ\0" + QEMU_EVENT[24:]
    assert RtasEvent.decode(foreign).sections == ()


HEAD = bytes.fromhex("063460e500000000")


def logged(size: int, log: bytes) -> RtasEvent:
    """Decode a hotplug event that says that its log has so many bytes."""
    return RtasEvent.decode(HEAD[:4] + size.to_bytes(4, "big") + log)


LOG = QEMU_EVENT[8:24]
PH = bytes.fromhex("5048000900000000") + b"\7"


def test_where_the_log_ends() -> None:
    for event, end, tail in (
        (RtasEvent.decode(PRRN_SCOPE_2), 8, b""),
        (RtasEvent.decode(b"\6\1"), 0, b"\6\1"),
        (logged(16, LOG + b"rest"), 24, b"rest"),
        (logged(15, LOG), 8, LOG),
        (logged(25, LOG + PH + b"rest"), 33, b"rest"),
        # Eight bytes of a section's header are in the log, or there is no section.
        (logged(23, LOG + PH), 24, PH),
        (logged(25, LOG[:-4] + b"XYZ\0" + PH), 24, PH),
        (RtasEvent.decode(HP_COUNT + b"\0\0\0\0rest"), 20, b"rest"),
    ):
        assert (event.end, event.tail) == (end, tail)


def test_the_first_section_of_an_id_is_taken() -> None:
    event = logged(34, LOG + PH + PH)
    assert [each.offset for each in event.sections] == [24, 33]
    assert event.section(0x5048) is event.sections[0]
    assert event.section(0x5548) is None


def test_a_section_may_be_its_header_alone() -> None:
    event = logged(32, LOG + bytes.fromhex("5858000800000000") * 2)
    assert ([each.offset for each in event.sections], event.defects) == ([24, 32], ())


def test_sections_without_letters_have_numbers() -> None:
    names = [
        logged(24, LOG + section.to_bytes(2, "big") + PH[2:8].replace(b"\x09", b"\x08")).sections[0].name
        for section in (0x5048, 0x5048 | 0x80, 0x0000, 0x4131)
    ]
    assert names == ["PH", "0x50c8", "0x0000", "A1"]


def test_a_section_alone_may_lack_the_unused_half_of_its_union_only() -> None:
    assert RtasEvent.decode(HP_COUNT).sections[0].end == 16
    cut = RtasEvent.decode(HP_COUNT[:14])
    assert ([each.code for each in cut.defects], cut.sections[0].hotplug) == (["event-section-cut"], None)
    stuck = RtasEvent.decode(HP_COUNT[:2] + b"\0\7" + HP_COUNT[4:])
    assert [each.code for each in stuck.defects] == ["event-section-stuck"]
    assert RtasEvent.decode(b"HP").tail == b"HP"


@pytest.mark.parametrize(
    ("body", "made", "said"),
    [
        ("01010000", Hotplug(1, 1, 0), "CPU add id type 0"),
        ("0202028080000004", Hotplug(2, 2, 2, 0x80, index=0x80000004), "memory remove by index 0x80000004"),
        ("0301030000001000", Hotplug(3, 1, 3, count=0x1000), "slot add by count 4,096"),
        (
            "0401040000000001 80000004",
            Hotplug(4, 1, 4, count=1, index=0x80000004),
            "PHB add by indexed count 1 0x80000004",
        ),
        ("05010100 4100 0700", Hotplug(5, 1, 1, name="A", rest=b"\7\0"), "PCI add by name"),
        ("07030500 07", Hotplug(7, 3, 5, rest=b"\7"), "resource 7 action 3 id type 5"),
    ],
)
def test_requests(body: str, made: Hotplug, said: str) -> None:
    raw = bytes.fromhex(body)
    assert Hotplug.decode(raw) == made
    assert made.encode() == raw
    assert made.request == said


@pytest.mark.parametrize(
    "body", ["", "020101", "02010200000000", "0201030000", "0201040000000180000", "0201010041"]
)
def test_requests_that_are_cut(body: str) -> None:
    assert Hotplug.decode(bytes.fromhex(body[: len(body) // 2 * 2])) is None


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            Hotplug(9, 9, 9, 0x40),
            [
                (8, 1, "9, not known"),
                (9, 1, "9, not known"),
                (10, 1, "9, not known"),
                (11, 1, "0x40, non-transactional"),
            ],
        ),
        (
            Hotplug(6, 2, 1, 0xC0, name="A-1", rest=b"\1\2\3\4"),
            [
                (8, 1, "6, PMEM"),
                (9, 1, "2, remove"),
                (10, 1, "1, by name"),
                (11, 1, "0xc0, token non-transactional"),
                (12, 4, "A-1"),
                (16, 4, "01 02 03 04"),
            ],
        ),
        (
            Hotplug(2, 1, 3, 0x80, count=4096, rest=b"\7"),
            [
                (8, 1, "2, memory"),
                (9, 1, "1, add"),
                (10, 1, "3, by count"),
                (11, 1, "0x80, token"),
                (12, 4, "4,096"),
                (16, 1, "07"),
            ],
        ),
    ],
)
def test_requests_in_lines(section: Hotplug, expected: list[tuple[int, int, str]]) -> None:
    assert [(each.offset, each.size, each.text) for each in section.fields(8)] == expected


def test_a_name_is_its_fields_value() -> None:
    assert [each.value for each in Hotplug(2, 1, 1, name="A-1").fields(0)][-1] == "A-1"


def test_what_follows_an_index_is_behind_it() -> None:
    (*_, last) = Hotplug(2, 1, 2, index=0x80000004, rest=b"\7").fields(8)
    assert (last.name, last.offset) == ("HP.rest", 16)


@pytest.mark.parametrize(
    ("capabilities", "rest", "name", "text"),
    [
        (0x80, b"1234", "HP.token", "31 32 33 34"),
        (0x80, b"123", "HP.rest", "31 32 33"),
        (0x40, b"1234", "HP.rest", "31 32 33 34"),
        (0, b"1" * 17, "HP.rest", "31 31 31 31 31 31 31 31 31 31 31 31 31 31 31 31 ..."),
    ],
)
def test_four_bytes_that_are_announced_are_the_token(capabilities: int, rest: bytes, name: str, text: str) -> None:
    (*_, last) = Hotplug(2, 1, 0, capabilities, rest=rest).fields(0)
    assert (last.name, last.value, last.text) == (name, None, text)
