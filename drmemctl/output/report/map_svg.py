# SPDX-License-Identifier: MIT
"""The picture of an address map as SVG: for the report's page, and as a file of its own for documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from drmemctl.model.address_map import ASSIGNED, BOOT, FREE, HOLE, NO_NODE, UNKNOWN_NODE, AddressMap, Content
from drmemctl.model.picture import UNIT, Gap, MapLine, Picture
from drmemctl.output.map_key import LINES, Entry, Key, legend, scale_words
from drmemctl.output.screen import NODE_STYLES
from drmemctl.wording import range_text, size_text

WIDTH = 1000
COLUMNS = 64
FEWEST = 8
TALL = 24
PITCH = 30
_CHARACTER = 7.9
_MARGIN = 14
_LETTER = 13
"""Width of the narrowest bar that has its letter in it."""

_TICK = 6
"""Width of the narrowest cell that is told apart from its neighbours."""

_HEAD = 54
_LEGEND_LINE = 26
_EDGE = 16


@dataclass(frozen=True, slots=True)
class Bar:
    """Cells side by side that look the same.

    Attributes:
        x: left edge.
        width: width.
        look: CSS classes.
        letter: what is written in it, empty where it is too narrow.
        letter_x: where its middle is: in a cell, not on the line between two.
        words: what it is, for a tooltip.
        mixed: whether something else is in it, too.
        ticks: the path between its cells, empty where they are too narrow.

    """

    x: float
    width: float
    look: str
    letter: str
    letter_x: float
    words: str
    mixed: bool
    ticks: str


@dataclass(frozen=True, slots=True)
class MapRow:
    """A line of the picture: bars, or the words about a gap.

    Attributes:
        y: upper edge.
        label: the address.
        bars: what is there.
        gap: the words about a gap, empty for other lines.

    """

    y: int
    label: str
    bars: tuple[Bar, ...] = ()
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything of a picture with its place.

    Attributes:
        left: where the bars begin.
        height: height of all lines.
        rows: the lines.
        scale: what a cell and a line stand for.
        mixed: whether any cell is mixed.
        legend: what the marks mean.

    """

    left: float
    height: int
    rows: tuple[MapRow, ...]
    scale: str
    mixed: bool
    legend: tuple[Entry, ...]

    @classmethod
    def of(cls, address_map: AddressMap, key: Key) -> Drawing:
        """Return the drawing of a map."""
        # Of a small partition so few cells to a line that they can be seen.
        needed = -(-address_map.end // (address_map.lmb_size or UNIT))
        columns = COLUMNS
        while columns > FEWEST and columns // 2 >= needed:
            columns //= 2
        picture = Picture.of(address_map, columns, LINES)
        digits = len(f"{max(address_map.end - 1, 0):#x}")
        margin = round(digits * _CHARACTER + _MARGIN, 1)
        pen = _Pen(picture, key, margin, digits)
        rows = tuple(pen.row(line, PITCH * number) for number, line in enumerate(picture.lines))
        entries = tuple(legend(address_map, key, mixed=picture.mixed))
        return cls(margin, PITCH * len(rows), rows, scale_words(address_map, picture), picture.mixed, entries)


class _Pen:
    def __init__(self, picture: Picture, key: Key, left: float, digits: int) -> None:
        self._picture, self._key, self._left, self._digits = picture, key, left, digits
        self._cell = (WIDTH - left) / picture.columns

    def row(self, line: MapLine | Gap, y: int) -> MapRow:
        if isinstance(line, Gap):
            return MapRow(y, "", gap=f"{size_text(line.size)} hole")
        return MapRow(y, f"{line.address:#0{self._digits}x}", tuple(self._bars(line)))

    def _bars(self, line: MapLine) -> Iterator[Bar]:
        at = 0
        for cell, group in groupby(line.cells):
            count = sum(1 for _ in group)
            if cell.content.kind != HOLE:
                size = self._picture.cell
                width = count * self._cell
                letter = self._key.of(cell.content)[0] if width >= _LETTER else ""
                mostly = "mostly " if cell.mixed else ""
                where = range_text(line.address + at * size, count * size)
                words = f"{mostly}{words_of(cell.content)}: {where}"
                x = round(self._left + at * self._cell, 2)
                edges = range(at + 1, at + count) if self._cell >= _TICK else ()
                ticks = "".join(f"M{round(self._left + n * self._cell, 2):g} 0v{TALL}" for n in edges)
                middle = (count // 2 + 0.5) * self._cell if ticks else width / 2
                look = look_of(cell.content)
                yield Bar(x, round(width, 2), look, letter, round(x + middle, 2), words, cell.mixed, ticks)
            at += count


def look_of(content: Content) -> str:
    """Return the CSS classes of a content."""
    if content.overlap:
        return "clash"
    if content.node is None:
        return content.kind
    if content.node < 0:
        return "nowhere"
    return f"n{content.node % len(NODE_STYLES)} {'lmb' if content.kind == ASSIGNED else 'boot'}"


def words_of(content: Content) -> str:
    """Return what a content is."""
    if content.node is None:
        words = "free LMBs" if content.kind == FREE else f"{content.kind} LMBs"
    else:
        kind = "memory@" if content.kind == BOOT else "LMBs"
        words = f"{kind} without a node" if content.node == NO_NODE else f"node {content.node}, {kind}"
        words = f"{kind}, node unknown" if content.node == UNKNOWN_NODE else words
    return f"{words}, claimed twice" if content.overlap else words


def standalone(address_map: AddressMap) -> Iterator[str]:
    """Yield the picture as an SVG file."""
    from drmemctl.output.report.engine import Asset, rendered

    key = Key.of_maps(address_map)
    drawing = Drawing.of(address_map, key)
    height = _HEAD + drawing.height + _LEGEND_LINE * len(drawing.legend) + _EDGE
    yield rendered(
        "map_file.svg.j2",
        drawing=drawing,
        key=key,
        look_of=look_of,
        style=Asset("map.css", "map_file.css").markup,
        sizes={"width": WIDTH, "height": height, "head": _HEAD, "edge": _EDGE, "line": _LEGEND_LINE, "tall": TALL},
    )
