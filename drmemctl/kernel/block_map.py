# SPDX-License-Identifier: MIT
"""Memory blocks and who has memory in them: what is there, and what memory that is added would meet.

Source: Linux drivers/base/memory.c `memory_dev_init`, `memory_subsys_offline`; mm/memory_hotplug.c
`check_hotplug_memory_range`, `register_memory_resource`; arch/powerpc/include/asm/sparsemem.h.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from drmemctl.kernel.blocks import Blocks
from drmemctl.model.boot_memory import BootMemory
from drmemctl.model.drmem import LmbTable
from drmemctl.model.joined_runs import joined
from drmemctl.model.run import Run, state_of

_OWNERS_SHOWN = 8
_OWNERS_LOOKED_AT = 64
"""More than these only a hostile tree has in one block."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A range of memory that the tree describes.

    Attributes:
        kind: `memory` for a memory node, `lmb` for a run of LMBs.
        state: `assigned`, `free` or `reserved`; a memory node is assigned.
        base: its first address.
        size: its bytes.
        path: the memory node, empty for LMBs.
        run: the LMBs, None for a memory node.

    """

    kind: str
    state: str
    base: int
    size: int
    path: str = ""
    run: Run | None = None

    @property
    def end(self) -> int:
        """The address after it."""
        return self.base + self.size


@dataclass(frozen=True, slots=True)
class BlockSpan:
    """Consecutive memory blocks alike in everything.

    Attributes:
        first: number of the first.
        count: how many.
        owners: who has memory in them, the first few.
        n_owners: how many there are.
        node: the Linux node of the blocks, None where there are none.
        online: whether they are online; those that are not there are not.
        aligned: whether every owner begins and ends where a block does, and so do its LMBs.

    """

    first: int
    count: int
    owners: tuple[Owner, ...]
    n_owners: int
    node: int | None
    online: bool
    aligned: bool

    def goes_on(self, following: BlockSpan) -> bool:
        """Whether `following` begins where this ends and is like it."""
        return (
            following.first == self.end
            and (following.n_owners, following.node, following.aligned, following.online)
            == (self.n_owners, self.node, self.aligned, self.online)
            and following.owners == self.owners
        )

    @property
    def end(self) -> int:
        """The number after the last one's."""
        return self.first + self.count

    @property
    def shared(self) -> bool:
        """Whether one block has memory of several owners."""
        return self.n_owners > 1

    @property
    def meets(self) -> str:
        """What adding memory of one block here comes to."""
        if self.node is not None:
            return "EEXIST"
        if not self.aligned:
            return "EINVAL"
        states = {owner.state for owner in self.owners}
        return "possible" if states == {"free"} else "refused"


def owners_of(memory: BootMemory, table: LmbTable) -> list[Owner]:
    """Return all ranges of memory of a tree: memory nodes, then runs of LMBs in array order."""
    owners = [
        Owner("memory", "assigned", part.base, part.size, node.path)
        for node in memory.nodes
        for part in node.ranges
    ]
    size = table.lmb_size
    if size:
        owners += [Owner("lmb", state_of(run.flags), run.base, run.lmbs * size, run=run) for run in table.runs]
    return owners


@dataclass(frozen=True, slots=True)
class BlockMap:
    """What is to be known for a map of blocks.

    Attributes:
        owners: all ranges of memory.
        lmb_size: bytes of an LMB, None without any.
        block_size: bytes of a block.
        blocks: those that exist.

    """

    owners: Sequence[Owner]
    lmb_size: int | None
    block_size: int
    blocks: Blocks

    @property
    def most_spans(self) -> int:
        """How many spans there are at most: one between every two places where something begins or ends."""
        return len(self._bounds(_edges(self.owners, self.block_size)))

    def spans(self) -> Iterator[BlockSpan]:
        """Return the blocks in which there is anything, ascending."""
        return joined(self._spans_between_bounds())

    def _bounds(self, edges: Sequence[tuple[int, bool, int]]) -> list[int]:
        """Return the blocks at which owners or existing blocks begin or end, ascending."""
        ends = {edge for run, _ in self.blocks.states() for edge in (run.first, run.end)}
        return sorted({at for at, _, _ in edges} | ends)

    def _spans_between_bounds(self) -> Iterator[BlockSpan]:
        edges = _edges(self.owners, self.block_size)
        inside: dict[int, None] = {}
        position = 0
        blocks = _Ascending(self.blocks)
        for first, end in pairwise(self._bounds(edges)):
            while position < len(edges) and edges[position][0] <= first:
                _, opens, index = edges[position]
                if opens:
                    inside[index] = None
                else:
                    del inside[index]
                position += 1
            node = blocks.node_of(first)
            if inside or node is not None:
                yield self._span(first, end - first, inside, node)

    def _span(self, first: int, count: int, inside: dict[int, None], node: int | None) -> BlockSpan:
        # Firmware lists boot memory as reserved LMBs too: those are no owners beside the memory node.
        looked_at = list(islice(inside, _OWNERS_LOOKED_AT))
        if len(looked_at) == 1:
            owner = self.owners[looked_at[0]]
            return BlockSpan(first, count, (owner,), 1, node, self._is_online(first, node), self._fits(owner))
        indexes = [index for index in looked_at if self.owners[index].state != "reserved"] or looked_at
        listed = tuple(self.owners[index] for index in indexes[:_OWNERS_SHOWN])
        # Several ranges of one memory node are one owner.
        paths = [owner.path for owner in listed if owner.path]
        number = len(indexes) + len(inside) - len(looked_at) - len(paths) + len(set(paths))
        aligned = all(self._fits(owner) for owner in listed)
        return BlockSpan(first, count, listed, number, node, self._is_online(first, node), aligned)

    def _is_online(self, block: int, node: int | None) -> bool:
        return node is not None and block not in self.blocks.offline

    def _fits(self, owner: Owner) -> bool:
        if owner.kind == "lmb" and self.lmb_size != self.block_size:
            return False
        return not (owner.base % self.block_size or owner.end % self.block_size)


class _Ascending:
    """The nodes of blocks that are asked for in ascending order."""

    def __init__(self, blocks: Blocks) -> None:
        self._runs = iter(blocks.runs)
        self._run = next(self._runs, None)

    def node_of(self, block: int) -> int | None:
        """Return the node of a block, None if there is no such block."""
        while self._run is not None and self._run.end <= block:
            self._run = next(self._runs, None)
        return self._run.node if self._run is not None and self._run.first <= block else None


def _edges(owners: Sequence[Owner], block_size: int) -> list[tuple[int, bool, int]]:
    """Return (block, whether it begins there, owner): where owners come and go, by the block that they touch."""
    edges = []
    for index, owner in enumerate(owners):
        if owner.size:
            edges.append((owner.base // block_size, True, index))
            edges.append((-(-owner.end // block_size), False, index))
    return sorted(edges)
