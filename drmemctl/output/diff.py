# SPDX-License-Identifier: MIT
"""The diff of two trees: as a table, JSON, Markdown, or lines like those of `diff -u`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drmemctl.check.finding import Finding
from drmemctl.compare.diff import Diff, Origin
from drmemctl.compare.lmbs import LmbChange, Lmbs, NodeTotal
from drmemctl.compare.lookup import ListChange
from drmemctl.compare.numa import Fact
from drmemctl.compare.properties import PropertyChange
from drmemctl.formats.dynamic_memory import flag_names
from drmemctl.output.lmb_words import run_facts
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.tree.node import Property


def show_diff(screen: Screen, diff: Diff, format: str) -> None:
    """Print the diff as `table`, `json`, `markdown` or `unified`."""
    if format == "json":
        screen.write_all(_json(diff))
    elif format == "unified":
        from drmemctl.output.diff_unified import unified

        screen.write_all(unified(screen, diff))
    else:
        from drmemctl.output.diff_text import markdown, show_text

        if format == "markdown":
            screen.write_all(markdown(diff))
        else:
            show_text(screen, diff)


def change_records(diff: Diff, *, by_meaning: bool) -> dict[str, Any]:
    """Return what is different of one property: LMBs and lookup arrays by their meaning, or its fields."""
    if not by_meaning:
        records = [_property_record(change) for change in diff.properties]
        return {"fields": records[0].get("fields") if records else []}
    return {
        "lmbs": [_lmbs_record(change, diff) for change in diff.lmbs.changes],
        "reordered": diff.lmbs.reordered,
        "lookup_arrays": [_list_record(change) for change in diff.lookup.changes],
    }


def _json(diff: Diff) -> Iterator[str]:
    from drmemctl.model.sizes import listed_within_bounds
    from drmemctl.output.diff_words import headlines
    from drmemctl.output.json import kernel_field, schema, streamed

    runs = (run for change in diff.lmbs.changes for run in (change.old, change.new) if run is not None)
    listed_within_bounds(sum(len(run.affinity.associativity or ()) for run in runs), diff.new.source)
    head = {
        "schema": schema("diff"),
        **kernel_field(diff.kernel),
        "same": diff.same,
        "headlines": headlines(diff),
        "old": _origin_record(diff.old),
        "new": _origin_record(diff.new),
        "reordered": diff.lmbs.reordered,
        "lookup_arrays": {
            "old": diff.lookup.old_lists,
            "new": diff.lookup.new_lists,
            "changes": [_list_record(change) for change in diff.lookup.changes],
        },
    }
    lists = {
        "lmbs": (_lmbs_record(change, diff) for change in diff.lmbs.changes),
        "nodes": map(_total_record, diff.lmbs.totals),
        "numa": map(_fact_record, diff.numa),
        "properties": map(_property_record, diff.properties),
        "findings": map(_finding_record, diff.findings),
    }
    return streamed(head, lists)


def _origin_record(origin: Origin) -> dict[str, Any]:
    return {
        "source": safe(origin.source, None),
        "property": origin.property,
        "lmb_size": origin.lmb_size,
        "lmbs": origin.n_lmbs,
        "cut": origin.is_cut,
        "shows_nodes": origin.shows_nodes,
    }


def _lmbs_record(change: LmbChange, diff: Diff) -> dict[str, Any]:
    size = diff.lmb_size_of(change)
    return {
        "count": change.count,
        "bytes": None if size is None else change.count * size,
        "changes": list(change.kinds),
        "old": _side_record(change.old),
        "new": _side_record(change.new),
    }


def _side_record(lmbs: Lmbs | None) -> dict[str, Any] | None:
    if lmbs is None:
        return None
    record = {
        "base": lmbs.base,
        "drc_index": lmbs.drc_index,
        "aa_index": lmbs.aa_index,
        "flags": lmbs.flags,
        "flag_names": flag_names(lmbs.flags),
        "state": lmbs.state,
        "associativity": None if lmbs.affinity.associativity is None else list(lmbs.affinity.associativity),
        "node": lmbs.affinity.node,
    }
    return {**record, "same_drc_index": True} if lmbs.same_drc else record


def _total_record(total: NodeTotal) -> dict[str, Any]:
    return {
        "node": total.node,
        "old_lmbs": total.old_lmbs,
        "new_lmbs": total.new_lmbs,
        "old_bytes": total.old_bytes,
        "new_bytes": total.new_bytes,
    }


def _list_record(change: ListChange) -> dict[str, Any]:
    return {
        "change": change.kind,
        "old": None if change.old is None else list(change.old),
        "new": None if change.new is None else list(change.new),
        "old_indexes": list(change.old_indexes),
        "new_indexes": list(change.new_indexes),
    }


def _fact_record(fact: Fact) -> dict[str, Any]:
    record: dict[str, Any] = {"fact": fact.quantity, "old": _json_value(fact.old), "new": _json_value(fact.new)}
    if fact.is_about_node:
        record["node"] = fact.node
    if fact.to_node is not None:
        record["to"] = fact.to_node
    return {**record, "name": fact.name} if fact.name else record


def _json_value(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _property_record(change: PropertyChange) -> dict[str, Any]:
    record: dict[str, Any] = {
        "path": safe(change.new_path if change.old is None and change.new is not None else change.old_path, None),
        "property": None if change.name is None else safe(change.name, None),
        "change": change.change,
        "old": _hex(change.old),
        "new": _hex(change.new),
    }
    if change.old_path != change.new_path:
        record["new_path"] = safe(change.new_path, None)
    if change.name is None:
        record["nodes"] = change.nodes
    elif change.fields is not None:
        record["fields"] = [
            {"name": safe(field.name, None), "old": _safe(field.old), "new": _safe(field.new)}
            for field in change.fields
        ]
    return record


def _hex(prop: Property | None) -> str | None:
    return None if prop is None else prop.value.hex()


def _safe(text: str | None) -> str | None:
    return None if text is None else safe(text, None)


def _finding_record(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": safe(finding.message, None),
        "path": safe(finding.path, None) or None,
        "property": safe(finding.property, None) or None,
        "offset": finding.offset,
        "lmbs": [run_facts(run) for run in finding.lmbs],
    }
