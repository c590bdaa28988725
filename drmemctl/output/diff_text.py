# SPDX-License-Identifier: MIT
"""A diff for people: what it comes to, then tables, on the terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from drmemctl.check.finding import Finding
from drmemctl.compare.diff import Diff
from drmemctl.compare.gate import OF_LMBS, OF_LOOKUP, OF_MIGRATION, OF_NUMA, OF_PROPERTIES
from drmemctl.compare.lmbs import ADDRESS, DRC_INDEX, LmbChange, Lmbs, NodeTotal
from drmemctl.compare.lookup import ListChange
from drmemctl.compare.properties import PropertyChange
from drmemctl.formats.dynamic_memory import AA_UNSET, flag_names
from drmemctl.output.diff_words import compared, fact_text, headlines, lookup_text, notes
from drmemctl.output.findings import MESSAGE, STYLES
from drmemctl.output.lmb_words import address_range, domains_text, drc_range
from drmemctl.output.screen import Screen, node_style
from drmemctl.output.table import ARROW, WITHOUT_OPTIONS, Cell, Column, NodeCell, show_table
from drmemctl.output.text import safe, worded
from drmemctl.tree.dts_text import value_text
from drmemctl.tree.node import Property
from drmemctl.wording import count_of, size_text

_FIELDS_SHOWN = 4
_INDEXES_SHOWN = 8
_SHORT = 24
_FACTS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class DiffSection:
    """A table about a part of the comparison; the rows may be many and come when they are asked for."""

    part: str
    title: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]


def show_text(screen: Screen, diff: Diff) -> None:
    """Print the diff for a terminal or a pipe."""
    heads = enumerate(headlines(diff))
    screen.write_text(screen.style(line, "bold" if number == 0 else None) + "\n" for number, line in heads)
    screen.write_text(screen.style(f"note: {line}", "dim") + "\n" for line in notes(diff))
    for section in sections(diff):
        screen.write("\n")
        show_table(screen, section.columns, iter(section.rows), title=section.title, choice=WITHOUT_OPTIONS)
    if not diff.same:
        screen.write_text((screen.style(f"\n{compared(diff)}\n", "dim"),))


def markdown(diff: Diff) -> Iterator[str]:
    """Yield the diff as Markdown; nothing that comes from a tree is markup in it."""
    from drmemctl.output.markdown import code, escaped

    yield "# drmemctl diff\n\n"
    yield f"{code(safe(diff.old.source))} to {code(safe(diff.new.source))}\n\n"
    for number, line in enumerate(headlines(diff)):
        yield f"- **{escaped(line)}**\n" if number == 0 else f"- {escaped(line)}\n"
    yield from (f"- note: {escaped(line)}\n" for line in notes(diff))
    for section in sections(diff):
        yield f"\n## {escaped(section.title)}\n\n"
        yield "| " + " | ".join(escaped(column.title) for column in section.columns) + " |\n"
        yield "|" + "|".join("---:" if column.right else "---" for column in section.columns) + "|\n"
        for row in section.rows:
            texts = [escaped((cell if isinstance(cell, str) else cell[0]).strip()) for cell in row]
            yield f"| {' | '.join(texts)} |\n"
    if not diff.same:
        yield f"\n{escaped(compared(diff))}\n"


def sections(diff: Diff) -> Iterator[DiffSection]:
    """Yield the tables of a diff that have something in them."""
    if diff.lmbs.changes:
        width = diff.address_digits + len("0x")
        lmb_rows = (_lmb_row(change, diff.lmb_size_of(change), width) for change in diff.lmbs.changes)
        yield DiffSection(OF_LMBS, "LMBs", LMB_COLUMNS, lmb_rows)
    totals = [total for total in diff.lmbs.totals if total.old_lmbs != total.new_lmbs]
    if totals:
        yield DiffSection(OF_LMBS, "Assigned LMBs by node", TOTAL_COLUMNS, map(_total_row, diff.lmbs.totals))
    if not diff.lookup.same:
        title = f"Lookup arrays: {lookup_text(diff.lookup)}"
        yield DiffSection(OF_LOOKUP, title, LIST_COLUMNS, map(_list_row, diff.lookup.changes))
    if diff.numa:
        more = f" (the first {_FACTS_SHOWN} of {len(diff.numa):,})" if len(diff.numa) > _FACTS_SHOWN else ""
        yield DiffSection(
            OF_NUMA, f"NUMA and features{more}", FACT_COLUMNS, map(fact_text, diff.numa[:_FACTS_SHOWN])
        )
    if diff.properties:
        rows = (row for change in diff.properties for row in _property_rows(change))
        yield DiffSection(OF_PROPERTIES, "Other properties and nodes", PROPERTY_COLUMNS, rows)
    if diff.findings:
        yield DiffSection(
            OF_MIGRATION, "If this was a migration", FINDING_COLUMNS, map(_finding_row, diff.findings)
        )


LMB_COLUMNS = (
    Column("address", help="the first and the last address of LMBs that changed alike"),
    Column("size", right=True, gives_way=3, help="their memory"),
    Column("LMBs", right=True, gives_way=1, help="how many they are"),
    Column("DRC index", help="their DRC indexes; old -> new where they have others"),
    Column("aa", gives_way=2, help="their aa_index, old -> new; - where it is unset"),
    Column("domains", gives_way=4, help="the associativity that it leads to, old -> new"),
    Column("node", gives_way=1, help="the Linux node that follows, old -> new"),
    Column("state", prose=True, help="assigned, free, reserved and further flags, old -> new"),
)


def _lmb_row(change: LmbChange, size: int | None, width: int) -> Sequence[Cell]:
    old, new, count = change.old, change.new, change.count
    memory = "?" if size is None else size_text(size * count)
    if old is None or new is None:
        # Two unlike trees have nothing else.
        lone, became, colour = (old, "vanished", "red") if new is None else (new, "added", "green")
        if lone is None:
            return ()
        return (
            _addresses(lone, count, size, width),
            memory,
            f"{count:,}",
            drc_range(lone.drc_index, count, same=lone.same_drc),
            _aa(lone),
            _domains(lone),
            NodeCell.of(_node(lone), style=node_style(lone.affinity.node)),
            (f"{became}: {_flags(lone.flags)}", colour),
        )
    runs = (old, new)
    drc_indexes = (drc_range(run.drc_index, count, same=run.same_drc) for run in runs)
    style = None if old.assigned == new.assigned else "green" if new.assigned else "red"
    return (
        _changed(*(_addresses(run, count, size, width) for run in runs), differs=ADDRESS in change.kinds),
        memory,
        f"{count:,}",
        _changed(*drc_indexes, differs=DRC_INDEX in change.kinds),
        _changed(*map(_aa, runs)),
        _changed(*map(_domains, runs)),
        NodeCell.of(*dict.fromkeys(map(_node, runs)), style=node_style(new.affinity.node)),
        (_changed(_flags(old.flags), _flags(new.flags)), style),
    )


def _addresses(lmbs: Lmbs, count: int, size: int | None, width: int) -> str:
    return f"{lmbs.base:#0{width}x}" if size is None else address_range(lmbs.base, count * size, width)


def _changed(old: str | None, new: str | None, *, differs: bool = True) -> str:
    """Return both texts where they differ, else the newer one."""
    if old is None or new is None or old == new or not differs:
        return new if new is not None else old or ""
    return f"{old}{ARROW}{new}"


def _aa(lmbs: Lmbs) -> str:
    return "-" if lmbs.aa_index == AA_UNSET else str(lmbs.aa_index)


def _domains(lmbs: Lmbs) -> str:
    if not lmbs.affinity.is_shown:
        return "?"
    return "-" if lmbs.affinity.associativity is None else domains_text(lmbs.affinity.associativity)


def _node(lmbs: Lmbs) -> int | str:
    if not lmbs.affinity.is_shown:
        return "?"
    if lmbs.affinity.node is None:
        return "none" if lmbs.assigned else "-"
    return lmbs.affinity.node


@lru_cache(4096)
def _flags(flags: int) -> str:
    return " ".join(flag_names(flags)) or "free"


TOTAL_COLUMNS = (
    Column("node", right=True, help="the Linux node; none: assigned LMBs that have none"),
    Column("old", right=True, help="memory of its assigned LMBs in OLD; how many, where their size is unknown"),
    Column("new", right=True, help="likewise in NEW"),
    Column("difference", right=True, help="what the node gained or lost"),
)


def _total_row(total: NodeTotal) -> Sequence[Cell]:
    node = NodeCell.of_node(total.node)
    if total.old_bytes is None or total.new_bytes is None:
        counts = (total.old_lmbs, total.new_lmbs)
        return (node, *(count_of(lmbs, "LMB") for lmbs in counts), f"{counts[1] - counts[0]:+,}")
    gained = total.new_bytes - total.old_bytes
    sign = "+" if gained > 0 else "-" if gained else ""
    return node, _size(total.old_bytes), _size(total.new_bytes), sign + _size(abs(gained))


def _size(n_bytes: int) -> str:
    return size_text(n_bytes) if n_bytes else "0"


LIST_COLUMNS = (
    Column(
        "change",
        help="of an associativity list: added, removed, changed, or renumbered: the same under other indexes",
    ),
    Column("index", help="where it stands, what the aa_index of LMBs refers to, old -> new"),
    Column("domains", help="its domains, old -> new"),
)


def _list_row(change: ListChange) -> Sequence[Cell]:
    indexes = _changed(_indexes(change.old_indexes), _indexes(change.new_indexes))
    domains = (
        None if associativity is None else domains_text(associativity)
        for associativity in (change.old, change.new)
    )
    return change.kind, indexes, _changed(*domains)


def _indexes(indexes: Sequence[int]) -> str | None:
    if not indexes:
        return None
    more = f" +{len(indexes) - _INDEXES_SHOWN:,}" if len(indexes) > _INDEXES_SHOWN else ""
    return " ".join(map(str, indexes[:_INDEXES_SHOWN])) + more


FACT_COLUMNS = (
    Column("what", help="a fact of the machine: form of associativity, a distance, CPUs of a node, a feature"),
    Column("old", prose=True, help="what OLD has"),
    Column("new", prose=True, help="what NEW has"),
)
PROPERTY_COLUMNS = (
    Column("change", help="of a node or property: changed, added, removed or renamed; none for a field of one"),
    Column("where", help="the node, the property as NODE:PROPERTY, or the field that differs"),
    Column("old", prose=True, help="the value in OLD, or how long it is"),
    Column("new", prose=True, help="the value in NEW, or how long it is"),
)


def _property_rows(change: PropertyChange) -> Iterator[Sequence[Cell]]:
    """Yield a line for a property, and one for each of its first fields that differ."""
    path = safe(change.old_path)
    if change.new_path != change.old_path:
        path = f"{path} -> {safe(change.new_path)}" if change.change == "renamed" else safe(change.new_path)
    where = path if change.name is None else f"{path}:{safe(change.name)}"
    if change.name is None:
        below = f", {count_of(change.nodes, 'node')} in all" if change.nodes > 1 else ""
        yield change.change, f"node {where}{below}", "", ""
        return
    fields = change.fields or ()
    if change.change != "changed" or not fields:
        yield change.change, where, *map(_value, (change.old, change.new))
        return
    yield change.change, where, *map(_length, (change.old, change.new))
    yield from (
        ("", f"  {safe(field.name)}", *("-" if text is None else safe(text) for text in (field.old, field.new)))
        for field in fields[:_FIELDS_SHOWN]
    )
    if len(fields) > _FIELDS_SHOWN:
        yield "", f"  and {count_of(len(fields) - _FIELDS_SHOWN, 'more field')}", "", ""


def _length(prop: Property | None) -> str:
    return "" if prop is None else count_of(prop.length, "byte")


def _value(prop: Property | None) -> str:
    """Return a short value as source has it, else how long it is."""
    if prop is None:
        return ""
    if not prop.value:
        return "empty"
    return safe(value_text(prop.value)) if len(prop.value) <= _SHORT else _length(prop)


FINDING_COLUMNS = (
    Column("severity", help="error, warning or info"),
    Column("rule", help="its id, which `drmemctl explain` takes"),
    Column(
        "what it may not have changed, or Linux does not take over",
        prose=True,
        help="what the rule finds, and what is there",
    ),
)


def _finding_row(finding: Finding) -> Sequence[Cell]:
    text = f"{finding.title}: {worded(finding.message, MESSAGE)}"
    if finding.path and not finding.lmbs:
        text += f" ({safe(':'.join(filter(None, (finding.path, finding.property))))})"
    return (finding.severity.value, STYLES[finding.severity]), finding.rule, text
