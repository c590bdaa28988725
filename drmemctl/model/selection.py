# SPDX-License-Identifier: MIT
"""Choosing LMBs: by node, DRC index, address and state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.intervals import IndexSet
from drmemctl.model.run import ADDRESSES, Run, has_state
from drmemctl.model.runs import Runs


class AddressRange(NamedTuple):
    """Addresses from `first` up to, not including, `end`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What LMBs are wanted; an empty condition is none, several must all hold, of each any value may.

    Attributes:
        nodes: Linux nodes; -1 for LMBs that have none.
        drc_indexes: the DRC indexes.
        addresses: addresses of which the LMB has some.
        states: some of `STATES`.

    """

    nodes: tuple[int, ...] = ()
    drc_indexes: tuple[int, ...] = ()
    addresses: tuple[AddressRange, ...] = ()
    states: tuple[str, ...] = ()

    def of(self, table: LmbTable, associativity: Associativity) -> LmbTable:
        """Return the LMBs of the table for which it holds, as runs in the same order."""
        if self == Selection():
            return table
        return replace(table, runs=Runs(self._parts(table, associativity), table.lmb_size))

    def _parts(self, table: LmbTable, associativity: Associativity) -> Iterator[Run]:
        size = table.lmb_size
        for run in table.runs:
            if self.states and not any(has_state(run.flags, state) for state in self.states):
                continue
            if self.nodes:
                node = associativity.node_of(run.aa_index, run.flags)
                if (-1 if node is None else node) not in self.nodes:
                    continue
            spans = self._spans(run, size)
            if size is None and spans:
                yield run  # the address of a set's later LMBs is unknown: it cannot be cut
            else:
                yield from (run.part(first, end - first, size) for first, end in spans)

    def _spans(self, run: Run, lmb_size: int | None) -> list[tuple[int, int]]:
        """Return (first, end) of the positions in a run with one of the DRC indexes and one of the addresses."""
        spans = [(0, run.lmbs)]
        if self.drc_indexes:
            positions = map(run.position_of_drc, self.drc_indexes)
            spans = list(IndexSet((position, position + 1) for position in positions if position is not None))
        if self.addresses:
            having = IndexSet(span for addresses in self.addresses for span in _having(run, lmb_size, addresses))
            common = ((max(first, low), min(end, high)) for first, end in spans for low, high in having)
            spans = [(first, end) for first, end in common if first < end]
        return spans


def _having(run: Run, lmb_size: int | None, addresses: AddressRange) -> Iterator[tuple[int, int]]:
    """Yield the positions of the LMBs that have some of the addresses; those of the run may wrap at 64 bits."""
    if not lmb_size:
        if addresses.first <= run.base < addresses.end:
            yield 0, run.lmbs
        return
    for shift in (0, ADDRESSES):
        positions = run.positions_in(addresses.first + shift, addresses.end + shift, lmb_size)
        if positions:
            yield positions.start, positions.stop
