# SPDX-License-Identifier: MIT
"""memblock of a running kernel: what boot registered, and the memory that came and went since then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from drmemctl.kernel.boot_regions import BootRegion, MemoryWrite, RunningBlocks, boot_regions
from drmemctl.kernel.registered_memory import RegisteredMemory
from drmemctl.kernel.trace import BlockWrite, Trace
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation


def memory_after(at_boot: RegisteredMemory, simulation: Simulation) -> RegisteredMemory:
    """Return the memory of the kernel as it runs now, after steps that were traced."""
    booted = simulation.situation.booted
    return RegisteredMemory.with_regions(booted, simulation.state, regions_now(simulation), at_boot.faults)


def regions_now(simulation: Simulation) -> list[BootRegion]:
    """Return the regions of the kernel as it runs now, after steps that were traced."""
    size = simulation.state.block_size
    writes = (memory_write(write, size) for result in simulation.since_boot() for write in block_writes(result))
    return regions_after(simulation, writes)


def regions_after(simulation: Simulation, writes: Iterable[MemoryWrite]) -> list[BootRegion]:
    """Return the regions of the kernel that runs, after some of what came and went since it booted.

    A simulation of a dump or a capture begins with a kernel that runs, with blocks of its own.
    """
    partition = simulation.situation
    first = simulation.started_with()
    has_begun = not first.dead and not simulation.has_rebooted()
    running = RunningBlocks(first.blocks, first.block_size) if has_begun else None
    return boot_regions(partition.booted, partition.kernel.profile, writes, running).regions


def block_writes(result: StepResult) -> Iterator[BlockWrite]:
    """Yield the memory blocks that came and went in a traced step, rollbacks included."""
    return result.trace.block_writes() if isinstance(result.trace, Trace) else iter(())


def memory_write(write: BlockWrite, block_size: int) -> MemoryWrite:
    """Return the memory of a block that came or went."""
    return MemoryWrite(write.block * block_size, block_size, write.node)
