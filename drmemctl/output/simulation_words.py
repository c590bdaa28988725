# SPDX-License-Identifier: MIT
"""What a step of a simulation changed, in a line each: LMBs as ranges, lookup arrays, memory blocks, nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from drmemctl.formats.dynamic_memory import AA_UNSET, LOOKUP_ARRAYS, NODE, V1, V2, aa_text, flag_names
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.kernel.processors import CpuChange
from drmemctl.model.run import state_of
from drmemctl.output.lmb_words import address_range, domains_text
from drmemctl.output.screen import Screen, node_style
from drmemctl.output.text import safe
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.property_changes import LookupChange
from drmemctl.simulate.state_changes import (
    BlockRangeChange,
    HashTableChange,
    LmbRangeChange,
    LmbState,
)
from drmemctl.wording import count_of

_LISTS_SHOWN = 4

SHOWN_BY_MEANING = frozenset(f"{NODE}:{name}" for name in (V1, V2, LOOKUP_ARRAYS))
"""Properties whose changes have lines of their own."""


def change_lines(screen: Screen, result: StepResult, *, drc: bool = False) -> Iterator[str]:
    """Yield what a step changed, a line each; `drc` adds DRC indexes."""
    old, new = result.before.kernel, result.after.kernel
    lmbs = result.changed_lmbs
    request = result.parsed.is_request and new.profile.has(DRMEM_ARRAY)
    digits = max(old.table.address_digits, new.table.address_digits) if lmbs else 0
    for change, line in zip(lmbs, lmb_lines(screen, lmbs, digits, drc=drc), strict=True):
        yield line + screen.style(_label(change, request=request), "yellow")
    yield from _lookup_lines(result.changed_lookup_arrays)
    yield from (_block_line(screen, change) for change in result.changed_blocks)
    for distance in result.changed_distances:
        first, second = (_node(screen, node) for node in distance.nodes)
        yield f"distance of nodes {first} and {second}: {distance.old} -> {distance.new}"
    yield from _hash_table_lines(result.changed_hash_table)
    for block, online in result.changed_states:
        yield f"memory block {block}: {'offline -> online' if online else 'online -> offline'}"
    if new.dead and not old.dead:
        yield screen.style(f"the kernel answers no more requests: {safe(new.dead)}", "red")


def _label(change: LmbRangeChange, *, request: bool) -> str:
    if change.in_array and change.in_tree:
        return ""
    if change.in_array:
        return "  array only"
    # A request changes LMBs in the array; what else changes in the tree comes from writing all of it back.
    return "  written back" if request else "  tree only"


def lmb_lines(screen: Screen, changes: Sequence[LmbRangeChange], digits: int, *, drc: bool = False) -> list[str]:
    """Return a line for each change, their columns aligned; addresses are padded to that many digits."""
    width = digits + len("0x")
    heads = []
    for change in changes:
        addresses = f"{change.base:#0{width}x}"
        if change.lmb_size:
            addresses = address_range(change.base, change.count * change.lmb_size, width)
        last = f"-{change.drc_index + change.count - 1:#010x}" if change.count > 1 else ""
        drc_text = f"DRC {change.drc_index:#010x}{last}" if drc else ""
        heads.append((addresses, count_of(change.count, "LMB"), drc_text))
    widths = [max((len(head[column]) for head in heads), default=0) for column in range(3)]
    lines = []
    for change, head in zip(changes, heads, strict=True):
        cells = [f"{text:{width}}" for text, width in zip(head, widths, strict=True) if width]
        lines.append("  ".join([*cells, *_state_changes(screen, change)]))
    return lines


def _state_changes(screen: Screen, change: LmbRangeChange) -> list[str]:
    old, new = change.old, change.new
    if old is None or new is None:
        side, word = (new, "new:") if old is None else (old, "gone:")
        return (
            []
            if side is None
            else [f"{word} aa {aa_text(side.aa_index)}{_on(screen, side)}", state_of(side.flags)]
        )
    parts = [_aa_change(screen, old, new)] if (old.aa_index, old.node) != (new.aa_index, new.node) else []
    if state_of(old.flags) != state_of(new.flags):
        parts.append(f"{state_of(old.flags)} -> {state_of(new.flags)}")
    elif old.flags != new.flags:
        parts.append(f"{_flags(old)} -> {_flags(new)}")
    return parts


def _aa_change(screen: Screen, old: LmbState, new: LmbState) -> str:
    text = f"aa {aa_text(old.aa_index)}"
    if old.aa_index != new.aa_index:
        text += f" -> {aa_text(new.aa_index)}"
    if old.node == new.node:
        return text + _on(screen, new)
    if AA_UNSET in (old.aa_index, new.aa_index):
        # Free memory has no node: what counts is the other side's.
        return text + _on(screen, old if new.aa_index == AA_UNSET else new)
    return f"{text} (node {_node(screen, old.node)} -> {_node(screen, new.node)})"


def _on(screen: Screen, side: LmbState) -> str:
    return "" if side.aa_index == AA_UNSET else f" (node {_node(screen, side.node)})"


def _node(screen: Screen, node: int | None) -> str:
    return screen.style("none" if node is None else str(node), node_style(node))


def _flags(side: LmbState) -> str:
    return ",".join(flag_names(side.flags)) or "no flags"


def cpu_lines(screen: Screen, changes: Iterable[CpuChange]) -> Iterator[str]:
    """Yield which node each CPU keeps or gets, and why it is not the tree's."""
    for change in changes:
        first, last = min(change.threads, default=0), max(change.threads, default=0)
        cpus = f"CPU {first}" if first == last else f"CPUs {first}-{last}"
        why = f", the tree says node {_node(screen, change.in_tree)}: {safe(change.why)}" if change.why else ""
        threads = count_of(len(change.threads), "thread")
        offline = f", {change.offline} of {threads} offline" if change.offline else ""
        yield f"{cpus}: {_place(screen, change)}{why}{offline}"


