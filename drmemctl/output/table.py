# SPDX-License-Identifier: MIT
"""Tables for people: one style, as many columns as there is room for.

A terminal shows the columns that fit, and says which do not; a pipe gets all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

from drmemctl.output.screen import Screen, node_style
from drmemctl.output.wrap import wrapped_text
from drmemctl.wording import size_text

SAMPLE = 1000
"""Rows that decide the column widths of a plain table; a later, wider cell only shifts its own line."""


_APART = 2
"""Blanks between columns."""

_NARROWEST = 8
"""Columns to which a text is cut at most."""

_NARROWEST_TEXT = 20
"""Columns of a terminal that a text takes at least if it is to go on in further lines, be its words longer."""

_QUOTED = str.maketrans({char: f"\\{char}" for char in '"\\$`'})
"""What a shell does not leave as it is between double quotes."""


ARROW = " -> "
"""Between what was before and what is now."""


class NodeCell(NamedTuple):
    """A cell about a node: its text, its style, and the node before and now, numbers where there is one."""

    text: str
    style: str | None
    nodes: tuple[int | str, ...]

    @classmethod
    def of(cls, *nodes: int | str, style: str | None) -> NodeCell:
        """Return the cell of a node, or of what stands for one that there is not."""
        return cls(ARROW.join(map(str, nodes)), style, nodes)

    @classmethod
    def of_node(cls, node: int | None, none: str = "none") -> NodeCell:
        """Return the cell of a node, or of what stands for one that is not known (`none` says so) or not there.

        That assigned memory has none kills a booting kernel, and is not dim.
        """
        if node is not None:
            return cls.of(node, style=node_style(node))
        return cls.of(none, style="bold red" if none == "none" else "dim")


class ValueCell(NamedTuple):
    """A cell that stands for a number: what it is sorted by, and printed as with `--bytes`."""

    text: str
    style: str | None
    value: int

    @classmethod
    def of_size(cls, size: int | None, unknown: str = "?") -> ValueCell:
        """Return the cell of some bytes of memory."""
        return cls(unknown, None, -1) if size is None else cls(size_text(size), None, size)


Cell = str | tuple[str, str | None] | NodeCell | ValueCell
"""Text, text and its style, a node, or a number. Must be `safe` already."""


class Column(NamedTuple):
    """A column.

    Attributes:
        title: its heading.
        right: whether its cells are aligned to the right.
        gives_way: where a terminal is too narrow, columns with the largest number are left out first, those in
            which nothing changes before those with an arrow, and these only after the last one of prose has
            gone on in further lines; 0: never.
        help: what is in it, for `--help`.
        in_bytes: whether it holds sizes, which `--bytes` prints as numbers.
        prose: whether it may go on in further lines (the last column), or be cut, where all columns that are
            left have no room; an address never is.
        makes_room_for: columns that give way with this number or a smaller one stay while it, as the last
            column, can go on in further lines.

    """

    title: str
    right: bool = False
    gives_way: int = 0
    help: str = ""
    in_bytes: bool = False
    prose: bool = False
    makes_room_for: int = 0

    @property
    def name(self) -> str:
        """What `--output` calls it."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True, slots=True)
class TableChoice:
    """Which columns of a table are printed, and how.

    Attributes:
        columns: their names in order, None for all that the table has.
        sort: the column by which rows are sorted.
        in_bytes: whether sizes are numbers of bytes.
        headings: whether there is a line with the titles.
        pairs: whether each row is `NAME="value" …`.
        shows_all: what shows columns for which there is no room.

    """

    columns: tuple[str, ...] | None = None
    sort: str | None = None
    in_bytes: bool = False
    headings: bool = True
    pairs: bool = False
    shows_all: str = "--output-all, or a wider terminal"

    @property
    def needs_values(self) -> bool:
        """Whether cells have to hold numbers, where the table can do without."""
        return self.sort is not None or self.in_bytes


AS_IT_IS = TableChoice()
WITHOUT_OPTIONS = TableChoice(shows_all="a wider terminal")
"""Of commands that have no options for columns."""


