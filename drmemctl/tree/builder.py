# SPDX-License-Identifier: MIT
"""Where the readers that meet nodes and properties in any order put them: bounded, with duplicates noted."""

from __future__ import annotations

from collections.abc import Iterable

from drmemctl.defect import Defect
from drmemctl.errors import LimitError
from drmemctl.tree.limits import LIMITS, MAX_DEFECTS, NOT_REAL, too_large
from drmemctl.tree.node import Node, Property, Tree, encode_name

MAX_SHOWN = 200
"""Bytes of a name in a message: a name may have 255, and a message has others beside it."""


def shown(name: str, limit: int = MAX_SHOWN) -> str:
    """Return an untrusted name as one short line of printable ASCII."""
    raw = encode_name(name[: limit + 1])
    text = "".join(chr(c) if 0x20 <= c < 0x7F else f"\\x{c:02x}" for c in raw[:limit])
    return text + ("…" if len(raw) > limit else "")


class Draft:
    """A node that is still being filled; `TreeBuilder` makes and changes it."""

    __slots__ = ("by_name", "children", "depth", "name", "number", "parent", "properties", "seen")

    def __init__(self, name: str, parent: Draft | None) -> None:
        self.name = name
        self.parent = parent
        self.number = 0
        """Which of the nodes of a text it is, where the reader counts them."""
        self.depth: int = 1 if parent is None else parent.depth + 1
        self.properties: list[Property] = []
        self.children: list[Draft] = []
        self.seen: set[str] = set()
        self.by_name: dict[str, Draft] = {}

    @property
    def path(self) -> str:
        """The absolute path of the node."""
        names: list[str] = []
        node: Draft = self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return "/" + "/".join(reversed(names))


class TreeBuilder:
    """Collects one tree. Every method raises `LimitError` where the tree outgrows `LIMITS`.

    Attributes:
        root: the root node; there from the start.
        defects: what was noted so far, at most `MAX_DEFECTS`.

    """

    def __init__(self, source: str, kind: str) -> None:
        self.source = source
        self.kind = kind
        self.root = Draft("", None)
        self.defects: list[Defect] = []
        self._nodes = 1
        self._properties = 0
        self._bytes = 0

    def child(self, parent: Draft, name: str) -> Draft:
        """Add a child, also where one of its name is there already."""
        self._check_name(name)
        self._nodes += 1
        self._check(self._nodes, LIMITS.max_nodes, "nodes")
        node = Draft(name, parent)
        self._check(node.depth, LIMITS.max_depth, "levels of nodes")
        if name in parent.by_name:
            self.note(Defect("duplicate-node", f"a second node {name}", node.path))
        parent.by_name.setdefault(name, node)
        parent.children.append(node)
        return node

    def at(self, names: Iterable[str], start: Draft | None = None) -> Draft:
        """Return the node of a path, given as names from the root or a node on; what is missing is added."""
        node = start or self.root
        for name in names:
            child = node.by_name.get(name)
            node = self.child(node, name) if child is None else child
        return node

    def add(self, node: Draft, name: str, value: bytes, total: int | None = None) -> None:
        """Add a property; `total` is its true length in bytes where `value` is only its beginning."""
        self._check_name(name)
        self._properties += 1
        self._check(self._properties, LIMITS.max_properties, "properties")
        self._bytes += len(value)
        if self._bytes > LIMITS.max_bytes:
            raise too_large(None, self.source, "the tree")
        if name in node.seen:
            self.note(Defect("duplicate-property", f"a second property {name}", node.path, name))
        node.seen.add(name)
        node.properties.append(Property(name, value, total))

    def room(self) -> int:
        """Return how many bytes of values the tree may still take."""
        return LIMITS.max_bytes - self._bytes

    def note(self, defect: Defect) -> None:
        """Keep a defect, unless there are plenty already."""
        if len(self.defects) < MAX_DEFECTS:
            self.defects.append(defect)

    def finish(self, *, reservations: Iterable[tuple[int, int]] = (), boot_cpu: int = 0) -> Tree:
        """Return the tree, with the defects that were noted."""
        # Children come after their parent in this list, so going backwards every child is there when needed.
        order = [self.root]
        for draft in order:
            order.extend(draft.children)
        frozen: dict[int, Node] = {}
        for draft in reversed(order):
            children = tuple(frozen.pop(id(child)) for child in draft.children)
            frozen[id(draft)] = Node(draft.name, tuple(draft.properties), children)
        return Tree(
            root=frozen[id(self.root)],
            source=self.source,
            kind=self.kind,
            reservations=tuple(reservations),
            boot_cpu=boot_cpu,
            defects=tuple(self.defects),
        )

    def _check(self, count: int, most: int, items: str) -> None:
        if count > most:
            message = f"the tree has more than {most:,} {items}"
            raise LimitError(message, source=self.source, hint=None if items == "levels of nodes" else NOT_REAL)

    def _check_name(self, name: str) -> None:
        if len(name) > LIMITS.max_name:
            raise LimitError(
                f"the name {shown(name, 40)} has {len(name):,} bytes, more than {LIMITS.max_name}",
                source=self.source,
            )
