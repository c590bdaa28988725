# SPDX-License-Identifier: MIT
"""The page about a fleet: its parts in their order, in the style of the report, with no script at all."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from drmemctl._version import __version__
from drmemctl.fleet.overview import Answered, Counts, FleetOverview
from drmemctl.output.fleet_ask import table_cells
from drmemctl.output.map_key import Key
from drmemctl.output.report.engine import Asset, rendered
from drmemctl.output.report.overview_part import Tile
from drmemctl.output.report.tables import HtmlTable, Tables
from drmemctl.output.text import own_words, safe

STYLE = ("page.css", "tables.css", "print.css")


class AnswerPart(NamedTuple):
    """A question on the page: its anchor, what it asks, the answer, and its SQL."""

    id: str
    title: str
    table: HtmlTable
    sql: str


def fleet_page(overview: FleetOverview, title: str = "") -> str:
    """Return the page. The same data set gives the same bytes."""
    tables = Tables(Key(()))
    name = safe(overview.url, 300)
    return rendered(
        "fleet.html.j2",
        version=__version__,
        title=own_words(title) or f"Fleet {name}",
        dataset=name,
        tiles=_tiles(overview.counts),
        answers=[_part(answered, tables, name) for answered in overview.answers],
        drifts=[_part(answered, tables, name) for answered in overview.drifts],
        style=Asset(*STYLE),
    )


def _tiles(counts: Counts) -> list[Tile]:
    words = ("inputs", "trees", "partitions", "with errors", "with warnings", "unreadable")
    return [Tile(f"{number:,}", text) for number, text in zip(counts, words, strict=True)]


def _part(answered: Answered, tables: Tables, dataset: str) -> AnswerPart:
    question = answered.question
    partition = safe(answered.partition, 100)
    title = partition or question.title[:1].upper() + question.title[1:]
    words = ["drmemctl", "fleet", "ask", dataset, question.name]
    command = shlex.join([*words, partition] if partition else words)
    table = tables.table(title, *table_cells(answered.answer), command)
    return AnswerPart(
        question.name, title, table, "\n".join(safe(line, None) for line in answered.sql.splitlines())
    )