def _place(screen: Screen, change: CpuChange) -> str:
    before, node = _node(screen, change.before), _node(screen, change.node)
    if change.before is None:
        return f"new, on node {node}"
    if change.node is None:
        return f"gone from node {before}"
    return f"stays on node {node}" if change.before == change.node else f"node {before} -> {node}"


def _lookup_lines(change: LookupChange | None) -> Iterator[str]:
    if change is None:
        return
    if change.old is None or change.new is None:
        yield f"lookup arrays: {'new' if change.old is None else 'gone'}"
        return
    words = []
    for entry in change.lists[:_LISTS_SHOWN]:
        old, new = (f"<{domains_text(domains or ())}>" for domains in (entry.old, entry.new))
        became = f"{old if entry.old else new} {'removed' if entry.new is None else 'added'}"
        words.append(f"[{entry.aa_index}] {f'{old} -> {new}' if entry.old and entry.new else became}")
    hidden = len(change.lists) - _LISTS_SHOWN
    words += [f"and {hidden:,} more"] if hidden > 0 else []
    yield f"lookup arrays: {', '.join(words) or f'the same lists in {change.new.size} bytes'}"


def _block_line(screen: Screen, change: BlockRangeChange) -> str:
    last = change.first + change.count - 1
    blocks = f"memory block {change.first}" if change.count == 1 else f"memory blocks {change.first}-{last}"
    if change.old is None:
        return f"{blocks} added on node {_node(screen, change.new)}"
    if change.new is None:
        return f"{blocks} removed from node {_node(screen, change.old)}"
    return f"{blocks}: node {_node(screen, change.old)} -> {_node(screen, change.new)}"


def _hash_table_lines(change: HashTableChange | None) -> Iterator[str]:
    if change is None:
        return
    if change.old != change.new:
        yield f"hash page table: order {change.old} -> {change.new}"
    if change.shrinks:
        times = count_of(change.shrinks, "try", "tries")
        yield f"hash page table: order {change.new}, {times} to make it smaller, which QEMU refuses"
