# SPDX-License-Identifier: MIT
"""What a loaded crash kernel could have been told of memory: blocks that came online or went offline since boot.

Source: Linux mm/memory_hotplug.c `online_pages`, `offline_pages` (MEM_ONLINE, MEM_OFFLINE), `try_remove_memory`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from drmemctl.kernel.boot_regions import MemoryWrite
from drmemctl.kernel.memblock import MemblockRegion
from drmemctl.kernel.state import KernelState
from drmemctl.simulate.memory_map import block_writes, memory_write, regions_after
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.state_changes import changed_blocks


class LmbSpan(NamedTuple):
    """Consecutive LMBs: the DRC index and the address of the first, and how many."""

    drc_index: int
    base: int
    lmbs: int


@dataclass(frozen=True, slots=True)
class MemoryEvents:
    """What came and went since the last boot, in a simulation with traced steps.

    Attributes:
        simulation: the simulation.
        armed: the kernel after that boot.
        count: how many events there were: MEM_ONLINE, MEM_OFFLINE.
        last_gone: the block that the last event was about, if that went offline; else None.
        writes: what memblock got and lost before the last event; what goes is taken from it behind the event.
        quiet: blocks that memblock lost after the last event, without one: they were offline before.

    """

    simulation: Simulation
    armed: KernelState
    count: int = 0
    last_gone: int | None = None
    writes: Sequence[MemoryWrite] = ()
    quiet: Sequence[int] = ()

    @classmethod
    def of(cls, simulation: Simulation) -> MemoryEvents:
        """Return what came and went in the steps of a simulation."""
        results = simulation.since_boot()
        armed = results[0].before.kernel if results else simulation.state
        offline = set(armed.blocks.offline)
        writes: list[MemoryWrite] = []
        quiet: list[int] = []
        count, last_gone, n_before = 0, None, 0
        for block, online, memory in _block_changes(results, armed.block_size):
            if memory is not None and online:
                writes.append(memory)
            if online or block not in offline:
                count, last_gone, n_before = count + 1, None if online else block, len(writes)
                quiet.clear()
            else:
                quiet.append(block)
            if memory is not None and not online:
                writes.append(memory)
            if online or memory is not None:
                offline.discard(block)
            else:
                offline.add(block)
        return cls(simulation, armed, count, last_gone, writes[:n_before], quiet)

    @property
    def came(self) -> tuple[LmbSpan, ...]:
        """The LMBs whose memory is there now and was not at boot."""
        changes = changed_blocks(self.armed.blocks, self.simulation.state.blocks)
        return self._lmbs((change.first, change.count) for change in changes if change.old is None)

    @property
    def went(self) -> tuple[LmbSpan, ...]:
        """The LMBs whose memory was there at boot and is not now."""
        changes = changed_blocks(self.armed.blocks, self.simulation.state.blocks)
        return self._lmbs((change.first, change.count) for change in changes if change.new is None)

    @property
    def went_quietly(self) -> tuple[LmbSpan, ...]:
        """The LMBs whose memory went after the last event, without one."""
        return self._lmbs((block, 1) for block in sorted(self.quiet))

    def _lmbs(self, spans: Iterable[tuple[int, int]]) -> tuple[LmbSpan, ...]:
        """Return the LMBs that have memory in ascending (first block, count), in the order of the array."""
        kernel = self.simulation.state
        size, lmb_size = kernel.block_size, kernel.table.lmb_size or 0
        addresses = [(first * size, (first + count) * size) for first, count in spans]
        if not addresses or not lmb_size:
            return ()
        ends = [end for _, end in addresses]
        lmbs: list[LmbSpan] = []
        for run in kernel.table.runs:
            past = run.base + run.lmbs * lmb_size
            for position in range(bisect_right(ends, run.base), len(addresses)):
                base, end = addresses[position]
                if base >= past:
                    break
                first = (max(base, run.base) - run.base) // lmb_size
                after = -(-(min(end, past) - run.base) // lmb_size)
                lmbs.append(LmbSpan(run.drc_index + first, run.base + first * lmb_size, after - first))
        return tuple(lmbs)

    def regions(self) -> list[MemblockRegion]:
        """Return the regions of memblock as the last event found them."""
        return [entry.region for entry in regions_after(self.simulation, self.writes)]

    def splits(self, regions: Iterable[MemblockRegion], cut: int) -> bool:
        """Whether the last event was about memory that went from the middle of a range (`remove_mem_range`).

        At `cut`, where the crash kernel's own memory ends, a range begins as well.
        """
        if self.last_gone is None:
            return False
        base = self.last_gone * self.armed.block_size
        end = base + self.armed.block_size
        return any(region.base < base and end < region.end and base != cut for region in regions)


def _block_changes(
    results: Iterable[StepResult], block_size: int
) -> Iterator[tuple[int, bool, MemoryWrite | None]]:
    """Yield what steps did to memory blocks, rollbacks included: block, whether online, the memory with it."""
    for result in results:
        written = set()
        for write in block_writes(result):
            written.add(write.block)
            yield write.block, write.node is not None, memory_write(write, block_size)
        for block, online in result.changed_states:
            if block not in written:
                yield block, online, None
