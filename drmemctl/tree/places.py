# SPDX-License-Identifier: MIT
"""Where nodes and properties stand in the text that a tree was read from.

Kept by number in three arrays, since a text may have a million properties of which nobody asks for more than some.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from drmemctl.tree.node import Tree


class Place(NamedTuple):
    """Line and column of a name, both from 1 on; columns count bytes."""

    line: int
    column: int


class TextPlaces:
    """The places of the names in a text, noted in its order, which is the order of nodes in the tree."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line, self._line_start = 1, 0
        self._nodes = array("I", (0, 0))
        self._properties = array("I")
        """For each: the number of its node, line, column."""

    def note_node(self, at: int) -> int:
        """Note where the name of the next node begins; return the node's number, of which the root has 0."""
        self._nodes.extend(self._place(at))
        return len(self._nodes) // 2 - 1

    def note_root(self, at: int) -> None:
        """Note where the root is."""
        self._nodes[0], self._nodes[1] = self._place(at)

    def note_property(self, node: int, at: int) -> None:
        """Note where the name of a node's next property begins."""
        self._properties.append(node)
        self._properties.extend(self._place(at))

    def finish(self) -> None:
        """Let go of the text."""
        self._text = ""

    def _place(self, at: int) -> Place:
        """Return the place of an index, which is never before that of the last call: no line is counted twice."""
        self._line += self._text.count("\n", self._at, at)
        newline = self._text.rfind("\n", self._at, at)
        self._line_start = newline + 1 if newline >= 0 else self._line_start
        self._at = at
        return Place(self._line, at - self._line_start + 1)

    def of(self, tree: Tree, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Place]:
        """Return the places of (path, property) of this tree; of a property that is not there, its node's."""
        paths = {path for path, _ in wanted}
        numbers: dict[int, str] = {}
        for number, (path, _) in enumerate(tree.walk()):
            # Of several nodes of one path Linux takes the first, and so does whoever asks.
            if path in paths:
                numbers[number] = path
                paths.remove(path)
                if not paths:
                    break
        of_nodes = {
            path: Place(self._nodes[2 * number], self._nodes[2 * number + 1]) for number, path in numbers.items()
        }
        of_properties = self._of_properties(tree, numbers)
        return {
            (path, name): of_properties.get((path, name), of_nodes[path])
            for path, name in wanted
            if path in of_nodes
        }

    def _of_properties(self, tree: Tree, numbers: Mapping[int, str]) -> Mapping[tuple[str, str], Place]:
        """Return the places of all properties of some nodes, the first of each name."""
        placed: dict[str, list[Place]] = {}
        entries = iter(self._properties)
        for number, line, column in zip(entries, entries, entries, strict=True):
            if number in numbers:
                placed.setdefault(numbers[number], []).append(Place(line, column))
        places: dict[tuple[str, str], Place] = {}
        for path, of_node in placed.items():
            for prop, place in zip(tree.node(path).properties, of_node, strict=False):
                places.setdefault((path, prop.name), place)
        return places
