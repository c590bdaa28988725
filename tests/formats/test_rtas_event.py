# SPDX-License-Identifier: MIT
"""RTAS events: those that documents and QEMU have, and sections that do not fit."""

from __future__ import annotations

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
