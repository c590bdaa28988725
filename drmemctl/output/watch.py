# SPDX-License-Identifier: MIT
"""What changes on a running system, as it changes: a live table on a terminal, NDJSON anywhere else."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from drmemctl.compare.watching import Event, Look, node_counts
from drmemctl.output.json import schema
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe

if TYPE_CHECKING:
    from rich.console import Group

_SHOWN = 15
"""Events that the live table keeps."""

_STYLES = {"finding": "yellow", "finding-gone": "green", "lmbs": "cyan", "blocks": "magenta"}

Looks = Iterable[tuple[float, Look, list[Event]]]
"""Time, the system at that time, and what changed since the last look."""


def show_changes(screen: Screen, looks: Looks, *, live: bool) -> None:
    """Show each look as it comes, until there are no more, nobody reads any more, or the user stops."""
    if live:
        _show_live(screen, looks)
        return
    for number, (when, seen, events) in enumerate(looks):
        records = [_start(when, seen)] if not number else [_record(when, event) for event in events]
        if not screen.write_all(json.dumps(record) + "\n" for record in records):
            return


def _time(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _start(when: float, seen: Look) -> dict[str, Any]:
    nodes = [{"node": one.node, "lmbs": one.lmbs, "blocks": one.blocks} for one in node_counts(seen)]
    findings = [{"rule": one.rule, "message": safe(one.message, None)} for one in seen.findings]
    return {"schema": schema("watch"), "time": _time(when), "event": "start", "nodes": nodes, "findings": findings}


def _record(when: float, event: Event) -> dict[str, Any]:
    return {"time": _time(when), "event": event.kind, "text": safe(event.text, None), **_safe(event.data)}


def _safe(value: Any) -> Any:
    """Return JSON values with every string made printable."""
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items()}
    return safe(value, None) if isinstance(value, str) else value


def _show_live(screen: Screen, looks: Looks) -> None:
    from rich.live import Live

    looks = iter(looks)
    # What cannot be looked at at all is told before the terminal is taken over.
    first = list(islice(looks, 1))
    events: deque[tuple[str, Event]] = deque(maxlen=_SHOWN)
    with Live(console=screen.console(), auto_refresh=False, transient=False) as live:
        for when, seen, new in chain(first, looks):
            events.extend((_time(when), event) for event in new)
            live.update(_table(when, seen, events), refresh=True)


def _table(when: float, seen: Look, events: Iterable[tuple[str, Event]]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("time")
    table.add_column("change")
    table.add_column("")
    for at, event in events:
        kind = Text(event.kind, style=_STYLES.get(event.kind, ""))
        table.add_row(Text(at), kind, Text(safe(event.text, 300)))
    return Group(Text(f"{_time(when)}  {'  '.join(_counts(seen))}", style="bold"), table)


def _counts(seen: Look) -> Iterator[str]:
    for one in node_counts(seen):
        name = "no node" if one.node is None else f"node {one.node}"
        yield f"{name}: {one.lmbs:,} LMBs, {one.blocks:,} blocks"
    yield f"findings: {len(seen.findings)}"
