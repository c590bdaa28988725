# SPDX-License-Identifier: MIT
"""What a loaded crash kernel could have been told of memory: blocks that came online or went offline since boot.

Source: Linux mm/memory_hotplug.c `online_pages`, `offline_pages` (MEM_ONLINE, MEM_OFFLINE), `try_remove_memory`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from drmemctl.kernel.boot_regions import MemoryWrite, boot_regions
from drmemctl.kernel.memblock import MemblockRegion
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.trace import Trace
from drmemctl.model.intervals import side_by_side
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.session import Session


class LmbSpan(NamedTuple):
    """Consecutive LMBs: the DRC index and the address of the first, and how many."""

    drc_index: int
    base: int
    lmbs: int


class _Move(NamedTuple):
    """A memory block that comes or goes, on a node, or that only goes online or offline: then `write` is False."""

    block: int
    online: bool
    node: int | None
    write: bool


@dataclass(frozen=True, slots=True)
class MemoryEvents:
    """What came and went since the last boot, of a session with traced steps.

    Attributes:
        armed: the kernel after that boot.
        running: the kernel now.
        count: how many events there were: MEM_ONLINE, MEM_OFFLINE.
        last: the block that the last was about, None if there was none.
        last_went: whether it went offline.
        writes: what memblock got and lost before the last event; what goes is taken from it behind the event.
        quiet: blocks that memblock lost after the last event, without one: they were offline before.

    """

    armed: KernelState
    running: KernelState
    count: int = 0
    last: int | None = None
    last_went: bool = False
    writes: Sequence[MemoryWrite] = ()
    quiet: Sequence[int] = ()

    @classmethod
    def of(cls, session: Session) -> MemoryEvents:
        """Return what came and went in a session."""
        results, armed = session.done, session.start.kernel
        last_boot = max((at for at, result in enumerate(results, 1) if result.parsed.boots), default=0)
        if last_boot:
            armed = results[last_boot - 1].after.kernel
        size, offline = armed.block_size, set(armed.blocks.offline)
        writes: list[MemoryWrite] = []
        quiet: list[int] = []
        count, last, last_went, written = 0, None, False, 0
        for move in _moves(results[last_boot:]):
            is_event = move.online or move.block not in offline
            if is_event:
                count, last, last_went, written = count + 1, move.block, not move.online, len(writes) + move.online
                quiet.clear()
            else:
                quiet.append(move.block)
            if move.write:
                writes.append(MemoryWrite(move.block * size, size, move.node))
            if move.online or move.write:
                offline.discard(move.block)
            else:
                offline.add(move.block)
        return cls(armed, session.simulation.state, count, last, last_went, writes[:written], quiet)

    def came_and_went(self) -> tuple[tuple[LmbSpan, ...], tuple[LmbSpan, ...]]:
        """Return the LMBs whose memory is there now and was not, and those whose memory was there and is not."""
        came: list[tuple[int, int]] = []
        went: list[tuple[int, int]] = []
        for block, count, before, after in side_by_side(self.armed.blocks.ranges(), self.running.blocks.ranges()):
            if before is None or after is None:
                (came if before is None else went).append((block, block + count))
        return tuple(self.lmbs(came)), tuple(self.lmbs(went))

    def lmbs(self, spans: Iterable[tuple[int, int]]) -> Iterator[LmbSpan]:
        """Yield the LMBs that have memory in ascending spans of blocks, in the order of the array."""
        size = self.running.block_size
        addresses = [(first * size, end * size) for first, end in spans]
        table = self.running.table
        lmb_size = table.lmb_size or 0
        if not addresses or not lmb_size:
            return
        ends = [end for _, end in addresses]
        for run in table.runs:
            past = run.base + run.lmbs * lmb_size
            for base, end in addresses[bisect_right(ends, run.base) :]:
                if base >= past:
                    break
                first = (max(base, run.base) - run.base) // lmb_size
                after = -(-(min(end, past) - run.base) // lmb_size)
                yield LmbSpan(run.drc_index + first, run.base + first * lmb_size, after - first)

    def regions(self, session: Session) -> list[MemblockRegion]:
        """Return the regions of memblock as the last event found them."""
        partition = session.simulation.situation
        regions, _ = boot_regions(partition.booted, partition.kernel.profile, self.writes)
        return [region.region for region in regions]

    def splits(self, regions: Iterable[MemblockRegion], cut: int) -> bool:
        """Whether the last event was about memory that went from the middle of a range (`remove_mem_range`).

        At `cut`, where the crash kernel's own memory ends, a range begins as well.
        """
        if self.last is None or not self.last_went:
            return False
        base = self.last * self.running.block_size
        end = base + self.running.block_size
        return any(region.base < base and end < region.end and base != cut for region in regions)


def _moves(results: Iterable[StepResult]) -> Iterator[_Move]:
    """Yield what steps did to memory blocks, rollbacks included."""
    for result in results:
        written = set()
        if isinstance(result.trace, Trace):
            for write in result.trace.block_writes():
                written.add(write.block)
                yield _Move(write.block, write.node is not None, write.node, write=True)
        for block, online in result.changed_states:
            if block not in written:
                yield _Move(block, online, None, write=False)
