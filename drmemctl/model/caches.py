# SPDX-License-Identifier: MIT
"""Cache nodes and who has them: a CPU or a cache names the next level by its phandle.

Source: Linux drivers/of/base.c `of_find_next_cache_node`; LoPAR 2.9, "CPU Node Properties" (`l2-cache`).
"""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.model.phandles import find_phandle
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Tree

_NEXT_LEVEL = ("l2-cache", "next-level-cache")
_MOST_LEVELS = 16
"""More levels than any machine has: a chain may lead back to itself."""


def cache_chain(tree: Tree, path: str) -> Iterator[str]:
    """Yield the paths of the caches of a CPU, the nearest first."""
    for _ in range(_MOST_LEVELS):
        node = tree.find(path)
        following = None if node is None else _next_cache(tree, path, node)
        if following is None:
            return
        path = following
        yield path


def _next_cache(tree: Tree, path: str, node: Node) -> str | None:
    data = next((value for name in _NEXT_LEVEL if (value := node.get(name)) is not None), None)
    if data is not None and len(data) >= 4:
        match = find_phandle(tree, int.from_bytes(data[:4], "big"))
        if match is not None:
            return match[0]
    # A pmac keeps its L2 cache as a child of the CPU.
    if device_type(node) == "cpu":
        return next((f"{path}/{child.name}" for child in node.children if device_type(child) == "cache"), None)
    return None


def n_users(tree: Tree, cache: str) -> int:
    """Return how many CPUs and caches name a cache as their next (`pseries_cpuhp_cache_use_count`)."""
    nodes = ((path, node) for path, node in tree.walk() if device_type(node) in ("cpu", "cache"))
    return sum(_next_cache(tree, path, node) == cache for path, node in nodes)
