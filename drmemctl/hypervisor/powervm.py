# SPDX-License-Identifier: MIT
"""PowerVM as LoPAR describes it: any unassigned LMB with a valid DRC index can be acquired, any given back.

Source: LoPAR 2.9, "Dynamic Reconfiguration (DR) Architecture"; no answer here was recorded from a real one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.hypervisor.connectors import LOPAR_LOGICAL, Call, ConnectorRun, Connectors, Table
from drmemctl.hypervisor.inventory import (
    assigned_devices,
    drc_intervals,
    lmb_entries,
    lmb_intervals,
    lmb_runs,
    other_runs,
)
from drmemctl.hypervisor.machine import Machine, RefusedError
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import Drmem
from drmemctl.model.lmbs import LmbTable
from drmemctl.tree.node import Tree

_MEMORY = 1
"""The one device that stands for the memory pool: every LMB has it."""


_NO_LMBS = LmbTable.of((), None)


@dataclass(frozen=True, slots=True)
class Placement:
    """The associativity that the hypervisor's user gave some LMBs, the newest last."""

    first: int
    count: int
    domains: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PowerVm(Machine):
    """A PowerVM partition.

    Attributes:
        placements: where its LMBs were said to be since boot.
        at_boot: its LMBs at boot.

    """

    placements: tuple[Placement, ...] = ()
    at_boot: LmbTable = _NO_LMBS

    @classmethod
    def from_tree(cls, tree: Tree) -> PowerVm:
        """Return the partition whose firmware handed out this tree."""
        intervals, entries = drc_intervals(tree), lmb_entries(tree)
        lmbs = lmb_runs(lmb_intervals(intervals, entries), assigned_devices(tree, entries))
        pooled = (replace(run, device=_MEMORY) for run in lmbs)
        lookup = Associativity.from_tree(tree).lookup
        rows = () if lookup is None else tuple(lookup.rows())
        table = Drmem.from_tree(tree).table if tree.find(NODE) is not None else _NO_LMBS
        connectors = Connectors.of([*pooled, *other_runs(tree, intervals)])
        return cls(tree, connectors, (), rows, table.lmb_size or 0, at_boot=table)

    def table(self, drc_index: int) -> Table:
        """Return the state table of a connector; slots are left out."""
        del drc_index
        return LOPAR_LOGICAL

    def domains_of(self, drc_index: int) -> tuple[int, ...]:
        """Return the list that the LMB was given, else its row at boot, else the first row."""
        for placed in reversed(self.placements):
            if placed.first <= drc_index < placed.first + placed.count:
                return placed.domains
        return self._row_at_boot(drc_index) or (self.rows[0] if self.rows else ())

    def _row_at_boot(self, drc_index: int) -> tuple[int, ...] | None:
        index = self.at_boot.index_of_drc(drc_index)
        aa_index = -1 if index is None else self.at_boot.lmb(index).aa_index
        return self.rows[aa_index] if 0 <= aa_index < len(self.rows) else None

    def attach(self, first: int, count: int, domains: tuple[int, ...]) -> PowerVm:
        """Say where LMBs are; they could be acquired all along."""
        if count == 0 or sum(run.count for run in self.connectors.between(first, count)) < count:
            raise RefusedError(f"there are no {count} connectors from {first:#x} on")
        return replace(self, placements=(*self.placements, Placement(first, count, domains)))

    def detach(self, first: int, count: int) -> PowerVm:
        """Want LMBs back: the partition decides, nothing is remembered."""
        if count == 0 or sum(run.count for run in self.connectors.between(first, count)) < count:
            raise RefusedError(f"there are no {count} connectors from {first:#x} on")
        return self

    def released(self, run: ConnectorRun) -> Self:
        """Return the partition as it is: no unplug waits."""
        del run
        return self

    def unplug_refused(self, drc_index: int, call: Call) -> Self:
        """Return the partition as it is: no unplug waits."""
        del drc_index, call
        return self

    def reset(self) -> PowerVm:
        """Restart the partition: it keeps the LMBs that it has."""
        return self
