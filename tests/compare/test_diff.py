# SPDX-License-Identifier: MIT
"""The whole diff: lookup arrays, NUMA facts, properties and nodes; whatever is in the trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.compare.diff import diff
from drmemctl.compare.lookup import ListChange, compare_lookup
from drmemctl.compare.properties import HEADER
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.lookup_arrays import decode_lookup_arrays, encode_lookup_arrays
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.check.mutations import edited, with_child, with_cut, with_prop, without_node, words
from tests.check.test_any_tree import BASES, changed, changes
from tests.compare.trees import LMB, fixture, partition
from tests.conftest import fixture_trees, tree_name
from tests.wide import examples

Changes = list[tuple[tuple[str, str], bytes | None, int]]
NUMA = "trees/numa4-form1-dist"
CPU = "/cpus/PowerPC,POWER9@0"


@each("name", [tree_name(path) for path in fixture_trees()])
def test_every_bundled_tree_is_the_same_as_itself(name: str) -> None:
    tree = fixture(name)
    found = diff(tree, replace(tree), everything=True)
    assert found.same
    assert found.findings == ()


def mutated(name: str, several: Changes) -> Tree:
    tree = fixture(name)
    for place, value, kind in several:
        tree = changed(tree, place, value, kind)
    return tree


def test_lmbs_of_two_sizes_have_the_same_ranges_in_both_directions() -> None:
    """The first LMB of either tree looks alike, and came between those that went."""
    tree = fixture("trees/v1-nvdimm")
    first_of = words(1, 0, 0, 0, 0, 0xFFFFFFFF, 0xA0)
    no_size = with_prop(with_prop(tree, NODE, V1, first_of), NODE, "ibm,lmb-size", bytes(8))
    forth, back = diff(tree, no_size), diff(no_size, tree)
    assert back.mirrored() == forth
    assert [change.count for change in forth.lmbs.changes if change.new is None] == [4, 2, 2, 1, 7]


@settings(max_examples=examples(150))
@given(st.sampled_from(BASES), changes, changes, st.booleans())
def test_any_two_trees_can_be_compared_and_back(name: str, one: Changes, other: Changes, everything: bool) -> None:
    old, new = mutated(name, one), mutated(name, other)
    found = diff(old, new, everything=everything)
    assert diff(new, old, everything=everything) == found.mirrored()
    assert found.mirrored().mirrored() == found
    assert diff(new, replace(new), everything=everything).same


@settings(max_examples=40)
@given(st.sampled_from(BASES), st.sampled_from(BASES), st.sets(st.integers(0, 40), max_size=12))
def test_trees_of_different_machines_and_parts_of_them(one: str, other: str, gone: set[int]) -> None:
    root = fixture(other).root
    children = tuple(child for position, child in enumerate(root.children) if position not in gone)
    part = replace(fixture(other), root=replace(root, children=children))
    found = diff(fixture(one), part, everything=True)
    assert diff(part, fixture(one), everything=True) == found.mirrored()


def lists(*rows: tuple[int, ...]) -> bytes:
    return encode_lookup_arrays(list(rows), len(rows[0]) if rows else 0)


def compared(old: bytes, new: bytes) -> tuple[ListChange, ...]:
    return compare_lookup(decode_lookup_arrays(old), decode_lookup_arrays(new)).changes


A, B, C, D = (0, 0), (0, 1), (0, 2), (0, 3)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((A, B), (A, B), ()),
        ((A, B), (B, A), (ListChange("renumbered", A, A, (0,), (1,)), ListChange("renumbered", B, B, (1,), (0,)))),
        ((A, B), (A, B, C), (ListChange("added", None, C, (), (2,)),)),
        ((A, B), (A,), (ListChange("removed", B, None, (1,), ()),)),
        ((A, B), (A, C), (ListChange("changed", B, C, (1,), (1,)),)),
        ((A, B, C), (A, C, D), (
            ListChange("removed", B, None, (1,), ()),
            ListChange("renumbered", C, C, (2,), (1,)),
            ListChange("added", None, D, (), (2,)),
        )),
        ((A, A), (A,), (ListChange("renumbered", A, A, (0, 1), (0,)),)),
    ],
)  # fmt: skip
def test_lists_by_what_is_in_them(
    old: tuple[tuple[int, ...], ...], new: tuple[tuple[int, ...], ...], expected: tuple[ListChange, ...]
) -> None:
    assert compared(lists(*old), lists(*new)) == expected


def test_bytes_behind_the_lists_are_no_difference() -> None:
    tree = fixture(NUMA)
    slack = with_prop(tree, NODE, LOOKUP_ARRAYS, (tree.get(NODE, LOOKUP_ARRAYS) or b"") + bytes(16))
    assert diff(tree, slack, everything=True).same


def test_lists_beyond_what_a_source_shows_are_not_gone() -> None:
    tree = fixture(NUMA)
    assert diff(tree, with_cut(tree, NODE, LOOKUP_ARRAYS, 24)).lookup.changes == ()
    assert diff(tree, with_cut(tree, NODE, LOOKUP_ARRAYS, 24)).lmbs.same


def test_as_many_lists_as_a_property_can_hold_cost_little() -> None:
    rows = [(number,) for number in range(100_000)]
    assert len(compared(lists(*rows), lists(*rows[::-1]))) == 100_000
    assert len(compared(lists(*[(1,)] * 100_000), lists(*[(2,)] * 100_000))) == 1


def facts(old: Tree, new: Tree) -> dict[str, tuple[object, object]]:
    return {fact.name or fact.quantity: (fact.old, fact.new) for fact in diff(old, new).numa}


def test_reference_points_form_and_features() -> None:
    tree = fixture(NUMA)
    points = with_prop(tree, "/rtas", "ibm,associativity-reference-points", words(4, 4))
    assert facts(tree, points)["reference_points"][1] == (4, 4)
    vector = bytearray(tree.get("/chosen", "ibm,architecture-vec-5") or b"")
    vector[5] ^= 0x80 | 0x20
    found = facts(tree, with_prop(tree, "/chosen", "ibm,architecture-vec-5", bytes(vector)))
    assert found["FORM1"] == (True, False)
    assert found["FORM2"] == (False, True)
    assert found["form"] == (1, 2)


def test_domains_nodes_and_distances() -> None:
    tree = fixture("trees/numa4-form2-dist")
    name = "ibm,numa-distance-table"
    table = bytearray(tree.get("/rtas", name) or b"")
    table[5] = 99
    found = diff(tree, with_prop(tree, "/rtas", name, bytes(table)))
    assert [(fact.quantity, fact.node, fact.to_node, fact.new) for fact in found.numa] == [("distance", 0, 1, 99)]
    fewer = diff(tree, without_node(tree, CPU))
    assert {(fact.quantity, fact.node) for fact in fewer.numa} >= {("cores", 0), ("threads", 0)}
    domains = with_prop(tree, "/rtas", "ibm,max-associativity-domains", words(1, 9))
    assert facts(tree, domains)["max_domains"][1] == (9,)


def test_unrelated_properties_only_where_all_are_wanted() -> None:
    tree = fixture(NUMA)
    other = with_prop(tree, "/chosen", "bootargs", b"quiet\0")
    assert diff(tree, other).same
    (change,) = diff(tree, other, everything=True).properties
    assert (change.new_path, change.name) == ("/chosen", "bootargs")
    assert change.new == Property("bootargs", b"quiet\0")


def test_related_properties_are_decoded() -> None:
    tree = fixture(NUMA)
    other = with_prop(tree, "/rtas", "ibm,lrdr-capacity", words(0, 1 << 30, 0, 1 << 28, 7))
    (change,) = diff(tree, other).properties
    assert ("max_cpus", "7") in {(field.name, field.new) for field in change.fields or ()}


def test_connectors_in_another_order_are_not_each_another_one() -> None:
    tree = fixture(NUMA)
    value = tree.get("/", "ibm,drc-indexes") or b""
    turned = value[:4] + b"".join(value[i : i + 4] for i in range(len(value) - 4, 0, -4))
    (change,) = diff(tree, with_prop(tree, "/", "ibm,drc-indexes", turned)).properties
    assert change.fields == ()
    one = with_prop(tree, "/", "ibm,drc-indexes", value[:4] + words(0x80FFFFFF) + value[8:])
    (change,) = diff(tree, one).properties
    assert [(field.old is None, field.new is None) for field in change.fields or ()] == [
        (False, True),
        (True, False),
    ]


def test_nodes_that_came_and_went() -> None:
    tree = fixture(NUMA)
    found = diff(tree, without_node(tree, CPU))
    assert [(change.change, change.old_path) for change in found.properties] == [("removed", CPU)]
    assert diff(tree, without_node(tree, "/vdevice")).same
    (change,) = diff(tree, without_node(tree, "/vdevice"), everything=True).properties
    assert change.nodes > 1
    below = with_child(tree, "/", Node("thing", (), (Node("memory@9", (Property("device_type", b"memory\0"),)),)))
    assert [one.new_path for one in diff(tree, below).properties] == ["/thing/memory@9"]


def renamed(tree: Tree, path: str, name: str) -> Tree:
    return edited(tree, path, lambda node: replace(node, name=name))


def test_a_renamed_node_is_found_by_its_phandle() -> None:
    tree = with_prop(fixture(NUMA), "/vdevice", "phandle", words(7))
    other = renamed(tree, "/vdevice", "vdevices")
    found = diff(tree, other, everything=True)
    assert [(one.change, one.old_path, one.new_path) for one in found.properties] == [
        ("renamed", "/vdevice", "/vdevices")
    ]
    assert found.mirrored() == diff(other, tree, everything=True)


def test_a_phandle_that_moved_to_another_kind_of_node_is_no_rename() -> None:
    phandle = Property("phandle", words(0x77777777))
    old = with_child(fixture(NUMA), "/vdevice", Node("one@1", (phandle,)))
    new = with_child(fixture(NUMA), "/chosen", Node("two@2", (phandle,)))
    found = diff(old, new, everything=True).properties
    assert sorted(change.change for change in found) == ["added", "removed"]


def test_the_unread_format_is_compared_as_bytes() -> None:
    tree = fixture("kernel-arrays/numa2-plug2")
    both = with_prop(tree, NODE, V1, words(0))
    found = diff(tree, both)
    assert (found.old.property, found.new.property) == (V2, V1)
    assert not any(change.name in (V1, V2) for change in found.properties)
    other = with_prop(both, NODE, V2, words(0))
    (change,) = diff(both, other).properties
    assert (change.name, change.change) == (V2, "changed")


def test_what_old_kernels_show_as_name_is_none() -> None:
    tree = fixture(NUMA)
    assert diff(tree, with_prop(tree, "/rtas", "name", b"rtas\0"), everything=True).same
    assert not diff(tree, with_prop(tree, "/rtas", "name", b"other\0"), everything=True).same


def test_a_cut_value_differs_only_in_what_is_shown() -> None:
    tree = fixture(NUMA)
    assert diff(tree, with_cut(tree, "/", "ibm,drc-names", 100), everything=True).same
    other = with_prop(tree, "/", "ibm,drc-names", b"x" * 200)
    assert not diff(other, with_cut(tree, "/", "ibm,drc-names", 100), everything=True).same


def test_order_of_nodes_and_properties_means_nothing() -> None:
    tree = fixture(NUMA)
    root = tree.root
    turned = replace(root, properties=root.properties[::-1], children=root.children[::-1])
    assert diff(tree, replace(tree, root=turned), everything=True).properties == ()


def test_siblings_and_properties_of_the_same_name() -> None:
    first = Node("twin", (Property("a", b"1"), Property("a", b"2")))
    second = Node("twin", (Property("a", b"1"), Property("a", b"3")))
    one = Tree(Node("", (), (first, first)))
    assert diff(one, Tree(Node("", (), (first, first))), everything=True).same
    (change,) = diff(one, Tree(Node("", (), (first, second))), everything=True).properties
    assert (change.old, change.new) == (Property("a", b"2"), Property("a", b"3"))
    (change,) = diff(one, Tree(Node("", (), (first,))), everything=True).properties
    assert (change.change, change.nodes) == ("removed", 1)


def test_the_header_counts_where_all_is_compared() -> None:
    tree = replace(fixture(NUMA), reservations=((0, 4096),), boot_cpu=3)
    found = diff(fixture(NUMA), tree, everything=True)
    assert {change.old_path for change in found.properties} == {HEADER}
    assert diff(fixture(NUMA), tree).same
    assert diff(fixture(NUMA), replace(tree, kind="directory"), everything=True).same


def test_deep_trees() -> None:
    node = Node("leaf", (Property("x", b"1"),))
    for _ in range(3000):
        node = Node("n", (), (node,))
    one = Tree(Node("", (), (node,)))
    assert diff(one, Tree(Node("", (), (node,))), everything=True).same
    assert not diff(one, Tree(Node("")), everything=True).same


def test_findings_are_those_of_a_migration() -> None:
    old = partition([Run(1 << 31, 4, 0x80000008, 1, 8)])
    new = partition([Run(1 << 31, 4, 0x80000008, 2, 8)])
    assert {finding.rule for finding in diff(old, new).findings} >= {"DRM075"}
    assert diff(old, new, migration=False).findings == ()


def assert_the_rules_see_the_same(trees: Sequence[Tree]) -> None:
    """Assert that what a diff says of any two trees is what the rules say that are given all of them."""
    from drmemctl.check.about import complete
    from drmemctl.check.engine import Judge, Plan
    from drmemctl.check.subject import Subject

    for old, new in product(trees, repeat=2):
        pair = Subject(new, before=Subject(old))
        whole = complete(Judge(Plan(select=("migration",))).findings(pair), pair)
        assert set(diff(old, new).findings) == set(whole), (old, new)


def test_the_rules_see_the_same_in_the_changes_as_in_the_whole_trees() -> None:
    names = ["numa2-boot", "numa2-plug1", "numa2-plug2", "numa2-unplug1", "v1numa4-boot", "v1numa4-plug1"]
    assert_the_rules_see_the_same([fixture(f"kernel-arrays/{name}") for name in names])


def test_the_rules_see_the_same_where_lmbs_went_elsewhere() -> None:
    """Not the order of the changes, which is by address, but that of the LMBs counts."""
    first, second, third = (Run(place * LMB, 1, 0x80000000 + place, 1, 8) for place in (4, 6, 8))
    lists = [
        [first, second, third],
        [first, second._replace(base=0), third],
        [first, second._replace(base=0), third._replace(flags=0)],
        [second._replace(base=0), first, third],
        [first._replace(drc_index=second.drc_index), second._replace(drc_index=first.drc_index), third],
    ]
    assert_the_rules_see_the_same([partition(lmbs, lmb_size=size) for lmbs in lists for size in (LMB, LMB // 16)])


def test_the_rules_see_the_same_where_a_drc_index_is_used_twice() -> None:
    """By the DRC index of an LMB that changed they may find one that did not."""
    kept = Run(8 * LMB, 4, 0x80000010, 1, 8)
    others = [
        [],
        [Run(2 * LMB, 1, 0x80000011, 1, 8)],
        [Run(2 * LMB, 1, 0x80000011, 1, 0x28)],  # its own does not count
        [Run(2 * LMB, 1, 0x80000012, 2, 0x108)],
        [Run(2 * LMB, 2, 0x8000000F, 1, 0)],
        [Run(16 * LMB, 4, 0x80000012, 0, 8)],
    ]
    assert_the_rules_see_the_same([partition([*other, kept]) for other in others])
    assert_the_rules_see_the_same([partition([*other, kept], lmb_size=None) for other in others])
