# SPDX-License-Identifier: MIT
"""From the regions of memory at boot to memory blocks (drivers/base/memory.c `memory_dev_init`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from drmemctl.kernel.blocks import BlockRun, Blocks
from drmemctl.kernel.memblock import MemblockRegion


def blocks_of(regions: Iterable[MemblockRegion], block_size: int) -> Blocks:
    """Return the memory blocks that hold any of the memory; the lowest node wins where a block has several."""
    runs: list[BlockRun] = []
    edges: dict[int, set[int]] = {}
    covered: dict[int, int] = {}
    for region in regions:
        node = region.node or 0
        first, last = region.base // block_size, (region.end - 1) // block_size
        for block in {first, last}:
            edges.setdefault(block, set()).add(node)
            low, high = max(region.base, block * block_size), min(region.end, (block + 1) * block_size)
            covered[block] = covered.get(block, 0) + high - low
        runs.append(BlockRun(first + 1, max(0, last - first - 1), node))
    runs += [BlockRun(block, 1, min(nodes)) for block, nodes in edges.items()]
    shared = {block: nodes for block, nodes in edges.items() if len(nodes) > 1}
    holed = [block for block, size in covered.items() if size < block_size or block in shared]
    ascending = sorted((run for run in runs if run.count), key=lambda run: run.first)
    return replace(Blocks.of(ascending, holed), shared=frozenset().union(*shared.values()))
