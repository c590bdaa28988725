# SPDX-License-Identifier: MIT
"""Physical memory as address ranges with nodes, and the memory blocks that come of it at boot (Linux memblock)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drmemctl.kernel.blocks import BlockRun, Blocks

SECTION_SIZE = 1 << 24
"""Bytes of a memory section (SECTION_SIZE_BITS 24): a section is there if any of its memory is."""


@dataclass(frozen=True, slots=True)
class Region:
    """Memory from address `base` up to `end`, on a node."""

    base: int
    end: int
    node: int


class Regions:
    """Ranges of memory, ascending and disjoint; what is added last decides the node (`memblock_set_node`)."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[Region] = []

    def add(self, base: int, size: int, node: int) -> None:
        """Add memory, or move what is there to another node."""
        if not size:
            return
        end = base + size
        low = bisect_left(self._parts, base, key=lambda part: part.end)
        while low < len(self._parts) and self._parts[low].end <= base:
            low += 1
        high = bisect_left(self._parts, end, key=lambda part: part.base)
        touched = self._parts[low:high]
        kept = [Region(part.base, base, part.node) for part in touched[:1] if part.base < base]
        kept.append(Region(base, end, node))
        kept += [Region(end, part.end, part.node) for part in touched[-1:] if part.end > end]
        self._parts[low:high] = kept

    def limited(self, limit: int) -> list[Region]:
        """Return the lowest `limit` bytes of the memory (`memblock_enforce_memory_limit`)."""
        left = limit
        kept = []
        for part in self._parts:
            size = min(left, part.end - part.base)
            if size:
                kept.append(Region(part.base, part.base + size, part.node))
            left -= size
        return kept

    def __iter__(self) -> Iterator[Region]:
        return iter(self._parts)


def blocks_of(regions: Iterable[Region], block_size: int) -> Blocks:
    """Return the memory blocks that hold any of the memory; the lowest node wins where a block has several."""
    runs: list[BlockRun] = []
    shared: dict[int, int] = {}
    covered: dict[int, int] = {}
    for region in regions:
        first, last = region.base // block_size, (region.end - 1) // block_size
        for block in {first, last}:
            shared[block] = min(region.node, shared.get(block, region.node))
            low, high = max(region.base, block * block_size), min(region.end, (block + 1) * block_size)
            covered[block] = covered.get(block, 0) + high - low
        runs.append(BlockRun(first + 1, max(0, last - first - 1), region.node))
    runs += [BlockRun(block, 1, node) for block, node in shared.items()]
    holed = [block for block, size in covered.items() if size < block_size]
    return Blocks.of(sorted((run for run in runs if run.count), key=lambda run: run.first), holed)
