# SPDX-License-Identifier: MIT
"""What several rules look at, found in one walk of a tree and remembered as long as its `Subject` lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from drmemctl.check.subject import Subject
from drmemctl.formats import drc, drc_info
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node

_T = TypeVar("_T")

_NAMED = 5
"""Items that a message names; of others it has the number."""


def per_subject(function: Callable[[Subject], _T]) -> Callable[[Subject], _T]:
    """Remember what the decorated function returns, for each subject."""
    results: WeakKeyDictionary[Subject, _T] = WeakKeyDictionary()

    @wraps(function)
    def cached(subject: Subject) -> _T:
        if subject not in results:
            results[subject] = function(subject)
        return results[subject]

    return cached


class LocatedNode(NamedTuple):
    """A node and its path."""

    path: str
    node: Node


@dataclass(slots=True)
class Survey:
    """The nodes of a tree that the rules about affinity and connectors want.

    Attributes:
        memory: the `memory@` nodes.
        cpus: the CPUs.
        pmemory: the regions of persistent memory.
        parents: the nodes that list connectors of their children.
        devices: the nodes that have a DRC index of their own.

    """

    memory: list[LocatedNode] = field(default_factory=list)
    cpus: list[LocatedNode] = field(default_factory=list)
    pmemory: list[LocatedNode] = field(default_factory=list)
    parents: list[LocatedNode] = field(default_factory=list)
    devices: list[LocatedNode] = field(default_factory=list)


_LISTS_CONNECTORS = {drc.INDEXES, drc.NAMES, drc.TYPES, drc.POWER_DOMAINS, drc_info.DRC_INFO_PROPERTY}


@per_subject
def survey(subject: Subject) -> Survey:
    """Return the nodes of interest."""
    nodes = Survey()
    by_type = {"memory": nodes.memory, "cpu": nodes.cpus, "ibm,pmemory": nodes.pmemory}
    for path, node in subject.tree.walk():
        kind = device_type(node)
        if kind is not None and kind in by_type:
            by_type[kind].append(LocatedNode(path, node))
        if any(prop.name in _LISTS_CONNECTORS for prop in node.properties):
            nodes.parents.append(LocatedNode(path, node))
        prefix = "/" if path == "/" else path + "/"
        nodes.devices += (
            LocatedNode(prefix + child.name, child)
            for child in node.children
            if child.find(drc.MY_DRC_INDEX) is not None
        )
    return nodes


def whole(node: Node | None, name: str) -> bytes | None:
    """Return a property's value, or None if it is absent or the source shows only its beginning."""
    prop = None if node is None else node.find(name)
    return None if prop is None or prop.is_cut else prop.value


def listed(items: Sequence[object], number: int | None = None) -> str:
    """Return the first items as words: `3, 5 and 7`, or `3, 5, 7, 8, 9 and 40 more` of `number`."""
    total = len(items) if number is None else number
    words = [str(item) for item in items[:_NAMED]]
    if total > len(words):
        return f"{', '.join(words)} and {total - len(words):,} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
