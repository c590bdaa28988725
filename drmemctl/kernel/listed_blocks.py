# SPDX-License-Identifier: MIT
"""Memory blocks that sysfs lists under two nodes, and what comes of it when they are added again.

Source: Linux drivers/base/node.c `link_mem_sections`, `register_mem_sect_under_node`, mm/memory_hotplug.c
`add_memory_resource`. At boot each node is given links to the blocks between its first and its last one. Until
f85086f95fa3 nobody looked whether they are its own: system_state is no longer SYSTEM_BOOTING by then.
"""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.kernel.blocks import Blocks


@dataclass(frozen=True, slots=True)
class ListedBlocks:
    """Which blocks of boot nodes list besides their own.

    Attributes:
        booted: the memory blocks of boot.
        spans: (node, first block, the one after the last) of each node.

    """

    booted: Blocks
    spans: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, booted: Blocks) -> ListedBlocks:
        """Return what is listed after a boot with these blocks."""
        spans: dict[int, tuple[int, int]] = {}
        for run in booted.runs:
            first, _ = spans.get(run.node, (run.first, run.end))
            spans[run.node] = first, run.end
        return cls(booted, tuple((node, first, end) for node, (first, end) in spans.items()))

    def is_foreign(self, block: int, node: int) -> bool:
        """Whether a node lists a block that was another's at boot: that link goes no more."""
        owner = self.booted.node_of(block)
        spans = (first <= block < end for listing, first, end in self.spans if listing == node)
        return owner is not None and owner != node and any(spans)

    def n_alike(self, first: int, count: int) -> int:
        """Return how many of `count` blocks from the first on are listed alike."""
        count = self.booted.n_alike(first, count)
        edges = (edge - first for _, *span in self.spans for edge in span)
        return min((edge for edge in edges if 0 < edge < count), default=count)


NOTHING_LISTED = ListedBlocks(Blocks(), ())
