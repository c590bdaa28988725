# SPDX-License-Identifier: MIT
"""Which letter, mark and colour everything in an address map has, and the legend that says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from drmemctl.model.address_map import (
    ASSIGNED,
    BOOT,
    FREE,
    HOLE,
    NO_NODE,
    RESERVED,
    UNKNOWN_NODE,
    AddressMap,
    Content,
)
from drmemctl.model.picture import Picture
from drmemctl.output.screen import node_style
from drmemctl.output.table import Cell, Column, NodeCell, ValueCell
from drmemctl.wording import count_of, size_text

LINES = 16
"""Lines of a picture at most, gaps included: with its legend it fits a screen."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKS = {FREE: ".", RESERVED: "-", HOLE: " "}
_NO_NODE = "?"
_CLASH = "!"
_LEGEND_NODES = 12

Styled = tuple[str, str | None]


class Entry(NamedTuple):
    """A line of a legend.

    Attributes:
        marks: the letters or marks that it explains, empty for a remark.
        style: their style.
        words: what they mean.
        contents: what is drawn so, one for each mark.

    """

    marks: str
    style: str | None
    words: str
    contents: tuple[Content, ...] = ()


class Key:
    """Which letter and style each content has.

    Attributes:
        nodes: the letter of each node.

    """

    def __init__(self, nodes: Iterable[int]) -> None:
        ascending = sorted(set(nodes))
        # By id, so that two maps compare; by rank only where that would give two nodes one letter.
        ranks = ascending if ascending and ascending[-1] >= len(_LETTERS) else range(len(_LETTERS))
        self.nodes: Mapping[int, str] = {
            node: _LETTERS[rank % len(_LETTERS)] for rank, node in enumerate(ranks) if node in ascending
        }

    @classmethod
    def of_maps(cls, *maps: AddressMap) -> Key:
        """Return the key of the nodes that have memory in any of these maps."""
        contents = (content for address_map in maps for content in address_map.contents)
        return cls(content.node for content in contents if content.node is not None and content.node >= 0)

    def letter(self, node: int) -> str:
        """Return the letter of a node, also of one without memory; empty where letters do not go by id."""
        if node in self.nodes or any(number >= len(_LETTERS) for number in self.nodes):
            return self.nodes.get(node, "")
        return _LETTERS[node] if node < len(_LETTERS) else ""

    def of(self, content: Content) -> Styled:
        """Return the mark and the style of a content."""
        if content.overlap:
            return _CLASH, "bold red"
        if content.node is None:
            return _MARKS[content.kind], "dim"
        if content.node < 0:
            return _NO_NODE, "dim" if content.node == UNKNOWN_NODE else "bold red"
        letter = self.nodes[content.node]
        style = node_style(content.node)
        return (letter, f"bold {style}") if content.kind == ASSIGNED else (letter.lower(), style)


def legend(address_map: AddressMap, key: Key, *, mixed: bool) -> Iterator[Entry]:
    """Yield what the marks of a map mean, with how much there is of each; `mixed` explains that mark as well."""
    totals = _totals(address_map)
    yield from _nodes(totals, key)
    for kind, words in ((FREE, "free LMBs"), (RESERVED, "reserved LMBs")):
        amount = sum(part for content, part in totals.items() if content.kind == kind)
        if amount:
            yield Entry(_MARKS[kind], "dim", f"{words} {size_text(amount)}", (Content(kind),))
    for none, words, style in (
        (NO_NODE, "no node found by Linux", "bold red"),
        (UNKNOWN_NODE, "node unknown: only a part of the tree is shown", "dim"),
    ):
        homeless = sum(part for content, part in totals.items() if content.node == none)
        if homeless:
            yield Entry(_NO_NODE, style, f"{words}: {size_text(homeless)}", (Content(ASSIGNED, none),))
    clashes = sum(part for content, part in totals.items() if content.overlap)
    if clashes:
        words = f"claimed twice: {size_text(clashes)}"
        yield Entry(_CLASH, "bold red", words, (Content(ASSIGNED, overlap=True),))
    if mixed:
        yield Entry("^", None, "more than one kind in the cell: the largest shows")
    if address_map.clipped:
        runs = count_of(address_map.clipped, "run")
        yield Entry("", None, f"{runs} of LMBs beyond 64 bits of address: cut there")
    if not len(address_map):
        yield Entry("", None, "no memory")


COLUMNS = (
    Column("mark", help="what the picture has for it: a letter is a node, a capital one LMBs"),
    Column("kind", help="memory@ nodes, or assigned, free or reserved LMBs"),
    Column("node", right=True, help="the Linux node; none where an assigned LMB has none"),
    Column("memory", right=True, help="how much there is of it", in_bytes=True),
    Column("note", help="claimed twice: what memory@ nodes or LMBs have as well"),
)
"""Of the key as a table."""


def rows(address_map: AddressMap, key: Key) -> Iterator[Sequence[Cell]]:
    """Yield the cells of what a map draws, in the order of nodes; one for each of `COLUMNS`."""
    totals = _totals(address_map)
    drawn = [content for content, size in totals.items() if content.kind != HOLE and size]
    for content in sorted(drawn, key=lambda content: (content.node is None, content.node or 0, content.kind)):
        note = "claimed twice" if content.overlap else "-"
        size = ValueCell.of_size(totals[content])
        node: Cell = "-"
        if content.node is not None:
            none = "?" if content.node == UNKNOWN_NODE else "none"
            node = NodeCell.of_node(content.node if content.node >= 0 else None, none)
        yield (key.of(content), content.kind, node, size, note)


def _totals(address_map: AddressMap) -> dict[Content, int]:
    sizes = [0] * len(address_map.contents)
    for start, last, position in address_map.spans():
        sizes[position] += last - start + 1
    totals: dict[Content, int] = {}
    for content, size in zip(address_map.contents, sizes, strict=True):
        totals[content] = totals.get(content, 0) + size
    return totals


def _nodes(totals: Mapping[Content, int], key: Key) -> Iterator[Entry]:
    shown = [node for node in key.nodes if any(content.node == node for content in totals)]
    for node in shown[:_LEGEND_NODES]:
        letter = key.nodes[node]
        boot, lmbs = (
            sum(part for content, part in totals.items() if (content.kind, content.node) == (kind, node))
            for kind in (BOOT, ASSIGNED)
        )
        marks = " ".join([letter.lower() if boot else " ", letter if lmbs else " "])
        parts = [f"memory@ {size_text(boot)}"] * bool(boot) + [f"LMBs {size_text(lmbs)}"] * bool(lmbs)
        contents = [Content(BOOT, node)] * bool(boot) + [Content(ASSIGNED, node)] * bool(lmbs)
        yield Entry(marks, node_style(node), f"node {node}: {', '.join(parts)}", tuple(contents))
    if len(shown) > _LEGEND_NODES:
        yield Entry("…", None, f"{count_of(len(shown) - _LEGEND_NODES, 'more node')}: see drmemctl numa")


def scale_words(address_map: AddressMap, picture: Picture) -> str:
    """Return what a cell and a line of a picture stand for."""
    lmb_size = address_map.lmb_size
    per_cell = ""
    if lmb_size is not None:
        per_cell = f"{count_of(picture.cell // lmb_size, 'LMB')} = "
    return f"1 cell = {per_cell}{size_text(picture.cell)}, 1 line = {size_text(picture.cell * picture.columns)}"
