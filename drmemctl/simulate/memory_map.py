# SPDX-License-Identifier: MIT
"""memblock of a running kernel: what boot registered, and the memory that came and went since then."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.kernel.boot_regions import BootRegion, MemoryWrite, boot_regions
from drmemctl.kernel.registered_memory import RegisteredMemory
from drmemctl.kernel.trace import Trace
from drmemctl.simulate.session import Session


def memory_after(at_boot: RegisteredMemory, session: Session) -> RegisteredMemory:
    """Return the memory of the kernel after the steps of a session that was traced."""
    simulation = session.simulation
    booted = simulation.situation.booted
    return RegisteredMemory.with_regions(booted, simulation.state, regions_now(session), at_boot.faults)


def regions_now(session: Session) -> list[BootRegion]:
    """Return the regions of the kernel after the steps of a session that was traced."""
    partition = session.simulation.situation
    regions, _ = boot_regions(partition.booted, partition.kernel.profile, _writes(session))
    return regions


def _writes(session: Session) -> Iterator[MemoryWrite]:
    """Yield what came and went since the last boot, rollbacks included."""
    size = session.simulation.state.block_size
    last_boot = max((at for at, result in enumerate(session.done, 1) if result.parsed.boots), default=0)
    for result in session.done[last_boot:]:
        if isinstance(result.trace, Trace):
            for write in result.trace.block_writes():
                yield MemoryWrite(write.block * size, size, write.node)
