# SPDX-License-Identifier: MIT
"""What changed on a running system between two looks at it: LMBs, other properties, memory blocks, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, repeat
from time import sleep, time

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Finding
from drmemctl.check.report import report_tree
from drmemctl.check.subject import Running
from drmemctl.compare.diff import diff
from drmemctl.compare.lmbs import LmbChange
from drmemctl.compare.properties import PropertyChange
from drmemctl.errors import InputError
from drmemctl.formats.block_states import ONLINE
from drmemctl.formats.system_tables import BlockLine
from drmemctl.model.intervals import stretches
from drmemctl.model.live_system import LiveSystem
from drmemctl.tree.node import Tree


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
class BlockChange:
    """Consecutive memory blocks that changed alike.

    Attributes:
        first: the number of the first block.
        count: how many there are.
        old: the first one before, None where it was not there.
        new: the first one now, None where it is gone.

    """

    first: int
    count: int
    old: BlockLine | None
    new: BlockLine | None


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A finding that appeared (`is_new`) or is gone."""

    finding: Finding
    is_new: bool


SystemChange = LmbChange | PropertyChange | BlockChange | FindingChange


def look(root: str) -> Look:
    """Return the system whose / is a directory; `InputError` where it has no device tree."""
    from drmemctl.model.sizes import within_bounds
    from drmemctl.tree.system import load_root, read_root

    tree = within_bounds(load_root(root))
    beside = read_root(root.rstrip("/"))
    system = LiveSystem.from_files(beside.files, beside.links)
    findings = report_tree(tree, Plan(), running=Running.of_system(system)).findings
    return Look(tree, system, findings)


def looks(root: str, interval: float, count: int | None) -> Iterator[tuple[float, Look, list[SystemChange]]]:
    """Yield time, system and what changed since the last, every `interval` seconds, `count` times or on and on.

    Raises `InputError` where there is nothing to look at. Nodes come and go while they are read: a later look that
    fails is left out, the next one will see how it ended.
    """
    last = look(root)
    yield time(), last, []
    for _ in repeat(None) if count is None else repeat(None, count - 1):
        sleep(interval)
        try:
            current = look(root)
        except InputError:
            continue
        yield time(), current, list(changes_between(last, current))
        last = current


def changes_between(old: Look, new: Look) -> Iterator[SystemChange]:
    """Yield what changed, the tree first, then blocks, then what that makes of the findings."""
    if old.tree.root != new.tree.root:
        difference = diff(old.tree, new.tree)
        yield from difference.lmbs.changes
        yield from difference.properties
    yield from _block_changes(old.system, new.system)
    before, after = ({finding.fingerprint: finding for finding in side.findings} for side in (old, new))
    yield from (FindingChange(after[key], is_new=True) for key in after if key not in before)
    yield from (FindingChange(before[key], is_new=False) for key in before if key not in after)


def _block_changes(old: LiveSystem, new: LiveSystem) -> Iterator[BlockChange]:
    """Yield the changes of state or node, blocks that follow one another and changed alike as one."""

    def states(number: int) -> tuple[object, object]:
        return _state(old.blocks.get(number)), _state(new.blocks.get(number))

    for (before, after), numbers in groupby(sorted({*old.blocks, *new.blocks}), states):
        for first, end in stretches(numbers) if before != after else ():
            yield BlockChange(first, end - first, old.blocks.get(first), new.blocks.get(first))


def _state(block: BlockLine | None) -> tuple[str, tuple[int, ...]] | None:
    return None if block is None else (block.state, block.nodes)


@dataclass(frozen=True, slots=True)
class NodeCount:
    """How many assigned LMBs the tree puts on a node, and how many online memory blocks Linux has there."""

    node: int | None
    lmbs: int
    blocks: int


def node_counts(look: Look) -> list[NodeCount]:
    """Return the counts of every node that has either."""
    from drmemctl.kernel.affinity import affinity_rules
    from drmemctl.kernel.choice import kernel_for
    from drmemctl.model.memory import Memory, Tally

    lmbs = Tally.of(Memory.from_tree(look.tree, affinity_rules(kernel_for(look.tree).profile))).nodes
    online = (block for block in look.system.blocks.values() if block.state == ONLINE)
    blocks = Counter(block.nodes[0] if block.nodes else None for block in online)
    nodes = sorted({*lmbs, *blocks}, key=lambda node: -1 if node is None else node)
    return [NodeCount(node, lmbs.get(node, 0), blocks.get(node, 0)) for node in nodes]
