# SPDX-License-Identifier: MIT
"""The phandle of a node, as Linux knows it after boot.

Source: Linux drivers/of/fdt.c `populate_properties` (`ibm,phandle` replaces what was found before, and of the two
others the first counts), drivers/of/base.c `of_find_node_by_phandle`; LoPAR 2.9, ibm,update-nodes (the phandles in
firmware's lists are those of `ibm,phandle`).
"""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.tree.node import Node, Tree

IBM_PHANDLE = "ibm,phandle"
PHANDLES = (IBM_PHANDLE, "phandle", "linux,phandle")
"""The properties that may hold a phandle."""


def phandle_of(node: Node) -> int:
    """Return a node's phandle, 0 if it has none."""
    value = node.get(IBM_PHANDLE)
    if value is not None and len(value) >= 4:
        return int.from_bytes(value[:4], "big")
    values = (prop.value for prop in node.properties if prop.name in PHANDLES and len(prop.value) >= 4)
    return next((phandle for value in values if (phandle := int.from_bytes(value[:4], "big"))), 0)


def phandles(tree: Tree) -> Iterator[tuple[int, str]]:
    """Yield (phandle, path) of each node that has a property of that kind, 0 included."""
    for path, node in tree.walk():
        if any(len(node.get(name) or b"") >= 4 for name in PHANDLES):
            yield phandle_of(node), path


def find_phandle(tree: Tree, phandle: int) -> tuple[str, Node] | None:
    """Return (path, node) of a phandle; None for one that no node has, and for 0."""
    if phandle == 0:
        return None
    return next(((path, node) for path, node in tree.walk() if phandle_of(node) == phandle), None)
