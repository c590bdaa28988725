from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.errors import WriteError
from drmemctl.tree.dts_text import is_strings, value_text
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from drmemctl.tree.source import load
from drmemctl.tree.writer import to_dts, write_fdt
from tests.cases import each
from tests.conftest import Tool, fixture_trees, gunzip, tree_name
from tests.tree.samples import content, tree
from tests.wide import examples, share

trees = each("path", share(fixture_trees(), 2, 3), ids=tree_name)


def root(*properties: Property, children: tuple[Node, ...] = ()) -> Tree:
    return Tree(Node("", properties, children))


def same(left: Tree, right: Tree) -> bool:
    facts = [(tree.root, tree.reservations, tree.boot_cpu) for tree in (left, right)]
    return facts[0] == facts[1]


@trees
def test_what_is_written_reads_back(path: Path) -> None:
    original = load(path)
    assert same(read_fdt(write_fdt(original)), original)


@trees
def test_dtc_and_fdtget_accept_what_is_written(path: Path, tmp_path: Path, dtc: Tool, fdtget: Tool) -> None:
    original = load(path)
    written = tmp_path / "t.dtb"
    written.write_bytes(write_fdt(original))
    run = dtc("-q", "-f", "-I", "dtb", "-O", "dtb", written)
    assert run.returncode == 0, run.stderr
    assert same(read_fdt(run.stdout), original)
    names = fdtget("-l", written, "/").stdout.decode().split()
    assert names == [node.name for node in original.root.children]
    properties = fdtget("-p", written, "/chosen").stdout.decode().split()
    assert properties == [prop.name for prop in original.node("/chosen").properties]


@trees
def test_libfdt_sees_the_same(path: Path, libfdt: Any) -> None:
    original = load(path)
    document = libfdt.Fdt(write_fdt(original))
    assert libfdt.fdt_check_full(document._fdt, len(document._fdt)) == 0
    for place, node in original.walk():
        offset = document.path_offset(place)
        assert {prop.name: bytes(document.getprop(offset, prop.name)) for prop in node.properties} == {
            prop.name: prop.value for prop in node.properties
        }


@trees
def test_a_blob_that_dtc_wrote_is_written_byte_for_byte(path: Path, dtc: Tool) -> None:
    canonical = dtc("-q", "-f", "-I", "dtb", "-O", "dtb", stdin=gunzip(path)).stdout
    assert write_fdt(read_fdt(canonical)) == canonical


@trees
def test_source_is_read_back_by_us_and_by_dtc(path: Path, dtc: Tool) -> None:
    original = load(path)
    text = to_dts(original, exact=True)
    assert same(load(text.encode()), original)
    run = dtc("-q", "-f", "-I", "dts", "-O", "dtb", stdin=text.encode())
    assert run.returncode == 0, run.stderr
    assert read_fdt(run.stdout).root == original.root


@trees
def test_a_blob_from_every_kind_of_input(path: Path, tmp_path: Path, fdtdump: Tool) -> None:
    text = to_dts(load(path))
    again = tmp_path / "t.dtb"
    again.write_bytes(write_fdt(load(text.encode())))
    assert content(load(fdtdump(again).stdout)) == content(load(path))


def test_reservations_and_the_boot_cpu_are_kept(dtc: Tool) -> None:
    original = Tree(Node(""), reservations=((0x1000, 0x2000), (1 << 63, 5)), boot_cpu=0xABC)
    assert same(read_fdt(write_fdt(original)), original)
    assert same(load(to_dts(original).encode()), original)
    assert read_fdt(write_fdt(original)).reservations == original.reservations
    assert read_fdt(write_fdt(root())).reservations == ()
    assert (
        read_fdt(dtc("-q", "-O", "dtb", stdin=to_dts(original).encode()).stdout).reservations
        == original.reservations
    )


def test_duplicates_and_odd_names_are_kept() -> None:
    twins = (Node("n", (Property("a", b"1"), Property("a", b"2"))), Node("n"), Node("a b/c"), Node("x\\"))
    original = root(Property("p_with_references", b"x"), Property("", b""), children=twins)
    assert same(read_fdt(write_fdt(original)), original)


@pytest.mark.parametrize(
    "what",
    [
        root(Property("a\x1b[2J", b"")),
        root(Property("\udcff", b"")),
        root(Property("é", b"")),
        root(children=(Node("a\nb"),)),
        root(children=(Node("x", (), (Node("\udc80"),)),)),
        root(children=(Node("a\0b"),)),
    ],
)
def test_names_that_cannot_be_written_are_said(what: Tree) -> None:
    with pytest.raises(WriteError, match="other characters than printable ASCII") as caught:
        write_fdt(what)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert caught.value.path


