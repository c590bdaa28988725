# SPDX-License-Identifier: MIT
"""Records of reassignments and migrations: what is read of them, and what is refused, with where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drmemctl.errors import DrmemctlError, FormatError, InputError, LimitError
from drmemctl.simulate.rtas_record import read_migration, read_reassignment
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.simulate.records import record, record_names

EVENT = "062000a000000002"
WITH_PRRN = [
    (name, number)
    for name in record_names("reassignments")
    for number, step in enumerate(record(name)["steps"])
    if "events" in step
]


@each(("name", "number"), WITH_PRRN)
def test_a_recorded_step_is_a_file(name: str, number: int) -> None:
    step = record(name)["steps"][number]
    made = read_reassignment(json.dumps(step).encode(), name)
    assert [event.fixed.scope for event in made.events if event.fixed] == [2] * len(step["events"])
    assert len(made.calls) == len(step["answers"])
    answered = {
        int(entry["drc"], 16): (entry.get("status", 0), bytes.fromhex(entry.get("answered", "")))
        for entry in step["connectors"]
    }
    assert {
        connector.drc_index: (connector.status, connector.associativity)
        for connector in made.connectors.connectors
    } == answered


def test_a_bare_list_is_a_migration_and_homes_are_read() -> None:
    assert read_migration(b"[]", "x").calls == []
    answer = {"call": "update-nodes", "answer": "00", "status": 0}
    homes = [{"cpu": 8, "associativity": "000000020000000100000008"}]
    made = read_migration(json.dumps({"answers": [answer], "homes": homes}).encode(), "x")
    assert made.homes == ((8, (1, 8)),)


def with_connectors(*connectors: Any) -> dict[str, Any]:
    return {"events": [EVENT], "connectors": list(connectors)}


@pytest.mark.parametrize(
    ("document", "kind", "words"),
    [
        ("{", InputError, "no JSON"),
        ("{}", InputError, "an object without a list of events"),
        ({"events": {}}, InputError, "an object without a list of events"),
        ({"events": [EVENT] * 1025}, LimitError, "1,025 events, more than the 1,024"),
        ({"events": [EVENT, 7]}, FormatError, "event 2 is not in hex"),
        ({"events": ["zz"]}, FormatError, "event 1 is not in hex"),
        ({"events": ["062000"]}, FormatError, "event 1 has 3 bytes"),
        ({"events": [EVENT], "answers": {}}, FormatError, "the answers are no list"),
        ({"events": [EVENT], "answers": [1]}, FormatError, "answer 1 is no object"),
        ({"events": [EVENT], "connectors": {}}, FormatError, "the connectors are no list"),
        (with_connectors(1), FormatError, "connector 1 is no object"),
        (with_connectors({}), FormatError, "the DRC index of connector 1"),
        (with_connectors({"drc": -1}), FormatError, "the DRC index of connector 1"),
        (with_connectors({"drc": 1 << 32}), FormatError, "the DRC index of connector 1"),
        (with_connectors({"drc": True}), FormatError, "the DRC index of connector 1"),
        (with_connectors({"drc": "\x1b[31m"}), FormatError, "the DRC index of connector 1"),
        (with_connectors({"drc": 1, "status": "x"}), FormatError, "a status that is no number"),
        (with_connectors({"drc": 1, "status": 2}), FormatError, "status 2, with which the walk goes on"),
        (with_connectors({"drc": 1, "answered": "0"}), FormatError, "the associativity of connector 1"),
        (with_connectors({"drc": 1, "answered": ""}), FormatError, "has 0 bytes"),
        (with_connectors({"drc": 1, "answered": "00"}), FormatError, "has 1 bytes"),
        (with_connectors({"drc": 1, "answered": "00" * 4100}), FormatError, "has 4100 bytes"),
        (with_connectors(*[{"drc": 1}] * 65_537), LimitError, "65,537 connectors"),
        ({"events": [EVENT], "homes": [{}]}, FormatError, "the CPU of home 1"),
        ({"events": [EVENT], "homes": [{"cpu": 1}]}, FormatError, "the associativity of home 1"),
        ({"events": [EVENT], "homes": [{"cpu": 1}] * 2049}, LimitError, "2,049 homes"),
    ],
)
def test_what_is_no_record_is_refused(
    document: Any, kind: type[DrmemctlError], words: str, tmp_path: Path
) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(kind, match=words) as raised:
        read_reassignment(text.encode(), "events.json")
    assert raised.value.source == "events.json"
    path = tmp_path / "events.json"
    path.write_text(text)
    tree = str(FIXTURES / "reassignments" / "p-move-4.19.dtb.gz")
    done = run("simulate", tree, f"prrn {path}", "--kernel", "4.19")
    assert done.code == 3
    assert str(path) in done.err
    assert "\x1b" not in done.err


def test_the_command_takes_a_recorded_reassignment(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text("\ufeff" + json.dumps(record("reassignments/p-move-4.19")["steps"][0]))
    tree = str(FIXTURES / "reassignments" / "p-move-4.19.dtb.gz")
    done = run("simulate", tree, f"prrn {path}", "--kernel", "4.19.78", "--format", "json")
    (step,) = json.loads(done.out)["steps"]
    assert [(lmbs["drc_index"], lmbs["after"]["node"]) for lmbs in step["lmbs"]][:1] == [(0x80000004, 0)]
    explored = run("explore", tree, "--kernel", "4.19", "--thread", f"prrn {path}", "--thread", f"lpm {tree}")
    assert explored.code == 3
    assert "recorded fit one order only" in explored.err
