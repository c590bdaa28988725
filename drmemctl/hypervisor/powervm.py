# SPDX-License-Identifier: MIT
"""PowerVM as LoPAR describes it: any unassigned LMB with a valid DRC index can be acquired, any given back.

Source: LoPAR 2.9, "Dynamic Reconfiguration (DR) Architecture"; no answer here was recorded from a real one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from drmemctl.hypervisor.connectors import LOPAR_LOGICAL, Call, ConnectorRun, ConnectorTable, Table, kind_of
from drmemctl.hypervisor.inventory import (
    assigned_devices,
    drc_intervals,
    lmb_entries,
    lmb_intervals,
    lmb_runs,
    other_runs,
)
from drmemctl.hypervisor.machine import Machine
from drmemctl.hypervisor.topology import lmb_table, lookup_rows
from drmemctl.kernel.firmware import PARAMETER_ERROR
from drmemctl.model.associativity import Associativity
from drmemctl.tree.node import Tree

_POOL = 1
"""The one device that stands for the pools of memory and of processors: every LMB and every CPU has it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The associativity that the hypervisor's user gave some LMBs or CPUs, the newest last."""

    first: int
    count: int
    domains: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Withheld:
    """LMBs that the pool refuses with a status of set-indicator."""

    first: int
    count: int
    status: int


@dataclass(frozen=True, slots=True)
class PowerVm(Machine):
    """A PowerVM partition.

    Attributes:
        placements: where its LMBs were said to be since boot.
        withheld: what the pool was told to refuse, the newest last.

    """

    name: ClassVar[str] = "powervm"

    placements: tuple[Placement, ...] = ()
    withheld: tuple[Withheld, ...] = ()

    @classmethod
    def from_tree(cls, tree: Tree) -> PowerVm:
        """Return the partition whose firmware handed out this tree."""
        intervals, entries = drc_intervals(tree), lmb_entries(tree)
        lmbs = lmb_runs(lmb_intervals(intervals, entries), assigned_devices(tree, entries))
        pooled = (replace(run, device=_POOL) for run in lmbs)
        other_connectors = (
            replace(run, device=_POOL) if kind_of(run.first).is_cpu else run for run in other_runs(tree, intervals)
        )
        table, rows = lmb_table(tree), lookup_rows(tree)
        connectors = ConnectorTable.of([*pooled, *other_connectors])
        position = Associativity.as_booted(tree).primary_index
        machine = cls(tree, connectors, (), rows, position, table.lmb_size or 0, lmbs=table, lists=rows)
        return machine.handing_out(tree, table)

    def withhold(self, first: int, count: int, status: int | None) -> PowerVm:
        """Let the pool refuse LMBs with a status of set-indicator, or give them again with None.

        What the partition has it keeps. `RefusedError` where there are no connectors.
        """
        connectors = self.connectors
        for run in self.existing(first, count):
            connectors = connectors.with_run(replace(run, device=_POOL if status is None else 0))
        withheld = self.withheld if status is None else (*self.withheld, Withheld(first, count, status))
        return replace(self, connectors=connectors, withheld=withheld)

    def _call(self, call: Call, drc_index: int, count: int = 1) -> tuple[int, PowerVm]:
        status, machine = Machine._call(self, call, drc_index, count)  # noqa: SLF001 - slots part super() from the class
        run = self.connectors.find(drc_index)
        if call is Call.USABLE and status == PARAMETER_ERROR and run is not None and not run.device:
            refusals = (
                part.status for part in reversed(self.withheld) if 0 <= drc_index - part.first < part.count
            )
            status = next(refusals, status)
        return status, machine

    def table(self, drc_index: int) -> Table:
        """Return the state table of a connector; slots are left out."""
        del drc_index
        return LOPAR_LOGICAL

    def domains_of(self, drc_index: int) -> tuple[int, ...]:
        """Return the list that the LMB was given, else the one that the tree has for it, else the first."""
        placed = self._placement(drc_index)
        if placed is not None:
            return placed.domains
        return self.domains_in_property(drc_index) or (self.lists[0] if self.lists else ())

    def placed(self, drc_index: int) -> tuple[int, ...]:
        """Return the list that the connector's LMB or CPU was given since boot."""
        placed = self._placement(drc_index)
        return () if placed is None else placed.domains

    def _placement(self, drc_index: int) -> Placement | None:
        matching = (
            placement
            for placement in reversed(self.placements)
            if placement.first <= drc_index < placement.first + placement.count
        )
        return next(matching, None)

    def n_placed_alike(self, run: ConnectorRun, drc_index: int, count: int) -> int:
        """Return how many of `count` connectors were placed alike, by the user or by the tree."""
        del run
        for placed in self.placements:
            for edge in (placed.first - drc_index, placed.first + placed.count - drc_index):
                if 0 < edge < count:
                    count = edge
        return self.n_in_same_list(drc_index, count)

    def is_placed_as_at_boot(self, drc_index: int) -> bool:
        """Whether an LMB was given no other place since."""
        return self._placement(drc_index) is None

    def moved(self, tree: Tree) -> PowerVm:
        """Return the partition on the destination, whose tree says where its LMBs are."""
        return replace(Machine.moved(self, tree), placements=())

    def attach(self, first: int, count: int, domains: tuple[int, ...]) -> PowerVm:
        """Note where LMBs are placed; they can be acquired without that. `RefusedError` where there are none."""
        self.existing(first, count)
        return replace(self, placements=(*self.placements, Placement(first, count, domains)))

    def detach(self, first: int, count: int) -> PowerVm:
        """Ask for LMBs back, which changes nothing: the partition decides. `RefusedError` where there are none."""
        self.existing(first, count)
        return self

    def reset(self) -> PowerVm:
        """Restart the partition: it keeps the LMBs that it has."""
        return self
