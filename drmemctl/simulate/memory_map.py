# SPDX-License-Identifier: MIT
"""memblock of a running kernel: what boot registered, and the memory that came and went since then."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.kernel.boot_regions import BootRegion, MemoryWrite, boot_regions
from drmemctl.kernel.registered_memory import RegisteredMemory
from drmemctl.kernel.trace import Trace
from drmemctl.simulate.simulation import Simulation


def memory_after(at_boot: RegisteredMemory, simulation: Simulation) -> RegisteredMemory:
    """Return the memory of the kernel as it runs now, after steps that were traced."""
    booted = simulation.situation.booted
    return RegisteredMemory.with_regions(booted, simulation.state, regions_now(simulation), at_boot.faults)


def regions_now(simulation: Simulation) -> list[BootRegion]:
    """Return the regions of the kernel as it runs now, after steps that were traced."""
    partition = simulation.situation
    regions, _ = boot_regions(partition.booted, partition.kernel.profile, _writes(simulation))
    return regions


def _writes(simulation: Simulation) -> Iterator[MemoryWrite]:
    """Yield what came and went since the last boot, rollbacks included."""
    size, results = simulation.state.block_size, simulation.results
    last_boot = max((at for at, result in enumerate(results, 1) if result.parsed.boots), default=0)
    for result in results[last_boot:]:
        if isinstance(result.trace, Trace):
            for write in result.trace.block_writes():
                yield MemoryWrite(write.block * size, size, write.node)
