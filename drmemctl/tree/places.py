# SPDX-License-Identifier: MIT
"""Where nodes and properties stand in the text that a tree was read from.

Kept by number in three arrays, since a text may have a million properties of which nobody asks for more than some.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol


class Named(Protocol):
    """What has a name, as properties do."""

    @property
    def name(self) -> str:
        """The name."""


class SourcePlace(NamedTuple):
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

    def _place(self, at: int) -> SourcePlace:
        """Return the place of an index, which is never before that of the last call: no line is counted twice."""
        self._line += self._text.count("\n", self._at, at)
        newline = self._text.rfind("\n", self._at, at)
        self._line_start = newline + 1 if newline >= 0 else self._line_start
        self._at = at
        return SourcePlace(self._line, at - self._line_start + 1)

    def of(
        self, nodes: Iterable[tuple[str, Sequence[Named]]], wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], SourcePlace]:
        """Return the places of (path, property); of a property that is not there, its node's.

        `nodes` are all of the tree with their properties, in its order.
        """
        paths = {path for path, _ in wanted}
        numbers: dict[int, str] = {}
        properties: dict[str, Sequence[Named]] = {}
        for number, (path, of_node) in enumerate(nodes):
            # Of several nodes of one path Linux takes the first, and so does whoever asks.
            if path in paths:
                numbers[number] = path
                properties[path] = of_node
                paths.remove(path)
                if not paths:
                    break
        of_nodes = {
            path: SourcePlace(*self._nodes[2 * number : 2 * number + 2]) for number, path in numbers.items()
        }
        of_properties = self._of_properties(numbers, properties)
        return {
            (path, name): of_properties.get((path, name), of_nodes[path])
            for path, name in wanted
            if path in of_nodes
        }

    def _of_properties(
        self, numbers: Mapping[int, str], properties: Mapping[str, Sequence[Named]]
    ) -> Mapping[tuple[str, str], SourcePlace]:
        """Return the places of all properties of some nodes, the first of each name."""
        placed: dict[str, list[SourcePlace]] = {}
        entries = iter(self._properties)
        for number, line, column in zip(entries, entries, entries, strict=True):
            if number in numbers:
                placed.setdefault(numbers[number], []).append(SourcePlace(line, column))
        places: dict[tuple[str, str], SourcePlace] = {}
        for path, of_node in placed.items():
            for prop, place in zip(properties[path], of_node, strict=False):
                places.setdefault((path, prop.name), place)
        return places
