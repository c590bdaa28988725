# SPDX-License-Identifier: MIT
"""The overview of a partition: one screen of 24 lines and 80 columns, and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from drmemctl.check.finding import Severity
from drmemctl.defect import Defect
from drmemctl.formats.capture_text import Provenance
from drmemctl.formats.plain import record
from drmemctl.model.numa import NumaLayout
from drmemctl.model.overview import DynamicMemory, Overview
from drmemctl.model.run import STATES
from drmemctl.output.findings import severities
from drmemctl.output.numa import affinity_record, affinity_words, node_name, node_record, possible_words
from drmemctl.output.screen import Screen
from drmemctl.output.table import Column
from drmemctl.output.text import safe
from drmemctl.wording import count_of, size_text

_LINES = 23
"""Lines in all: the prompt takes the last of 24."""

_LABEL = 11
_BAR = 30
_NAME = 60
"""Characters of a model, serial number or partition name: all are far shorter on real machines."""

_CODES_SHOWN = 3

_STATE_STYLES = {"assigned": "green", "free": "dim", "reserved": "dim", "hot-removable": "cyan"}


MEMORY_COLUMNS = (
    Column("memory", help="its state"),
    Column("size", right=True, help="how much there is in it, with a bar in proportion"),
    Column("LMBs", right=True, help="how many LMBs that is; - for memory@, which has none"),
)

STATE_WORDS = {
    "memory@": "what memory@ nodes have: no LMBs, there from boot on",
    "assigned": "LMBs that the partition has, and Linux takes for memory",
    "free": "LMBs without memory, which can be added",
    "reserved": "LMBs that are none for Linux: QEMU marks memory so that memory@ nodes have",
    "hot-removable": "LMBs with that flag; each is in another state as well",
    "total in use": "memory@ and assigned",
}
"""The states of `MEMORY_COLUMNS`, for `--help`."""

NODE_COLUMNS = (
    Column("node", help="the Linux node; none: assigned memory that has none"),
    Column("memory", right=True, help="its memory, with a bar in proportion"),
    Column("LMBs", right=True, help="its assigned LMBs"),
    Column("cores", right=True, help="its CPU nodes"),
)


def show_overview(screen: Screen, overview: Overview, format: str, kernel: str | None = None) -> None:
    """Print the overview as `text` or `json`."""
    if format == "json":
        from drmemctl.output.json import document

        screen.write(document(overview_record(overview, kernel)))
        return
    head = [line for label, text in facts(overview) for line in _field(screen, label, text)]
    head += ["", *_state_lines(screen, overview), ""]
    tail = ["", *_field(screen, "defects", defects_words(overview.defects))]
    if overview.findings is not None:
        numbers = {Severity(name): number for name, number in overview.findings.items()}
        judgement = f"{severities(numbers)} (drmemctl check)" if any(numbers.values()) else "none"
        tail += _field(screen, "findings", judgement)
    room = _LINES - len(head) - len(tail)
    screen.write("\n".join([*head, *_node_lines(screen, overview, room), *tail]) + "\n")


def overview_record(overview: Overview, kernel: str | None = None) -> dict[str, Any]:
    """Return the overview as JSON has it; `findings` only where the checker was asked."""
    from drmemctl.output.json import kernel_field, schema

    identity, lookup = overview.identity, overview.lookup
    facts = {
        "schema": schema("show"),
        **kernel_field(kernel),
        "kind": overview.kind,
        **record(identity, "model serial"),
        "partition": record(identity, "name=partition_name number=partition_number"),
        **provenance_fields(overview.provenance),
        "features": list(overview.features),
        "affinity": {
            **affinity_record(overview.numa),
            "lookup_arrays": None if lookup is None else {"n_arrays": lookup[0], "array_sz": lookup[1]},
        },
        "dynamic_memory": None if overview.dynamic is None else _dynamic_record(overview.dynamic),
        "boot_bytes": overview.boot_bytes,
        "nodes": [node_record(node) for node in overview.numa.nodes],
        "defects": [defect_record(defect) for defect in overview.defects],
    }
    if overview.findings is not None:
        facts["findings"] = dict(overview.findings)
    return facts


def provenance_fields(provenance: Provenance) -> dict[str, str]:
    """Return the fields `taken` and `host`, as far as the input says so."""
    return {name: value for name, value in (("taken", provenance.text), ("host", provenance.host)) if value}


def _dynamic_record(dynamic: DynamicMemory) -> dict[str, Any]:
    size = dynamic.lmb_size
    return {
        **record(dynamic, "lmb_size property format both entries lmbs runs"),
        "states": {
            state: {
                "lmbs": dynamic.states[state],
                "bytes": None if size is None else dynamic.states[state] * size,
            }
            for state in STATES
        },
    }


def defect_record(defect: Defect) -> dict[str, Any]:
    """Return a defect as JSON has it."""
    return record(defect, "code message path? property? offset")


def _field(screen: Screen, label: str, text: str) -> Iterator[str]:
    """Yield a labelled text; folded on a terminal, one line elsewhere."""
    lines = [text]
    if screen.terminal:
        from textwrap import wrap

        lines = wrap(text, max(screen.width - _LABEL, 20), break_on_hyphens=False) or [""]
    yield screen.style(f"{label:<{_LABEL}}", "bold") + lines[0]
    for line in lines[1:]:
        yield " " * _LABEL + line


def facts(overview: Overview) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of the partition in general: a label and a text that can be shown."""
    identity = overview.identity
    machine = [safe(identity.model, _NAME) if identity.model else "unknown model"]
    if identity.serial:
        machine.append(f"serial {safe(identity.serial, _NAME)}")
    yield "machine", ", ".join(machine)
    if identity.partition_name is not None or identity.partition_number is not None:
        name, number = identity.partition_name, identity.partition_number
        shown = "without a name" if name is None else safe(name, _NAME)
        yield "partition", shown if number is None else f"{shown}, number {number}"
    if any(overview.provenance):
        when, host = overview.provenance.text or "at an unknown time", overview.provenance.host
        yield "taken", f"{when}, host {safe(host, _NAME)}" if host else when
    yield "features", " ".join(overview.features) or ("unknown" if overview.numa.unknown else "none")
    lookup = "" if overview.lookup is None else ", lookup arrays {}x{}".format(*overview.lookup)
    yield "affinity", affinity_words(overview.numa) + lookup
    yield "nodes", _nodes(overview.numa)
    yield "LMBs", "no dynamic memory" if overview.dynamic is None else _lmbs(overview.dynamic)


