# SPDX-License-Identifier: MIT
"""Trees as values: finding, walking, changing, and names of any bytes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import NotInTreeError
from drmemctl.tree.node import Node, Property, Tree, decode_name, encode_name
from tests.cases import each

MEMORY_0 = Node("memory@0", (Property("reg", b"0"),))
MEMORY_1 = Node("memory@1", (Property("reg", b"1"),))
CPU = Node("cpu@0", (Property("a", b""), Property("b", b"2"), Property("a", b"3")))
CPUS = Node("cpus", (), (CPU,))
TREE = Tree(Node("", (Property("model", b"m"),), (MEMORY_0, CPUS, MEMORY_1, Node("memory"))), "guest.dtb")


def test_a_node_is_found_by_its_full_path() -> None:
    assert TREE.find("/cpus/cpu@0") is CPU
    assert TREE.find("/memory@1") is MEMORY_1


@pytest.mark.parametrize("path", ["/", ""])
def test_the_root_is_found(path: str) -> None:
    assert TREE.find(path) is TREE.root


def test_a_unit_address_may_be_left_out() -> None:
    assert TREE.find("/cpus/cpu") is CPU


def test_without_a_unit_address_the_node_of_exactly_that_name_comes_first() -> None:
    assert TREE.find("/memory") is TREE.root.children[3]


def test_without_a_unit_address_the_first_of_several_is_meant() -> None:
    root = Node("", (), (MEMORY_1, MEMORY_0))
    assert Tree(root).find("/memory") is MEMORY_1


@pytest.mark.parametrize("path", ["/memory@2", "/memory@", "/cpus/cpu@0/x", "/cpu@0", "/mem", "/cpus@0"])
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert TREE.find(path) is None
    assert TREE.get(path, "reg") is None


def test_a_node_asked_for_by_name_must_exist() -> None:
    with pytest.raises(NotInTreeError, match="no node /x") as caught:
        TREE.node("/x")
    assert caught.value.source == "guest.dtb"


def test_an_empty_value_is_not_an_absent_one() -> None:
    assert TREE.get("/cpus/cpu@0", "a") == b""
    assert TREE.get("/cpus/cpu@0", "c") is None


def test_of_two_properties_of_one_name_the_first_counts() -> None:
    assert CPU.find("a") is CPU.properties[0]


def test_the_walk_is_in_document_order_with_paths() -> None:
    paths = [path for path, _ in TREE.walk()]
    assert paths == ["/", "/memory@0", "/cpus", "/cpus/cpu@0", "/memory@1", "/memory"]
    assert [node for _, node in TREE.walk()][3] is CPU


def test_the_walk_reaches_any_depth() -> None:
    node = Node("x")
    for _ in range(3000):
        node = Node("x", (), (node,))
    assert sum(1 for _ in Tree(Node("", (), (node,))).walk()) == 3002


def properties(node: Node) -> list[tuple[str, bytes]]:
    return [(prop.name, prop.value) for prop in node.properties]


ABC = Node("n", (Property("a", b"1"), Property("b", b"2"), Property("c", b"3")))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("b", b"new", [("a", b"1"), ("b", b"new"), ("c", b"3")]),
        ("a", b"new", [("a", b"new"), ("b", b"2"), ("c", b"3")]),
        ("d", b"new", [("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"new")]),
        ("b", None, [("a", b"1"), ("c", b"3")]),
        ("d", None, [("a", b"1"), ("b", b"2"), ("c", b"3")]),
        ("b", b"", [("a", b"1"), ("b", b""), ("c", b"3")]),
    ],
)
def test_setting_a_property_keeps_its_place(
    name: str, value: bytes | None, expected: list[tuple[str, bytes]]
) -> None:
    assert properties(ABC.with_property(name, value)) == expected
    assert properties(ABC) == [("a", b"1"), ("b", b"2"), ("c", b"3")]


def test_setting_a_property_leaves_one_of_its_name() -> None:
    assert properties(CPU.with_property("a", b"new")) == [("a", b"new"), ("b", b"2")]
    assert properties(CPU.with_property("a", None)) == [("b", b"2")]


def test_setting_a_value_forgets_that_the_old_one_was_cut() -> None:
    node = Node("n", (Property("p", b"begin", total=200),))
    assert node.with_property("p", b"whole").find("p") == Property("p", b"whole")


def test_a_tree_with_a_changed_property_shares_all_the_rest() -> None:
    changed = TREE.with_property("/cpus/cpu@0", "b", b"new")
    assert changed.get("/cpus/cpu@0", "b") == b"new"
    assert TREE.get("/cpus/cpu@0", "b") == b"2"
    assert changed.root.children[0] is MEMORY_0
    assert [path for path, _ in changed.walk()] == [path for path, _ in TREE.walk()]
    assert changed.source == "guest.dtb"


def test_the_roots_own_properties_can_be_changed() -> None:
    assert TREE.with_property("/", "model", b"n").get("/", "model") == b"n"


def test_a_change_takes_the_node_that_a_short_path_means() -> None:
    changed = TREE.with_property("/cpus/cpu", "b", None)
    assert changed.get("/cpus/cpu@0", "b") is None


def test_changing_a_node_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotInTreeError, match="no node /cpus/x"):
        TREE.with_property("/cpus/x", "p", b"")


def test_the_values_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CPU.name = "x"  # type: ignore[misc]


@given(st.binary())
def test_a_name_of_any_bytes_survives(raw: bytes) -> None:
    assert encode_name(decode_name(raw)) == raw


@each("byte", range(256))
def test_every_byte_has_a_name_of_one_character(byte: int) -> None:
    assert len(decode_name(bytes([byte]))) == 1


def test_a_name_typed_by_a_user_becomes_utf_8() -> None:
    assert encode_name("größe") == "größe".encode()


@pytest.mark.parametrize(("name", "base"), [("memory@0", "memory"), ("a@b@c", "a"), ("@1", ""), ("cpus", "cpus")])
def test_the_base_name_ends_at_the_first_at(name: str, base: str) -> None:
    assert Node(name).base_name == base
