# SPDX-License-Identifier: MIT
"""Nodes and properties by path, and what is meant where there are none."""

from __future__ import annotations

import pytest

from drmemctl.errors import NotInTreeError
from drmemctl.tree.lookup import find_node, find_property
from drmemctl.tree.node import Node, Property, Tree

TREE = Tree(
    Node(
        "",
        children=(
            Node("cpus", children=(Node("PowerPC,POWER9@0"), Node("PowerPC,POWER9@8"))),
            Node("rtas", (Property("ibm,lrdr-capacity", b"\0"), Property("a:b", b""))),
        ),
    )
)


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("/rtsa", "no node /rtsa", "/rtas"),
        ("/cpus/PowerPC,POWER8@0", "/cpus has no PowerPC,POWER8@0", "/cpus/PowerPC,POWER9@0"),
        # In another place: with its unit address, and without.
        ("/rtas/PowerPC,POWER9@8", "/rtas has no PowerPC,POWER9@8", "/cpus/PowerPC,POWER9@8"),
        ("/rtas/PowerPC,POWER9", "/rtas has no PowerPC,POWER9", "/cpus/PowerPC,POWER9@0"),
        ("/nothing-like-it", "no node /nothing-like-it", "see `drmemctl tree`"),
    ],
)
def test_a_node_that_is_not_there_is_told_with_what_may_be_meant(path: str, message: str, hint: str) -> None:
    with pytest.raises(NotInTreeError) as refused:
        find_node(TREE, path)
    assert message in refused.value.message
    assert refused.value.hint is not None
    assert hint in refused.value.hint


def test_a_property_is_named_by_itself_or_behind_a_colon() -> None:
    place = find_property(TREE, "/rtas", "ibm,lrdr-capacity")
    assert find_property(TREE, "/rtas:ibm,lrdr-capacity") == place
    assert find_property(TREE, "/rtas:a:b").property == "a:b"
    with pytest.raises(NotInTreeError) as refused:
        find_property(TREE, "/rtas:ibm,lrdr-capacty")
    assert "ibm,lrdr-capacity" in (refused.value.hint or "")