def show_table(
    screen: Screen,
    columns: Sequence[Column],
    rows: Iterator[Sequence[Cell]],
    *,
    title: str = "",
    choice: TableChoice = AS_IT_IS,
) -> None:
    """Print a table with the columns that were asked for; rows may be many and come lazily."""
    positions = {column.name: position for position, column in enumerate(columns)}
    if choice.sort is not None:
        key = positions[choice.sort]
        rows = iter(sorted(rows, key=lambda row: _order(row[key])))
    if choice.in_bytes:
        sizes = [column.in_bytes for column in columns]
        rows = (
            [
                cell._replace(text=str(cell.value))
                if is_size and isinstance(cell, ValueCell) and cell.value >= 0
                else cell
                for cell, is_size in zip(row, sizes, strict=True)
            ]
            for row in rows
        )
    if choice.columns is not None:
        picked = [positions[name] for name in choice.columns]
        rows, columns = _picked(picked, rows), [columns[position] for position in picked]
    if choice.pairs:
        screen.write_all(_pairs(columns, rows))
        return
    if title and choice.headings:
        screen.write_text((screen.style(title, "bold") + "\n",))
    screen.write_all(fitted_lines(screen, columns, rows, choice=choice))


def fitted_lines(
    screen: Screen,
    columns: Sequence[Column],
    rows: Iterator[Sequence[Cell]],
    *,
    indent: str = "",
    choice: TableChoice = AS_IT_IS,
) -> Iterator[str]:
    """Yield the lines of a table; on a terminal the columns that fit, then the names of those that do not."""
    if not screen.terminal:
        yield from (indent + line for line in plain_lines(screen, columns, rows, headings=choice.headings))
        return
    width = screen.width - len(indent)
    sample = list(islice(rows, SAMPLE))
    shown = _that_fit(width, columns, sample) if choice.columns is None else range(len(columns))
    hidden = [column.title for position, column in enumerate(columns) if position not in shown]
    shown_columns = [columns[position] for position in shown]
    shown_rows = _fitted_prose(
        width, shown_columns, _picked(shown, chain(sample, rows)), whole=choice.columns is not None
    )
    lines = plain_lines(screen, shown_columns, shown_rows, headings=choice.headings)
    yield from (indent + line for line in lines)
    if hidden:
        note = screen.style(f"no room for: {', '.join(hidden)} ({choice.shows_all})", "dim")
        yield from wrapped_text((f"{indent}{note}\n",), screen.width)


def _order(cell: Cell) -> tuple[Any, ...]:
    """Return what a cell is sorted by: numbers before texts."""
    if isinstance(cell, ValueCell):
        return (0, cell.value, "")
    if isinstance(cell, NodeCell):
        numbers = [node for node in cell.nodes if isinstance(node, int)]
        return (0, numbers[-1], "") if numbers else (1, 0, cell.text)
    text = _text(cell)
    number = text.replace(",", "")
    return (0, int(number), "") if number.isdecimal() else (1, 0, text)


