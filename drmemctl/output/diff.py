# SPDX-License-Identifier: MIT
"""The diff of two trees: as a table, JSON, Markdown, or lines like those of `diff -u`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from drmemctl.compare.diff import Diff
from drmemctl.compare.lmbs import LmbChange, Lmbs
from drmemctl.compare.numa import Fact
from drmemctl.compare.properties import PropertyChange
from drmemctl.formats.dynamic_memory import flag_names
from drmemctl.output.findings import place_and_fix
from drmemctl.output.json import kernel_field, record, streamed
from drmemctl.output.lmb_words import run_facts
from drmemctl.output.screen import Screen


def show_diff(screen: Screen, diff: Diff, format: str, fail_on: Collection[str] = ("anything",)) -> None:
    """Print the diff as `text`, `json`, `markdown`, `unified`, or for a gate as `sarif` or `junit`."""
    if format == "json":
        screen.write_all(_json(diff))
    elif format in ("sarif", "junit"):
        from drmemctl.output import diff_ci

        screen.write_all(getattr(diff_ci, format)(diff, fail_on))
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
        "lookup_arrays": [record(change, _LIST) for change in diff.lookup.changes],
    }


def _json(diff: Diff) -> Iterator[str]:
    from drmemctl.model.sizes import listed_within_bounds
    from drmemctl.output.diff_words import compared, headlines

    runs = (run for change in diff.lmbs.changes for run in (change.old, change.new) if run is not None)
    listed_within_bounds(sum(len(run.affinity.associativity or ()) for run in runs), diff.new.source)
    head = {
        **kernel_field(diff.kernel),
        "same": diff.same,
        "headlines": headlines(diff),
        "old": record(diff.old, _ORIGIN),
        "new": record(diff.new, _ORIGIN),
        "compared": compared(diff),
        "reordered": diff.lmbs.reordered,
        "lookup_arrays": {
            "old": diff.lookup.old_lists,
            "new": diff.lookup.new_lists,
            "changes": [record(change, _LIST) for change in diff.lookup.changes],
        },
    }
    lists = {
        "lmbs": (_lmbs_record(change, diff) for change in diff.lmbs.changes),
        "nodes": (record(total, "node old_lmbs new_lmbs old_bytes new_bytes") for total in diff.lmbs.totals),
        "numa": map(_fact_record, diff.numa),
        "properties": map(_property_record, diff.properties),
        "findings": (
            {
                **record(finding, _FINDING),
                "lmbs": [run_facts(run) for run in finding.lmbs],
                **place_and_fix(finding, diff.new.source),
            }
            for finding in diff.findings
        ),
    }
    return streamed("diff", head, lists)


_ORIGIN = "source property lmb_size lmbs=n_lmbs cut=is_cut shows_nodes"
_LIST = "change=kind old new old_indexes new_indexes"
_FINDING = "rule severity message path? property? offset"
"""The keys of a tree, a lookup array and a finding in JSON."""


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
    # By hand: there may be half a million of them.
    facts = {
        "base": lmbs.base,
        "drc_index": lmbs.drc_index,
        "aa_index": lmbs.aa_index,
        "flags": lmbs.flags,
        "flag_names": flag_names(lmbs.flags),
        "state": lmbs.state,
        "associativity": None if lmbs.affinity.associativity is None else list(lmbs.affinity.associativity),
        "node": lmbs.affinity.node,
    }
    return {**facts, "same_drc_index": True} if lmbs.same_drc else facts


def _fact_record(fact: Fact) -> dict[str, Any]:
    node = " node" if fact.is_about_node else ""
    to = " to=to_node" if fact.to_node is not None else ""
    return record(fact, f"fact=quantity old new{node}{to}{' name' if fact.name else ''}")


def _property_record(change: PropertyChange) -> dict[str, Any]:
    is_new = change.old is None and change.new is not None
    facts = record(change, f"path={'new_path' if is_new else 'old_path'} property=name change")
    for side, prop in (("old", change.old), ("new", change.new)):
        facts[side] = None if prop is None else prop.value.hex()
    if change.old_path != change.new_path:
        facts |= record(change, "new_path")
    if change.name is None:
        facts["nodes"] = change.nodes
    elif change.fields is not None:
        facts["fields"] = [record(field, "name old new") for field in change.fields]
    return facts
