# SPDX-License-Identifier: MIT
"""Choosing LMBs: by node, DRC index, address and state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run, has_state
from drmemctl.model.runs import Runs


@dataclass(frozen=True, slots=True)
class Selection:
    """What LMBs are wanted; None is no condition, several conditions must all hold.

    Attributes:
        node: the Linux node; -1 for LMBs that have none.
        drc_index: the DRC index.
        address: an address inside the LMB.
        state: one of `STATES`.

    """

    node: int | None = None
    drc_index: int | None = None
    address: int | None = None
    state: str | None = None

    def of(self, table: LmbTable, associativity: Associativity) -> LmbTable:
        """Return the LMBs of the table for which it holds, as runs in the same order."""
        if self == Selection():
            return table
        return replace(table, runs=Runs(self._parts(table, associativity), table.lmb_size))

    def _parts(self, table: LmbTable, associativity: Associativity) -> Iterator[Run]:
        for run in table.runs:
            if not self._takes(run, associativity):
                continue
            part = self._part(run, table.lmb_size)
            if part is not None:
                yield part

    def _takes(self, run: Run, associativity: Associativity) -> bool:
        if self.state is not None and not has_state(run.flags, self.state):
            return False
        if self.node is None:
            return True
        node = associativity.node_of(run.aa_index, run.flags)
        return self.node == (-1 if node is None else node)

    def _part(self, run: Run, lmb_size: int | None) -> Run | None:
        """Return the run, or its one LMB with the DRC index and address asked for, or None."""
        positions = []
        if self.drc_index is not None:
            positions.append(run.position_of_drc(self.drc_index))
        if self.address is not None:
            positions.append(run.position_of_address(self.address, lmb_size))
        if not positions:
            return run
        if positions[0] is None or positions[0] != positions[-1]:
            return None
        if lmb_size is None:
            return run  # the address of a set's later LMBs is unknown: it cannot be cut
        return run.part(positions[0], 1, lmb_size)
