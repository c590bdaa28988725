# SPDX-License-Identifier: MIT
"""Nodes that come and go in a running kernel's tree (Linux drivers/of/dynamic.c, drivers/of/base.c)."""

from __future__ import annotations

from dataclasses import replace

from drmemctl.tree.node import Node, Tree

_PHANDLES = ("ibm,phandle", "phandle", "linux,phandle")
"""What names a node in firmware's lists: unflattening lets `ibm,phandle` win (`populate_properties`)."""


def phandle_of(node: Node) -> int:
    """Return a node's phandle, 0 if it has none."""
    for name in _PHANDLES:
        data = node.get(name)
        if data is not None and len(data) >= 4:
            return int.from_bytes(data[:4], "big")
    return 0


def find_phandle(tree: Tree, phandle: int) -> tuple[str, Node] | None:
    """Return (path, node) of a phandle; None for one that no node has, and for 0 (`of_find_node_by_phandle`)."""
    if phandle == 0:
        return None
    return next(((path, node) for path, node in tree.walk() if phandle_of(node) == phandle), None)


def parent_of(path: str) -> str:
    """Return the path of the parent."""
    return path.rpartition("/")[0] or "/"


def detached(tree: Tree, path: str) -> Tree:
    """Return the tree without a node and its children."""
    parent, name = parent_of(path), path.rpartition("/")[2]
    old = tree.node(parent)
    children = list(old.children)
    del children[next(at for at, child in enumerate(children) if child.name == name)]
    return _replaced(tree, parent, replace(old, children=tuple(children)))


def attached(tree: Tree, parent: str, node: Node) -> Tree:
    """Return the tree with a node as the last child of another."""
    old = tree.node(parent)
    return _replaced(tree, parent, replace(old, children=(*old.children, node)))


def _replaced(tree: Tree, path: str, new: Node) -> Tree:
    trail = [tree.root]
    for name in (part for part in path.split("/") if part):
        child = trail[-1].child(name)
        if child is None:
            return tree
        trail.append(child)
    old = trail.pop()
    while trail:
        parent = trail.pop()
        children = tuple(new if child is old else child for child in parent.children)
        old, new = parent, replace(parent, children=children)
    return tree.with_root(new)