def _picked(positions: Sequence[int], rows: Iterable[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    return ([row[position] for position in positions] for row in rows)


def _that_fit(width: int, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Sequence[int]:
    """Return the positions of the columns for which there is room, when the least important are left out.

    One that was left out comes back where the room that a more important, wider one left is enough for it.
    """
    widths = _widths(columns, rows)
    folded = list(widths)
    if columns[-1].prose:
        folded[-1] = max(len(columns[-1].title), _longest_word(rows, -1))
    shown = list(range(len(columns)))
    left_out: list[int] = []
    changes = [any(ARROW in _text(row[position]) for row in rows) for position in shown]
    for position in sorted(shown, key=lambda position: (changes[position], -columns[position].gives_way)):
        goes_on = changes[position] or columns[position].gives_way <= columns[-1].makes_room_for
        needed = folded if goes_on else widths
        if _width(needed, shown) <= width:
            break
        if columns[position].gives_way:
            shown.remove(position)
            left_out.append(position)
    for position in reversed(left_out):
        if _width(widths, [*shown, position]) <= width:
            shown.append(position)
    return sorted(shown)


def _width(widths: Sequence[int], shown: Sequence[int]) -> int:
    """Return how wide a line with these columns is."""
    return sum(widths[position] for position in shown) + _APART * (len(shown) - 1)


def _fitted_prose(
    width: int, columns: Sequence[Column], rows: Iterator[Sequence[Cell]], *, whole: bool
) -> Iterator[Sequence[Cell]]:
    """Yield rows; where all columns have no room, the widest of prose goes on in further rows, or is cut.

    Only the last column goes on: in any other the reader would have to put the cells together. Of columns that
    were asked for (`whole`) none is cut.
    """
    sample = list(islice(rows, SAMPLE))
    widths = _widths(columns, sample)
    too_wide = sum(widths) + _APART * (len(columns) - 1) - width
    prose = [position for position, column in enumerate(columns) if column.prose]
    if too_wide <= 0 or not prose:
        yield from chain(sample, rows)
        return
    from textwrap import wrap

    widest = max(prose, key=widths.__getitem__)
    room = max(widths[widest] - too_wide, _NARROWEST)
    goes_on = widest == len(columns) - 1 and room >= _longest_word(sample, widest)
    # Where nothing of the text would be left, the terminal breaks the lines, and all can be read.
    if whole and (not goes_on or room > widths[widest] - too_wide):
        yield from chain(sample, rows)
        return
    for row in chain(sample, rows):
        cell = row[widest]
        text = _text(cell)
        if len(text) <= room:
            yield row
            continue
        style = None if isinstance(cell, str) else cell[1]
        # Nothing but blanks has no words to break between.
        parts = (wrap(text, room, break_on_hyphens=False) if goes_on else []) or [text[: room - 1] + "…"]
        yield [*row[:widest], (parts[0], style), *row[widest + 1 :]]
        empty: list[Cell] = [""] * widest
        yield from ([*empty, (part, style)] for part in parts[1:])


def _longest_word(rows: Sequence[Sequence[Cell]], position: int) -> int:
    """Return the columns that the texts of a column need to go on in further lines."""
    words = (word for row in rows for word in _text(row[position]).split())
    return min(max(map(len, words), default=0), _NARROWEST_TEXT)


def _pairs(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yield a line of `NAME="value"` for each row, with what `lsmem --pairs` quotes quoted: it is for `eval`."""
    names = [column.name.upper().replace("-", "_").replace("@", "_AT") for column in columns]
    for row in rows:
        texts = (_text(cell).translate(_QUOTED) for cell in row)
        yield " ".join(f'{name}="{text}"' for name, text in zip(names, texts, strict=True)) + "\n"


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    texts = [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in rows]
    return [max([len(column.title), *(len(row[i]) for row in texts)]) for i, column in enumerate(columns)]


def plain_lines(
    screen: Screen, columns: Sequence[Column], rows: Iterator[Sequence[Cell]], *, headings: bool = True
) -> Iterator[str]:
    """Yield the lines of a table: columns two spaces apart, no rules, nothing wrapped or cut."""
    sample = list(islice(rows, SAMPLE))
    line = line_maker(screen, columns, sample)
    if headings:
        yield heading(columns, line)
    yield from map(line, chain(sample, rows))


LineMaker = Callable[[Sequence[Cell]], str]


def line_maker(screen: Screen, columns: Sequence[Column], sample: Sequence[Sequence[Cell]]) -> LineMaker:
    """Return what makes lines of rows, with columns as wide as in a sample of them."""
    widths = _widths(columns, sample)
    if not screen.color:
        # One format for all, since a table may have a million rows.
        form = "  ".join(
            f"{{:{'>' if column.right else '<'}{width}}}" for column, width in zip(columns, widths, strict=True)
        ).format
        return lambda row: form(*[cell if isinstance(cell, str) else cell[0] for cell in row]).rstrip() + "\n"

    def line(row: Sequence[Cell]) -> str:
        parts = []
        for column, width, cell in zip(columns, widths, row, strict=True):
            text, style = (cell, None) if isinstance(cell, str) else cell[:2]
            pad = " " * (width - len(text))
            shown = screen.style(text, style)
            parts.append(pad + shown if column.right else shown + pad)
        return "  ".join(parts).rstrip() + "\n"

    return line


def heading(columns: Sequence[Column], line: LineMaker) -> str:
    """Return the line with the titles."""
    return line([(column.title, "bold") for column in columns])
