# SPDX-License-Identifier: MIT
"""What the reader of flattened trees makes of sound blobs, held against libfdt, fdtget and dtc."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node
from tests.blobs import ORDER, Plain, Struct, blob, patched, small, struct_at, write
from tests.cases import each
from tests.conftest import Tool, fixture_trees, gunzip, tree_name
from tests.conftest import blob as fixture
from tests.oracles import Libfdt, OracleNode, as_bytes, content_of, fdtget_values

each_tree = each("path", fixture_trees(), ids=tree_name)


@pytest.fixture(scope="module")
def oracle(libfdt: Any) -> Libfdt:
    return Libfdt(libfdt)


@each_tree
def test_every_bundled_tree_reads_as_libfdt_reads_it(path: Path, oracle: Libfdt) -> None:
    data = gunzip(path)
    assert oracle.check(data) == ""
    tree = read_fdt(data)
    assert content_of(tree.root) == oracle.nodes(data)
    assert list(tree.reservations) == oracle.reservations(data)
    assert tree.defects == ()


@each_tree
def test_every_value_is_the_one_that_fdtget_prints(
    path: Path, fdtget: Tool, dtb_file: Callable[[str], Path]
) -> None:
    wanted, values = [], []
    for node_path, node in read_fdt(gunzip(path)).walk():
        wanted += [(node_path, prop.name) for prop in node.properties]
        values += [prop.value for prop in node.properties]
    assert len(values) > 100
    assert fdtget_values(fdtget, dtb_file(tree_name(path)), wanted) == values


def test_what_a_running_kernel_exports_has_nops_and_gaps_and_no_struct_size() -> None:
    data = fixture("captures/6.1-lpm")
    assert int.from_bytes(data[20:24], "big") == 16
    assert bytes([0, 0, 0, 4]) * 2 in data
    assert bytes(256) in data


SMALL_ORDERS = list(permutations(ORDER))


@pytest.mark.parametrize("gap", [0, 24])
@pytest.mark.parametrize("version", [16, 17])
@pytest.mark.parametrize("order", SMALL_ORDERS, ids="-".join)
def test_blocks_may_come_in_any_order(order: tuple[str, ...], version: int, gap: int, oracle: Libfdt) -> None:
    data = blob(small(), reservations=[(4096, 8192)], order=order, gap=gap, version=version)
    assert oracle.check(data) == ""
    tree = read_fdt(data)
    assert content_of(tree.root) == oracle.nodes(data) == content_of(read_fdt(blob(small())).root)
    assert tree.reservations == ((4096, 8192),)


@pytest.mark.parametrize("version", [1, 2, 3, 16, 17])
@pytest.mark.parametrize("name", ["trees/v2-gap", "trees/v1-nvdimm", "captures/7.2-form2-1"])
def test_every_version_that_dtc_writes_reads_as_the_same_tree(
    name: str, version: int, dtc: Tool, tmp_path: Path, dtb_file: Callable[[str], Path]
) -> None:
    out = tmp_path / "out.dtb"
    done = dtc("-q", "-I", "dtb", "-O", "dtb", "-V", str(version), "-o", out, dtb_file(name))
    assert done.returncode == 0, done.stderr
    data = out.read_bytes()
    assert int.from_bytes(data[20:24], "big") == version
    tree = read_fdt(data)
    assert tree.defects == ()
    expected = content_of(read_fdt(fixture(name)).root)
    assert content_of(tree.root) == [with_name(node) if version < 16 else node for node in expected]


def with_name(node: OracleNode) -> OracleNode:
    """Return the node as blobs before version 16 have it: its name is a property as well."""
    if any(name == b"name" for name, _ in node.properties):
        return node
    base = node.name.partition(b"@")[0]
    return node._replace(properties=[*node.properties, (b"name", base + b"\0")])


@pytest.mark.parametrize("version", [2, 3, 16, 17])
def test_older_versions_are_what_libfdt_makes_of_them(version: int, dtc: Tool, oracle: Libfdt) -> None:
    done = dtc("-q", "-I", "dtb", "-O", "dtb", "-V", str(version), "-", stdin=fixture("trees/uneven"))
    assert oracle.check(done.stdout) == ""
    assert content_of(read_fdt(done.stdout).root) == oracle.nodes(done.stdout)


@pytest.mark.parametrize(("version", "boot_cpu"), [(1, 0), (2, 5), (3, 5), (16, 5), (17, 5)])
def test_the_boot_cpu_is_read_from_version_2_on(version: int, boot_cpu: int, dtc: Tool) -> None:
    source = b"/dts-v1/;\n/ { };\n"
    done = dtc("-I", "dts", "-O", "dtb", "-V", str(version), "-b", "5", "-", stdin=source)
    assert read_fdt(done.stdout).boot_cpu == boot_cpu


def test_reservations_are_read_up_to_the_first_of_size_zero(dtc: Tool) -> None:
    source = b"/dts-v1/;\n/memreserve/ 0x1000 0x20;\n/memreserve/ 0xffffffffffff0000 0xffff;\n/ { };\n"
    done = dtc("-I", "dts", "-O", "dtb", "-", stdin=source)
    assert read_fdt(done.stdout).reservations == ((0x1000, 0x20), (0xFFFFFFFFFFFF0000, 0xFFFF))


def with_nops(content: Struct, root: Plain) -> None:
    """Write a tree with NOPs wherever the specification allows them."""
    content.nop(2).begin(root.name).nop()
    for name, value in root.properties:
        content.nop().prop(name, value).nop(3)
    for child in root.children:
        with_nops(content, child)
        content.nop()
    content.nop().end()


TREE = Plain(b"", ((b"a", b"123"), (b"b", b"")), (Plain(b"x@1", ((b"a", b"4"),), (Plain(b"y"),)), Plain(b"z")))


@pytest.mark.parametrize("version", [16, 17])
def test_nops_change_nothing(version: int, oracle: Libfdt) -> None:
    noppy = Struct()
    with_nops(noppy, TREE)
    data = blob(noppy.finish(), version=version)
    assert oracle.check(data) == ""
    assert content_of(read_fdt(data).root) == oracle.nodes(data)
    assert read_fdt(data).root == read_fdt(blob(write(TREE).finish())).root


@pytest.mark.parametrize("version", [16, 17])
@pytest.mark.parametrize("count", [1, 2, 1000])
def test_nops_behind_the_root_node_change_nothing(count: int, version: int, oracle: Libfdt) -> None:
    # dtc's own tests have such blobs (noppy.*.dtb), and every function of libfdt that reads a tree takes them.
    noppy = Struct()
    with_nops(noppy, TREE)
    data = blob(noppy.nop(count).finish(), version=version)
    assert content_of(read_fdt(data).root) == oracle.nodes(data)
    assert read_fdt(data).root == read_fdt(blob(write(TREE).finish())).root


@pytest.mark.parametrize(("extra", "said"), [(1, "1 byte "), (17, "17 bytes ")])
def test_bytes_after_the_blob_are_a_defect_with_their_offset(extra: int, said: str) -> None:
    data = blob(small())
    (defect,) = read_fdt(data + bytes(extra)).defects
    assert (defect.code, defect.offset) == ("blob-trailing", len(data))
    assert defect.message.startswith(said)


def test_a_second_property_of_one_name_is_kept_and_told(oracle: Libfdt) -> None:
    content = Struct().begin().begin(b"n").prop(b"p", b"one")
    second = content.at
    data = blob(content.prop(b"p", b"two").end().end().finish())
    assert oracle.check(data) == ""
    tree = read_fdt(data)
    (defect,) = tree.defects
    assert (defect.code, defect.path, defect.property) == ("duplicate-property", "/n", "p")
    assert defect.offset == struct_at(data, second)
    assert content_of(tree.root) == oracle.nodes(data)


def test_a_second_node_of_one_name_is_kept_and_told(oracle: Libfdt) -> None:
    content = Struct().begin().begin(b"n").end()
    second = content.at
    data = blob(content.begin(b"n").prop(b"p").end().end().finish())
    assert oracle.check(data) == ""
    tree = read_fdt(data)
    (defect,) = tree.defects
    assert (defect.code, defect.path, defect.property) == ("duplicate-node", "/", "")
    assert defect.offset == struct_at(data, second)
    assert content_of(tree.root) == oracle.nodes(data)


def test_a_property_after_a_subnode_is_kept_and_told(oracle: Libfdt) -> None:
    content = Struct().begin().prop(b"p").begin(b"n").end()
    late = content.at
    data = blob(content.prop(b"q", b"late").end().finish())
    assert oracle.check(data) == ""
    tree = read_fdt(data)
    (defect,) = tree.defects
    assert (defect.code, defect.path, defect.property) == ("property-after-node", "/", "q")
    assert defect.offset == struct_at(data, late)
    assert tree.root.get("q") == b"late"


def test_a_blob_of_nothing_but_duplicates_has_a_bounded_number_of_defects() -> None:
    content = Struct().begin()
    for _ in range(3000):
        content.prop(b"p")
    tree = read_fdt(blob(content.end().finish()))
    assert len(tree.root.properties) == 3000
    assert len(tree.defects) == 1000


def test_names_may_overlap_in_the_strings_block_and_begin_at_its_last_byte() -> None:
    content = Struct().begin().prop(b"abc", b"1").prop(b"", b"2", name_offset=1).prop(b"", b"3", name_offset=3)
    assert [prop.name for prop in read_fdt(blob(content.end().finish())).root.properties] == ["abc", "bc", ""]


def test_before_version_17_a_name_is_bounded_by_the_blob_only(oracle: Libfdt) -> None:
    # As in libfdt: the strings block of a version 16 blob may be longer than its header says.
    data = patched(blob(small(), version=16), size_dt_strings=1)
    assert oracle.check(data) == ""
    assert content_of(read_fdt(data).root) == oracle.nodes(data)


def test_a_version_later_than_17_is_read_if_it_says_it_is_compatible(oracle: Libfdt) -> None:
    data = patched(blob(small()), version=18, last_comp_version=17)
    assert oracle.check(data) == ""
    assert content_of(read_fdt(data).root) == oracle.nodes(data)


def test_names_of_any_bytes_are_kept() -> None:
    odd = bytes(range(1, 256))
    data = blob(Struct().begin().prop(odd, b"v").begin(odd).end().end().finish())
    root = read_fdt(data).root
    assert as_bytes(root.properties[0].name) == odd
    assert as_bytes(root.children[0].name) == odd


def test_values_are_copies_that_do_not_hold_the_blob() -> None:
    (prop,) = read_fdt(blob(Struct().begin().prop(b"p", b"\x01\xff").end().finish())).root.properties
    assert type(prop.value) is bytes


NAMES = st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"\0", b"0"))
PROPERTIES = st.lists(st.tuples(NAMES, st.binary(max_size=24)), max_size=4, unique_by=lambda pair: pair[0])


def nodes(children: st.SearchStrategy[Plain]) -> st.SearchStrategy[Plain]:
    below = st.lists(children, max_size=4, unique_by=lambda node: node.name)
    return st.builds(Plain, NAMES, PROPERTIES.map(tuple), below.map(tuple))


LEAVES = st.builds(Plain, NAMES, PROPERTIES.map(tuple))
ROOTS = st.recursive(LEAVES, nodes, max_leaves=12).map(lambda node: Plain(b"", node.properties, node.children))


def plain(node: Node) -> Plain:
    properties = tuple((as_bytes(prop.name), prop.value) for prop in node.properties)
    return Plain(as_bytes(node.name), properties, tuple(plain(child) for child in node.children))


@given(ROOTS, st.sampled_from(SMALL_ORDERS), st.sampled_from([16, 17]), st.integers(0, 40))
def test_any_tree_reads_back_as_it_was_written(
    root: Plain, order: tuple[str, ...], version: int, gap: int
) -> None:
    pairs = [(len(root.children), 1), (2**64 - 1, 2**64 - 1)]
    data = blob(write(root).finish(), reservations=pairs, order=order, version=version, gap=gap, boot_cpu=gap)
    tree = read_fdt(data, "a name")
    assert plain(tree.root) == root
    assert (tree.reservations, tree.boot_cpu, tree.source, tree.kind) == (tuple(pairs), gap, "a name", "fdt")
    assert tree.defects == ()
