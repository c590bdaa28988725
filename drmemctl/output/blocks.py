# SPDX-License-Identifier: MIT
"""Memory blocks, their owners and what an addition would meet, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drmemctl.kernel.block_map import BlockSpan, Owner
from drmemctl.kernel.boot_regions import DriverMemory
from drmemctl.kernel.sections import SECTION, SUBSECTION, is_block_size
from drmemctl.kernel.state import KernelState
from drmemctl.output.json import schema, streamed
from drmemctl.output.screen import Screen, node_style
from drmemctl.output.table import Cell, Column, show_table
from drmemctl.output.text import safe
from drmemctl.wording import count_of, size_text


@dataclass(frozen=True, slots=True)
class BlocksView:
    """What to show.

    Attributes:
        kernel: the kernel after boot; one that is dead has no blocks.
        computed_size: what it works out for the bytes of a block, suitable or not.
        spans: the blocks.
        pmem: persistent memory, whose address the tree does not say.
        unknown: whether the tree does not show what it takes to know the nodes.

    """

    kernel: KernelState
    computed_size: int
    spans: Iterable[BlockSpan]
    pmem: Sequence[DriverMemory]
    unknown: bool = False

    @property
    def block_size(self) -> int:
        """Bytes of the blocks that there are: kernels that go on with an unsuitable size take another."""
        return self.computed_size if self.kernel.dead else self.kernel.block_size

    @property
    def suitable(self) -> bool:
        """Whether Linux takes the size that it works out."""
        return is_block_size(self.computed_size)


def show_blocks(screen: Screen, view: BlocksView, format: str) -> None:
    """Print the blocks as `table` or `json`."""
    if format == "json":
        head = {
            "schema": schema("blocks"),
            "kernel": view.kernel.profile.name,
            "dead": view.kernel.dead or None,
            "block_size": view.block_size,
            "computed_size": view.computed_size,
            "suitable": view.suitable,
            "section_size": SECTION,
            "subsection_size": SUBSECTION,
        }
        lists = {
            "blocks": () if view.kernel.dead else (_record(span, view) for span in view.spans),
            "pmem": (_pmem_record(region, view.block_size) for region in view.pmem),
        }
        screen.write_all(streamed(head, lists))
        return
    if view.kernel.dead:
        return
    screen.write(screen.style(_summary(view), "bold") + "\n")
    columns = [Column("blocks", right=True), *(Column(title) for title in ("address", "node", "owners", "adding"))]
    show_table(screen, columns, _rows(view))


def _summary(view: BlocksView) -> str:
    per_block, per_section = view.block_size // SECTION, SECTION // SUBSECTION
    size = f"memory blocks of {size_text(view.block_size)} ({view.block_size:#x})"
    if not view.suitable:
        size += f", as Linux refuses {view.computed_size:#x}"
    parts = f"{per_section} sub-sections of {size_text(SUBSECTION)}"
    return f"{size}: {count_of(per_block, 'section')} of {size_text(SECTION)}, each {parts}"


def _record(span: BlockSpan, view: BlocksView) -> dict[str, Any]:
    return {
        "block": span.first,
        "count": span.count,
        "base": span.first * view.block_size,
        "node": None if view.unknown else span.node,
        "exists": span.node is not None,
        "owners": [_owner(owner) for owner in span.owners],
        "owner_count": span.n_owners,
        "shared": span.shared,
        "aligned": span.aligned,
        "adding": span.meets,
    }


def _owner(owner: Owner) -> dict[str, Any]:
    record: dict[str, Any] = {
        "kind": owner.kind,
        "state": owner.state,
        "base": owner.base,
        "size": owner.size,
    }
    if owner.run is not None:
        return record | {"drc_index": owner.run.drc_index, "count": owner.run.count}
    return record | {"path": safe(owner.path, None)}


def _pmem_record(region: DriverMemory, size: int) -> dict[str, Any]:
    whole = None if region.size is None or not size else region.size // size
    return {
        "path": safe(region.path, None),
        "drc_index": region.drc_index,
        "size": region.size,
        "whole_blocks": whole,
        "left_over": None if region.size is None or not size else region.size % size,
    }


def _rows(view: BlocksView) -> Iterator[Sequence[Cell]]:
    size = view.block_size
    for span in view.spans:
        last = span.first + span.count - 1
        numbers = str(span.first) if span.count == 1 else f"{span.first}-{last}"
        place = f"{span.first * size:#011x}-{(last + 1) * size - 1:#011x}"
        node: Cell = "-" if span.node is None else (str(span.node), node_style(span.node))
        node = "?" if view.unknown and span.node is not None else node
        yield (numbers, place, node, _owners(span), _adding(span))
    for region in view.pmem:
        amount = "size unknown" if region.size is None else size_text(region.size)
        yield ("-", "where the hypervisor maps it", "-", f"{safe(region.path, 50)} ({amount})", "by driver")


def _owners(span: BlockSpan) -> Cell:
    words = []
    for owner in span.owners:
        drc = "" if owner.run is None else f" {owner.run.drc_index:#x}"
        words.append(safe(owner.path, 40) if owner.kind == "memory" else f"LMBs{drc} {owner.state}")
    more = span.n_owners - len(span.owners)
    text = ", ".join(words) + (f" and {more:,} more" if more else "")
    return (text or "none", "yellow" if span.shared or not span.aligned else None)


def _adding(span: BlockSpan) -> Cell:
    return (span.meets, "green" if span.meets == "possible" else "dim")
