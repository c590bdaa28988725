# SPDX-License-Identifier: MIT
"""Rules about RTAS answers: what made real kernels die is found, what they took well is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from drmemctl.check.engine import Judge
from drmemctl.check.finding import Violation
from drmemctl.check.stream.answers import RtasStream
from drmemctl.check.subject import Subject
from drmemctl.formats.rtas_input import Answer, read_answers
from drmemctl.tree.source import load
from tests.formats.rtas_vectors import (
    HP_INDEXED_COUNT,
    MOBILITY,
    PRRN_SCOPE_2,
    QEMU_EVENT,
    described,
    nodes_area,
    properties_area,
    words,
)

RECORDED = {
    "adddesync": ("DRM112", "DRM111"),
    "addfail": ("DRM111",),
    "addtwo": ("DRM112", "DRM111"),
    "chunk1buf": ("DRM115",),
    "chunkdel": ("DRM116",),
    "nameonly": ("DRM117", "DRM117"),
    "nprops0": ("DRM114",),
    "raceflush": ("DRM117",),
    "unknownph": ("DRM111", "DRM111", "DRM113", "DRM113"),
}
"""What is found in each stream with its tree; nothing in the others, which every kernel took as they are meant."""

OF_THE_TREE = ("DRM112", "DRM113")
OOPSES = ("chunk1buf", "nprops0")

PATH = described(b"", 3, b"/x\0")
PART = described(b"v", (1 << 32) - 4, b"abcd")
REST = described(b"v", 2, b"ef")


def found(kind: str, *areas: bytes, statuses: tuple[int | None, ...] = ()) -> list[Violation]:
    last = (*statuses, *[None] * len(areas))
    answers = [Answer.of(kind, area, status) for area, status in zip(areas, last, strict=False)]
    return Judge().violations(RtasStream(answers))


def rules(findings: list[Violation]) -> list[str]:
    return [finding.rule for finding in findings]


@pytest.mark.parametrize("path", MOBILITY, ids=lambda path: path.stem)
def test_recorded_migrations(path: Path) -> None:
    answers = read_answers("update-nodes", path.read_bytes(), path.name)
    stream = path.stem.rpartition("-")[0]
    expected = RECORDED.get(stream, ())
    with_tree = Judge().violations(RtasStream(answers, load(path.with_suffix(".dtb.gz"))))
    assert tuple(rules(with_tree)) == expected
    without = Judge().violations(RtasStream(answers))
    assert tuple(rules(without)) == tuple(rule for rule in expected if rule not in OF_THE_TREE)
    if stream in OOPSES:
        assert "dies" in without[0].message


def test_a_tree_is_no_stream_and_a_stream_is_no_tree() -> None:
    subject = Subject(load(MOBILITY[0].with_suffix(".dtb.gz")))
    assert [item for item in Judge().violations(subject) if item.rule >= "DRM110"] == []
    assert Judge().violations(RtasStream([])) == []


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (nodes_area(0x02000001, 5), []),
        (nodes_area(), []),
        (bytes(16) + words(0x02000001, 5), ["DRM110"]),
        (bytes(16) + words(0x02000009, 5), ["DRM110"]),
        (bytes(16) + words(0x010003FB, *range(1, 1020)), ["DRM110"]),
        (b"\0" * 8, ["DRM110"]),
        (nodes_area(0x02000001, 5, 0x01000001, 6), ["DRM111"]),
        (nodes_area(0x04000002, 5, 6), ["DRM111"]),
        (nodes_area(0x02000000), ["DRM111"]),
        (nodes_area(0x02000001, 0), ["DRM113"]),
        (nodes_area(0x01000002, 5, 5), ["DRM113"]),
        (nodes_area(0x01000001, 5, 0x02000001, 5), ["DRM113"]),
        (nodes_area(0x01000001, 5, 0x03000001, 5, 0x10000005), ["DRM112"]),
        (nodes_area(0x03000001, 0, 0x10000005), ["DRM112"]),
        (nodes_area(0x03000002, 0x1E000001, 0x10000005, 0x03000002, 0x1E000001, 0x10000006), ["DRM112", "DRM111"]),
        (nodes_area(0x03000002, 0x1E000001, 0x10000005, 0x1E000001, 0x10000006), []),
    ],
)
def test_lists_of_nodes(area: bytes, expected: list[str]) -> None:
    assert rules(found("update-nodes", area)) == expected


def test_order_counts_over_all_calls() -> None:
    update, delete = nodes_area(0x02000001, 5), nodes_area(0x01000001, 6)
    (finding,) = found("update-nodes", update, delete, statuses=(1, 0))
    assert (finding.rule, finding.answer, finding.offset) == ("DRM111", 1, 16)
    assert found("update-nodes", update, delete, statuses=(1, -1)) == []


def test_what_a_drc_index_becomes() -> None:
    assert "the end of the list" in found("update-nodes", nodes_area(0x03000001, 0, 5))[0].message
    assert (
        "operation 0x80 with 4 operands" in found("update-nodes", nodes_area(0x03000001, 0, 0x80000004))[0].message
    )
    assert "the next parent" in found("update-nodes", nodes_area(0x03000002, 0, 5, 7, 8))[0].message


def test_what_is_below_a_deleted_node_is_gone_and_a_drc_index_can_be_a_phandle() -> None:
    tree = load(MOBILITY[0].with_suffix(".dtb.gz"))
    stream = RtasStream([], tree)
    assert stream.labels is not None
    paths = {path: phandle for phandle, path in stream.labels.paths.items()}
    cpus, cpu = paths["/cpus"], next(handle for path, handle in paths.items() if path.startswith("/cpus/"))
    area = nodes_area(0x01000001, cpus, 0x02000001, cpu, 0x03000001, paths["/chosen"], cpu)
    messages = [item.message for item in Judge().violations(RtasStream([Answer.of("update-nodes", area)], tree))]
    assert [message.split(": ")[0] for message in messages if "deleted before" in message] == [
        f"update of phandle {cpu:#x}, which was deleted before"
    ]
    assert sum("is also the phandle of /cpus/" in message for message in messages) == 1


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (properties_area(2, PATH, REST), []),
        (properties_area(1, REST), []),
        (properties_area(2, PATH, PART), []),
        (properties_area(0), ["DRM114"]),
        (properties_area(0, REST), ["DRM114"]),
        (properties_area(3, PATH, REST), ["DRM114"]),
        (properties_area(1, PATH, REST), ["DRM114"]),
        (words(1, 0, 0, 0, 2) + PATH + b"abc", ["DRM114"]),
        (properties_area(3, PATH, PART, REST), ["DRM115"]),
        (properties_area(2, PATH, described(b"v", 0)), ["DRM117"]),
        (properties_area(3, PATH, described(b"", 1, b"x"), REST), ["DRM117"]),
        (properties_area(3, PATH, PART, described(b"w", 1, b"x")), ["DRM115", "DRM116"]),
    ],
)
def test_properties(area: bytes, expected: list[str]) -> None:
    assert rules(found("update-properties", area)) == expected


@pytest.mark.parametrize(
    ("second", "statuses", "said"),
    [
        (properties_area(1, REST), (1, 0), ""),
        (properties_area(1, described(b"w", 2, b"ef")), (1, 0), "its bytes go into 'v'"),
        (properties_area(1, described(b"w", 0x80000000)), (1, 0), "its rest is the property"),
        (properties_area(1, REST), (1, -1), "has no end"),
        (properties_area(1, PART), (1, 0), "has no end"),
        (properties_area(1, PART), (1, 1), ""),
    ],
)
def test_values_in_parts(second: bytes, statuses: tuple[int, int], said: str) -> None:
    findings = found("update-properties", properties_area(2, PATH, PART), second, statuses=statuses)
    assert [item.rule for item in findings] == (["DRM116"] if said else [])
    assert all(said in item.message and item.answer == 1 for item in findings)


def test_a_path_of_another_node() -> None:
    tree = load(MOBILITY[0].with_suffix(".dtb.gz"))
    labels = RtasStream([], tree).labels
    assert labels is not None
    phandle = next(handle for handle, path in labels.paths.items() if path == "/chosen")
    area = properties_area(2, PATH, REST, phandle=phandle)
    (finding,) = Judge().violations(RtasStream([Answer.of("update-properties", area)], tree))
    assert (finding.rule, finding.offset) == ("DRM117", 20)


def hotplug(payload: str) -> bytes:
    return bytes.fromhex("4850001401000000" + payload.replace(" ", ""))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (PRRN_SCOPE_2, ""),
        (QEMU_EVENT, ""),
        (HP_INDEXED_COUNT, ""),
        (b"\6", "this is no event"),
        (b"\x89PNG\r\n\x1a\n", "version 137, where RTAS has 1 to 6"),
        (bytes.fromhex("062060a000000000"), "a reassignment of scope 0"),
        (bytes.fromhex("062060a0fffffffe"), "a reassignment of scope -2"),
        (bytes.fromhex("062460a000000002"), "a reassignment has no extended log"),
        (QEMU_EVENT[:8], "event-cut"),
        (QEMU_EVENT[:26] + b"\0\0" + QEMU_EVENT[28:], "Linux looks at it for ever"),
        (QEMU_EVENT[:20] + b"XYZ\0" + QEMU_EVENT[24:], "not in format 14 of IBM"),
        (bytes.fromhex("062060e500000000"), "needs an extended log of at least 20 bytes"),
        (QEMU_EVENT[:7] + b"\x58" + QEMU_EVENT[8:96], "without a section HP"),
        (QEMU_EVENT[:7] + b"\x64" + QEMU_EVENT[8:96] + bytes.fromhex("4850000c010000000201"), "event"),
        (hotplug("02010400 00000004"), "too few"),
        (hotplug("09010400 00000004 80000010"), "resource 9 is none"),
        (hotplug("02030400 00000004 80000010"), "action 3 is none"),
        (hotplug("02010700 00000004 80000010"), "id_type 7 is none"),
        (hotplug("02010100 4c4d4200"), "memory by name"),
        (hotplug("02010300 00000000"), "a count of 0"),
        (hotplug("02010400 80000000 80000010"), "a negative int"),
    ],
)
def test_events(event: bytes, said: str) -> None:
    findings = found("rtas-event", event)
    assert bool(findings) == bool(said)
    assert {item.rule for item in findings} <= {"DRM118"}
    if said not in ("event-cut", "event", ""):
        assert any(said in item.message for item in findings)


def test_requests_are_held_against_the_tree() -> None:
    tree = load(MOBILITY[0].with_suffix(".dtb.gz"))
    for payload, said in (
        ("02010400 00000002 80000004", ""),
        ("02010400 00000002 80009999", "no LMB of the tree has DRC index 0x80009999: EINVAL"),
        ("02010200 80009999", "no LMB of the tree has DRC index 0x80009999: EINVAL"),
        ("02010300 00009999", "a count of 39,321, and the tree has 12 LMBs: EINVAL"),
        ("01010200 80009999", ""),
    ):
        findings = Judge().violations(RtasStream([Answer.of("rtas-event", hotplug(payload))], tree))
        assert [item.message for item in findings] == ([said] if said else [])


NODE = (words(0x80000004, 0, 20, 0, 0) + b"memory@40000000\0").ljust(4096, b"\0")
OUTSIDE = words(0x80000004, 0, 4096, 4, 4094).ljust(4096, b"\0")


@pytest.mark.parametrize(
    ("area", "status", "expected"),
    [
        (NODE, 2, []),
        (NODE, None, []),
        (NODE, 3, []),
        (OUTSIDE, 0, []),
        (OUTSIDE, 4, []),
        (OUTSIDE, -2, []),
        (OUTSIDE, 2, ["DRM119"]),
        (OUTSIDE, 3, ["DRM119", "DRM119"]),
        (OUTSIDE, None, ["DRM119", "DRM119"]),
        (NODE, 5, ["DRM119"]),
        (NODE, -1, ["DRM119"]),
        (NODE, -9003, ["DRM119"]),
        (NODE, 9902, ["DRM119"]),
        (NODE[:10], 2, ["DRM119"]),
    ],
)
def test_connectors(area: bytes, status: int | None, expected: list[str]) -> None:
    assert rules(found("configure-connector", area, statuses=(status,))) == expected


def test_what_is_said_is_bounded() -> None:
    area = nodes_area(0x01000001, 7, *[0x02000001, 7] * 300)
    messages = [item.message for item in found("update-nodes", area, area)]
    assert len(messages) == 21
    assert messages[0] == "delete after an operation that LoPAR has later"
    assert messages[-1] == "582 more like these from here on"
