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
class MapLine:
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
    lines: tuple[MapLine | Gap, ...]

    @classmethod
    def of(cls, address_map: AddressMap, columns: int, most_lines: int) -> Picture:
        """Return the picture with the smallest cells that does not need more than `most_lines`."""
        unit = address_map.lmb_size or UNIT
        doublings = bisect_left(
            range(_DOUBLINGS), True, key=lambda n: _fits(address_map, (unit << n) * columns, most_lines)
        )
        cell = unit << doublings
        return cls(cell, columns, tuple(_lines(address_map, cell, columns)))

    @property
    def mixed(self) -> bool:
        """Whether any cell is mixed."""
        return any(cell.mixed for line in self.lines if isinstance(line, MapLine) for cell in line.cells)


def _fits(address_map: AddressMap, line: int, most: int) -> bool:
    """Whether the lines of so many bytes in which there is something, and the gaps between, are at most `most`."""
    needed, before = 0, -1
    for start, last, _ in address_map.spans():
        first, final = start // line, last // line
        if first > before:
            needed += final - first + 1 + (first > before + 1)
        else:
            needed += final - before
        if needed > most:
            return False
        before = final
    return True


def _lines(address_map: AddressMap, cell: int, columns: int) -> Iterator[MapLine | Gap]:
    cells = _cells(address_map, cell)
    gaps = _gaps(address_map, cell * columns)
    before = -1
    for number in sorted({index // columns for index in cells}):
        if number > before + 1:
            yield Gap(gaps[number])
        row = (cells.get(index, _EMPTY) for index in range(number * columns, (number + 1) * columns))
        yield MapLine(number * columns * cell, tuple(row))
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


_EMPTY = Cell(NOTHING)


def _cells(address_map: AddressMap, size: int) -> dict[int, Cell]:
    """Return the cells that have something in them, by number."""
    parts: dict[int, list[tuple[Content, int]]] = {}
    for key, part in _parts(address_map, size).items():
        index, content = divmod(key, len(address_map.contents))
        parts.setdefault(index, []).append((address_map.contents[content], part))
    cells: dict[int, Cell] = {}
    for index, shares in parts.items():
        # A clash is worth seeing however small it is; else the most bytes win, and the lowest address a tie.
        seen, most = max(shares, key=lambda share: (share[0].overlap, share[1]))
        cells[index] = Cell(seen, len(shares) > 1 or most < size)
    return cells


def _parts(address_map: AddressMap, size: int) -> dict[int, int]:
    """Return the bytes of each content in each cell, by cell number times the number of contents plus content.

    A segment costs by the cells that it touches. Of millions, nearly all are inside one.
    """
    n_contents = len(address_map.contents)
    parts: dict[int, int] = {}
    for start, last, content in address_map.spans():
        first, final = start // size, last // size
        for index in range(first, final + 1) if first != final else (first,):
            key = index * n_contents + content
            inside = min(last + 1, (index + 1) * size) - max(start, index * size)
            parts[key] = parts.get(key, 0) + inside
    return parts