def test_the_check_of_names_does_not_depend_on_assertions() -> None:
    code = (
        "from drmemctl.tree.node import *; from drmemctl.tree.writer import write_fdt\n"
        "try: write_fdt(Tree(Node('', (Property('a\\x1b', b''),))))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    run = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, check=True, text=True)
    assert run.stdout == "WriteError\n"


def test_writing_warns_of_nothing() -> None:
    code = (
        "from drmemctl.tree.node import *; from drmemctl.tree.writer import write_fdt; write_fdt(Tree(Node('')))"
    )
    command = [sys.executable, "-W", "error", "-B", "-c", code]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""


def test_a_cut_value_is_not_written_as_if_it_were_whole() -> None:
    cut = root(Property("p", b"1234", total=1000))
    for write in (write_fdt, lambda tree: to_dts(tree, exact=True)):
        with pytest.raises(WriteError, match="only 4 of 1000 bytes") as caught:
            write(cut)
        assert caught.value.property == "p"
    assert read_fdt(write_fdt(cut, allow_cut=True)).root.get("p") == b"1234"
    assert "p = <0x31323334>; /* the first 4 of 1000 bytes */" in to_dts(cut)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"a\0", '"a"'),
        (b"a\0b\0", '"a", "b"'),
        (b"ab\0\0c\0", '"ab", "", "c"'),
        (b"a\0\0b\0", "[61 00 00 62 00]"),
        (b"\0\0\x003PHB\0", '"", "", "", "3PHB"'),
        (b'"\\\n\t\a\b\v\f\r\0', r'"\"\\\n\t\a\b\v\f\r"'),
        (b"\0", "[00]"),
        (b"\0\0\0\0", "<0x00>"),
        (b"abcd", "<0x61626364>"),
        (b"\0\0\0\1\xff\xff\xff\xff", "<0x01 0xffffffff>"),
        (b"abc", "[61 62 63]"),
        (b"\xc3\xa9\0", "[c3 a9 00]"),
    ],
)
def test_values_are_shown_as_dtc_would(value: bytes, text: str) -> None:
    assert value_text(value) == text


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.text('a\0\n"\\3\t~', max_size=12).map(str.encode)), max_size=8)
)
def test_any_value_is_the_same_after_source(values: list[bytes]) -> None:
    original = root(*(Property(f"p{i}", value) for i, value in enumerate(values)))
    text = to_dts(original, exact=True)
    assert same(load(text.encode()), original)


def test_odd_values_are_the_same_to_dtc(dtc: Tool) -> None:
    values = [
        b"\0",
        b"\0\0",
        b"a\0\0b\0",
        b"\x07\x08\x0b1\0",
        b'"\\"\0',
        b"\\x41\0",
        b"\x7f\0",
        b"a\n b\0",
        bytes(range(256)),
    ]
    values += [value * 3 for value in values] + [b"\0" * n + b"7" * n + b"\0" for n in range(6)]
    original = root(*(Property(f"p{i}", value) for i, value in enumerate(values)))
    assert read_fdt(dtc("-q", "-O", "dtb", stdin=to_dts(original).encode()).stdout).root == original.root


def test_strings_are_what_dtc_takes_for_strings(dtc: Tool) -> None:
    for value in (b"a\0", b"\0a\0", b"\0\0a\0", b"ab\0c", b"a\x7f\0", b"a\tb\0", b"\0\0\0\0", b"abc\0\0\0\0\0"):
        shown = dtc("-q", "-I", "dtb", "-O", "dts", stdin=write_fdt(root(Property("p", value)))).stdout
        assert is_strings(value) == (b'p = "' in shown), value


def test_a_part_of_a_tree_as_source() -> None:
    text = to_dts(Node("chosen", (Property("a", b"x\0"), Property("b", b"")), (Node("c"),)))
    assert text == 'chosen {\n\ta = "x";\n\tb;\n\n\tc {\n\t};\n};\n'
    assert to_dts(tree().root).startswith("/ {\n")
    assert to_dts(tree()).startswith("/dts-v1/;\n")


def test_names_that_source_cannot_hold_are_escaped_for_people() -> None:
    odd = root(Property("a\x1b[31m", b""), children=(Node("b {}; \udcff"),))
    assert to_dts(odd) == "/dts-v1/;\n\n/ {\n\ta\\x1b\\x5b31m;\n\n\tb\\x20\\x7b\\x7d\\x3b\\x20\\xff {\n\t};\n};\n"
    with pytest.raises(WriteError, match="source cannot hold the name"):
        to_dts(odd, exact=True)


names = st.text("abc@,-", min_size=1, max_size=5)
properties = st.lists(st.builds(Property, names, st.binary(max_size=20)), max_size=4).map(tuple)
nodes = st.recursive(
    st.builds(Node, names, properties),
    lambda inner: st.builds(Node, names, properties, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=12,
)


@settings(max_examples=examples(200), deadline=None)
@given(properties, st.lists(nodes, max_size=3).map(tuple), st.integers(0, 0xFFFFFFFF))
def test_any_tree_reads_back(own: tuple[Property, ...], children: tuple[Node, ...], boot_cpu: int) -> None:
    original = Tree(Node("", own, children), boot_cpu=boot_cpu)
    assert same(read_fdt(write_fdt(original)), original)


def test_depth_does_not_recurse() -> None:
    node = Node("leaf")
    for _ in range(5000):
        node = Node("n", (), (node,))
    assert len(write_fdt(root(children=(node,)))) > 5000 * 12
    assert to_dts(root(children=(node,))).count("{") == 5002


@pytest.mark.one_python
def test_many_items_take_linear_time() -> None:
    many = tuple(Property(f"p{i}", b"abcd") for i in range(100_000))
    start = time.process_time()
    assert len(write_fdt(root(*many))) > 2_000_000
    assert len(write_fdt(root(children=tuple(Node(f"n{i}", many[:2]) for i in range(50_000))))) > 2_000_000
    assert time.process_time() - start < 15


def test_a_large_value_takes_a_few_times_its_size() -> None:
    code = (
        "import os\n"
        "from drmemctl.tree.node import *; from drmemctl.tree.writer import write_fdt\n"
        "tree = Tree(Node('', (), (Node('a', (Property('p', os.urandom(47 << 20)),)),)))\n"
        "write_fdt(tree); print(open('/proc/self/status').read())"
    )
    # VmHWM, since ru_maxrss outlives exec and would be the parent's.
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    peak = re.search(r"VmHWM:\s+(\d+) kB", run.stdout)
    assert peak is not None
    assert int(peak[1]) >> 10 < 400
