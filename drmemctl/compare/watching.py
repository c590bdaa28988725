# SPDX-License-Identifier: MIT
"""What changed on a running system between two looks at it: LMBs, other properties, memory blocks, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import sleep, time
from typing import Any

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Finding
from drmemctl.check.report import report_tree
from drmemctl.check.subject import Running
from drmemctl.compare.diff import diff
from drmemctl.compare.lmbs import LmbChange, Lmbs
from drmemctl.errors import InputError
from drmemctl.formats.system_tables import BlockLine
from drmemctl.model.live_system import LiveSystem
from drmemctl.model.run import state_of
from drmemctl.tree.node import Tree
from drmemctl.wording import count_of


@dataclass(frozen=True, slots=True)
class Look:
    """A system at one moment.

    Attributes:
        tree: its tree.
        system: its memory blocks, nodes and iomem.
        findings: what is wrong with both.

    """

    tree: Tree
    system: LiveSystem
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One change: its kind, in words, and its figures. Words may hold untrusted names."""

    kind: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


def look(root: str) -> Look:
    """Return the system whose / is a directory; `InputError` where it has no device tree."""
    from drmemctl.model.sizes import within_bounds
    from drmemctl.tree.system import load_root, read_root

    tree = within_bounds(load_root(root))
    found = read_root(root.rstrip("/"))
    system = LiveSystem.from_files(found.files, found.links)
    findings = report_tree(tree, Plan(), running=Running.of_system(system)).findings
    return Look(tree, system, findings)


def looks(root: str, interval: float, count: int | None) -> Iterator[tuple[float, Look, list[Event]]]:
    """Yield time, system and what changed since the last, every `interval` seconds, `count` times or on and on.

    Raises `InputError` where there is nothing to look at. Nodes come and go while they are read: a later look that
    fails is left out, the next one will see how it ended.
    """
    seen = look(root)
    yield time(), seen, []
    done = 1
    while count is None or done < count:
        sleep(interval)
        done += 1
        try:
            now = look(root)
        except InputError:
            continue
        yield time(), now, list(events(seen, now))
        seen = now


def events(old: Look, new: Look) -> Iterator[Event]:
    """Yield what changed, the tree first, then blocks, then what that makes of the findings."""
    if old.tree.root != new.tree.root:
        found = diff(old.tree, new.tree)
        yield from map(_of_lmbs, found.lmbs.changes)
        for change in found.properties:
            place = f"{change.new_path}:{change.name}" if change.name else change.new_path
            yield Event(
                "property",
                f"{place} {change.change}",
                {"path": change.new_path, "name": change.name, "change": change.change},
            )
    yield from _of_blocks(old.system, new.system)
    yield from _of_findings(old, new)


def _of_lmbs(change: LmbChange) -> Event:
    now = change.new or change.old
    data = {"count": change.count, "kinds": list(change.kinds), "old": _lmbs(change.old), "new": _lmbs(change.new)}
    first = "" if now is None else f" from {now.base:#x} (DRC {now.drc_index:#x})"
    before, after = _state(change.old), _state(change.new)
    return Event("lmbs", f"{count_of(change.count, 'LMB')}{first}: {before} -> {after}", data)


def _lmbs(lmbs: Lmbs | None) -> dict[str, Any] | None:
    if lmbs is None:
        return None
    values = {"base": lmbs.base, "drc_index": lmbs.drc_index, "aa_index": lmbs.aa_index}
    return values | {"flags": lmbs.flags, "node": lmbs.place.node}


def _state(lmbs: Lmbs | None) -> str:
    if lmbs is None:
        return "not there"
    return state_of(lmbs.flags) + ("" if lmbs.place.node is None else f" on node {lmbs.place.node}")


def _of_blocks(old: LiveSystem, new: LiveSystem) -> Iterator[Event]:
    first, count, known = 0, 0, ("", "")
    for number in sorted({*old.blocks, *new.blocks}):
        now = _block(old.blocks.get(number)), _block(new.blocks.get(number))
        if now[0] == now[1]:
            continue
        if count and number == first + count and now == known:
            count += 1
            continue
        if count:
            yield _blocks(first, count, known)
        first, count, known = number, 1, now
    if count:
        yield _blocks(first, count, known)


def _block(block: BlockLine | None) -> str:
    if block is None:
        return "not there"
    return f"{block.state} on node {','.join(map(str, block.nodes)) or 'none'}"


def _blocks(first: int, count: int, known: tuple[str, str]) -> Event:
    names = f"block {first}" if count == 1 else f"blocks {first}-{first + count - 1}"
    data = {"first": first, "count": count, "old": known[0], "new": known[1]}
    return Event("blocks", f"{names}: {known[0]} -> {known[1]}", data)


def _of_findings(old: Look, new: Look) -> Iterator[Event]:
    before, after = ({one.fingerprint: one for one in each.findings} for each in (old, new))
    for kind, these, others in (("finding", after, before), ("finding-gone", before, after)):
        for fingerprint, one in these.items():
            if fingerprint not in others:
                data = {"rule": one.rule, "severity": one.severity.value, "message": one.message}
                yield Event(kind, f"{one.rule} {one.severity.value}: {one.message}", data)


@dataclass(frozen=True, slots=True)
class NodeCount:
    """How many assigned LMBs the tree puts on a node, and how many online memory blocks Linux has there."""

    node: int | None
    lmbs: int
    blocks: int


def node_counts(seen: Look) -> list[NodeCount]:
    """Return the counts of every node that has either."""
    from drmemctl.model.memory import Memory, Tally

    lmbs = Tally.of(Memory.from_tree(seen.tree)).nodes
    blocks = Counter(
        one.nodes[0] if one.nodes else None for one in seen.system.blocks.values() if one.state == "online"
    )
    nodes = sorted({*lmbs, *blocks}, key=lambda node: -1 if node is None else node)
    return [NodeCount(node, lmbs.get(node, 0), blocks.get(node, 0)) for node in nodes]
