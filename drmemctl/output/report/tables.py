# SPDX-License-Identifier: MIT
"""The tables of the other commands as the page has them: the same columns and cells, with chips for nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from drmemctl.output.map_key import Key
from drmemctl.output.screen import NODE_STYLES
from drmemctl.output.table import ARROW, Cell, Column, NodeCell
from drmemctl.wording import count_of

MOST = 200
"""Rows of a table; what is beyond them is counted, and printed by the command that the page names."""

_TONES = {"bold red": "bad", "red": "bad", "yellow": "warn", "green": "good", "dim": "quiet", "cyan": "cool"}
_WIDE = frozenset({"address", "addresses", "DRC index", "domains", "aa", "index", "old", "new", "CPUs", "rule"})
"""Columns with numbers and names that are read digit by digit."""


class CellPart(NamedTuple):
    """A piece of a cell: text, and the letter and colour of the node that it names."""

    text: str
    letter: str = ""
    look: str = ""


class HtmlCell(NamedTuple):
    """A cell: its pieces, and a class for its colour."""

    parts: tuple[CellPart, ...]
    tone: str = ""


class HtmlColumn(NamedTuple):
    """A column's heading and class."""

    title: str
    look: str


class HtmlTable(NamedTuple):
    """A table.

    Attributes:
        caption: what it shows.
        columns: the columns.
        rows: the rows, `MOST` at most.
        more: the words about rows that are left out, empty if none is.

    """

    caption: str
    columns: tuple[HtmlColumn, ...]
    rows: tuple[tuple[HtmlCell, ...], ...]
    more: str = ""


class Tables:
    """Makes the tables of a page, whose nodes have one key."""

    def __init__(self, key: Key) -> None:
        self.key = key

    def table(
        self,
        caption: str,
        columns: Sequence[Column],
        rows: Iterable[Sequence[Cell]],
        command: str,
        total: int | None = None,
    ) -> HtmlTable:
        """Return the first rows of a table; `command` prints them all, which are `total` or are counted."""
        iterator = iter(rows)
        shown = tuple(tuple(map(self._cell, row)) for row in islice(iterator, MOST))
        hidden = sum(1 for _ in iterator) if total is None else total - len(shown)
        more = f"{count_of(hidden, 'more row')}: {command} shows them" if hidden else ""
        headings = []
        for column in columns:
            looks = ["right"] * column.right + ["code"] * (column.title in _WIDE)
            headings.append(HtmlColumn(column.title, " ".join(looks)))
        return HtmlTable(caption, tuple(headings), shown, more)

    def _cell(self, cell: Cell) -> HtmlCell:
        if isinstance(cell, NodeCell):
            pieces = (self.node(node) if isinstance(node, int) else CellPart(node) for node in cell.nodes)
            joined = [joint for piece in pieces for joint in (CellPart("→"), piece)][1:]
            return HtmlCell(tuple(joined), "bad" if cell.text == "none" else "")
        text, style = (cell, None) if isinstance(cell, str) else cell[:2]
        return HtmlCell((CellPart(text.replace(ARROW, " → ")),), _TONES.get(style or "", ""))

    def node(self, node: int) -> CellPart:
        """Return a node's number with its letter and colour."""
        return CellPart(str(node), self.key.letter(node), f"n{node % len(NODE_STYLES)}")
