"""v1 to v2 and back: the same LMBs, nothing lost without a word."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError, LimitError, NotInTreeError
from drmemctl.formats.dynamic_memory import NODE, V1, V2, encode_entries
from drmemctl.model.conversion import convert, shortened
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.conftest import FIXTURES, WITHOUT_LMBS, blob, fixture_trees, tree_name
from tests.encoders import encode_lmb_size

MIB_256 = 0x10000000

WITHOUT_LMB_SIZE = {"boot/no-lmb-size"}

NAMES = [tree_name(path) for path in fixture_trees()]
CONVERTIBLE = [name for name in NAMES if name not in WITHOUT_LMBS | WITHOUT_LMB_SIZE]


def tree_with(*properties: Property, lmb_size: int | None = MIB_256, address_cells: int = 2) -> Tree:
    size = () if lmb_size is None else (Property("ibm,lmb-size", encode_lmb_size(lmb_size)),)
    node = Node(NODE.strip("/"), (*size, *properties, Property("ibm,memory-flags-mask", bytes(4))))
    cells = (
        Property("#address-cells", address_cells.to_bytes(4, "big")),
        Property("#size-cells", (2).to_bytes(4, "big")),
        Property("device_type", b"chrp\0"),
    )
    return Tree(Node("", cells, (node, Node("chosen"))), "made.dtb")


def v1(*entries: Run, address_cells: int = 2) -> Property:
    return Property(V1, encode_entries(V1, entries, address_cells))


def v2(*entries: Run, address_cells: int = 2) -> Property:
    return Property(V2, encode_entries(V2, entries, address_cells))


def fixture(name: str) -> Tree:
    return read_fdt(blob(name), name)


def names(tree: Tree) -> list[str]:
    return [prop.name for prop in tree.node(NODE).properties]


@each("name", CONVERTIBLE)
def test_every_fixture_converted_there_and_back_keeps_its_lmbs(name: str) -> None:
    tree = fixture(name)
    before = LmbTable.from_tree(tree)
    as_v1 = convert(tree, "v1").tree
    assert (LmbTable.from_tree(as_v1), LmbTable.from_tree(as_v1).property_name) == (before, V1)
    as_v2 = convert(as_v1, "v2").tree
    assert (LmbTable.from_tree(as_v2), LmbTable.from_tree(as_v2).property_name) == (before, V2)
    assert convert(convert(as_v2, "v1").tree, "v2").tree == as_v2


def test_what_a_real_v1_property_has_beside_its_lmbs_is_said() -> None:
    assert [str(remark) for remark in convert(fixture("captures/7.2-v1-slack"), "v2").remarks] == [
        f"{NODE}:{V1}: 32 bytes follow 16 LMBs, and are left out (at offset 0x184)",
        f"{NODE}:{V1}: reserved words that are not 0 are left out: 16 of 16 (at offset 0x4)",
    ]


@each("name", CONVERTIBLE)
@pytest.mark.parametrize("to", ["v1", "v2"])
def test_nothing_else_in_a_fixture_changes(name: str, to: str) -> None:
    tree = fixture(name)
    converted = convert(tree, to).tree
    rest = [prop for prop in tree.node(NODE).properties if prop.name not in (V1, V2)]
    assert [prop for prop in converted.node(NODE).properties if prop.name not in (V1, V2)] == rest
    assert names(converted).index({"v1": V1, "v2": V2}[to]) == names(tree).index(V1 if V1 in names(tree) else V2)
    outside = [(path, node.properties) for path, node in tree.walk() if path != NODE]
    assert [(path, node.properties) for path, node in converted.walk() if path != NODE] == outside
    assert replace(converted, root=tree.root) == tree


ARRAYS = sorted((FIXTURES / "kernel-arrays").glob("*.lmbs.json.gz"))


@pytest.mark.parametrize("path", ARRAYS, ids=lambda path: path.name.partition(".")[0])
@pytest.mark.parametrize("to", ["v1", "v2"])
def test_a_converted_tree_holds_what_the_kernel_held(path: Path, to: str) -> None:
    array = json.loads(gzip.decompress(path.read_bytes()))
    tree = fixture(f"kernel-arrays/{path.name.partition('.')[0]}")
    table = LmbTable.from_tree(convert(tree, to).tree)
    lmbs = [[lmb.base, lmb.drc_index, lmb.aa_index, lmb.flags] for lmb in table.lmbs(1 << 20)]
    assert lmbs == array["lmbs"]


def test_a_v1_entry_is_what_the_kernel_would_write() -> None:
    tree = tree_with(v2(Run(0x10000000, 1, 0x80000001, 0, 8)))
    value = convert(tree, "v1").tree.get(NODE, V1)
    assert value == bytes.fromhex("00000001 0000000010000000 80000001 00000000 00000000 00000008")


def test_sets_are_maximal_runs_and_never_joined_over_a_gap() -> None:
    entries = [Run(n * MIB_256, 1, 0x80000000 + n, 1, 8) for n in (4, 5, 16, 17)]
    tree = tree_with(v1(*entries, Run(18 * MIB_256, 1, 0x80000012, 0xFFFFFFFF, 0)))
    value = convert(tree, "v2").tree.get(NODE, V2)
    assert value == bytes.fromhex(
        "00000003"
        "00000002 0000000040000000 80000004 00000001 00000008"
        "00000002 0000000100000000 80000010 00000001 00000008"
        "00000001 0000000120000000 80000012 ffffffff 00000000"
    )


@pytest.mark.parametrize("to", ["v1", "v2"])
def test_a_tree_already_in_the_format_stays_as_it_is(to: str) -> None:
    entry = Run(MIB_256, 1, 0x80000001, 0, 8)
    # Two sets that could be one: the bytes stay, also where another encoding is shorter.
    tree = tree_with(v1(entry) if to == "v1" else v2(entry, Run(2 * MIB_256, 1, 0x80000002, 0, 8)))
    conversion = convert(tree, to)
    assert (conversion.tree, conversion.changed, conversion.remarks) == (tree, False, ())


def test_a_faulty_value_already_in_the_format_stays_as_it_is() -> None:
    tree = tree_with(Property(V2, bytes(3), total=500))
    assert convert(tree, "v2").tree == tree


@pytest.mark.parametrize("to", ["v1", "v2"])
def test_of_both_properties_linux_reads_v1(to: str) -> None:
    tree = tree_with(v2(Run(0, 2, 0, 0, 8)), v1(Run(MIB_256, 1, 0x80000001, 0, 8)))
    conversion = convert(tree, to)
    assert LmbTable.from_tree(conversion.tree) == LmbTable.from_tree(tree)
    assert names(conversion.tree) == ["ibm,lmb-size", {"v1": V1, "v2": V2}[to], "ibm,memory-flags-mask"]
    assert [str(remark) for remark in conversion.remarks] == [
        f"{NODE}:{V2}: Linux does not read it and it is left out; its LMBs are others"
    ]


def test_a_second_property_of_the_same_name_is_left_out_with_a_word() -> None:
    entry = Run(MIB_256, 1, 0x80000001, 0, 8)
    conversion = convert(tree_with(v1(entry), v1(entry)), "v2")
    assert (names(conversion.tree).count(V2), names(conversion.tree).count(V1)) == (1, 0)
    assert [str(remark) for remark in conversion.remarks] == [
        f"{NODE}:{V1}: Linux does not read it and it is left out; its LMBs are the same"
    ]


def test_bytes_behind_the_entries_are_left_out_with_a_word() -> None:
    entries = v1(Run(MIB_256, 1, 0x80000001, 0, 8))
    conversion = convert(tree_with(replace(entries, value=entries.value + bytes(48))), "v2")
    assert [str(remark) for remark in conversion.remarks] == [
        f"{NODE}:{V1}: 48 bytes follow 1 LMB, and are left out (at offset 0x1c)"
    ]


def test_reserved_words_are_left_out_with_a_word() -> None:
    value = bytes.fromhex("00000002" + ("0000000010000000 80000001 00000000 00000000 00000008" * 2))
    value = value[:40] + b"\0\0\0\7" + value[44:]
    conversion = convert(tree_with(Property(V1, value)), "v2")
    assert [str(remark) for remark in conversion.remarks] == [
        f"{NODE}:{V1}: reserved words that are not 0 are left out: 1 of 2 (at offset 0x1c)"
    ]


def test_sets_of_nothing_are_left_out_with_a_word() -> None:
    conversion = convert(tree_with(v2(Run(0, 1, 0, 0, 8), Run(5, 0, 5, 5, 5), Run(6, 0, 6, 6, 6))), "v1")
    assert [str(remark) for remark in conversion.remarks] == [
        f"{NODE}:{V2}: sets without LMBs are left out: 2 of 3 (at offset 0x1c)"
    ]
    assert Drmem.from_tree(conversion.tree).table.n_lmbs == 1


@pytest.mark.parametrize(
    ("prop", "message", "offset"),
    [
        (Property(V1, b"\0\0\0\2" + bytes(30)), "2 LMBs, 1 whole: 52 bytes expected, there are 34", 34),
        (Property(V1, b"\0\0"), "2 bytes, too short for its count", 0),
        (
            Property(V1, b"\0\0\0\2" + bytes(24), total=52),
            "the source shows 28 of 52 bytes: 2 LMBs, 1 whole",
            None,
        ),
    ],
)
def test_a_property_that_is_not_whole_is_refused(prop: Property, message: str, offset: int | None) -> None:
    with pytest.raises(FormatError) as caught:
        convert(tree_with(prop), "v2")
    error = caught.value
    assert error.message == f"cannot be converted: {message}"
    assert (error.source, error.path, error.property, error.offset) == ("made.dtb", NODE, V1, offset)


def test_sets_of_several_lmbs_need_the_lmb_size() -> None:
    tree = tree_with(v2(Run(0, 1, 0, 0, 8), Run(MIB_256, 3, 1, 0, 8)), lmb_size=None)
    with pytest.raises(FormatError, match="a set of 3 LMBs cannot be taken apart without ibm,lmb-size") as caught:
        convert(tree, "v1")
    assert (caught.value.property, caught.value.offset) == (V2, 28)


def test_sets_of_one_lmb_do_not_need_the_lmb_size() -> None:
    tree = tree_with(v2(Run(0, 1, 0, 0, 8), Run(MIB_256, 1, 1, 0, 8)), lmb_size=None)
    assert LmbTable.from_tree(convert(tree, "v1").tree) == LmbTable.from_tree(tree)


def test_more_lmbs_than_the_limit_are_refused_before_they_are_made() -> None:
    tree = tree_with(v2(Run(0, 4294967295, 0, 0, 8), Run(0, 4294967295, 0, 1, 8)))
    with pytest.raises(LimitError, match="8,589,934,590 LMBs, more than the limit of 4,194,304") as caught:
        convert(tree, "v1")
    assert caught.value.source == "made.dtb"
    with pytest.raises(LimitError, match="limit of 2"):
        convert(tree_with(v2(Run(0, 3, 0, 0, 8))), "v1", limit=2)


def test_one_address_cell_is_read_and_written() -> None:
    entry = Run(0x40000000, 2, 0x80000004, 0, 8)
    tree = tree_with(v2(entry, address_cells=1), address_cells=1)
    as_v1 = convert(tree, "v1").tree
    assert as_v1.get(NODE, V1) == bytes.fromhex(
        "00000002 40000000 80000004 00000000 00000000 00000008 50000000 80000005 00000000 00000000 00000008"
    )
    assert convert(as_v1, "v2").tree == tree


def test_an_address_beyond_one_cell_is_refused() -> None:
    tree = tree_with(v2(Run(0xF0000000, 2, 0, 0, 8), address_cells=1), address_cells=1)
    with pytest.raises(FormatError, match="address 0x100000000 does not fit the root's single #address-cells"):
        convert(tree, "v1")


def test_cells_that_no_two_readers_agree_on_are_refused() -> None:
    with pytest.raises(FormatError, match="cannot be converted: root #address-cells is 3"):
        convert(tree_with(v2(Run(0, 2, 0, 0, 8)), address_cells=3), "v1")


@pytest.mark.parametrize("name", sorted(WITHOUT_LMBS))
def test_a_tree_without_the_node_has_nothing_to_convert(name: str) -> None:
    with pytest.raises(NotInTreeError, match="no node /ibm,dynamic-reconfiguration-memory"):
        convert(fixture(name), "v2")


def test_a_node_without_lmbs_has_nothing_to_convert() -> None:
    with pytest.raises(NotInTreeError, match="neither ibm,dynamic-memory nor ibm,dynamic-memory-v2 is there"):
        convert(tree_with(), "v2")


def test_the_fixture_without_lmb_size_cannot_become_v1() -> None:
    with pytest.raises(FormatError, match="without ibm,lmb-size"):
        convert(fixture("boot/no-lmb-size"), "v1")


def test_values_of_which_the_source_shows_only_a_part_are_found() -> None:
    tree = tree_with(Property("a", b"12", total=300), Property("b", b"12", total=2), v2())
    assert [str(defect) for defect in shortened(tree)] == [f"{NODE}:a: the source shows 2 of 300 bytes"]


U32 = st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, (1 << 64) - 1)
SETS = st.lists(
    st.builds(
        Run,
        st.one_of(st.integers(0, 8).map(lambda n: n * MIB_256), U64),
        st.integers(0, 5),
        st.one_of(st.integers(0x80000000, 0x80000008), st.integers(0xFFFFFFFC, 0xFFFFFFFF), U32),
        st.sampled_from([0, 1, 0xFFFFFFFF]),
        st.one_of(st.sampled_from([0, 8, 0x80]), U32),
    ),
    max_size=12,
)
SIZES = st.one_of(st.sampled_from([0, 1, 1 << 20, MIB_256, 1 << 63]), U64)


@given(SETS, SIZES)
def test_any_sets_keep_their_lmbs_as_v1_and_back(sets: list[Run], lmb_size: int) -> None:
    tree = tree_with(v2(*sets), lmb_size=lmb_size)
    table = LmbTable.from_tree(tree)
    as_v1 = convert(tree, "v1").tree
    assert LmbTable.from_tree(as_v1) == table
    as_v2 = convert(as_v1, "v2").tree
    assert LmbTable.from_tree(as_v2) == table
    assert len(as_v2.get(NODE, V2) or b"") == 4 + 24 * len(table.runs)


@given(SETS, SIZES)
def test_v1_is_the_plain_expansion(sets: list[Run], lmb_size: int) -> None:
    value = convert(tree_with(v2(*sets), lmb_size=lmb_size), "v1").tree.get(NODE, V1)
    # Said again here without runs: LMB j of a set, as Linux read_drconf_v2_cell and its callers step.
    expanded = [
        ((base + j * lmb_size) % (1 << 64)).to_bytes(8, "big")
        + ((drc + j) % (1 << 32)).to_bytes(4, "big")
        + bytes(4)
        + aa.to_bytes(4, "big")
        + flags.to_bytes(4, "big")
        for base, count, drc, aa, flags in sets
        for j in range(count)
    ]
    assert value == len(expanded).to_bytes(4, "big") + b"".join(expanded)
