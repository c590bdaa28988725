# SPDX-License-Identifier: MIT
"""Dumps of a part of a tree: form and nodes that they cannot tell are unknown, with a note, in every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Outcome, run
from tests.conftest import FIXTURES

DRMEM = "/ibm,dynamic-reconfiguration-memory"
LMBS = """
    ibm,dynamic-reconfiguration-memory {
        ibm,lmb-size = <0x0 0x10000000>;
        ibm,associativity-lookup-arrays = <0x2 0x4 0x0 0x0 0x0 0x0 0x0 0x0 0x2 0x2>;
        ibm,dynamic-memory-v2 = <0x1 0x18e 0x0 0x20000000 0x80000002 0x1 0x8>;
    };"""
MEMORY = """
    memory@0 { device_type = "memory"; reg = <0 0 0 0x20000000>; ibm,associativity = <4 0 0 2 2>; };"""
CPU = """
    cpus { PowerPC,POWER7@54 { device_type = "cpu"; reg = <0x54>; ibm,associativity = <5 0 0 2 2 0x54>; }; };"""
RTAS = """
    rtas { ibm,associativity-reference-points = <4 2>; };"""
CHOSEN = """
    chosen { ibm,architecture-vec-5 = [19 00 20 00 00 80 00 00 00]; };"""
BARE_CHOSEN = """
    chosen { bootargs = "quiet"; };"""


def source(*parts: str) -> str:
    return "/dts-v1/;\n/ {" + "".join(parts) + "\n};\n"


# Of one file of a node lsprop prints no other property, and so no `name`.
LSPROP = f"""\
/proc/device-tree{DRMEM}/ibm,lmb-size
\t\t 00000000 10000000
/proc/device-tree{DRMEM}/ibm,dynamic-memory-v2
\t\t 00000001 0000018e 00000000 20000000
\t\t 80000002 00000001 00000008
/proc/device-tree{DRMEM}/ibm,associativity-lookup-arrays
\t\t 00000002 00000004 00000000 00000000
\t\t 00000000 00000000 00000000 00000000
\t\t 00000002 00000002
"""

PARTS = {
    "the drmem node": (FIXTURES / "cases" / "partial-drconf.dts").read_text(),
    "no chosen": source(LMBS, MEMORY, CPU, RTAS),
    "a chosen without the vector, no rtas": source(LMBS, MEMORY, CPU, BARE_CHOSEN),
    "a chosen without the vector, no memory": source(LMBS, CPU, RTAS, BARE_CHOSEN),
    "no rtas": source(LMBS, MEMORY, CPU, CHOSEN),
    "an empty root besides": source(MEMORY, LMBS),
    "single properties": LSPROP,
    "properties of chosen and rtas, not those": LSPROP
    + '/proc/device-tree/chosen/bootargs\n\t\t "quiet"\n/proc/device-tree/rtas/rtas-version 00000001 (1)\n',
    "the vector, and not the points": LSPROP
    + "/proc/device-tree/chosen/ibm,architecture-vec-5\n\t\t 19 00 20 00 00 80 00 00 00\n"
    + "/proc/device-tree/rtas/rtas-version 00000001 (1)\n",
    "a vector that is cut": LSPROP
    + "/proc/device-tree/chosen/ibm,architecture-vec-5\n\t\t 19 00 20\n\t\t [27 bytes total]\n"
    + "/proc/device-tree/rtas/ibm,associativity-reference-points\n\t\t 00000004 00000002\n",
}


@pytest.fixture(params=PARTS, ids=list(PARTS))
def part(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "part.txt"
    path.write_text(PARTS[request.param])
    return path


def document(outcome: Outcome) -> dict[str, object]:
    assert outcome.code in (0, 1), outcome.err
    found = json.loads(outcome.out)
    assert isinstance(found, dict)
    return found


def nodes_in(value: object) -> set[object]:
    """Return all values under the key `node`, however deep."""
    if isinstance(value, dict):
        own = {value["node"]} if "node" in value else set()
        return own.union(*map(nodes_in, value.values()))
    return set().union(*map(nodes_in, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("command", ["lmb", "numa", "show", "map", "assoc", "blocks", "check"])
def test_no_node_and_no_form_is_definite(command: str, part: Path) -> None:
    found = document(run(command, part, "--format", "json"))
    assert nodes_in(found) <= {None}
    affinity = found.get("affinity", found)
    assert isinstance(affinity, dict)
    for field in ("form", "enabled", "primary_index"):
        assert affinity.get(field) is None


@pytest.mark.parametrize("command", ["lmb", "numa", "show", "map", "assoc", "blocks", "check"])
def test_a_note_says_what_is_not_shown(command: str, part: Path) -> None:
    outcome = run(command, part)
    said = outcome.out + outcome.err
    assert "shown" in said or "is cut before" in said
    for wrong in ("without NUMA", "form 0", "form 1", "all in node 0", "no node found by Linux"):
        assert wrong not in said
    assert "unknown" in said


def test_a_report_says_it_as_well(part: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run("report", part, "-o", page).code == 0
    text = page.read_text()
    assert "without NUMA" not in text
    assert "unknown: " in text


def test_what_is_shown_is_told(tmp_path: Path) -> None:
    path = tmp_path / "whole.dts"
    path.write_text(source(LMBS, MEMORY, CPU, RTAS, CHOSEN))
    outcome = run("numa", path, "--format", "json")
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert (found["form"], found["primary_index"], "unknown" in found) == (1, 4, False)
    assert nodes_in(found) == {2}
    assert json.loads(run("lmb", path, "--format", "json").out)["runs"][0]["node"] == 2


def test_memory_that_is_not_shown_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "part.dts"
    path.write_text(source(LMBS, CPU, RTAS, CHOSEN))
    outcome = run("numa", path)
    assert "node" in outcome.out
    assert "no memory node is shown" in outcome.err
    assert run("lmb", path).err == ""


def test_a_blob_of_a_part_does_not_make_linux_panic(tmp_path: Path) -> None:
    part, blob = tmp_path / "part.dts", tmp_path / "part.dtb"
    part.write_text(source(LMBS))
    assert run("convert", part, "-o", blob).code == 0
    assert json.loads(run("check", blob, "--format", "json").out)["findings"] == []
