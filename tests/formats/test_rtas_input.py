# SPDX-License-Identifier: MIT
"""Files of RTAS answers: what is recognised, what is refused and why, and documents back to bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drmemctl.errors import DrmemctlError
from drmemctl.formats.rtas_document import as_plain, encoded
from drmemctl.formats.rtas_input import Answer, read_answers
from tests.formats.rtas_vectors import HP_COUNT, PRRN_SCOPE_2, nodes_area, words

AREA = nodes_area(0x01000001, 5)
NODES = {"call": "ibm,update-nodes", "answer": AREA[:24].hex(), "status": 0}
PROPERTIES = {"call": "update-properties", "answer": "00000001", "status": -1}
EVENT = {"call": "event-scan", "answer": HP_COUNT.hex(), "status": 1}
HINT = "give the bytes as they are, as plain hex, or as `xxd` or `hexdump -C` prints them"


def shown(answers: list[Answer]) -> list[tuple[str, int | None, bytes]]:
    return [(one.kind, one.status, one.data) for one in answers]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("update-nodes", AREA, [("update-nodes", None, AREA)]),
        ("update-nodes", AREA[:24], [("update-nodes", None, AREA[:24])]),
        ("update-nodes", AREA + AREA[:9], [("update-nodes", None, AREA), ("update-nodes", None, AREA[:9])]),
        ("update-nodes", AREA[:24].hex(" ").encode(), [("update-nodes", None, AREA[:24])]),
        # An event has no area, however long it is.
        ("rtas-event", PRRN_SCOPE_2 + bytes(9000), [("rtas-event", None, PRRN_SCOPE_2 + bytes(9000))]),
        ("rtas-event", PRRN_SCOPE_2.hex().encode(), [("rtas-event", None, PRRN_SCOPE_2)]),
    ],
)
def test_bytes_and_hex(kind: str, data: bytes, expected: list[tuple[str, int | None, bytes]]) -> None:
    assert shown(read_answers(kind, data, "file")) == expected


def filled(answer: dict[str, Any]) -> bytes:
    return bytes.fromhex(answer["answer"]).ljust(4096, b"\0")


@pytest.mark.parametrize(
    "document",
    [
        [NODES, PROPERTIES, EVENT],
        {"answers": [NODES, PROPERTIES, EVENT]},
        {"steps": [{"answers": [NODES]}, 7, {}, [PROPERTIES], {"answers": 3}, {"answers": [PROPERTIES]}]},
        {"steps": [{"steps": [{"answers": [NODES]}]}], "answers": [PROPERTIES]},
        {"steps": 3, "answers": [NODES, PROPERTIES]},
    ],
)
def test_records(document: Any) -> None:
    data = (" " + json.dumps(document)).encode()
    updates = [("update-nodes", 0, filled(NODES)), ("update-properties", -1, filled(PROPERTIES))]
    assert shown(read_answers("update-nodes", data, "file")) == updates
    assert shown(read_answers("update-properties", data, "file")) == updates


@pytest.mark.parametrize("call", ["rtas-event", "event-scan", "check-exception", "ibm,event-scan"])
def test_events_are_not_filled_up(call: str) -> None:
    data = json.dumps([NODES, EVENT | {"call": call}]).encode()
    assert shown(read_answers("rtas-event", data, "file")) == [("rtas-event", 1, HP_COUNT)]


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("update-nodes", b"", "file: the file is empty"),
        ("update-nodes", b" \n# nothing\n", "file: the text holds no bytes"),
        ("update-nodes", b"hello", f"file: line 1: 'hello' is no hex; {HINT}"),
        ("update-nodes", b"{", "file: no JSON: "),
        ("update-nodes", DEEP, "file: no JSON: "),
        ("update-nodes", b"[]", "file: the record has no answer of update-nodes or update-properties"),
        ("update-nodes", [EVENT], "file: the record has no answer of update-nodes or update-properties"),
        ("rtas-event", [NODES], "file: the record has no answer of rtas-event"),
        ("update-nodes", [NODES, 7], "file: answer 2 is no object with call, answer and status"),
        ("update-nodes", [{"call": 1, "answer": ""}], "file: answer 1 is no object with call, answer and status"),
        (
            "update-nodes",
            [NODES | {"call": "ibm," + "x" * 50}],
            f"file: answer 1 is of a call that is not known here: 'ibm,{'x' * 36}'",
        ),
        ("update-nodes", [NODES | {"status": "0"}], "file: answer 1 has a status that is no number"),
        ("update-nodes", [NODES | {"status": True}], "file: answer 1 has a status that is no number"),
        ("update-nodes", [NODES | {"answer": "0x"}], "file: answer 1 is not in hex: "),
        ("update-nodes", [NODES | {"answer": 7}], "file: answer 1 is not in hex: "),
    ],
)
def test_what_is_no_answer_is_refused(kind: str, data: Any, said: str) -> None:
    with pytest.raises(DrmemctlError) as caught:
        read_answers(kind, data if isinstance(data, bytes) else json.dumps(data).encode(), "file")
    # Where the sentence ends in a colon, Python has the last word.
    assert str(caught.value) == said or (said.endswith(": ") and str(caught.value).startswith(said))


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        # Linux: pseries_devicetree_update goes on at 0 and 1, update_dt_node unless it is negative, an event is
        # one at 0, dlpar_configure_connector looks at nodes and properties only.
        ("update-nodes", {0, 1}),
        ("update-properties", {0, 1, 2, 3, 4, 5}),
        ("rtas-event", {0}),
        ("configure-connector", {1, 2, 3}),
    ],
)
def test_statuses_after_which_linux_looks_at_the_answer(kind: str, taken: set[int]) -> None:
    assert {status for status in range(-3, 6) if Answer.of(kind, bytes(4096), status).is_taken} == taken
    assert Answer.of(kind, bytes(4096)).is_taken


NODES_VALUE = {"state": 0, "operations": [{"opcode": 1, "operands": [5]}]}


@pytest.mark.parametrize(
    ("kind", "document", "expected"),
    [
        ("update-nodes", NODES_VALUE, AREA[:28]),
        (
            "update-nodes",
            {"answers": [{"value": NODES_VALUE}, {"value": NODES_VALUE | {"length": 64}}]},
            AREA[:28] + AREA[:64],
        ),
        ("update-properties", {"answers": [{"kind": "update-nodes", "value": NODES_VALUE}]}, AREA[:28]),
        ("update-nodes", {"answers": [{"kind": "update-nodes", "value": NODES_VALUE}]}, AREA[:28]),
        ("rtas-event", {"fixed": None, "tail": "0102"}, b"\1\2"),
        ("update-nodes", {"answers": []}, b""),
    ],
)
def test_documents_make_bytes(kind: str, document: Any, expected: bytes) -> None:
    assert encoded(kind, json.dumps(document).encode(), "file") == expected


@pytest.mark.parametrize(
    ("kind", "document", "said"),
    [
        ("update-nodes", b"{", "file: no JSON: "),
        ("update-nodes", DEEP, "file: no JSON: "),
        ("update-nodes", 7, "file: value is 7, not an object"),
        ("update-nodes", [], "file: value is [], not an object"),
        ("update-nodes", {"answers": 7}, "file: answers is no list"),
        ("update-nodes", {"answers": [{"value": NODES_VALUE}, 7]}, "file: answers[1] has no 'value'"),
        ("update-nodes", {"answers": [{}]}, "file: answers[0] has no 'value'"),
        ("update-nodes", {"answers": [{"value": 7}]}, "file: answers[0].value is 7, not an object"),
        (
            "update-nodes",
            {"answers": [{"kind": "rtas-event", "value": {}}]},
            "file: answers[0] is of kind 'rtas-event', not update-nodes",
        ),
        (
            "rtas-event",
            {"answers": [{"kind": "update-nodes", "value": {}}]},
            "file: answers[0] is of kind 'update-nodes', not rtas-event",
        ),
        (
            "rtas-event",
            {"answers": [{"kind": "x" * 50, "value": {}}]},
            f"file: answers[0] is of kind '{'x' * 40}', not rtas-event",
        ),
        (
            "update-nodes",
            NODES_VALUE | {"length": 1},
            "file: a length of 1 bytes: at least 28 and at most 1,048,576 can be",
        ),
    ],
)
def test_documents_that_are_none_are_refused(kind: str, document: Any, said: str) -> None:
    with pytest.raises(DrmemctlError) as caught:
        encoded(kind, document if isinstance(document, bytes) else json.dumps(document).encode(), "file")
    assert str(caught.value) == said or (said.endswith(": ") and str(caught.value).startswith(said))


def test_an_answer_as_json_has_it() -> None:
    answer = Answer.of("update-nodes", bytes(16) + words(0x01000001, 5, 0), 1)
    assert as_plain(answer) == {
        "kind": "update-nodes",
        "status": 1,
        "value": {
            "state": 0,
            "operations": [{"opcode": 1, "operands": [5], "count": 1, "offset": 16}],
            "reserved": "00" * 12,
            "terminator": 0,
            "tail": "",
            "length": 28,
        },
    }
