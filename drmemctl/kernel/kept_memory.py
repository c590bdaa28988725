# SPDX-License-Identifier: MIT
"""Memory that cannot be removed: firmware-assisted dumps keep it, or the kernel reserved it at boot.

Source: Linux arch/powerpc/kernel/fadump.c `is_fadump_memory_area`; arch/powerpc/platforms/pseries/hotplug-memory.c
`lmb_is_removable`; mm/page_isolation.c `has_unmovable_pages`. Read in 5.10 and 7.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run

_MOST_LMBS = 1 << 16
"""LMBs of one reservation that are told apart: 16 TiB in LMBs of 256 MiB."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Memory from `base` up to `end` that the kernel reserved, and what for: it cannot be taken offline."""

    base: int
    end: int
    purpose: str

    def drc_indexes(self, table: LmbTable) -> Iterator[int]:
        """Yield the DRC indexes of the assigned LMBs that have a part of it."""
        size = table.lmb_size or 0
        for run in table.runs if size else ():
            # Whether one is reserved, too, counts for boot, and on some kernels for `lmb_is_removable`.
            if run.flags & ASSIGNED and not run.flags & DRC_INVALID:
                positions = run.positions_in(self.base, self.end, size)[:_MOST_LMBS]
                yield from (run.drc_index + position for position in positions)


@dataclass(frozen=True, slots=True)
class KeptMemory:
    """Memory of a kernel that cannot be removed.

    Attributes:
        dump: addresses, first and last, at which LMBs begin that a firmware-assisted dump keeps: those are not
            removable (`lmb_is_removable`).
        reserved: what was reserved at boot.

    """

    dump: tuple[tuple[int, int], ...] = ()
    reserved: tuple[Reservation, ...] = ()

    def is_removable(self, base: int) -> bool:
        """Whether firmware-assisted dumps have nothing against the removal of the LMB at an address."""
        return not any(first <= base <= last for first, last in self.dump)

    def n_alike(self, base: int, count: int, lmb_size: int) -> int:
        """Return how many of `count` LMBs from an address on are all removable, or all not, as the first is."""
        for first, last in self.dump:
            for edge in (first, last + 1):
                if base < edge <= base + (count - 1) * lmb_size:
                    count = -(-(edge - base) // lmb_size)
        return count

    def n_kept(self, run: Run, lmb_size: int) -> int:
        """Return how many LMBs of a run are kept for a dump."""
        position = n_kept = 0
        while self.dump and position < run.lmbs:
            base = run.base + position * lmb_size
            count = self.n_alike(base, run.lmbs - position, lmb_size)
            n_kept += 0 if self.is_removable(base) else count
            position += count
        return n_kept

    def reserved_in(self, base: int, end: int) -> Iterator[Reservation]:
        """Yield what is reserved in the memory from `base` up to `end`."""
        return (part for part in self.reserved if part.base < end and base < part.end)

    def unmovable(self, table: LmbTable) -> frozenset[int]:
        """Return the DRC indexes of assigned LMBs in which something is reserved."""
        return frozenset(drc_index for part in self.reserved for drc_index in part.drc_indexes(table))


NOTHING_KEPT = KeptMemory()
