# SPDX-License-Identifier: MIT
"""The page as a whole: its parts in their order, its data, and what it may load, which is nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from drmemctl._version import __version__
from drmemctl.model.address_map import AddressMap
from drmemctl.output import assoc, lmb
from drmemctl.output.diff_text import sections
from drmemctl.output.diff_words import headlines, notes
from drmemctl.output.lmb import LmbView
from drmemctl.output.map_key import Key
from drmemctl.output.report.data import embedded, lmb_data, map_data
from drmemctl.output.report.engine import Asset, rendered
from drmemctl.output.report.findings_part import findings_part
from drmemctl.output.report.map_svg import TALL, WIDTH, Drawing, look_of
from drmemctl.output.report.overview_part import overview_part
from drmemctl.output.report.simulation_part import simulation_part
from drmemctl.output.report.tables import HtmlTable, Tables
from drmemctl.output.text import own_words, safe
from drmemctl.simulate.report_content import JudgedTree, ReportContent
from drmemctl.wording import count_of

STYLE = ("page.css", "tables.css", "print.css", "map.css")
SCRIPT = ("core.js", "map_model.js", "map.js", "table.js", "page.js")


_NAMELESS = ("", "<stdin>", "FILE")
"""Inputs without a name of their own; redacted, all are FILE."""


class MapPart(NamedTuple):
    """A map on the page: its id in the page and its data, its heading, its picture."""

    id: str
    heading: str
    drawing: Drawing


class DiffPart(NamedTuple):
    """The differences to a second tree: sentences, remarks, tables."""

    headlines: tuple[str, ...]
    notes: tuple[str, ...]
    tables: tuple[HtmlTable, ...]


def page(content: ReportContent) -> str:
    """Return the page. The same content gives the same bytes."""
    newest = content.newest
    maps = dict(_maps(content))
    key = Key.of_maps(*(address_map for _, address_map in maps.values()))
    tables = Tables(key)
    lmbs = _lmbs(newest, tables)
    name = (newest.overview.identity.partition_name or "").strip()
    name = "" if set(name) == {"x"} else name  # redacted
    source = newest.overview.source.rstrip("/").rpartition("/")[2]
    source = "a partition" if source in _NAMELESS else source
    usage = newest.usage
    return rendered(
        "page.html.j2",
        version=__version__,
        title=own_words(content.title) or safe(f"Memory of {name or source}", 300),
        overview=overview_part(newest, tables),
        findings=findings_part(newest.report),
        maps={
            name: MapPart(name, heading, Drawing.of(address_map, key))
            for name, (heading, address_map) in maps.items()
        },
        lmbs=lmbs,
        lookup=None
        if usage is None
        else tables.table(assoc.title(usage), assoc.COLUMNS, assoc.rows(usage), "drmemctl assoc"),
        **_comparison(content, tables),
        simulation=None if content.simulated is None else simulation_part(content.simulated, content.names),
        data=embedded(
            {
                "maps": {name: map_data(address_map, key) for name, (_, address_map) in maps.items()},
                "lmbs": None if lmbs is None else lmbs.data,
            }
        ),
        key=key,
        look_of=look_of,
        sizes={"width": WIDTH, "tall": TALL},
        style=Asset(*STYLE),
        script=Asset(*SCRIPT),
    )


def _maps(content: ReportContent) -> Iterator[tuple[str, tuple[str, AddressMap]]]:
    """Yield the maps of the page: where each is, its heading, what it shows."""
    yield "map", ("Address space", content.newest.address_map)
    if content.comparison is not None:
        yield "map-old", ("Address space of the first tree", content.partition.address_map)
    if content.simulated is not None and content.simulated.address_map is not None:
        yield "map-end", ("Address space after the last step", content.simulated.address_map)


class LmbPart(NamedTuple):
    """The LMB table.

    Attributes:
        table: its first rows.
        data: all rows, for the page's script.
        cut_note: the words about rows that are not even there.

    """

    table: HtmlTable
    data: dict[str, Any]
    cut_note: str


def _lmbs(judged: JudgedTree, tables: Tables) -> LmbPart | None:
    if judged.memory.drmem is None:
        return None
    view = LmbView(judged.memory.table, judged.memory.associativity)
    total = sum(1 for _ in lmb.folded(view.table))
    rows = map(lmb.Row(view).cells, lmb.folded(view.table))
    table = tables.table(lmb.title(view.table), lmb.COLUMNS, rows, "drmemctl lmb", total)
    data = lmb_data(view, tables.key)
    lmb_rows = data["rows"]
    cut = f"This page holds the first {lmb_rows:,} of {count_of(total, 'row')}: drmemctl lmb shows all."
    return LmbPart(table, data, cut if lmb_rows < total else "")


def _comparison(content: ReportContent, tables: Tables) -> dict[str, Any]:
    if content.comparison is None:
        return {"diff": None, "old": None, "old_findings": None}
    diff = content.comparison.diff
    # What is wrong if it was a migration is among the new tree's findings, with its explanation.
    parts = sections(replace(diff, findings=()))
    shown = tuple(tables.table(part.title, part.columns, part.rows, "drmemctl diff") for part in parts)
    return {
        "diff": DiffPart(tuple(headlines(diff)), tuple(notes(diff)), shown),
        "old": overview_part(content.partition, tables),
        "old_findings": findings_part(content.partition.report),
    }
