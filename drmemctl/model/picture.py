# SPDX-License-Identifier: MIT
"""An address map scaled to a grid: what a cell stands for, what is in each, which gaps are left out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.model.address_map import NOTHING, AddressMap, Content

UNIT = 1 << 28
"""Bytes of the smallest cell where the tree gives no LMB size: QEMU's LMB, and the commonest on PowerVM."""

_DOUBLINGS = 72
"""More than it takes to make any cell the whole address space."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the grid.

    Attributes:
        content: what most of its memory is; a hole only where nothing else is in it.
        mixed: whether something else, be it a hole, is in it as well.

    """

    content: Content
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Cells side by side from `address` on."""

    address: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines in which there is nothing: a hole of `size` bytes, which may begin and end inside other lines."""

    size: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A map as lines of cells.

    Attributes:
        cell: bytes that a cell stands for: the LMB size, or that times a power of two.
        columns: cells of a line.
        lines: the lines and the gaps between them, ascending.

    """

    cell: int
    columns: int
    lines: tuple[Line | Gap, ...]

    @classmethod
    def of(cls, address_map: AddressMap, columns: int, most_lines: int) -> Picture:
        """Return the picture with the smallest cells that does not need more than `most_lines`."""
        unit = address_map.lmb_size or UNIT
        doublings = bisect_left(
            range(_DOUBLINGS), True, key=lambda n: _lines_needed(address_map, (unit << n) * columns) <= most_lines
        )
        cell = unit << doublings
        return cls(cell, columns, tuple(_lines(address_map, cell, columns)))

    @property
    def mixed(self) -> bool:
        """Whether any cell is mixed."""
        return any(cell.mixed for line in self.lines if isinstance(line, Line) for cell in line.cells)


def _lines_needed(address_map: AddressMap, line: int) -> int:
    """Return how many lines of so many bytes have something in them, and how many gaps are between them."""
    needed, before = 0, -1
    for start, last, _ in address_map.spans():
        first, final = start // line, last // line
        if first > before:
            needed += final - first + 1 + (first > before + 1)
        else:
            needed += final - before
        before = final
    return needed


def _lines(address_map: AddressMap, cell: int, columns: int) -> Iterator[Line | Gap]:
    cells = _cells(address_map, cell)
    gaps = _gaps(address_map, cell * columns)
    before = -1
    for number in sorted({index // columns for index in cells}):
        if number > before + 1:
            yield Gap(gaps[number])
        row = (cells.get(index) for index in range(number * columns, (number + 1) * columns))
        yield Line(number * columns * cell, tuple(_EMPTY if parts is None else parts.cell(cell) for parts in row))
        before = number


def _gaps(address_map: AddressMap, line: int) -> dict[int, int]:
    """Return the size of the hole before each line that does not follow another."""
    gaps: dict[int, int] = {}
    end = 0
    for start, last, _ in address_map.spans():
        # `end` is in the line before the gap, or at its beginning where that line is full.
        if start // line > (end - 1) // line + 1:
            gaps[start // line] = start - end
        end = last + 1
    return gaps


class _Parts:
    """The bytes of each content in one cell."""

    __slots__ = ("_bytes", "_contents")

    def __init__(self, contents: tuple[Content, ...]) -> None:
        self._contents = contents
        self._bytes: dict[int, int] = {}

    def add(self, content: int, size: int) -> None:
        self._bytes[content] = self._bytes.get(content, 0) + size

    def cell(self, size: int) -> Cell:
        # A clash is worth seeing however small it is; else the most bytes win, the earlier content a tie.
        most = max(self._bytes, key=lambda content: (self._contents[content].overlap, self._bytes[content]))
        return Cell(self._contents[most], len(self._bytes) > 1 or self._bytes[most] < size)


_EMPTY = Cell(NOTHING)


def _cells(address_map: AddressMap, cell: int) -> dict[int, _Parts]:
    """Return what is in each cell that has something; a segment costs by the cells that it touches."""
    cells: dict[int, _Parts] = {}
    for start, last, content in address_map.spans():
        for index in range(start // cell, last // cell + 1):
            if index not in cells:
                cells[index] = _Parts(address_map.contents)
            size = min(last, (index + 1) * cell - 1) - max(start, index * cell) + 1
            cells[index].add(content, size)
    return cells
