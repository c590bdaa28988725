# SPDX-License-Identifier: MIT
"""`drmemctl tree`: what it prints is read back by dtc, libfdt and our own reader; hostile trees stay harmless."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.output.dts import DtsView, show_dts
from drmemctl.output.screen import Screen
from drmemctl.tree.dts import read_dts
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.lookup import Place
from drmemctl.tree.node import Node, Property, Tree
from tests.blobs import Plain, write
from tests.blobs import blob as made_blob
from tests.cases import each
from tests.cli.running import on_terminal, run
from tests.conftest import FIXTURES, Tool, blob, fixture_trees, tree_name
from tests.oracles import Libfdt, OracleNode, content_of, fdtget_value
from tests.wide import share

DRMEM = "/ibm,dynamic-reconfiguration-memory"
NAMES = [tree_name(path) for path in fixture_trees()]
PLAIN = re.compile(r"[\t\n -~…]*")
CONTROL = re.compile(rb"[^\t\r\n -~\xe2\x80\xa6]")


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


@pytest.fixture(scope="module")
def library(libfdt: Any) -> Libfdt:
    return Libfdt(libfdt)


def compiled(dtc: Tool, text: str) -> bytes:
    done = dtc("-q", "-f", "-I", "dts", "-O", "dtb", "-", stdin=text.encode())
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def tree_file(folder: Path, root: Plain, **options: Any) -> Path:
    path = folder / "made.dtb"
    path.write_bytes(made_blob(write(root).finish(), **options))
    return path


@each("name", share(NAMES, 0, 3))
def test_dtc_reads_back_the_same_content(name: str, dtc: Tool, library: Libfdt) -> None:
    outcome = run("tree", fixture(name))
    assert (outcome.code, outcome.err) == (0, "")
    again = compiled(dtc, outcome.out)
    assert library.nodes(again) == library.nodes(blob(name))
    assert library.reservations(again) == library.reservations(blob(name))


@pytest.mark.parametrize("options", [["--all"], ["--no-decode"], ["--color", "never"]], ids=" ".join)
@pytest.mark.parametrize("name", ["kernel-arrays/big-boot", "captures/7.2-kdump", "captures/5.10-v1"])
def test_no_option_changes_the_content(name: str, options: list[str], dtc: Tool, library: Libfdt) -> None:
    again = compiled(dtc, run("tree", fixture(name), *options).out)
    assert library.nodes(again) == library.nodes(blob(name))


@each("name", share(NAMES, 1, 3))
def test_our_own_reader_takes_it_for_the_same_tree(name: str) -> None:
    tree = read_fdt(blob(name))
    again = read_dts(run("tree", fixture(name)).out.encode(), "")
    assert (again.root, again.reservations, again.boot_cpu) == (tree.root, tree.reservations, tree.boot_cpu)


def test_a_part_stands_in_its_ancestors(dtc: Tool, fdtget: Tool, tmp_path: Path) -> None:
    text = run("tree", fixture("captures/6.1-lpm"), "/cpus/PowerPC,POWER9").out
    assert text.startswith("/dts-v1/;\n\n/ {\n\tcpus {\n\t\tPowerPC,POWER9@0 {\n\t\t\tibm,my-drc-index = <")
    assert text.endswith(";\n\t\t};\n\t};\n};\n")
    path = tmp_path / "part.dtb"
    path.write_bytes(compiled(dtc, text))
    assert fdtget("-l", path, "/cpus").stdout == b"PowerPC,POWER9@0\n"
    whole = tmp_path / "whole.dtb"
    whole.write_bytes(blob("captures/6.1-lpm"))
    node = "/cpus/PowerPC,POWER9@0"
    for name in fdtget("-p", whole, node).stdout.decode().split():
        assert fdtget_value(fdtget, path, node, name) == fdtget_value(fdtget, whole, node, name)


def test_known_properties_are_explained_beside_their_cells() -> None:
    text = run("tree", fixture("captures/6.1-lpm"), DRMEM).out
    lines = text.splitlines()
    assert "\t\tibm,lmb-size = <0x00000000 0x10000000>;\t/* lmb_size: 256 MiB */" in lines
    at = lines.index("\t\tibm,dynamic-memory-v2 =")
    assert [line.partition("\t/* ")[0] for line in lines[at + 1 : at + 4]] == [
        "\t\t\t<0x00000002",
        "\t\t\t 0x00000008 0x00000000 0x00000000 0x00000000 0xffffffff 0x000000a0",
        "\t\t\t 0x00000018 0x00000000 0x80000000 0x80000008 0xffffffff 0x00000000>;",
    ]
    assert "24 LMBs from 0x80000000, DRC 0x80000008" in lines[at + 3]


def test_bytes_are_explained_where_a_property_is_no_cells() -> None:
    lines = run("tree", fixture("captures/6.1-lpm"), "/chosen").out.splitlines()
    assert any(re.match(r"\t\t\t a0\t/\* FORM1: .*, FORM2: .* \*/$", line) for line in lines)


def test_no_decode_leaves_only_the_values() -> None:
    text = run("tree", fixture("captures/6.1-lpm"), "--no-decode").out
    assert "/*" not in text
    assert "\tibm,lmb-size = <0x00000000 0x10000000>;\n" in text


def test_a_phandle_that_looks_like_text_is_a_cell() -> None:
    # 0x3e647200 is ">dr" and a NUL.
    text = run("tree", fixture("captures/6.1-lpm"), "/cpus/PowerPC,POWER9").out
    assert "\tphandle = <0x3e647200>;\n" in text


@pytest.mark.parametrize(("depth", "shown"), [(0, 1), (1, 3), (2, 4), (9, 4)])
def test_depth_counts_levels_below_the_node(depth: int, shown: int, tmp_path: Path) -> None:
    path = tree_file(
        tmp_path, Plain(b"", (), (Plain(b"a", ((b"x", b""),), (Plain(b"b"),)), Plain(b"c", ((b"y", b""),))))
    )
    text = run("tree", path, "--depth", str(depth)).out
    assert text.count("{") == shown
    assert text.count("not shown") == (depth < 2)


def test_depth_zero_in_words(tmp_path: Path) -> None:
    path = tree_file(tmp_path, Plain(b"", ((b"x", b""),), (Plain(b"a"), Plain(b"b"))))
    assert run("tree", path, "--depth", "0").out == (
        "/dts-v1/;\n\n/ {\n\tx;\n\t/* 2 nodes below, not shown */\n};\n"
    )


def test_reservations_and_boot_cpu_are_kept(tmp_path: Path) -> None:
    path = tree_file(tmp_path, Plain(), reservations=[(0x1000, 0x20)], boot_cpu=8)
    text = run("tree", path).out
    assert text.splitlines()[:3] == [
        "/dts-v1/;",
        "// boot_cpuid_phys: 0x8",
        "/memreserve/ 0x0000000000001000 0x0000000000000020;",
    ]
    assert read_dts(text.encode(), "").boot_cpu == 8


HOSTILE = [
    b"*/ }; evil { x = <1>; }; /*",
    b"\x1b[2J\x1b]0;title\x07",
    b"[red]x[/red]",
    b"\xe2\x80\xaegnp.exe",
    b"a\nb\rc",
    b'quote" \\ backslash',
    b"\\",
    b"\x9b31m",
    b"//",
    bytes(range(1, 256)),
]


@each("text", HOSTILE)
@pytest.mark.parametrize("known", [b"model", b"ibm,drc-names", b"ibm,loc-code", b"unknown"])
def test_hostile_text_is_harmless_and_keeps_its_bytes(
    text: bytes, known: bytes, tmp_path: Path, dtc: Tool, library: Libfdt
) -> None:
    values = (text, text + b"\0", b"\0\0\0\1" + text + b"\0", text + b"\0" + text + b"\0")
    nodes = tuple(Plain(b"n%d" % i, ((known, value),)) for i, value in enumerate(values))
    path = tree_file(tmp_path, Plain(b"", (), nodes))
    printed = run("tree", path).out
    assert PLAIN.fullmatch(printed)
    assert library.nodes(compiled(dtc, printed)) == library.nodes(path.read_bytes())
    assert not CONTROL.search(on_terminal("tree", path, "--color", "never"))


@pytest.mark.parametrize("name", [b"*/ { x", b"\x1b[2J", b"a b", b"a\nb", b"\xff\xfe", b"a;b", b"x/", b'"'])
def test_names_that_source_cannot_hold_are_marked(name: bytes, tmp_path: Path, dtc: Tool, library: Libfdt) -> None:
    path = tree_file(tmp_path, Plain(b"", ((name, b"\0\0\0\1"),), (Plain(name, ((b"y", b"12"),)),)))
    outcome = run("tree", path)
    assert PLAIN.fullmatch(outcome.out)
    assert outcome.err == "drmemctl: 2 names that DTS cannot hold: comments say what they are\n"
    assert outcome.out.count('/* named "') == 2
    again = library.nodes(compiled(dtc, outcome.out))
    assert [[value for _, value in node.properties] for node in again] == [[b"\0\0\0\1"], [b"12"]]


def test_a_second_property_of_a_name_is_shown_and_said(tmp_path: Path) -> None:
    path = tree_file(tmp_path, Plain(b"", ((b"x", b"\0\0\0\1"), (b"x", b"\0\0\0\2"))))
    lines = run("tree", path).out.splitlines()
    assert lines[3:5] == ["\tx = <0x00000001>;", "\tx = <0x00000002>;\t/* a second property of this name */"]


def test_a_value_that_the_source_cuts_is_marked(tmp_path: Path) -> None:
    words = " ".join(["00000007"] * 4)
    dump = tmp_path / "lsprop.txt"
    dump.write_text(f"rtas:\nibm,some-list\n\t\t {words}\n\t\t [40 bytes total]\n")
    text = run("tree", dump, "/rtas").out
    assert "/* the source shows 16 of 40 bytes */" in text


def test_faults_are_said_beside_the_value(tmp_path: Path) -> None:
    node = Plain(b"ibm,dynamic-reconfiguration-memory", ((b"ibm,dynamic-memory-v2", b"\0\0\0\5" + bytes(24)),))
    text = run("tree", tree_file(tmp_path, Plain(b"", (), (node,)))).out
    assert "/* v2-too-short: 5 sets, 1 whole: 124 bytes expected" in text


def test_a_terminal_gets_long_values_cut_and_the_whole_of_them_with_all(tmp_path: Path) -> None:
    path = tree_file(tmp_path, Plain(b"", ((b"x", bytes(4000)), (b"y", b"long " * 100 + b"\0"))))
    shown = " ".join(on_terminal("tree", path, "--color", "never").decode().split())
    assert f"x = <{' '.join(['0x00000000'] * 16)}>; /* 3,936 more bytes: --all shows all */" in shown
    assert f'y = "{("long " * 20)[:64]}"; /* 437 more bytes: --all shows all */' in shown
    whole = on_terminal("tree", path, "--all", "--color", "never").decode()
    assert whole.split() == run("tree", path).out.split()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_terminal_gets_lines_that_fit_and_dtc_reads_them(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = fixture("captures/6.1-lpm")
    monkeypatch.setattr(Screen, "detect", lambda _color="auto": Screen(terminal=True, width=width))
    shown = run("tree", tree, "--all").out
    too_wide = [line for line in shown.splitlines() if len(line) > width and " " in line.strip()]
    assert [line for line in too_wide if '"' not in line] == []
    source = tmp_path / "shown.dts"
    source.write_text(shown)
    assert run("diff", tree, source, "--all").code == 0


def test_color_does_not_change_the_text() -> None:
    plain = run("tree", fixture("trees/v2-gap")).out
    colored = run("tree", fixture("trees/v2-gap"), "--color", "always").out
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


@each("name", share(NAMES, 2, 3))
def test_json_has_every_node_and_byte(name: str, library: Libfdt) -> None:
    found = json.loads(run("tree", fixture(name), "--format", "json").out)
    assert (found["schema"], found["path"]) == ("drmemctl.tree/1", "/")
    nodes = [
        OracleNode(
            0 if node["path"] == "/" else node["path"].count("/"),
            node["path"].rpartition("/")[2].encode(),
            [(prop["name"].encode(), bytes.fromhex(prop["hex"])) for prop in node["properties"]],
        )
        for node in found["nodes"]
    ]
    assert nodes == library.nodes(blob(name))
    assert [(one["address"], one["size"]) for one in found["reservations"]] == library.reservations(blob(name))


def test_json_has_text_where_the_value_is_text() -> None:
    found = json.loads(run("tree", fixture("trees/v2-gap"), "--depth", "0", "--format", "json").out)
    assert [node["path"] for node in found["nodes"]] == ["/"]
    by_name = {prop["name"]: prop for prop in found["nodes"][0]["properties"]}
    assert by_name["device_type"] == {"name": "device_type", "length": 5, "hex": "6368727000", "text": ["chrp"]}
    assert by_name["#size-cells"] == {"name": "#size-cells", "length": 4, "hex": "00000002", "text": None}


def test_json_of_a_part_has_full_paths() -> None:
    found = json.loads(run("tree", fixture("trees/v2-gap"), "/cpus", "--format", "json").out)
    assert found["path"] == "/cpus"
    assert [node["path"] for node in found["nodes"]][:2] == ["/cpus", "/cpus/PowerPC,POWER9@0"]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/cpus/PowerPC,POWER8@0", "/cpus has no PowerPC,POWER8@0; did you mean /cpus/PowerPC,POWER9@0?"),
        ("/dynamic-reconfiguration", f"did you mean {DRMEM}?"),
        ("/PowerPC,POWER9@0", "did you mean /cpus/PowerPC,POWER9@0?"),
        ("/zzzz", "see `drmemctl tree`"),
    ],
)
def test_a_wrong_path_is_an_error_with_what_is_near(path: str, hint: str) -> None:
    outcome = run("tree", fixture("trees/v2-gap"), path)
    assert (outcome.code, outcome.out) == (3, "")
    assert f"no node {path}" in outcome.err
    assert hint in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"no tree at all\n", b"\x7fELF" + bytes(100)])
def test_what_is_no_tree_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    outcome = run("tree", path)
    assert (outcome.code, outcome.out) == (3, "")


def test_a_truncated_tree_is_an_error(dtb_file: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "cut.dtb"
    path.write_bytes(dtb_file("trees/v2-gap").read_bytes()[:5000])
    outcome = run("tree", path)
    assert (outcome.code, outcome.out) == (3, "")
    assert "(at offset 0x1388)" in outcome.err


SAFE_NAMES = st.text(string.ascii_lowercase + ",#-", min_size=1, max_size=8)
KNOWN = [
    "ibm,dynamic-memory",
    "ibm,dynamic-memory-v2",
    "ibm,lmb-size",
    "ibm,associativity-lookup-arrays",
    "ibm,drc-names",
    "ibm,drc-indexes",
    "ibm,drc-info",
    "ibm,architecture-vec-5",
    "ibm,numa-distance-table",
    "ibm,associativity",
    "linux,drconf-usable-memory",
    "ibm,lrdr-capacity",
    "reg",
    "phandle",
    "compatible",
    "hotpluggable",
]
VALUES = st.one_of(
    st.binary(max_size=120),
    st.lists(st.integers(0, 5), max_size=40).map(lambda cells: b"".join(c.to_bytes(4, "big") for c in cells)),
    st.lists(st.text(string.printable, max_size=20), max_size=6).map(
        lambda items: b"".join(item.encode() + b"\0" for item in items)
    ),
    st.builds(lambda head, text: head.to_bytes(4, "big") + text, st.integers(0, 4), st.binary(max_size=80)),
)
PROPERTIES = st.dictionaries(st.one_of(st.sampled_from(KNOWN), SAFE_NAMES), VALUES, max_size=4).map(
    lambda found: tuple(Property(name, value) for name, value in found.items())
)
NODES = st.sampled_from(["ibm,dynamic-reconfiguration-memory", "rtas", "chosen", "memory@0", "cpus", "x@1,2"])


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    names = draw(st.lists(NODES, unique=True, max_size=3))
    children = tuple(Node(name, draw(PROPERTIES)) for name in names)
    return Tree(Node("", draw(PROPERTIES), children))


class Collector(Screen):
    """A screen that keeps what is written."""

    parts: list[str]

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "parts", [])

    def write_all(self, parts: Any) -> bool:
        self.parts.extend(parts)
        return True


def shown_tree(tree: Tree, view: DtsView) -> str:
    screen = Collector()
    show_dts(screen, tree, Place("/", tree.root), view)
    return "".join(screen.parts)


VIEWS = st.builds(DtsView, st.booleans(), st.integers(0, 10))


@given(trees(), VIEWS)
def test_any_tree_reads_back(tree: Tree, view: DtsView) -> None:
    text = shown_tree(tree, view)
    assert PLAIN.fullmatch(text)
    assert read_dts(text.encode(), "").root == tree.root


@settings(max_examples=60)
@given(trees(), VIEWS)
def test_any_tree_reads_back_with_dtc(dtc: Tool, library: Libfdt, tree: Tree, view: DtsView) -> None:
    assert library.nodes(compiled(dtc, shown_tree(tree, view))) == content_of(tree.root)


@given(trees(), st.integers(0, 10), st.integers(0, 64), st.integers(0, 1))
def test_what_is_cut_for_reading_is_still_source(tree: Tree, fields: int, longest: int, depth: int) -> None:
    text = shown_tree(tree, DtsView(True, fields, longest, depth))
    assert PLAIN.fullmatch(text)
    read_dts(text.encode(), "")
