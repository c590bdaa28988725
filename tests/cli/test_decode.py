# SPDX-License-Identifier: MIT
"""`drmemctl decode`: what it shows of recorded answers, what it reads, what it finds, and the way back."""

from __future__ import annotations

import json
import sys
import tarfile
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import on_terminal, process, run
from tests.conftest import FIXTURES, ROOT
from tests.formats.rtas_vectors import (
    HP_INDEXED_COUNT,
    MOBILITY,
    PRRN_SCOPE_2,
    QEMU_EVENT,
    areas,
    described,
    nodes_area,
    properties_area,
    words,
)

FOLDER = FIXTURES / "mobility"
NODES = nodes_area(0x01000001, 1, 0x02000001, 2, 0x03000001, 3, 0x80000004)
KINDS = ("update-nodes", "update-properties", "rtas-event", "configure-connector")

NODES_TEXT = """\
update-nodes, 4,096 bytes
  offset  bytes  field                      value
  0x0         4  state                      0x0
  0x4        12  reserved                   000000000000000000000000
  0x10        4  operation[0]               delete, 1 node
  0x14        4  operation[0].phandle[0]    0x1
  0x18        4  operation[1]               update, 1 node
  0x1c        4  operation[1].phandle[0]    0x2
  0x20        4  operation[2]               add, 1 node
  0x24        4  operation[2].parent[0]     0x3
  0x28        4  operation[2].drc_index[0]  0x80000004
  0x2c        4  end                        0x0
"""

PRRN_TEXT = """\
rtas-event, 8 bytes
  offset  bytes  field        value
  0x0         1  version      6
  0x1         1  severity     1, event
  0x1         1  disposition  0, fully recovered
  0x1         1  extended     no extended log
  0x2         1  initiator    6, hot plug
  0x2         1  target       0, unknown
  0x3         1  type         160, PRRN: platform resource reassignment
  0x4         4  scope        2: asks for updates of scope -2
"""

CONNECTOR_TEXT = """\
configure-connector, 31 bytes
  offset  bytes  field         value
  0x0         4  drc_index     0x80000004
  0x4         4  zero          0x0
  0x8         4  name_offset   0x14
  0xc         4  value_length  4 bytes
  0x10        4  value_offset  0x1b
  0x14        7  name          reg-ab
  0x1b        4  value         00000007
"""
CONNECTOR = words(0x80000004, 0, 20, 4, 27) + b"reg-ab\0" + words(7)

PARTS_TEXT = """\
update-properties, 4,096 bytes
  offset  bytes  field               value
  0x0         4  phandle             0x1234
  0x4         4  state               0x0
  0x8         8  reserved            0x0
  0x10        4  nprops              3
  0x15        4  path.length         0x3, 3 bytes
  0x19        3  path                /x
  0x1c        2  property[1]         v
  0x1e        4  property[1].length  0xfffffffc, 4 bytes, to be continued
  0x22        4  property[1].value   61626364
  0x26        2  property[2]         v
  0x28        4  property[2].length  0x2, 2 bytes
  0x2c        2  property[2].value   6566

error   DRM115  partial value that is not the last of its work area
  'v' is a part of 4 bytes, but descriptor 2 of 3: the kernel dies (at offset 0x1c)
drmemctl explain DRM115: what it means and what to do
"""
PARTS = properties_area(
    3, described(b"", 3, b"/x\0"), described(b"v", 0xFFFFFFFC, b"abcd"), described(b"v", 2, b"ef")
)


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "answer"
    path.write_bytes(data)
    return path


def document(kind: str, path: Path) -> Any:
    outcome = run("decode", kind, path, "--format", "json")
    assert outcome.code in (0, 1), outcome.err
    return json.loads(outcome.out)


@pytest.mark.parametrize(
    ("kind", "data", "text", "code"),
    [
        ("update-nodes", NODES, NODES_TEXT, 0),
        ("rtas-event", PRRN_SCOPE_2, PRRN_TEXT, 0),
        ("configure-connector", CONNECTOR, CONNECTOR_TEXT.replace("31", str(len(CONNECTOR))), 0),
        ("update-properties", PARTS, PARTS_TEXT, 1),
    ],
)
def test_golden(tmp_path: Path, kind: str, data: bytes, text: str, code: int) -> None:
    outcome = run("decode", kind, saved(tmp_path, data))
    assert outcome == (code, text, "")


