# SPDX-License-Identifier: MIT
"""`drmemctl prop`: the bytes that fdtget reads, the fields that they decode to, and what is near a wrong name."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from drmemctl import load
from tests.blobs import Plain, write
from tests.blobs import blob as made_blob
from tests.cases import each
from tests.cli.running import on_terminal, process, run
from tests.conftest import FIXTURES, WITHOUT_LMBS, Tool, blob, fixture_trees, tree_name
from tests.oracles import Libfdt, fdtget_value
from tests.wide import share

DRMEM = "/ibm,dynamic-reconfiguration-memory"
V2 = "ibm,dynamic-memory-v2"
NAMES = [tree_name(path) for path in fixture_trees()]
TREE = FIXTURES / "captures" / "6.1-lpm.dtb.gz"


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


def record(*arguments: str | Path) -> Any:
    outcome = run("prop", *arguments, "--format", "json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def made(folder: Path, root: Plain) -> Path:
    path = folder / "made.dtb"
    path.write_bytes(made_blob(write(root).finish()))
    return path


def lsprop(folder: Path) -> Path:
    path = folder / "lsprop.txt"
    path.write_text("rtas:\nibm,some-list\n\t\t 00000001 00000002\n\t\t [4000 bytes total]\n")
    return path


Nodes = set[tuple[str, tuple[tuple[bytes, bytes], ...]]]


@pytest.fixture
def shown_nodes() -> Nodes:
    """Return where a test of many fixtures keeps the nodes that it has shown: most have many that are the same."""
    return set()


@each("name", share(NAMES, 0, 3))
def test_every_property_of_a_fixture_is_what_libfdt_reads(name: str, libfdt: Any, shown_nodes: Nodes) -> None:
    trail: list[str] = []
    for node in Libfdt(libfdt).nodes(blob(name)):
        trail[max(node.depth - 1, 0) :] = [node.name.decode()] if node.depth else []
        path = "/" + "/".join(trail)
        content = (path, tuple(node.properties))
        if content in shown_nodes:
            continue
        node_record = record(fixture(name), path)
        assert node_record["path"] == path
        shown = [(prop["name"].encode(), bytes.fromhex(prop["hex"])) for prop in node_record["properties"]]
        assert shown == node.properties
        shown_nodes.add(content)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (DRMEM, "ibm,lmb-size"),
        (DRMEM, V2),
        ("/chosen", "ibm,architecture-vec-5"),
        ("/", "ibm,drc-names"),
        ("/cpus/PowerPC,POWER9@0", "ibm,associativity"),
        ("/chosen", "qemu,boot-kernel-le"),
    ],
)
def test_raw_writes_the_bytes_that_fdtget_reads(path: str, name: str, fdtget: Tool, tmp_path: Path) -> None:
    dtb = tmp_path / "tree.dtb"
    dtb.write_bytes(blob("captures/6.1-lpm"))
    done = process("prop", TREE, path, name, "--raw")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == fdtget_value(fdtget, dtb, path, name)
    assert process("prop", TREE, f"{path}:{name}", "--raw").stdout == done.stdout


@each("name", share([name for name in NAMES if name not in WITHOUT_LMBS], 1, 3))
def test_fields_lie_in_the_value_and_numbers_are_its_bytes(name: str) -> None:
    tree = load(fixture(name))
    for path in ("/", DRMEM, "/chosen", "/rtas", f"/cpus/{tree.node('/cpus').children[0].name}"):
        for prop in record(fixture(name), path)["properties"]:
            value = bytes.fromhex(prop["hex"])
            assert prop["length"] == len(value)
            for field in prop["fields"] or ():
                end = field["offset"] + field["size"]
                assert end <= len(value)
                if isinstance(field["value"], int) and field["name"] in (
                    "lmb_size",
                    "n_arrays",
                    "sets",
                    "max_address",
                ):
                    assert int.from_bytes(value[field["offset"] : end], "big") == field["value"]


def test_json_worked_out_by_hand() -> None:
    assert record(TREE, "/rtas", "ibm,lrdr-capacity") == {
        "schema": "drmemctl.prop/1",
        "path": "/rtas",
        "properties": [
            {
                "name": "ibm,lrdr-capacity",
                "length": 20,
                "hex": "0000000200000000000000001000000000000001",
                "text": None,
                "fields": [
                    {"offset": 0, "size": 8, "name": "max_address", "value": 8 << 30, "text": "8 GiB"},
                    {"offset": 8, "size": 8, "name": "lmb_size", "value": 256 << 20, "text": "256 MiB"},
                    {"offset": 16, "size": 4, "name": "max_cpus", "value": 1, "text": "1"},
                ],
                "more_fields": False,
                "defects": [],
            }
        ],
    }


def test_text_worked_out_by_hand() -> None:
    outcome = run("prop", TREE, DRMEM, V2)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == f"{DRMEM}:{V2}, 52 bytes:"
    assert lines[1].startswith("  <0x00000002 0x00000008 0x00000000 0x00000000 0x00000000 0xffffffff 0x000000a0 ")
    assert lines[2].split() == ["offset", "bytes", "field", "value"]
    assert lines[3].split() == ["0x0", "4", "sets", "2"]
    assert lines[5].split()[:6] == ["0x1c", "24", "[1]", "24", "LMBs", "from"]


def test_a_node_is_a_line_for_each_property_and_tables_where_they_say_more() -> None:
    lines = run("prop", TREE, DRMEM).out.splitlines()
    assert lines[:4] == [
        f"{DRMEM}:ibm,lmb-size, 8 bytes: <0x00000000 0x10000000>",
        "  offset  bytes  field     value",
        "  0x0         8  lmb_size  256 MiB",
        "",
    ]
    assert lines[-1] == f"{DRMEM}:phandle, 4 bytes: <0x3e683830>"


def test_any_number_of_bytes_may_be_asked_for() -> None:
    place = FIXTURES / "trees" / "form0.dtb.gz"
    assert run("prop", place, "/", "--show", f"{10**30}") == run("prop", place, "/", "--show", f"{10**9}")


def test_path_and_property_may_be_one_word() -> None:
    assert record(TREE, "/rtas:ibm,lrdr-capacity") == record(TREE, "/rtas", "ibm,lrdr-capacity")
    assert record(TREE, "/:#size-cells")["properties"][0]["hex"] == "00000002"


def test_a_colon_may_be_part_of_either(tmp_path: Path) -> None:
    path = made(
        tmp_path, Plain(b"", (), (Plain(b"a:b", ((b"c:d", b"1"), (b"e", b"2"))), Plain(b"a", ((b"b", b"3"),))))
    )
    assert [prop["name"] for prop in record(path, "/a:b")["properties"]] == ["c:d", "e"]
    assert record(path, "/a:b", "c:d")["properties"][0]["hex"] == "31"
    assert record(path, "/a:b:c:d")["properties"][0]["hex"] == "31"
    assert record(path, "/a:b:e")["properties"][0]["hex"] == "32"


def test_parts_of_the_path_may_lack_their_unit_address() -> None:
    assert record(TREE, "/cpus/PowerPC,POWER9", "reg")["path"] == "/cpus/PowerPC,POWER9@0"
    assert record(TREE, "cpus/PowerPC,POWER9@0", "reg")["path"] == "/cpus/PowerPC,POWER9@0"


def test_a_text_is_shown_as_text() -> None:
    assert record(TREE, "/", "compatible")["properties"][0]["text"] == ["qemu,pseries"]
    assert run("prop", TREE, "/", "compatible").out.splitlines()[0] == '/:compatible, 13 bytes: "qemu,pseries"'


def test_a_limit_leaves_fields_out_and_says_so() -> None:
    found = record(TREE, "/", "ibm,drc-names", "--show", "3")["properties"][0]
    assert (len(found["fields"]), found["more_fields"]) == (3, True)
    assert "and more from offset" in run("prop", TREE, "/", "ibm,drc-names", "--show", "3").out
    whole = record(TREE, "/", "ibm,drc-names")["properties"][0]
    assert (len(whole["fields"]), whole["more_fields"]) == (88, False)


def test_duplicates_are_all_shown_and_the_first_is_written_raw(tmp_path: Path) -> None:
    path = made(tmp_path, Plain(b"", ((b"x", b"\0\0\0\1"), (b"y", b""), (b"x", b"\0\0\0\2"))))
    assert [prop["hex"] for prop in record(path, "/", "x")["properties"]] == ["00000001", "00000002"]
    assert run("prop", path, "/").out.splitlines() == [
        "/:x, 4 bytes: <0x00000001>",
        "/:y, 0 bytes",
        "/:x, 4 bytes, a second property of this name: <0x00000002>",
    ]
    done = process("prop", path, "/", "x", "--raw")
    assert done.stdout == b"\0\0\0\1"
    assert done.stderr == b"drmemctl: 1 further property of this name; this is the first, which Linux uses\n"


def test_a_cut_value_is_marked_and_never_written_raw(tmp_path: Path) -> None:
    dump = lsprop(tmp_path)
    outcome = run("prop", dump, "/rtas")
    assert outcome.out == "/rtas:ibm,some-list, the first 8 of 4,000 bytes: <0x00000001 0x00000002>\n"
    found = record(dump, "/rtas")["properties"][0]
    assert (found["length"], found["total"], found["hex"]) == (8, 4000, "0000000100000002")
    done = process("prop", dump, "/rtas", "ibm,some-list", "--raw")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"only 8 of 4,000 bytes of the value are known" in done.stderr


def test_faults_have_their_offset(tmp_path: Path) -> None:
    node = Plain(DRMEM[1:].encode(), ((V2.encode(), b"\0\0\0\2" + bytes(24)),))
    path = made(tmp_path, Plain(b"", (), (node,)))
    found = record(path, f"{DRMEM}:{V2}")["properties"][0]
    assert [(one["code"], one["offset"]) for one in found["defects"]] == [("v2-too-short", 28)]
    assert len(found["fields"]) == 2
    assert "(at offset 0x1c)" in run("prop", path, f"{DRMEM}:{V2}").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/chosem"], "no node /chosem; did you mean /chosen?"),
        (["/rtas", "lrdr"], "/rtas: no property lrdr; did you mean ibm,lrdr-capacity?"),
        (["/rtas:a:b"], "/rtas: no property a:b; see `drmemctl prop TREE /rtas`"),
        (["/rtas:ibm,lrdr-capacit"], "/rtas: no property ibm,lrdr-capacit; did you mean ibm,lrdr-capacity?"),
        (["/", "ibm,lmb-size"], f"/: no property ibm,lmb-size; did you mean {DRMEM}:ibm,lmb-size?"),
        (["/chosen", "zzzz"], "/chosen: no property zzzz; see `drmemctl prop TREE /chosen`"),
        (["/rtas", ""], "/rtas: no property ; see `drmemctl prop TREE /rtas`"),
    ],
)
def test_a_wrong_name_is_an_error_with_what_is_near(arguments: list[str], message: str) -> None:
    outcome = run("prop", TREE, *arguments)
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err == f"drmemctl: {TREE}: {message}\n"


def test_raw_needs_a_name_and_no_terminal() -> None:
    outcome = run("prop", TREE, "/rtas", "--raw")
    assert outcome.code == 2
    assert "--raw needs the NAME of a property." in outcome.err
    assert on_terminal("prop", TREE, "/rtas", "ibm,lrdr-capacity", "--raw") == b""


def test_hostile_names_and_text_are_harmless(tmp_path: Path) -> None:
    evil = b"\x1b]0;x\x07\x9b31m\xe2\x80\xae[red]"
    names = (b"model", b"ibm,drc-names", b"unknown", evil)
    node = Plain(evil, tuple((name, b"\0\0\0\1" + evil + b"\0") for name in names))
    path = made(tmp_path, Plain(b"", tuple((name, evil + b"\0") for name in names), (node,)))
    # The node is asked for as a shell would pass it: by its bytes.
    for place in ("/", "/" + os.fsdecode(evil)):
        for format in ("text", "json"):
            done = process("prop", path, place, "--format", format)
            assert done.returncode == 0, done.stderr
            assert re.fullmatch(rb"[\n -~]*", done.stdout)


def test_a_long_value_is_cut_on_a_terminal_only(tmp_path: Path) -> None:
    path = made(tmp_path, Plain(b"", ((b"x", bytes(4000)),)))
    assert "0x00000000 " * 999 in run("prop", path, "/").out
    shown = on_terminal("prop", path, "/", "--color", "never").decode()
    assert shown.count("0x00000000") == 64
    assert "/* 3,744 more bytes: --raw writes all, in a pipe all are shown */" in shown


def test_color_does_not_change_the_text() -> None:
    colored = run("prop", TREE, "/chosen", "--color", "always").out
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == run("prop", TREE, "/chosen").out


def test_what_is_no_tree_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("no tree at all\n")
    assert run("prop", path, "/")[:2] == (3, "")
    path.write_bytes(blob("trees/v2-gap")[:5000])
    assert run("prop", path, "/")[:2] == (3, "")
