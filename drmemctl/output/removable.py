# SPDX-License-Identifier: MIT
"""What memory can leave, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drmemctl.kernel.removability import Removability
from drmemctl.output.json import record, streamed
from drmemctl.output.screen import Screen, node_style
from drmemctl.output.simulation_text import kernel_words
from drmemctl.output.table import Cell, Column, show_table
from drmemctl.output.text import safe
from drmemctl.simulate.removable import Removable
from drmemctl.wording import count_of, size_text

_SHOWN = 8
"""Requests that the text names."""

_PART = "base=run.base count=run.lmbs drc_index=run.drc_index node state? zone? leaves=leaves.value reasons"
"""The keys of LMBs in JSON."""

_STYLES = {Removability.YES: "green", Removability.PERHAPS: "yellow", Removability.NO: "red"}


COLUMNS = (
    Column("address", help="of the first LMB"),
    Column("LMBs", right=True, help="how many LMBs, alike in all that follows"),
    Column("DRC", help="the first DRC index"),
    Column("node", help="the Linux node of their memory blocks"),
    Column("state", help="of their memory blocks: online, offline, or - where there are none"),
    Column("zone", help="the zone of their blocks: memory of Movable can leave unless it is pinned"),
    Column("leaves", help="yes; perhaps: unless something in it cannot be moved; no"),
    Column("why not", help="the number of each reason; they stand below the table"),
)


def show_removable(screen: Screen, removable: Removable, format: str) -> None:
    """Print it as `text` or `json`."""
    if format == "json":
        lists = {
            "lmbs": (record(part, _PART) for part in removable.parts),
            "nodes": (record(tally, "node yes perhaps no most") for tally in removable.nodes),
            "requests": (record(request, "request=text node lmbs sure works") for request in removable.requests),
        }
        screen.write_all(streamed("removable", record(removable, "kernel lmb_size"), lists))
        return
    kernel = screen.style(safe(kernel_words(removable.kernel)), "bold")
    lmbs = sum(part.run.lmbs for part in removable.parts)
    most = sum(tally.most for tally in removable.nodes)
    sure = sum(tally.yes for tally in removable.nodes)
    of_all = f"of {count_of(lmbs, 'assigned LMB')} at most {most:,} can leave"
    size = size_text(most * removable.lmb_size)
    screen.write_text((f"{kernel}: {of_all} ({size}), {sure:,} for sure\n",))
    if not removable.parts:
        return
    # A number for each reason: they are too long for a column.
    reasons = dict.fromkeys(reason for part in removable.parts for reason in part.reasons)
    marks = {reason: f"[{number}]" for number, reason in enumerate(reasons, 1)}
    show_table(screen, COLUMNS, _rows(removable, marks))
    screen.write_text(f"{line}\n" for line in _lines_below(removable, marks))


def _lines_below(removable: Removable, marks: dict[str, str]) -> Iterator[str]:
    """Yield what the reasons are, how much of each node can leave, and the requests that take it."""
    yield from (f"{mark}: {reason}" for reason, mark in marks.items())
    for tally in removable.nodes:
        node = "without memory blocks" if tally.node is None else f"node {tally.node}"
        most = f"at most {count_of(tally.most, 'LMB')} ({size_text(tally.most * removable.lmb_size)})"
        yield f"{node}: {most}, {tally.yes:,} for sure; {tally.no:,} cannot leave"
    for request in removable.requests[:_SHOWN]:
        note = "" if request.sure else "  # if nothing in them is pinned"
        yield f"  {request.text}{': does not work here' if request.works is False else note}"
    hidden = len(removable.requests) - _SHOWN
    if hidden > 0:
        yield f"  and {hidden:,} more requests, which --format json lists"


def _rows(removable: Removable, marks: dict[str, str]) -> Iterator[Sequence[Cell]]:
    width = removable.address_digits + len("0x")
    for part in removable.parts:
        node: Cell = "-" if part.node is None else (str(part.node), node_style(part.node))
        drc, zone = f"{part.run.drc_index:#010x}", safe(part.zone, 12) or "-"
        why = " ".join(marks[reason] for reason in part.reasons)
        leaves = (part.leaves.value, _STYLES[part.leaves])
        address = f"{part.run.base:#0{width}x}"
        yield (address, f"{part.run.lmbs:,}", drc, node, part.state or "-", zone, leaves, why)
