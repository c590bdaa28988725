# SPDX-License-Identifier: MIT
"""The address space as a picture of letters, as JSON, CSV and SVG.

Upper-case letters are LMBs of a node, lower-case ones its `memory@` memory, so that it reads without colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from drmemctl.formats.plain import record
from drmemctl.model.address_map import HOLE, NO_NODE, UNKNOWN_NODE, AddressMap, Segment
from drmemctl.model.picture import Gap, Picture
from drmemctl.output.csv import csv_lines
from drmemctl.output.map_key import COLUMNS, LINES, Key, legend, rows, scale_words
from drmemctl.output.screen import Screen
from drmemctl.output.table import TableChoice, show_table
from drmemctl.wording import size_text

PIPED_WIDTH = 80
"""Width where there is no terminal to ask."""

_MARKS_WIDTH = 5


def show_map(
    screen: Screen, address_map: AddressMap, format: str, width: int | None = None, kernel: str | None = None
) -> None:
    """Print the map as `text` (the picture), `json`, `csv` or `svg`."""
    if format == "json":
        from drmemctl.output.json import kernel_field, streamed

        head = {**kernel_field(kernel), **record(address_map, "lmb_size clipped_runs=clipped")}
        lists = {"segments": map(segment_record, address_map.with_holes())}
        screen.write_all(streamed("map", head, lists))
    elif format == "csv":
        screen.write_all(csv_lines(_CSV, map(segment_record, address_map.with_holes())))
    elif format == "svg":
        from drmemctl.output.report.map_svg import standalone

        screen.write_all(standalone(address_map))
    else:
        default = screen.width if screen.terminal else PIPED_WIDTH
        screen.write_all(_picture_lines(screen, address_map, width or default))


def show_key(screen: Screen, address_map: AddressMap, choice: TableChoice) -> None:
    """Print what the picture's marks stand for as a table."""
    show_table(screen, COLUMNS, rows(address_map, Key.of_maps(address_map)), choice=choice)


def segment_record(segment: Segment) -> dict[str, Any]:
    """Return a segment as JSON has it: `node` is null for memory without a node and for all that is no memory."""
    node = segment.content.node
    kind = {"kind": segment.content.kind, "node": None if node in (NO_NODE, UNKNOWN_NODE) else node}
    return {**record(segment, "start size"), **kind, "overlap": segment.content.overlap}


_CSV = ("start", "size", "kind", "node", "overlap")


def columns_in(width: int, label: int) -> int:
    """Return how many cells fit beside a label: a power of two or three times one, for round addresses."""
    room = max(width - label - 2, 4)
    power = 1 << (room.bit_length() - 1)
    return power + power // 2 if power + power // 2 <= room else power


def _picture_lines(screen: Screen, address_map: AddressMap, width: int) -> Iterator[str]:
    label = len(f"{max(address_map.end - 1, 0):#x}")
    columns = columns_in(width, label)
    picture = Picture.of(address_map, columns, LINES)
    key = Key.of_maps(address_map)
    yield screen.style(scale_words(address_map, picture), "bold") + "\n\n"
    for line in picture.lines:
        if isinstance(line, Gap):
            yield screen.style(f"… {size_text(line.size)} hole", "dim") + "\n"
        else:
            cells = list(line.cells)
            while cells and cells[-1].content.kind == HOLE:
                cells.pop()
            marked = groupby(
                (key.of(cell.content) for cell in cells), key=lambda mark_and_style: mark_and_style[1]
            )
            letters = (screen.style("".join(mark for mark, _ in group), style) for style, group in marked)
            yield f"{line.address:#0{label}x}  {''.join(letters)}\n"
            marks = "".join("^" if cell.mixed else " " for cell in cells).rstrip()
            if marks:
                yield screen.style(" " * (label + 2) + marks, "dim") + "\n"
    yield "\n"
    for entry in legend(address_map, key, mixed=picture.mixed):
        pad = " " * (_MARKS_WIDTH - len(entry.marks)) if entry.marks else ""
        yield f"{screen.style(entry.marks, entry.style)}{pad}{entry.words}\n"
