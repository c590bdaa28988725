# SPDX-License-Identifier: MIT
"""What changes on a running system, as it changes: a live table on a terminal, NDJSON anywhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from drmemctl.compare.lmbs import LmbChange, Lmbs
from drmemctl.compare.properties import PropertyChange
from drmemctl.compare.watching import BlockChange, FindingChange, Look, SystemChange, node_counts
from drmemctl.formats.plain import record as plain_record
from drmemctl.formats.system_tables import BlockLine
from drmemctl.model.memory import Memory
from drmemctl.output.json import record, record_text, schema
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.wording import count_of

if TYPE_CHECKING:
    from rich.console import Group

_SHOWN = 15
"""Events that the live table keeps."""

_STYLES = {"finding": "yellow", "finding-gone": "green", "lmbs": "cyan", "blocks": "magenta"}

CHANGE_WORDS = {
    "lmbs": "consecutive LMBs that changed alike",
    "property": "a property, or a node, that came, went or has another value",
    "blocks": "memory blocks that came, went, or have another state or node",
    "finding": "something that `drmemctl check` finds now",
    "finding-gone": "something that it finds no more",
}
"""The kinds of changes, for `--help`."""

Looks = Iterable[tuple[float, Look, list[SystemChange]]]
"""Time, the system at that time, and what changed since the last look."""


class Event(NamedTuple):
    """One change: its kind, in words, and its fields. Words and fields may hold untrusted names."""

    kind: str
    text: str
    data: dict[str, Any]


def show_changes(screen: Screen, looks: Looks, *, live: bool) -> None:
    """Show each look as it comes, until there are no more, nobody reads any more, or the user stops."""
    if live:
        _show_live(screen, looks)
        return
    for number, (when, look, changes) in enumerate(looks):
        time = {"time": _time(when)}
        if number:
            events = _events(look, changes)
            records = [
                {**time, "event": event.kind, "text": safe(event.text, None), **_safe(event.data)}
                for event in events
            ]
        else:
            nodes = [record(counts, "node lmbs blocks") for counts in node_counts(look)]
            findings = [record(finding, "rule message") for finding in look.findings]
            start = {"schema": schema("watch"), **time, "event": "start", "nodes": nodes, "findings": findings}
            records = [start]
        if not screen.write_all(record_text(record) + "\n" for record in records):
            return


def _events(look: Look, changes: Sequence[SystemChange]) -> Iterator[Event]:
    has_lmbs = any(isinstance(change, LmbChange) for change in changes)
    width = Memory.from_tree(look.tree).table.address_digits + len("0x") if has_lmbs else 0
    return (_event_of(change, width) for change in changes)


def _event_of(change: SystemChange, width: int) -> Event:
    """Return a change in words, addresses padded to `width` characters, and as the fields of a record."""
    match change:
        case LmbChange():
            latest = change.new or change.old
            first = "" if latest is None else f" from {latest.base:#0{width}x} (DRC {latest.drc_index:#010x})"
            text = f"{count_of(change.count, 'LMB')}{first}: {_lmbs_text(change.old)} -> {_lmbs_text(change.new)}"
            sides = {"old": _lmbs_fields(change.old), "new": _lmbs_fields(change.new)}
            return Event("lmbs", text, {"count": change.count, "kinds": list(change.kinds), **sides})
        case PropertyChange():
            place = f"{change.new_path}:{change.name}" if change.name else change.new_path
            data = plain_record(change, "path=new_path name change")
            return Event("property", f"{place} {change.change}", data)
        case BlockChange():
            last = change.first + change.count - 1
            names = f"block {last}" if change.count == 1 else f"blocks {change.first}-{last}"
            old, new = _block_text(change.old), _block_text(change.new)
            data = {"first": change.first, "count": change.count, "old": old, "new": new}
            return Event("blocks", f"{names}: {old} -> {new}", data)
        case FindingChange(finding, is_new):
            data = plain_record(finding, "rule severity message")
            text = f"{finding.rule} {finding.severity.value}: {finding.message}"
            return Event("finding" if is_new else "finding-gone", text, data)


def _lmbs_fields(lmbs: Lmbs | None) -> dict[str, Any] | None:
    if lmbs is None:
        return None
    return record(lmbs, "base drc_index aa_index flags node=affinity.node")


def _lmbs_text(lmbs: Lmbs | None) -> str:
    if lmbs is None:
        return "not there"
    return lmbs.state + ("" if lmbs.affinity.node is None else f" on node {lmbs.affinity.node}")


def _block_text(block: BlockLine | None) -> str:
    if block is None:
        return "not there"
    return f"{block.state} on node {','.join(map(str, block.nodes)) or 'none'}"


def _time(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


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
        for when, look, changes in chain(first, looks):
            events.extend((_time(when), event) for event in _events(look, changes))
            live.update(_table(when, look, events), refresh=True)


def _table(when: float, look: Look, events: Iterable[tuple[str, Event]]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("time")
    table.add_column("change")
    table.add_column("")
    for moment, event in events:
        kind = Text(event.kind, style=_STYLES.get(event.kind, ""))
        table.add_row(Text(moment), kind, Text(safe(event.text, 300)))
    parts = [_time(when)]
    for counts in node_counts(look):
        name = "no node" if counts.node is None else f"node {counts.node}"
        parts.append(f"{name}: {counts.lmbs:,} LMBs, {counts.blocks:,} blocks")
    parts.append(f"findings: {len(look.findings)}")
    return Group(Text("  ".join(parts), style="bold"), table)
