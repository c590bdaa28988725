# SPDX-License-Identifier: MIT
"""Which nodes of two trees are the same: by path, and where a node was renamed, by phandle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.model.phandles import phandle_of
from drmemctl.tree.node import Node


@dataclass(frozen=True, slots=True)
class NodePair:
    """A node in both trees; None where it is in one only."""

    old_path: str
    old: Node | None
    new_path: str
    new: Node | None


def pairs_of(old: Node, new: Node) -> Iterator[NodePair]:
    """Yield the nodes of two trees.

    Of a node that only one tree has, those below it are not yielded. Where several siblings have the same name,
    the first goes with the first.
    """
    alone = []
    for pair in _below(NodePair("/", old, "/", new)):
        if pair.old is None or pair.new is None:
            alone.append(pair)
        else:
            yield pair
    renamed = _renamed(alone)
    for position, pair in enumerate(alone):
        if position not in renamed:
            yield pair
        elif pair.old is not None:
            renamed_to = alone[renamed[position]]
            yield from _below(NodePair(pair.old_path, pair.old, renamed_to.new_path, renamed_to.new))


def _below(top: NodePair) -> list[NodePair]:
    """Return a pair and all below it, without recursion."""
    pairs: list[NodePair] = []
    pending = [top]
    while pending:
        pair = pending.pop()
        pairs.append(pair)
        if pair.old is not None and pair.new is not None:
            pending += reversed(list(_children(pair, pair.old, pair.new)))
    return pairs


def _children(parent: NodePair, old: Node, new: Node) -> Iterator[NodePair]:
    old_prefix, new_prefix = parent.old_path.rstrip("/"), parent.new_path.rstrip("/")
    waiting: dict[str, list[int]] = {}
    for position in reversed(range(len(new.children))):
        waiting.setdefault(new.children[position].name, []).append(position)
    for child in old.children:
        same = waiting.get(child.name)
        partner = new.children[same.pop()] if same else None
        yield NodePair(f"{old_prefix}/{child.name}", child, f"{new_prefix}/{child.name}", partner)
    for position in sorted(position for positions in waiting.values() for position in positions):
        child = new.children[position]
        yield NodePair(f"{old_prefix}/{child.name}", None, f"{new_prefix}/{child.name}", child)


def _renamed(alone: list[NodePair]) -> dict[int, int]:
    """Return which nodes that only one tree has are one node under two names: position to position."""
    sides: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
    for position, pair in enumerate(alone):
        node = pair.old or pair.new
        handle = 0 if node is None else phandle_of(node)
        if handle:
            sides[pair.old is None].setdefault(handle, []).append(position)
    partners: dict[int, int] = {}
    for handle, olds in sides[0].items():
        news = sides[1].get(handle, [])
        # A phandle that several nodes claim tells nothing.
        if len(olds) == 1 == len(news) and _is_rename(alone[olds[0]], alone[news[0]]):
            partners[olds[0]], partners[news[0]] = news[0], olds[0]
    return partners


def _is_rename(gone: NodePair, come: NodePair) -> bool:
    """Whether two nodes with the same phandle may be one: firmware counts phandles anew at every boot."""
    if gone.old is None or come.new is None:
        return False
    same_parent = gone.old_path.rpartition("/")[0] == come.old_path.rpartition("/")[0]
    return same_parent or gone.old.base_name == come.new.base_name
