# SPDX-License-Identifier: MIT
"""The NUMA layout as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from drmemctl.model.distances import Distances
from drmemctl.model.numa import NumaLayout, NumaNode
from drmemctl.output.csv import csv_lines
from drmemctl.output.json import kernel_field, record, streamed
from drmemctl.output.screen import Screen, node_style
from drmemctl.output.table import AS_IT_IS, Cell, Column, NodeCell, TableChoice, ValueCell, plain_lines, show_table

_CPUS_SHOWN = 6
"""Ranges of CPU numbers in a table's cell; JSON has them all."""


def node_record(node: NumaNode) -> dict[str, Any]:
    """Return a node as JSON has it."""
    cpus = {"threads": len(node.threads), "cpus": [list(span) for span in spans(node.threads)]}
    return {**record(node, "node bytes boot_bytes lmbs lmb_bytes cores"), **cpus, "bridges": node.bridges}


def affinity_record(layout: NumaLayout) -> dict[str, Any]:
    """Return what the layout is made by as JSON has it."""
    unknown = " unknown" if layout.unknown else ""
    return record(layout, f"enabled form primary_index reference_points{unknown}")


def show_numa(
    screen: Screen,
    layout: NumaLayout,
    format: str,
    kernel: str | None = None,
    choice: TableChoice = AS_IT_IS,
) -> None:
    """Print the layout as `text`, `json` or `csv`."""
    if format == "json":
        possible, distances = layout.possible, layout.distances
        head = {
            **kernel_field(kernel),
            **affinity_record(layout),
            "possible": None if possible is None else record(possible, "count property"),
            "distance_nodes": list(distances.nodes),
        }
        rows = zip(distances.nodes, distances.rows, strict=True)
        lists = {
            "nodes": map(node_record, layout.nodes),
            "distances": ({"node": node, "distances": list(row)} for node, row in rows),
        }
        screen.write_all(streamed("numa", head, lists))
    elif format == "csv":
        screen.write_all(csv_lines(_CSV, map(node_record, layout.nodes)))
    else:
        nodes = f"nodes {words}\n" if (words := possible_words(layout)) else ""
        if choice.headings and not choice.pairs:
            screen.write_text((f"{screen.style(affinity_words(layout), 'bold')}\n{nodes}\n",))
        show_table(screen, NODE_COLUMNS, nodes_cells(layout), choice=choice)
        if choice == AS_IT_IS:
            screen.write_all(_matrix(screen, layout.distances))


_CSV = ("node", "bytes", "boot_bytes", "lmbs", "lmb_bytes", "cores", "threads", "bridges")


def affinity_words(layout: NumaLayout) -> str:
    """Return in words how Linux finds the node of a resource, and its distances."""
    if layout.unknown:
        return f"unknown: {layout.unknown}"
    if not layout.enabled:
        return f"form {layout.form} without usable reference points: Linux runs without NUMA, all in node 0"
    points = " ".join(map(str, layout.reference_points[:8])) + (" …" if len(layout.reference_points) > 8 else "")
    word = "reference point" if len(layout.reference_points) == 1 else "reference points"
    return f"form {layout.form}, primary index {layout.primary_index}, {word} {points}"


def possible_words(layout: NumaLayout) -> str:
    """Return in words which nodes there may ever be."""
    possible = layout.possible
    if possible is None:
        return ""
    which = {0: "none", 1: "0"}.get(possible.count, f"0-{possible.count - 1}")
    return f"{which} possible ({possible.property})"


NODE_COLUMNS = (
    Column("node", right=True, help="the Linux node"),
    Column("memory", right=True, help="its memory", in_bytes=True),
    Column("memory@", right=True, help="what of it memory nodes have", in_bytes=True),
    Column("LMBs", right=True, help="its assigned LMBs"),
    Column("cores", right=True, help="its CPU nodes"),
    Column("threads", right=True, gives_way=2, help="their threads"),
    Column("CPUs", gives_way=1, help="the numbers of the threads"),
)


DISTANCE_WORDS = {
    "rows, columns": "the nodes, from which and to which",
    "10": "of a node to itself",
    "-": "no distance is known",
}
"""What the matrix has, for `--help`."""


def nodes_cells(layout: NumaLayout) -> Iterator[Sequence[Cell]]:
    """Yield the cells of each node, one for each of `NODE_COLUMNS`."""
    for node in layout.nodes:
        cpus = list(islice(spans(node.threads), _CPUS_SHOWN + 1))
        ranges = [str(first) if first == last else f"{first}-{last}" for first, last in cpus[:_CPUS_SHOWN]]
        yield (
            node_name(node, layout),
            ValueCell.of_size(node.bytes),
            ValueCell.of_size(node.boot_bytes or None, "-"),
            f"{node.lmbs:,}" if node.lmbs else "-",
            f"{node.cores:,}" if node.cores else "-",
            f"{len(node.threads):,}" if node.threads else "-",
            ",".join([*ranges, "…"] if len(cpus) > _CPUS_SHOWN else ranges) or "-",
        )


def node_name(node: NumaNode, layout: NumaLayout) -> NodeCell:
    """Return how a node is called."""
    return NodeCell.of_node(node.node, "unknown" if layout.unknown else "none")


def spans(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the numbers as ranges, both ends included, in ascending order."""
    first = last = None
    for number in sorted(numbers):
        if first is None or last is None:
            first = last = number
        elif number > last + 1:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def _matrix(screen: Screen, distances: Distances) -> Iterator[str]:
    """Yield the distance matrix; in blocks of columns where a terminal is too narrow for all of them."""
    nodes = distances.nodes
    if len(nodes) < 2:
        return
    width = 2 + max(3, len(str(nodes[-1])))
    per_block = max(1, (screen.width - len("distance")) // width) if screen.terminal else len(nodes)
    for first in range(0, len(nodes), per_block):
        block = slice(first, first + per_block)
        columns = [Column("distance", right=True), *(Column(f"{node:3}", right=True) for node in nodes[block])]
        rows: Iterator[Sequence[Cell]] = (
            (
                (str(node), node_style(node)),
                *("-" if value is None else (str(value), "dim" if value == 10 else None) for value in row[block]),
            )
            for node, row in zip(nodes, distances.rows, strict=True)
        )
        yield "\n"
        yield from plain_lines(screen, columns, rows)
