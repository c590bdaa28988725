# SPDX-License-Identifier: MIT
"""Nodes that come and go in a running kernel's tree (Linux drivers/of/dynamic.c)."""

from __future__ import annotations

from collections.abc import Callable
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
    return tree.with_node(parent, replace(old, children=tuple(children)))


def with_children(tree: Tree, changed: Callable[[Node], Node]) -> Tree:
    """Return the tree with each child of the root changed, all of them at once: there may be very many."""
    return tree.with_root(replace(tree.root, children=tuple(map(changed, tree.root.children))))


def attached(tree: Tree, parent: str, node: Node) -> Tree:
    """Return the tree with a node as the last child of another."""
    old = tree.node(parent)
    return tree.with_node(parent, replace(old, children=(*old.children, node)))


def attached_first(tree: Tree, parent: str, node: Node) -> Tree:
    """Return the tree with a node as the first child of another, where `__of_attach_node` puts it."""
    old = tree.node(parent)
    return tree.with_node(parent, replace(old, children=(node, *old.children)))
