# SPDX-License-Identifier: MIT
"""Nodes that come and go in a running kernel's tree (Linux drivers/of/dynamic.c)."""

from __future__ import annotations

from dataclasses import replace

from drmemctl.tree.node import Node, Tree


def parent_of(path: str) -> str:
    """Return the path of the parent."""
    return path.rpartition("/")[0] or "/"


def detached(tree: Tree, path: str) -> Tree:
    """Return the tree without a node and its children."""
    parent, name = parent_of(path), path.rpartition("/")[2]
    old = tree.node(parent)
    children = list(old.children)
    del children[next(at for at, child in enumerate(children) if child.name == name)]
    return with_node(tree, parent, replace(old, children=tuple(children)))


def attached(tree: Tree, parent: str, node: Node) -> Tree:
    """Return the tree with a node as the last child of another."""
    old = tree.node(parent)
    return with_node(tree, parent, replace(old, children=(*old.children, node)))


def attached_first(tree: Tree, parent: str, node: Node) -> Tree:
    """Return the tree with a node as the first child of another, where `__of_attach_node` puts it."""
    old = tree.node(parent)
    return with_node(tree, parent, replace(old, children=(node, *old.children)))


def with_node(tree: Tree, path: str, new: Node) -> Tree:
    """Return the tree with another node in the place of the one at a path."""
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
