# SPDX-License-Identifier: MIT
"""What a diff comes to, in sentences: the gravest first."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.compare import lmbs as kinds
from drmemctl.compare.diff import Diff
from drmemctl.compare.lmbs import KINDS, LmbChange, Lmbs
from drmemctl.compare.lookup import LookupDiff
from drmemctl.compare.numa import FEATURE, LMB_SIZE, Fact, Value
from drmemctl.wording import count_of, size_text

_MOST = 8
"""Sentences about LMBs; a hostile pair of trees has one for each pair of nodes."""

_QUIET = (kinds.RENUMBERED, kinds.AA_INDEX)
_MOVING = {kinds.VANISHED, kinds.ADDED, kinds.ADDRESS, kinds.STATE, kinds.NODE}

_SENTENCES = {
    kinds.ADDRESS: "moved to another address",
    kinds.ASSOCIATIVITY: "have another associativity on the same node",
    kinds.FLAGS: "have other flags",
    kinds.DRC_INDEX: "have another DRC index",
}


def headlines(diff: Diff) -> list[str]:
    """Return what the diff comes to; never empty."""
    if diff.same:
        formats = f": the same LMBs in {diff.old.property or 'none'} and {diff.new.property or 'none'}"
        return ["no differences" if diff.same_format else f"no differences{formats}"]
    sentences = [*_lmb_size(diff), *_lmb_sentences(diff)]
    if not _MOVING & {kind for change in diff.lmbs.changes for kind in change.kinds}:
        sentences.insert(0, _nothing_moved(diff))
    elif diff.lookup.only_renumbered:
        sentences.append("lookup arrays renumbered")
    if diff.lmbs.reordered:
        sentences.append("the LMBs are in another order")
    if not diff.lookup.only_renumbered and not diff.lookup.same:
        sentences.append(f"lookup arrays: {lookup_text(diff.lookup)}")
    facts = [fact for fact in diff.numa if fact.quantity != LMB_SIZE]
    if facts:
        words = list(dict.fromkeys("features" if fact.quantity == FEATURE else fact.quantity for fact in facts))
        names = ", ".join(word.replace("_", " ") for word in words[:4]) + (", …" if len(words) > 4 else "")
        sentences.append(f"{count_of(len(facts), 'NUMA fact')} changed: {names}")
    if diff.properties:
        changed = count_of(len(diff.properties), "other property or node", "other properties or nodes")
        sentences.append(f"{changed} changed")
    return sentences


def notes(diff: Diff) -> list[str]:
    """Return what is no difference, and what could not be compared."""
    said = [compared(diff)] if diff.same else []
    if not diff.same and not diff.same_format and diff.old.property and diff.new.property:
        said.append(f"the LMBs were in {diff.old.property}, now in {diff.new.property}: no difference by itself")
    for name, origin in (("OLD", diff.old), ("NEW", diff.new)):
        if origin.is_cut:
            said.append(
                f"{name} shows only the beginning of {origin.property}: what is beyond it was not compared"
            )
        if not origin.shows_nodes:
            said.append(f"{name} does not show what gives LMBs their node: nodes were not compared")
    return said


def compared(diff: Diff) -> str:
    """Return what was compared: that two trees have nothing to compare looks as if they were the same."""
    counts = diff.old.n_lmbs, diff.new.n_lmbs
    lmbs = _counts(*counts, "LMB") if any(counts) else "no LMBs (neither tree has any)"
    lists = diff.lookup.old_lists, diff.lookup.new_lists
    lookup = "no lookup arrays" if lists == (None, None) else _counts(*lists, "lookup array")
    properties = (
        "all properties" if diff.everything else "the properties on memory and affinity; --all compares all"
    )
    return f"compared: {lmbs}, {lookup}, NUMA facts, features and {properties}"


def _counts(old: int | None, new: int | None, noun: str) -> str:
    """Return how many there are: of both, where they are not as many."""
    return count_of(new or 0, noun) if old == new else f"{old or 0:,} and {count_of(new or 0, noun)}"


def _lmb_size(diff: Diff) -> Iterator[str]:
    for fact in diff.numa:
        if fact.quantity == LMB_SIZE:
            sizes = [size_text(size) if isinstance(size, int) else "unknown" for size in (fact.old, fact.new)]
            together = "" if None in (fact.old, fact.new) else ": LMBs cannot be compared one by one"
            yield f"the LMB size was {sizes[0]} and is {sizes[1]}{together}"


def _nothing_moved(diff: Diff) -> str:
    renumbered = any(kinds.RENUMBERED in change.kinds for change in diff.lmbs.changes)
    if diff.lookup.only_renumbered or (renumbered and not diff.lookup.changes):
        return "nothing moved: lookup arrays renumbered"
    if renumbered:
        return "nothing moved: lookup arrays renumbered, and others added, removed or changed"
    return "nothing moved" if diff.lmbs.changes else "no LMB changed"


def _lmb_sentences(diff: Diff) -> Iterator[str]:
    """Yield a sentence for all LMBs that changed alike, whatever their addresses."""
    counts: dict[tuple[int, str], list[int]] = {}
    for change in diff.lmbs.changes:
        size = diff.lmb_size_of(change) or 0
        for kind in change.kinds:
            if kind not in _QUIET:
                number = counts.setdefault((KINDS.index(kind), _sentence(kind, change)), [0, 0])
                number[0] += change.count
                number[1] += change.count * size
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], -item[1][0], item[0][1]))
    for (_, sentence), (lmbs, n_bytes) in ordered[:_MOST]:
        memory = f" ({size_text(n_bytes)})" if n_bytes else ""
        words = "has" + sentence.removeprefix("have") if lmbs == 1 and sentence.startswith("have ") else sentence
        yield f"{count_of(lmbs, 'LMB')}{memory} {words}"
    if len(ordered) > _MOST:
        yield f"and {count_of(len(ordered) - _MOST, 'more kind')} of changes"


def _sentence(kind: str, change: LmbChange) -> str:
    old, new = change.old, change.new
    if old is None or new is None:
        run = old or new
        where = f", {run.state}{_on(run)}" if run is not None else ""
        return f"{'vanished' if new is None else 'added'}{where}"
    if kind == kinds.STATE:
        return f"went from {old.state}{_on(old)} to {new.state}{_on(new)}"
    if kind == kinds.NODE:
        moved = "moved" if old.assigned and new.assigned else "moved while not in use"
        return f"{moved} from {_node(old)} to {_node(new)}"
    return _SENTENCES[kind]


def _on(lmbs: Lmbs) -> str:
    return f" on {_node(lmbs)}" if lmbs.assigned and lmbs.affinity.is_shown else ""


def _node(lmbs: Lmbs) -> str:
    return "no node" if lmbs.affinity.node is None else f"node {lmbs.affinity.node}"


def lookup_text(lookup: LookupDiff) -> str:
    """Return what became of the lookup arrays in a few words."""
    number: dict[str, int] = {}
    for change in lookup.changes:
        number[change.kind] = number.get(change.kind, 0) + 1
    said = [f"{count:,} {kind}" for kind, count in sorted(number.items())]
    if lookup.old_lists != lookup.new_lists:
        counts = ["no" if lists is None else f"{lists:,}" for lists in (lookup.old_lists, lookup.new_lists)]
        said.append(f"{counts[0]} -> {counts[1]} lists")
    return ", ".join([*said, "not all compared"] if lookup.incomplete else said)


def fact_text(fact: Fact) -> tuple[str, str, str]:
    """Return what a fact is about, and its old and new value."""
    subject = fact.quantity.replace("_", " ")
    if fact.quantity == FEATURE:
        subject = f"feature {fact.name}"
    elif fact.to_node is not None:
        subject = f"distance from node {fact.node} to {fact.to_node}"
    elif fact.is_about_node:
        subject = f"{subject} of {'no node' if fact.node is None else f'node {fact.node}'}"
    sized = fact.quantity in ("lmb_size", "boot_bytes")
    return subject.replace(" bytes", " memory"), _value(fact.old, sized=sized), _value(fact.new, sized=sized)


def _value(value: Value, *, sized: bool) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(map(str, value[:16])) + (" …" if len(value) > 16 else "") if value else "empty"
    return size_text(value) if sized and isinstance(value, int) else str(value)
