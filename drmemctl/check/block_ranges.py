# SPDX-License-Identifier: MIT
"""The memory blocks of a running system as ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from drmemctl.check.spans import Spans
from drmemctl.check.subject import BlockRange, MemoryBlock, Subject


def block_ranges(subject: Subject) -> tuple[BlockRange, ...]:
    """Return the memory blocks as ranges of the same kind."""
    blocks = subject.running.blocks or ()
    return blocks if isinstance(blocks, tuple) else tuple(_merged(blocks))


def _merged(blocks: Mapping[int, MemoryBlock]) -> Iterator[BlockRange]:
    held: BlockRange | None = None
    for number, block in sorted(blocks.items()):
        if held is not None:
            if number == held.first + held.count and (block.node, block.online) == (held.node, held.online):
                held = replace(held, count=held.count + 1)
                continue
            yield held
        held = BlockRange(number, 1, block.node, block.online)
    if held is not None:
        yield held


def block_spans(subject: Subject) -> Spans:
    """Return their bytes; the owner is the position in `block_ranges`."""
    size = subject.running.block_size or 0
    spans = Spans()
    for index, part in enumerate(block_ranges(subject)):
        spans.add(part.first * size, part.count * size, index)
    return spans