def test_a_tree_names_nodes_and_lmbs() -> None:
    record = FOLDER / "adddesync-6.1.json"
    outcome = run("decode", "update-nodes", record, "--tree", FOLDER / "adddesync-6.1.dtb.gz")
    assert outcome.code == 1
    assert "0x1e6831d8, /ibm,dynamic-reconfiguration-memory" in outcome.out
    assert "0x80000004, LMB at 0x40000000" in outcome.out
    assert "error   DRM112  " in outcome.out


@pytest.mark.parametrize("path", MOBILITY, ids=lambda path: path.stem)
def test_records_are_shown_answer_by_answer(path: Path) -> None:
    found = document("update-properties", path)
    recorded = [one for step in json.loads(path.read_text())["steps"] for one in step.get("answers", ())]
    assert [(one["kind"], one["status"]) for one in found["answers"]] == [
        (one["call"], one["status"]) for one in recorded
    ]
    assert found["schema"] == "drmemctl.decode/1"


def test_a_plain_list_of_answers(tmp_path: Path) -> None:
    listed = [{"call": "ibm,update-nodes", "answer": NODES.hex(), "status": 0}]
    path = saved(tmp_path, json.dumps(listed).encode())
    assert run("decode", "update-nodes", path).out.startswith("update-nodes, 4,096 bytes, status 0: complete\n")
    events = [{"call": "check-exception", "answer": QEMU_EVENT.hex(), "status": 0}]
    assert run("decode", "rtas-event", saved(tmp_path, json.dumps({"answers": events}).encode())).code == 0


@pytest.mark.parametrize("path", MOBILITY, ids=lambda path: path.stem)
def test_json_makes_the_same_bytes(tmp_path: Path, path: Path) -> None:
    made = tmp_path / "made.bin"
    text = run("decode", "update-nodes", path, "--format", "json").out
    again = run("decode", "update-nodes", "--encode", saved(tmp_path, text.encode()), "-o", made)
    assert again == (0, "", "")
    recorded = [one for step in json.loads(path.read_text())["steps"] for one in step.get("answers", ())]
    assert made.read_bytes() == b"".join(bytes.fromhex(one["answer"]).ljust(4096, b"\0") for one in recorded)


@pytest.mark.parametrize(
    ("kind", "data"),
    [("rtas-event", QEMU_EVENT), ("rtas-event", HP_INDEXED_COUNT), ("configure-connector", CONNECTOR)],
)
def test_hex_on_the_screen_is_read_again(kind: str, data: bytes) -> None:
    decoded = process("decode", kind, "-", "--format", "json", stdin=data).stdout
    printed = process("decode", kind, "-", "--encode", stdin=decoded).stdout
    assert bytes.fromhex(printed.decode()) == data
    assert process("decode", kind, "-", stdin=printed).stdout == process("decode", kind, "-", stdin=data).stdout


def test_a_value_alone_is_enough_to_encode(tmp_path: Path) -> None:
    value = {"state": 0, "operations": [{"opcode": 2, "operands": [0x1E6831D8]}]}
    outcome = run("decode", "update-nodes", "--encode", saved(tmp_path, json.dumps(value).encode()))
    assert outcome.code == 0
    assert bytes.fromhex(outcome.out) == bytes(16) + words(0x02000001, 0x1E6831D8, 0)


def test_a_file_of_several_areas(tmp_path: Path) -> None:
    data = b"".join(areas("update-nodes")[:3])
    assert len(document("update-nodes", saved(tmp_path, data))["answers"]) == 3


def test_names_cannot_reach_the_terminal(tmp_path: Path) -> None:
    evil = properties_area(1, described(b"\x1b[2J\x7f\xff\n", 2, b"ab"))
    path = saved(tmp_path, evil)
    for arguments in ((), ("--format", "json")):
        shown = on_terminal("decode", "update-properties", path, *arguments, NO_COLOR="1")
        assert b"\x1b[2J" not in shown
        assert b"\x7f" not in shown
    text = run("decode", "update-properties", path, "--format", "json").out
    again = run("decode", "update-properties", "--encode", saved(tmp_path, text.encode()))
    assert bytes.fromhex(again.out) == evil


@pytest.mark.parametrize(
    ("options", "code"),
    [((), 1), (("--fail-on", "error"), 0), (("--fail-on", "never"), 0), (("--fail-on", "info"), 1)],
)
def test_the_severity_that_fails_is_chosen(tmp_path: Path, options: tuple[str, ...], code: int) -> None:
    path = saved(tmp_path, nodes_area(0x02000000))
    assert run("decode", "update-nodes", path, *options).code == code