def _nodes(layout: NumaLayout) -> str:
    if layout.unknown:
        return "unknown"
    online = sum(1 for node in layout.nodes if node.node is not None)
    possible = possible_words(layout)
    return f"{online:,} in use" + (f", {possible}" if possible else "")


def _lmbs(dynamic: DynamicMemory) -> str:
    if dynamic.property is None:
        return "none: neither ibm,dynamic-memory nor ibm,dynamic-memory-v2"
    size = "of unknown size: Linux takes none" if dynamic.lmb_size is None else f"of {size_text(dynamic.lmb_size)}"
    sets = f", {count_of(dynamic.entries, 'set')}" if dynamic.format == "v2" else ""
    text = f"{dynamic.lmbs:,} {size}, {dynamic.property} ({dynamic.format}{sets})"
    if dynamic.both:
        text += "; v2 is there as well, Linux reads v1"
    if dynamic.usable_only:
        text += "; a crash kernel's, of which it may use only linux,drconf-usable-memory"
    return text


def _bar(screen: Screen, part: int, whole: int, style: str | None) -> str:
    """Return a bar in proportion; what is there at all gets at least one mark."""
    if part <= 0 or whole <= 0:
        return ""
    return screen.style("#" * max(1, round(_BAR * part / whole)), style)


class StateRow(NamedTuple):
    """Memory in a state.

    Attributes:
        state: `memory@` or one of `STATES`.
        bytes: how much, None where the tree gives no LMB size.
        lmbs: how many LMBs, None for `memory@`.
        share: how much counts as memory: reserved LMBs stand for some that is counted as memory@ already, or for
            no memory at all.

    """

    state: str
    bytes: int | None
    lmbs: int | None
    share: int


