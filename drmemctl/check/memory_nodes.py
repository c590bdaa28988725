# SPDX-License-Identifier: MIT
"""The memory nodes as rules look at them: also those that Linux passes over."""

from __future__ import annotations

from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject
from drmemctl.model import boot_memory as model
from drmemctl.model.boot_memory import MemoryNode
from drmemctl.model.intervals import Intervals


@per_subject
def memory_nodes(subject: Subject) -> tuple[MemoryNode, ...]:
    """Return the children of the root that are or are called memory, in document order."""
    return tuple(model.memory_nodes(subject.tree, subject.associativity, []))


@per_subject
def taken_nodes(subject: Subject) -> tuple[MemoryNode, ...]:
    """Return the nodes whose memory Linux takes."""
    return tuple(node for node in memory_nodes(subject) if node.is_typed and node.available)


@per_subject
def boot_memory(subject: Subject) -> Intervals:
    """Return all ranges of memory that Linux takes, in bytes; the owner is the position in `taken_nodes`."""
    spans = Intervals()
    for owner, node in enumerate(taken_nodes(subject)):
        for part in node.ranges:
            spans.add(part.base, part.size, owner)
    return spans
