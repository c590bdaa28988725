# SPDX-License-Identifier: MIT
"""What holds for every kind of answer: no bytes are refused, and none are lost on the way to JSON and back."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.plain import from_plain, plain
from drmemctl.formats.rtas_kinds import KIND_OF_CALL, KINDS, decode, meaning_of
from tests.formats.rtas_vectors import HP_COUNT, HP_INDEXED_COUNT, PRRN_SCOPE_2, QEMU_EVENT, areas, words

SAMPLES = {
    "update-nodes": areas("update-nodes"),
    "update-properties": areas("update-properties"),
    "rtas-event": [QEMU_EVENT, PRRN_SCOPE_2, HP_COUNT, HP_INDEXED_COUNT],
    "configure-connector": [words(0x80000004, 0, 20, 4, 27) + b"memory\0\1\2\3\4"],
}
each_kind = pytest.mark.parametrize("kind", list(KINDS))

telling = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 8, 14, 20, 0x48, 0x50, 0x80, 0x85, 0xA0, 0xE5, 0xFF])
hostile = st.binary(max_size=200) | st.lists(telling | st.integers(0, 255), max_size=120).map(bytes)


def comes_back(kind: str, data: bytes) -> None:
    value = decode(kind, data)
    assert value.encode() == data
    again = from_plain(KINDS[kind].layout, json.loads(json.dumps(plain(value))), "value")
    assert again.encode() == data
    for field in value.fields():
        assert field.offset >= 0
        assert field.text or field.name
    for defect in value.defects:
        assert defect.code
        assert defect.offset is not None


@each_kind
@given(hostile)
def test_any_bytes_come_back(kind: str, data: bytes) -> None:
    comes_back(kind, data)


@each_kind
def test_real_answers_come_back_cut_at_every_offset(kind: str) -> None:
    for data in SAMPLES[kind]:
        used = data.rstrip(b"\0")
        comes_back(kind, data)
        for end in range(len(used) + 2):
            comes_back(kind, data[:end])


@each_kind
@given(st.data())
def test_real_answers_with_changed_bytes_come_back(kind: str, data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(SAMPLES[kind])))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, min(len(raw), 300) - 1))] = data.draw(telling)
    comes_back(kind, bytes(raw))


@each_kind
@pytest.mark.parametrize("byte", [0xFF, 0x03, 0x01])
def test_counts_of_millions_take_no_longer_than_the_bytes(kind: str, byte: int) -> None:
    begun = time.process_time()
    value = decode(kind, bytes([byte]) * 65536)
    assert sum(1 for _ in value.fields()) < 70_000
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "value is [], not an object"),
        ({}, "value has no 'state'"),
        ({"state": "x", "operations": []}, "value.state is 'x', not a number"),
        ({"state": True, "operations": []}, "value.state is True, not a number"),
        ({"state": 0, "operations": 3}, "value.operations is 3, not a list"),
        ({"state": 0, "operations": [{"opcode": 1}]}, "value.operations[0] has no 'operands'"),
        ({"state": 0, "operations": [], "tail": "x"}, "value.tail is 'x', not bytes in hex"),
    ],
)
def test_json_of_another_shape_is_refused(value: object, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        from_plain(KINDS["update-nodes"].layout, value, "value")
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "value",
    [
        {"state": 1 << 32, "operations": []},
        {"state": 0, "operations": [], "length": 3},
        {"state": 0, "operations": [], "length": 1 << 40},
        {"state": 0, "operations": [], "reserved": "00"},
        {"state": 0, "operations": [{"opcode": 300, "operands": []}]},
        {"state": 0, "operations": [{"opcode": 1, "operands": [-1]}]},
    ],
)
def test_values_that_no_bytes_hold_are_refused(value: object) -> None:
    made = from_plain(KINDS["update-nodes"].layout, value, "value")
    with pytest.raises(FormatError):
        made.encode()


def test_calls_and_statuses_have_their_meaning() -> None:
    assert KIND_OF_CALL["check-exception"] == "rtas-event"
    assert meaning_of("configure-connector", 2).startswith("next child")
    assert meaning_of("configure-connector", 9902) == "busy, call again in 100 ms"
    assert meaning_of("update-nodes", 1) == "more to come: call again"
    assert meaning_of("update-properties", -7) == "error"
