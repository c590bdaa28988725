# SPDX-License-Identifier: MIT
"""What the page's script draws from: segments of the map and runs of LMBs, as columns of small numbers.

Addresses are told by the distance to where one expects them, in units that all of them are multiples of. So a
column is mostly zeros and ones, also of a tree in which no two neighbours are alike, and is then written as
value and repetitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from math import gcd
from typing import Any

from markupsafe import Markup

from drmemctl.model.address_map import HOLE, AddressMap, Content, Span
from drmemctl.model.picture import UNIT, MapLine, Picture
from drmemctl.model.run import state_of
from drmemctl.output.lmb import LmbView, Row, folded
from drmemctl.output.map_key import Key
from drmemctl.output.report.map_svg import COLUMNS, look_of, words_of

SEGMENTS = 262_144
"""Segments of a map that the page holds as they are; one with more is held in cells."""

RUNS = 262_144
"""Rows of the LMB table that the page holds."""

KINDS = 4096
"""Different kinds of rows (aa_index, flags) that it holds: a real tree has a dozen."""

_EXACT = 1 << 53
"""Numbers from here on are no integers to a script, unless they are written as text."""


def embedded(value: Mapping[str, Any]) -> Markup:
    """Return JSON that can stand inside a script element: no character in it has a meaning to HTML."""
    text = json.dumps(value, separators=(",", ":"))
    for char in "<>&'":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - nothing that could end the element is left


def map_data(address_map: AddressMap, key: Key) -> dict[str, Any]:
    """Return a map: for each segment the distance to the one before, the size and the content."""
    exact = len(address_map) <= SEGMENTS
    contents = list(address_map.contents)
    spans = address_map.spans() if exact else _coarse(address_map, contents)
    starts, sizes, looks = [], [], []
    end = 0
    for start, last, content in spans:
        starts.append(start - end)
        sizes.append(last + 1 - start)
        looks.append(content)
        end = last + 1
    cell = address_map.lmb_size or UNIT
    unit = gcd(cell, *starts, *sizes)
    return {
        "unit": str(unit),
        "lmb": None if address_map.lmb_size is None else str(address_map.lmb_size),
        "cell": str(cell),
        "exact": exact,
        "contents": [[look_of(content), key.of(content)[0], words_of(content)] for content in contents],
        "gaps": _column(number // unit for number in starts),
        "sizes": _column(number // unit for number in sizes),
        "looks": _column(looks),
    }


def _coarse(address_map: AddressMap, contents: list[Content]) -> Iterator[Span]:
    """Yield a map of very many segments as cells, each as what most of it is."""
    picture = Picture.of(address_map, COLUMNS, SEGMENTS // COLUMNS)
    position = {content: number for number, content in enumerate(contents)}
    for line in picture.lines:
        if not isinstance(line, MapLine):
            continue
        for number, cell in enumerate(line.cells):
            if cell.content.kind != HOLE:
                start = line.address + number * picture.cell
                yield start, start + picture.cell - 1, position[cell.content]


def lmb_data(view: LmbView, key: Key) -> dict[str, Any]:
    """Return the rows of the LMB table: for each the kind, the LMBs, and how it goes on from the one before."""
    size = view.table.lmb_size or 0
    row = Row(view)
    kinds: dict[tuple[int, int, bool], int] = {}
    texts: list[list[Any]] = []
    columns: tuple[list[int], ...] = ([], [], [], [])
    base = drc = 0
    for line in islice(folded(view.table), RUNS):
        run = line.run
        kind = kinds.setdefault((run.aa_index, run.flags, line.same_drc), len(kinds))
        if kind >= KINDS:
            break
        if kind == len(texts):
            cells = row.kind_cells(run.aa_index, run.flags)
            node = cells.node.nodes[0]
            letter = key.letter(node) if isinstance(node, int) else ""
            flags, state = cells.flags[0], state_of(line.run.flags)
            texts.append([cells.aa, cells.domains, cells.node.text, letter, flags, state, line.same_drc])
        for column, number in zip(columns, (kind, run.lmbs, run.base - base, run.drc_index - drc), strict=True):
            column.append(number)
        base, drc = run.base + run.lmbs * size, run.drc_index + run.lmbs
    unit = gcd(*columns[2]) or 1
    return {
        "rows": len(columns[0]),
        "unit": str(unit),
        "size": None if view.table.lmb_size is None else str(size),
        "digits": view.table.address_digits,
        "kinds": texts,
        "kind": _column(columns[0]),
        "count": _column(columns[1]),
        "base": _column(number // unit for number in columns[2]),
        "drc": _column(columns[3]),
    }


def _column(numbers: Iterable[int]) -> list[Any]:
    """Return a column: 0 and the numbers, or 1 and values with their repetitions, whichever is shorter."""
    plain = [number if abs(number) < _EXACT else str(number) for number in numbers]
    packed = [item for value, group in groupby(plain) for item in (value, sum(1 for _ in group))]
    return [1, *packed] if len(packed) < len(plain) else [0, *plain]
