# SPDX-License-Identifier: MIT
"""Tables: rich draws small ones on a terminal, a plain formatter all others.

Rich takes 2.5 s for 10,000 rows and wraps at the terminal's width; whoever pipes an LMB table wants neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from drmemctl.output.screen import Screen

_DRAWN = 100
"""Rows that rich draws; longer tables are plain."""

SAMPLE = 1000
"""Rows that decide the column widths of a plain table; a later, wider cell only shifts its own line."""


class NodeCell(NamedTuple):
    """A cell about a node: its text, its style, and the node before and now, numbers where there is one."""

    text: str
    style: str | None
    nodes: tuple[int | str, ...]

    @classmethod
    def of(cls, *nodes: int | str, style: str | None) -> NodeCell:
        """Return the cell of a node, or of what stands for one that there is not."""
        return cls(ARROW.join(map(str, nodes)), style, nodes)


ARROW = " -> "
"""Between what was before and what is now."""

Cell = str | tuple[str, str | None] | NodeCell
"""Text, text and its style, or a node. Must be `safe` already."""


class Column(NamedTuple):
    """A column's heading and alignment."""

    title: str
    right: bool = False


def show_table(
    screen: Screen, columns: Sequence[Column], rows: Iterator[Sequence[Cell]], *, title: str = ""
) -> None:
    """Print a table; rows may be many and come lazily."""
    head = list(islice(rows, _DRAWN + 1))
    if screen.terminal and len(head) <= _DRAWN and _fits(screen, columns, head):
        _draw(screen, columns, head, title)
        return
    if title:
        screen.write(screen.style(title, "bold") + "\n")
    screen.write_all(plain_lines(screen, columns, _chain(head, rows)))


def _chain(head: list[Sequence[Cell]], rows: Iterator[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    yield from head
    yield from rows


def _fits(screen: Screen, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether no cell would be wrapped: an address broken over two lines cannot be copied."""
    return sum(_widths(columns, rows)) + 3 * len(columns) + 1 <= screen.width


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    texts = [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in rows]
    return [max([len(column.title), *(len(row[i]) for row in texts)]) for i, column in enumerate(columns)]


def plain_lines(screen: Screen, columns: Sequence[Column], rows: Iterator[Sequence[Cell]]) -> Iterator[str]:
    """Yield the lines of a table: columns two spaces apart, no rules, nothing wrapped or cut."""
    sample = list(islice(rows, SAMPLE))
    line = line_maker(screen, columns, sample)
    yield heading(columns, line)
    yield from map(line, _chain(sample, rows))


LineMaker = Callable[[Sequence[Cell]], str]


def line_maker(screen: Screen, columns: Sequence[Column], sample: Sequence[Sequence[Cell]]) -> LineMaker:
    """Return what makes lines of rows, with columns as wide as in a sample of them."""
    widths = _widths(columns, sample)
    return _colored(screen, columns, widths) if screen.color else _plain(columns, widths)


def heading(columns: Sequence[Column], line: LineMaker) -> str:
    """Return the line with the titles."""
    return line([(column.title, "bold") for column in columns])


def _plain(columns: Sequence[Column], widths: Sequence[int]) -> LineMaker:
    """Return what makes lines without colour: one format for all, since a table may have a million rows."""
    form = "  ".join(
        f"{{:{'>' if column.right else '<'}{width}}}" for column, width in zip(columns, widths, strict=True)
    ).format
    return lambda row: form(*[cell if isinstance(cell, str) else cell[0] for cell in row]).rstrip() + "\n"


def _colored(screen: Screen, columns: Sequence[Column], widths: Sequence[int]) -> LineMaker:
    def line(row: Sequence[Cell]) -> str:
        parts = []
        for column, width, cell in zip(columns, widths, row, strict=True):
            text, style = (cell, None) if isinstance(cell, str) else cell[:2]
            pad = " " * (width - len(text))
            shown = screen.style(text, style)
            parts.append(pad + shown if column.right else shown + pad)
        return "  ".join(parts).rstrip() + "\n"

    return line


def _draw(screen: Screen, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(Text(column.title), justify="right" if column.right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else Text(cell[0], cell[1] or "") for cell in row))
    screen.console().print(table)
