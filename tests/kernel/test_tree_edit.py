# SPDX-License-Identifier: MIT
"""Phandles and the comings and goings of nodes, as drivers/of/base.c has them."""

from __future__ import annotations

import pytest

from drmemctl.kernel.tree_edit import attached, detached, parent_of
from drmemctl.model.phandles import find_phandle
from drmemctl.tree.node import Node, Property, Tree
from tests.kernel.partitions import u32


def node(name: str, *children: Node, **properties: bytes) -> Node:
    return Node(name, tuple(Property(key.replace("_", ","), value) for key, value in properties.items()), children)


TREE = Tree(
    node(
        "",
        node("a", node("b", phandle=u32(1)), phandle=u32(3)),
        node("b", linux_phandle=u32(2)),
        node("c", phandle=u32(9, 9)),
        node("d", phandle=b"\0\0"),
        node("b@1", phandle=u32(3)),
    )
)


@pytest.mark.parametrize(
    ("phandle", "path"),
    [
        # No phandle is 0, though nodes without one have that instead; of two equal ones the first is found.
        (0, None),
        (1, "/a/b"),
        (2, "/b"),
        (3, "/a"),
        (4, None),
        (9, "/c"),
    ],
)
def test_find_phandle(phandle: int, path: str | None) -> None:
    found = find_phandle(TREE, phandle)
    assert (None if found is None else found[0]) == path


def test_nodes_come_last_and_go_with_their_children() -> None:
    more = attached(TREE, "/a", node("z"))
    assert [one.name for one in more.node("/a").children] == ["b", "z"]
    assert [path for path, _ in detached(more, "/a/b").walk()] == ["/", "/a", "/a/z", "/b", "/c", "/d", "/b@1"]
    assert [path for path, _ in detached(more, "/a").walk()] == ["/", "/b", "/c", "/d", "/b@1"]
    assert [one.name for one in attached(TREE, "/", node("z")).root.children] == ["a", "b", "c", "d", "b@1", "z"]


def test_parents() -> None:
    assert [parent_of(path) for path in ("/a/b", "/a", "/")] == ["/a", "/", "/"]