def state_rows(overview: Overview) -> list[StateRow]:
    """Return the memory by state; hot-removable LMBs have another state as well."""
    dynamic = overview.dynamic
    rows = [StateRow("memory@", overview.boot_bytes, None, overview.boot_bytes)]
    if dynamic is not None:
        for state in STATES:
            lmbs, size = dynamic.states[state], dynamic.lmb_size
            share = 0 if state == "reserved" else lmbs * (size or 0)
            rows.append(StateRow(state, None if size is None else lmbs * size, lmbs, share))
    return rows


def total_bytes(overview: Overview) -> int | None:
    """Return the memory in use, of memory@ nodes and assigned LMBs; None where their size is not known."""
    dynamic = overview.dynamic
    if dynamic is None or not dynamic.states["assigned"]:
        return overview.boot_bytes
    return (
        None if dynamic.lmb_size is None else overview.boot_bytes + dynamic.states["assigned"] * dynamic.lmb_size
    )


def _state_lines(screen: Screen, overview: Overview) -> Iterator[str]:
    rows = state_rows(overview)
    whole = sum(row.share for row in rows if row.state != "hot-removable")
    memory, size, lmbs = (column.title for column in MEMORY_COLUMNS)
    yield screen.style(f"{memory:<14}{size:>10}{lmbs:>12}", "bold")
    for row in rows:
        memory = "?" if row.bytes is None else size_text(row.bytes)
        lmbs = "-" if row.lmbs is None else f"{row.lmbs:,}"
        bar = _bar(screen, row.share, whole, _STATE_STYLES.get(row.state))
        yield f"{row.state:<14}{memory:>10}{lmbs:>12}  {bar}".rstrip()
    total = total_bytes(overview)
    size = "?" if total is None else size_text(total)
    assigned = "-" if overview.dynamic is None else f"{overview.dynamic.states['assigned']:,}"
    yield screen.style(f"{'total in use':<14}{size:>10}{assigned:>12}", "bold")


def _node_lines(screen: Screen, overview: Overview, room: int) -> Iterator[str]:
    """Yield the nodes, at most `room` lines of them with their heading."""
    nodes = overview.numa.nodes
    name, memory, lmbs, cores = (column.title for column in NODE_COLUMNS)
    yield screen.style(f"{name:<14}{memory:>10}{lmbs:>12}  {cores:>5}", "bold")
    # A line that says of one more node takes as much room as that node.
    shown = len(nodes) if len(nodes) < max(room, 3) else max(room - 2, 1)
    whole = max((node.bytes for node in nodes), default=0)
    for node in islice(nodes, shown):
        text, style, _ = node_name(node, overview.numa)
        name = screen.style(f"{text:<14}", style)
        lmbs = f"{node.lmbs:,}" if node.lmbs else "-"
        cores = f"{node.cores:,}" if node.cores else "-"
        line = f"{name}{size_text(node.bytes):>10}{lmbs:>12}  {cores:>5}"
        yield f"{line}  {_bar(screen, node.bytes, whole, style)}".rstrip()
    if shown < len(nodes):
        hidden = sum(node.bytes for node in nodes[shown:])
        yield f"… {count_of(len(nodes) - shown, 'more node')} with {size_text(hidden)}: see drmemctl numa"


def defects_words(defects: tuple[Defect, ...]) -> str:
    """Return how many defects there are, and which come most often."""
    if not defects:
        return "none seen while reading"
    codes = Counter(defect.code for defect in defects)
    shown = ", ".join(code if n == 1 else f"{code} ({n:,} times)" for code, n in codes.most_common(_CODES_SHOWN))
    return f"{len(defects):,} seen while reading: {shown}" + (", …" if len(codes) > _CODES_SHOWN else "")
