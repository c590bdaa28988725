# SPDX-License-Identifier: MIT
"""Choosing LMBs: by node, DRC index, address and state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import ADDRESSES, Run, has_state
from drmemctl.model.runs import Runs


class AddressRange(NamedTuple):
    """Addresses from `first` up to, not including, `end`."""

    first: int
    end: int


class _Span(NamedTuple):
    """Positions in a run from `first` up to, not including, `end`."""

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
                yield from (run.part(span.first, span.end - span.first, size) for span in spans)

    def _spans(self, run: Run, lmb_size: int | None) -> list[_Span]:
        """Return the positions in a run that have one of the DRC indexes and one of the addresses."""
        spans = [_Span(0, run.lmbs)]
        if self.drc_indexes:
            positions = map(run.position_of_drc, self.drc_indexes)
            spans = _merged(_Span(position, position + 1) for position in positions if position is not None)
        if self.addresses:
            having = _merged(span for addresses in self.addresses for span in _having(run, lmb_size, addresses))
            spans = _merged(
                _Span(max(span.first, other.first), min(span.end, other.end))
                for span in spans
                for other in having
                if max(span.first, other.first) < min(span.end, other.end)
            )
        return spans


def _having(run: Run, lmb_size: int | None, addresses: AddressRange) -> Iterator[_Span]:
    """Yield the positions of the LMBs that have some of the addresses; those of the run may wrap at 64 bits."""
    if not lmb_size:
        if addresses.first <= run.base < addresses.end:
            yield _Span(0, run.lmbs)
        return
    for shift in (0, ADDRESSES):
        first = max(0, (addresses.first + shift - run.base) // lmb_size)
        end = min(run.lmbs, -((run.base - addresses.end - shift) // lmb_size))
        if first < end:
            yield _Span(first, end)


def _merged(spans: Iterable[_Span]) -> list[_Span]:
    """Return spans in ascending order, those that touch or overlap as one."""
    merged: list[_Span] = []
    for span in sorted(spans):
        if merged and span.first <= merged[-1].end:
            merged[-1] = _Span(merged[-1].first, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged
