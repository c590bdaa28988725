# SPDX-License-Identifier: MIT
"""Memory blocks, their owners and what an addition would meet, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from drmemctl.formats.block_states import state_name
from drmemctl.formats.plain import record as plain_record
from drmemctl.kernel.block_map import BlockSpan
from drmemctl.kernel.boot_regions import DriverMemory
from drmemctl.kernel.sections import SECTION, SUBSECTION
from drmemctl.output.csv import csv_lines
from drmemctl.output.drc_hex import hex_text
from drmemctl.output.json import record, streamed
from drmemctl.output.lmb_words import address_range, width_of
from drmemctl.output.screen import Screen, node_style
from drmemctl.output.table import AS_IT_IS, Cell, Column, TableChoice, ValueCell, show_table
from drmemctl.output.text import safe
from drmemctl.simulate.boot_blocks import BootBlocks
from drmemctl.wording import count_of, size_text

_CSV = (
    *("block", "count", "base", "node", "exists", "state", "owner_count", "shared", "aligned", "adding"),
    *("path", "drc_index", "size"),
)

COLUMNS = (
    Column("blocks", right=True, help="numbers in /sys/devices/system/memory"),
    Column("address", help="the first and the last address"),
    Column("node", help="the node of the block; - where there is none yet"),
    Column("state", gives_way=2, help="online or offline; - where there is no block yet"),
    Column("owners", prose=True, help="the memory nodes and LMBs with memory in it"),
    Column("adding", gives_way=1, help="what would come of adding memory there"),
)


def show_blocks(screen: Screen, blocks: BootBlocks, format: str, choice: TableChoice = AS_IT_IS) -> None:
    """Print the blocks as `text`, `json` or `csv`."""
    spans = (_record(span, blocks) for span in blocks.spans())
    pmem = (_pmem_record(region, blocks.block_size) for region in blocks.pmem)
    if format == "json":
        head = {
            **plain_record(
                blocks, "kernel=kernel.profile.name dead=kernel.dead? block_size computed_size suitable"
            ),
            "section_size": SECTION,
            "subsection_size": SUBSECTION,
        }
        screen.write_all(streamed("blocks", head, {"blocks": spans, "pmem": pmem}))
        return
    if blocks.kernel.dead:
        return
    if format == "csv":
        screen.write_all(csv_lines(_CSV, chain(spans, pmem)))
        return
    # Of blocks that are all online it is not worth a column.
    with_states = choice != AS_IT_IS or bool(blocks.kernel.blocks.offline)
    columns = [column for column in COLUMNS if with_states or column.title != "state"]
    rows = _rows(blocks, with_states=with_states)
    per_block, per_section = blocks.block_size // SECTION, SECTION // SUBSECTION
    size = f"memory blocks of {size_text(blocks.block_size)} ({blocks.block_size:#x})"
    if not blocks.suitable:
        size += f", as Linux refuses {blocks.computed_size:#x}"
    parts = f"{per_section} sub-sections of {size_text(SUBSECTION)}"
    title = f"{size}: {count_of(per_block, 'section')} of {size_text(SECTION)}, each {parts}"
    show_table(screen, columns, rows, title=title, choice=choice)


def _record(span: BlockSpan, blocks: BootBlocks) -> dict[str, Any]:
    return {
        "block": span.first,
        "count": span.count,
        "base": span.first * blocks.block_size,
        "node": None if blocks.unknown else span.node,
        "exists": span.node is not None,
        "state": _state(span) or None,
        "owners": [
            {
                **record(owner, "kind state base size"),
                **(
                    {"path": safe(owner.path, None)} if owner.run is None else record(owner.run, "drc_index count")
                ),
            }
            for owner in span.owners
        ],
        **record(span, "owner_count=n_owners shared aligned adding=meets"),
    }


def _pmem_record(region: DriverMemory, size: int) -> dict[str, Any]:
    whole = None if region.size is None or not size else region.size // size
    return {
        **record(region, "path drc_index size"),
        "whole_blocks": whole,
        "left_over": None if region.size is None or not size else region.size % size,
    }


def _state(span: BlockSpan) -> str:
    return "" if span.node is None else state_name(online=span.online)


def _rows(blocks: BootBlocks, *, with_states: bool) -> Iterator[Sequence[Cell]]:
    size = blocks.block_size
    spans = list(blocks.spans())
    width = width_of(max((span.first + span.count for span in spans), default=0) * size - 1)
    for span in spans:
        last = span.first + span.count - 1
        numbers = str(span.first) if span.count == 1 else f"{span.first}-{last}"
        place = address_range(span.first * size, span.count * size, width)
        numbered = ValueCell(numbers, None, span.first)
        at = ValueCell(place, None, span.first * size)
        node: Cell = "-" if span.node is None else (str(span.node), node_style(span.node))
        node = "?" if blocks.unknown and span.node is not None else node
        adding = (span.meets, "green" if span.meets == "possible" else "dim")
        state: Cell = (_state(span) or "-", None if span.online else "yellow")
        words = [
            safe(owner.path, 40)
            if owner.run is None
            else f"{count_of(owner.run.count, 'LMB')} {hex_text(owner.run.drc_index)} {owner.state}"
            for owner in span.owners
        ]
        more = span.n_owners - len(span.owners)
        text = ", ".join(words) + (f" and {more:,} more" if more else "")
        owners = (text or "none", "yellow" if span.shared or not span.aligned else None)
        yield (numbered, at, node, *((state,) if with_states else ()), owners, adding)
    for region in blocks.pmem:
        amount = "size unknown" if region.size is None else size_text(region.size)
        who = f"{safe(region.path, 50)} ({amount})"
        yield ("-", "where the hypervisor maps it", "-", *(("-",) if with_states else ()), who, "by driver")
