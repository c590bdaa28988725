# SPDX-License-Identifier: MIT
"""Where nodes and properties stand in the text that a tree was read from.

While that is read, only indexes into the text are kept, in arrays: a text may have a million names, of which
nobody asks for more than some.
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


CONTROL = "a byte {:#04x}, which text of a tree has nowhere"


def place_words(text: str, at: int) -> str:
    """Return the place of a character in words, as errors have it: line and column, from 1 on."""
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


class SourcePlace(NamedTuple):
    """Line and column of a name, both from 1 on; columns count bytes."""

    line: int
    column: int


class TextPlaces:
    """The places of the names in a text, noted in its order, which is the order of nodes in the tree."""

    def __init__(self, text: str) -> None:
        """Note names in a text of which the first is that of the root."""
        self._text = text
        self._nodes = array("I", (0,))
        self._owners = array("I")
        """Of each property the number of its node."""
        self._properties = array("I")

    def note_root(self, at: int) -> None:
        """Note where the root is."""
        self._nodes[0] = at

    def note_node(self, at: int) -> int:
        """Note where the name of the next node begins; return the node's number, of which the root has 0."""
        self._nodes.append(at)
        return len(self._nodes) - 1

    def note_property(self, node: int, at: int) -> None:
        """Note where the name of a node's next property begins."""
        self._owners.append(node)
        self._properties.append(at)

    def of(
        self, nodes: Iterable[tuple[str, Sequence[Named]]], wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], SourcePlace]:
        """Return the places of (path, property); of a property that is not there, its node's.

        `nodes` are all of the tree with their properties, in its order.
        """
        indexes = self._indexes(nodes, {path for path, _ in wanted})
        indexed = {key: indexes.get(key, indexes[key[0], ""]) for key in wanted if (key[0], "") in indexes}
        places = self._places(indexed.values())
        return {key: places[index] for key, index in indexed.items()}

    def _indexes(
        self, nodes: Iterable[tuple[str, Sequence[Named]]], paths: set[str]
    ) -> Mapping[tuple[str, str], int]:
        """Return where in the text the nodes of some paths are, as property "", and their properties."""
        indexes: dict[tuple[str, str], int] = {}
        owners: dict[int, tuple[str, list[str]]] = {}
        for number, (path, properties) in enumerate(nodes):
            # Of several nodes of one path Linux takes the first, and so does whoever asks.
            if path in paths:
                indexes[path, ""] = self._nodes[number]
                owners[number] = path, [prop.name for prop in reversed(properties)]
                paths.remove(path)
                if not paths:
                    break
        for owner, index in zip(self._owners, self._properties, strict=True):
            if owner in owners:
                path, names = owners[owner]
                indexes.setdefault((path, names.pop()), index)
        return indexes

    def _places(self, indexes: Iterable[int]) -> Mapping[int, SourcePlace]:
        """Return line and column of indexes; the text is gone through once."""
        places: dict[int, SourcePlace] = {}
        line, begin, last = 1, 0, 0
        for index in sorted(set(indexes)):
            line += self._text.count("\n", last, index)
            begin = max(begin, self._text.rfind("\n", last, index) + 1)
            places[index] = SourcePlace(line, index - begin + 1)
            last = index
        return places