def test_findings_are_in_the_json() -> None:
    (finding,) = document("update-nodes", FOLDER / "chunk1buf-6.1.json")["findings"]
    assert (finding["rule"], finding["severity"]) == ("DRM115", "error")
    assert (finding["answer"], finding["offset"]) == (1, 0x75)


@pytest.mark.parametrize(
    "arguments",
    [
        ("update-nodes",),
        ("nodes", "x"),
        ("update-nodes", "x", "-o", "y"),
        ("update-nodes", "-", "--tree", "-"),
        ("update-nodes", "x", "--kernel", "y"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...]) -> None:
    assert run("decode", *arguments).code == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b" \n", "the text holds no bytes"),
        (b"hello", "line 1: 'hello' is no hex"),
        (b"[", "no JSON: "),
        (b"[" * 100_000, "no JSON: "),
        (b"[]", "the record has no answer of update-nodes or update-properties"),
        (b"{}", "the record has no answer of update-nodes or update-properties"),
        (b"[1]", "answer 1 is no object with call, answer and status"),
        (b'[{"call": "x", "answer": "", "status": 0}]', "answer 1 is of a call that is not known here: 'x'"),
        (b'[{"call": "update-nodes", "answer": "zz", "status": 0}]', "answer 1 is not in hex"),
        (b'[{"call": "update-nodes", "answer": 7, "status": 0}]', "answer 1 is not in hex"),
        (b'[{"call": "update-nodes", "answer": "", "status": "0"}]', "answer 1 has a status that is no number"),
        (b'[{"call": "rtas-event", "answer": "", "status": 0}]', "the record has no answer of update-nodes"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, content: bytes, said: str) -> None:
    outcome = run("decode", "update-nodes", saved(tmp_path, content))
    assert (outcome.code, outcome.out) == (3, "")
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x", "no JSON: "),
        (b"[]", "value is [], not an object"),
        (b'{"answers": 3}', "answers is no list"),
        (b'{"answers": [{}]}', "answers[0] has no 'value'"),
        (
            b'{"answers": [{"kind": "rtas-event", "value": {}}]}',
            "answers[0] is of kind 'rtas-event', not update-nodes",
        ),
        (b'{"answers": [{"kind": [], "value": {}}]}', "answers[0] is of kind '[]', not update-nodes"),
        (b'{"state": 4294967296, "operations": []}', "cannot be built from these values"),
    ],
)
def test_what_cannot_be_encoded(tmp_path: Path, content: bytes, said: str) -> None:
    outcome = run("decode", "update-nodes", "--encode", saved(tmp_path, content))
    assert (outcome.code, outcome.out) == (3, "")
    assert said in outcome.err


def test_a_file_that_is_not_there_or_far_too_large(tmp_path: Path) -> None:
    assert "no such file" in run("decode", "rtas-event", tmp_path / "none").err
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(5 << 20)
    outcome = run("decode", "rtas-event", large)
    assert outcome.code == 3
    assert "more than the 4,194,304 bytes" in outcome.err
    assert "DRMEMCTL_MAX_MIB" in outcome.err
    assert run("decode", "rtas-event", tmp_path).code == 2


NO_ANSWERS = {
    "README.md": "no hex",
    "fixtures/races/before.dts": "no hex",
    "fixtures/trees/form0.dtb.gz": "but what gzip made",
    "fixtures/tutorial/lpar7-after.tar.xz": "but what xz made",
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_files_are_no_answers(kind: str, tmp_path: Path) -> None:
    texts = ["Prüfung, keine Bytes\n", "[1, 2]"]
    files = [(ROOT / name, said) for name, said in NO_ANSWERS.items()]
    files.append((Path(sys.executable), "but an ELF file"))
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = tmp_path / f"{form}.tar"
        with tarfile.open(path, "w", format=form) as tar:
            tar.add(FIXTURES / "boot" / "no-lmb-size.dtb.gz", "proc/device-tree.gz")
        files.append((path, "but a tar archive"))
    for number, (text, encoding) in enumerate(product(texts, ("utf-8", "latin-1", "utf-16"))):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(text.encode(encoding))
        files.append((path, str(path)))
    for path, said in files:
        outcome = run("decode", kind, path)
        assert (outcome.code, outcome.out) == (3, ""), path
        assert said in outcome.err, path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_hex_in_any_unicode(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "event.txt"
    path.write_bytes("062060a0 00000002\r\n".encode(encoding))
    assert run("decode", "rtas-event", path).out == PRRN_TEXT
