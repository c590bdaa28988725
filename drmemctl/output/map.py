# SPDX-License-Identifier: MIT
"""The address space as a picture of letters, as JSON and CSV.

Upper-case letters are LMBs of a node, lower-case ones its `memory@` memory, so that it reads without colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from drmemctl.model.address_map import ASSIGNED, BOOT, FREE, HOLE, RESERVED, AddressMap, Content, Segment
from drmemctl.model.picture import Cell, Gap, Line, Picture
from drmemctl.output.screen import Screen, node_style
from drmemctl.wording import count_of, size_text

LINES = 16
"""Lines of a picture at most, gaps included: with its legend it fits a screen."""

PIPED_WIDTH = 80
"""Width where there is no terminal to ask."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKS = {FREE: ".", RESERVED: "-", HOLE: " "}
_NO_NODE = "?"
_CLASH = "!"
_LEGEND_NODES = 12

Styled = tuple[str, str | None]


def show_map(screen: Screen, address_map: AddressMap, format: str, width: int | None = None) -> None:
    """Print the map as `table` (the picture), `json` or `csv`."""
    if format == "json":
        from drmemctl.output.json import schema, streamed

        head = {"schema": schema("map"), "lmb_size": address_map.lmb_size, "clipped_runs": address_map.clipped}
        lists = {"segments": map(segment_record, address_map.with_holes())}
        screen.write_all(streamed(head, lists))
    elif format == "csv":
        screen.write_all(_csv_lines(address_map))
    else:
        screen.write_all(_picture_lines(screen, address_map, width or _default_width(screen)))


def _default_width(screen: Screen) -> int:
    return screen.width if screen.terminal else PIPED_WIDTH


def segment_record(segment: Segment) -> dict[str, Any]:
    """Return a segment as JSON has it: `node` is null for memory without a node and for all that is no memory."""
    content = segment.content
    return {
        "start": segment.start,
        "size": segment.size,
        "kind": content.kind,
        "node": None if content.node == -1 else content.node,
        "overlap": content.overlap,
    }


def _csv_lines(address_map: AddressMap) -> Iterator[str]:
    yield "start,size,kind,node,overlap\n"
    for segment in address_map.with_holes():
        record = segment_record(segment)
        node = "" if record["node"] is None else record["node"]
        yield f"{record['start']},{record['size']},{record['kind']},{node},{str(record['overlap']).lower()}\n"


def columns_in(width: int, label: int) -> int:
    """Return how many cells fit beside a label: a power of two or three times one, for round addresses."""
    room = max(width - label - 2, 8)
    power = 1 << (room.bit_length() - 1)
    return power + power // 2 if power + power // 2 <= room else power


class _Key:
    """Which letter and colour each content has."""

    def __init__(self, address_map: AddressMap) -> None:
        nodes = sorted({one.node for one in address_map.contents if one.node is not None and one.node >= 0})
        # By id, so that two maps compare; by rank only where that would give two nodes one letter.
        ranks = nodes if nodes and nodes[-1] >= len(_LETTERS) else range(len(_LETTERS))
        self.nodes: Mapping[int, str] = {
            node: _LETTERS[rank % len(_LETTERS)] for rank, node in enumerate(ranks) if node in nodes
        }

    def of(self, content: Content) -> Styled:
        if content.overlap:
            return _CLASH, "bold red"
        if content.node is None:
            return _MARKS[content.kind], "dim"
        if content.node < 0:
            return _NO_NODE, "bold red"
        letter = self.nodes[content.node]
        style = node_style(content.node)
        return (letter, f"bold {style}") if content.kind == ASSIGNED else (letter.lower(), style)


def _picture_lines(screen: Screen, address_map: AddressMap, width: int) -> Iterator[str]:
    label = len(f"{max(address_map.end - 1, 0):#x}")
    columns = columns_in(width, label)
    picture = Picture.of(address_map, columns, LINES)
    key = _Key(address_map)
    yield from _heading(screen, address_map, picture)
    for line in picture.lines:
        if isinstance(line, Gap):
            yield screen.style(f"… {size_text(line.size)} hole", "dim") + "\n"
        else:
            yield from _line(screen, line, label, key)
    yield "\n"
    yield from _legend(screen, address_map, picture, key)


def _heading(screen: Screen, address_map: AddressMap, picture: Picture) -> Iterator[str]:
    lmb_size = address_map.lmb_size
    per_cell = ""
    if lmb_size is not None:
        per_cell = f"{count_of(picture.cell // lmb_size, 'LMB')} = "
    title = f"1 cell = {per_cell}{size_text(picture.cell)}, 1 line = {size_text(picture.cell * picture.columns)}"
    yield screen.style(title, "bold") + "\n\n"


def _line(screen: Screen, line: Line, label: int, key: _Key) -> Iterator[str]:
    cells = list(line.cells)
    while cells and cells[-1].content.kind == HOLE:
        cells.pop()
    yield f"{line.address:#0{label}x}  {_letters(screen, cells, key)}\n"
    marks = "".join("^" if cell.mixed else " " for cell in cells).rstrip()
    if marks:
        yield screen.style(" " * (label + 2) + marks, "dim") + "\n"


def _letters(screen: Screen, cells: list[Cell], key: _Key) -> str:
    styled = (key.of(cell.content) for cell in cells)
    parts = (
        (style, "".join(mark for mark, _ in group)) for style, group in groupby(styled, key=lambda one: one[1])
    )
    return "".join(screen.style(text, style) for style, text in parts)


def _legend(screen: Screen, address_map: AddressMap, picture: Picture, key: _Key) -> Iterator[str]:
    totals: dict[Content, int] = {}
    for start, last, position in address_map.spans():
        content = address_map.contents[position]
        totals[content] = totals.get(content, 0) + last - start + 1
    yield from _node_legend(screen, totals, key)
    for kind, words in ((FREE, "free LMBs"), (RESERVED, "reserved LMBs")):
        amount = sum(part for content, part in totals.items() if content.kind == kind)
        if amount:
            yield f"{screen.style(_MARKS[kind], 'dim')}    {words} {size_text(amount)}\n"
    homeless = sum(part for content, part in totals.items() if content.node == -1)
    if homeless:
        yield f"{screen.style(_NO_NODE, 'bold red')}    no node found by Linux: {size_text(homeless)}\n"
    clashes = sum(part for content, part in totals.items() if content.overlap)
    if clashes:
        yield f"{screen.style(_CLASH, 'bold red')}    claimed twice: {size_text(clashes)}\n"
    if picture.mixed:
        yield "^    more than one kind in the cell: the largest shows\n"
    if address_map.clipped:
        yield f"{count_of(address_map.clipped, 'run')} of LMBs beyond 64 bits of address: cut there\n"
    if not len(address_map):
        yield "no memory\n"


def _node_legend(screen: Screen, totals: Mapping[Content, int], key: _Key) -> Iterator[str]:
    for position, (node, letter) in enumerate(key.nodes.items()):
        if position == _LEGEND_NODES:
            yield f"…    {count_of(len(key.nodes) - position, 'more node')}: see drmemctl numa\n"
            return
        style = node_style(node)
        boot, lmbs = (
            sum(part for content, part in totals.items() if (content.kind, content.node) == (kind, node))
            for kind in (BOOT, ASSIGNED)
        )
        marks = [letter.lower() if boot else " ", letter if lmbs else " "]
        parts = [f"memory@ {size_text(boot)}"] * bool(boot) + [f"LMBs {size_text(lmbs)}"] * bool(lmbs)
        yield f"{screen.style(' '.join(marks), style)}  node {node}: {', '.join(parts)}\n"
