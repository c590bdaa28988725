# SPDX-License-Identifier: MIT
"""The `memory@` nodes as rules look at them: also those that Linux passes over."""

from __future__ import annotations

from typing import NamedTuple

from drmemctl.check.spans import Spans
from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject
from drmemctl.formats.memory_reg import REG, MemoryRange, decode_reg
from drmemctl.model.drmem import RootCells
from drmemctl.model.standard_properties import device_type, is_available
from drmemctl.tree.node import Node

_ADDRESSES = 1 << 64


class MemoryNode(NamedTuple):
    """A child of the root that is, or is called, memory.

    Attributes:
        path: its path.
        node: the node.
        ranges: the ranges of `reg` that are not empty; addresses and sizes as Linux keeps them, in 64 bits.

    """

    path: str
    node: Node
    ranges: tuple[MemoryRange, ...]

    @property
    def is_typed(self) -> bool:
        """Whether Linux takes it for memory: by its device_type, whatever its name."""
        return device_type(self.node) == "memory"

    @property
    def is_available(self) -> bool:
        """Whether `status` lets Linux use it."""
        return is_available(self.node)


@per_subject
def memory_nodes(subject: Subject) -> tuple[MemoryNode, ...]:
    """Return the memory nodes in document order."""
    cells = RootCells.from_tree(subject.tree)
    return tuple(
        MemoryNode("/" + node.name, node, _ranges(node, cells))
        for node in subject.tree.root.children
        if device_type(node) == "memory" or node.base_name == "memory"
    )


def _ranges(node: Node, cells: RootCells) -> tuple[MemoryRange, ...]:
    data = node.get(REG)
    if data is None:
        return ()
    found = decode_reg(data, cells.address, cells.size).ranges
    cut = (MemoryRange(part.base % _ADDRESSES, part.size % _ADDRESSES) for part in found)
    return tuple(part for part in cut if part.size)


@per_subject
def taken_nodes(subject: Subject) -> tuple[MemoryNode, ...]:
    """Return the nodes whose memory Linux takes."""
    return tuple(found for found in memory_nodes(subject) if found.is_typed and found.is_available)


@per_subject
def boot_memory(subject: Subject) -> Spans:
    """Return all ranges of memory that Linux takes, in bytes; the owner is the position in `taken_nodes`."""
    spans = Spans()
    for owner, found in enumerate(taken_nodes(subject)):
        for part in found.ranges:
            spans.add(part.base, part.size, owner)
    return spans
