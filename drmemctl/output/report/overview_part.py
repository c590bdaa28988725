# SPDX-License-Identifier: MIT
"""The head of the page: figures that one wants first, facts about the partition, memory by state and by node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from drmemctl.model.distances import LOCAL, Distances
from drmemctl.model.live_system import LiveSystem
from drmemctl.model.overview import Overview
from drmemctl.output.numa import NODE_COLUMNS, affinity_words, nodes_cells, possible_words
from drmemctl.output.overview import defects_words, facts, state_rows
from drmemctl.output.report.tables import CellPart, HtmlTable, Tables
from drmemctl.output.text import safe
from drmemctl.simulate.report_content import JudgedTree
from drmemctl.wording import count_of, size_text

_DEFECTS = 20
_MATRIX = 48
"""Nodes of a distance matrix that is drawn; Linux has at most 256."""

_LEVELS = 6
_RELEASE = 60


_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class Tile(NamedTuple):
    """A figure, what it is, and the exact figure where that is longer."""

    figure: str
    words: str
    exact: str = ""


class StateLine(NamedTuple):
    """Memory in a state, with the length of its bar in per cent."""

    state: str
    memory: str
    lmbs: str
    percent: float


class Heat(NamedTuple):
    """A distance and how dark it is drawn, from 0 for a node's own to 6 for the farthest."""

    text: str
    level: int
    words: str


class Matrix(NamedTuple):
    """A distance matrix.

    Attributes:
        nodes: the nodes of rows and columns.
        rows: the distances, row by row.
        more: the words about nodes that are left out.

    """

    nodes: tuple[CellPart, ...]
    rows: tuple[tuple[Heat, ...], ...]
    more: str


class OverviewPart(NamedTuple):
    """What the page's head and its NUMA section show."""

    tiles: tuple[Tile, ...]
    facts: tuple[tuple[str, str], ...]
    states: tuple[StateLine, ...]
    nodes: HtmlTable
    affinity: str
    matrix: Matrix | None
    defects: tuple[str, ...]


def overview_part(partition: JudgedTree, tables: Tables) -> OverviewPart:
    """Return what there is to show of a partition."""
    overview = partition.overview
    numa = overview.numa
    nodes = tables.table("Nodes that Linux makes", NODE_COLUMNS, nodes_cells(numa), "drmemctl numa")
    possible = possible_words(numa)
    affinity = affinity_words(numa) + (f"; nodes {possible}" if possible else "")
    rows = (
        ("input", f"{safe(overview.source, None)} ({overview.kind})"),
        ("beside it", _beside(partition.system)),
        *facts(overview),
        *[("note", safe(partition.unlike, None))] * bool(partition.unlike),
    )
    return OverviewPart(
        tuple(_tiles(overview)),
        rows,
        tuple(_states(overview)),
        nodes,
        affinity,
        _matrix(numa.distances, tables),
        tuple(_defects(overview)),
    )


def _beside(system: LiveSystem | None) -> str:
    """Return what was read besides the tree."""
    if system is None:
        return "no memory blocks (sysfs): rules about a running kernel were not asked"
    parts = [count_of(len(system.blocks), "memory block") + " (sysfs)"]
    parts += [count_of(len(system.nodes), "node")] * bool(system.nodes)
    parts += ["iomem"] * bool(system.resources)
    parts += [f"Linux {safe(system.release, _RELEASE)}"] * bool(system.release)
    return ", ".join(parts)


def _tiles(overview: Overview) -> Iterator[Tile]:
    in_use = sum(node.bytes for node in overview.numa.nodes)
    yield _sized(in_use, "memory in use")
    dynamic = overview.dynamic
    if dynamic is not None:
        free = dynamic.states["free"]
        words = "free to be added"
        sized = dynamic.lmb_size is not None
        yield _sized(free * (dynamic.lmb_size or 0), words) if sized else Tile(count_of(free, "LMB"), words)
        size = "of unknown size" if dynamic.lmb_size is None else f"of {size_text(dynamic.lmb_size)}"
        yield Tile(f"{dynamic.lmbs:,}", f"{'LMB' if dynamic.lmbs == 1 else 'LMBs'} {size}")
    online = sum(1 for node in overview.numa.nodes if node.node is not None)
    in_words = "?" if overview.numa.unknown else f"{online:,}"
    yield Tile(in_words, f"NUMA {'node' if in_words == '1' else 'nodes'} in use")
    cores = sum(node.cores for node in overview.numa.nodes)
    yield Tile(f"{cores:,}", "CPU core" if cores == 1 else "CPU cores")


def _sized(size: int, words: str) -> Tile:
    """Return a size in the largest unit: 67108608 MiB say less at a glance than 64 TiB."""
    power = max(0, (size.bit_length() - 1) // 10)
    power = min(power, len(_UNITS) - 1)
    figure = f"{size / (1 << 10 * power):.4g} {_UNITS[power]}" if size else "0"
    exact = size_text(size) if size else figure
    return Tile(figure, words, "" if exact == figure else exact)


def _states(overview: Overview) -> Iterator[StateLine]:
    rows = state_rows(overview)
    whole = sum(row.share for row in rows if row.state != "hot-removable")
    for row in rows:
        memory = "?" if row.bytes is None else size_text(row.bytes) if row.bytes else "0"
        lmbs = "" if row.lmbs is None else f"{row.lmbs:,}"
        percent = max(0.5, 100 * row.share / whole) if row.share and whole else 0.0
        yield StateLine(row.state, memory, lmbs, round(percent, 2))


def _defects(overview: Overview) -> Iterator[str]:
    if not overview.defects:
        return
    yield defects_words(overview.defects)
    yield from (f"{defect.code}: {safe(str(defect))}" for defect in overview.defects[:_DEFECTS])
    if len(overview.defects) > _DEFECTS:
        yield f"and {len(overview.defects) - _DEFECTS:,} more"


def _matrix(distances: Distances, tables: Tables) -> Matrix | None:
    nodes = distances.nodes[:_MATRIX]
    if len(nodes) < 2:
        return None
    values = sorted({value for row in distances.rows for value in row if value is not None and value > LOCAL})
    level = {value: 1 + position * _LEVELS // len(values) for position, value in enumerate(values)}
    rows = tuple(
        tuple(
            Heat("-" if value is None else str(value), level.get(value or 0, 0), f"from node {a} to node {b}")
            for b, value in zip(nodes, row, strict=False)
        )
        for a, row in zip(nodes, distances.rows, strict=False)
    )
    hidden = len(distances.nodes) - len(nodes)
    more = f"{count_of(hidden, 'more node')}: drmemctl numa shows them" if hidden else ""
    return Matrix(tuple(map(tables.node, nodes)), rows, more)
