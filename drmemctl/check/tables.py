# SPDX-License-Identifier: MIT
"""LMB tables as ranges of addresses or of DRC indexes, and two tables side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from drmemctl.check.spans import Spans, side_by_side
from drmemctl.formats.dynamic_memory import AI_INVALID, DRC_INVALID
from drmemctl.model.associativity import Associativity
from drmemctl.model.lmbs import LmbTable, Run

_DRC_INDEXES = 1 << 32


def spans_of_addresses(table: LmbTable, wanted: Callable[[int], bool]) -> Spans:
    """Return the bytes of the runs whose flags are wanted; the owner is the run's position."""
    size = table.lmb_size or 0
    spans = Spans()
    for index, (count, base, _, _, flags) in enumerate(table.runs.entries()):
        if wanted(flags):
            spans.add(base, count * size, index)
    return spans


def spans_of_drc_indexes(table: LmbTable) -> Spans:
    """Return the DRC indexes of the runs that have one; the owner is the run's position."""
    spans = Spans()
    for index, (count, _, drc, _, flags) in enumerate(table.runs.entries()):
        if not flags & DRC_INVALID:
            spans.add(drc, min(count, _DRC_INDEXES - drc), index)
    return spans


def by_drc_index(old: LmbTable, new: LmbTable) -> Iterator[tuple[Run | None, Run | None]]:
    """Yield the same LMBs of two tables, by DRC index: (run of the old one, run of the new one).

    Both runs have the same DRC indexes. None stands for a table without them; LMBs without one are left out.
    """
    pieces = side_by_side(spans_of_drc_indexes(old).disjoint(), spans_of_drc_indexes(new).disjoint())
    for start, count, left, right in pieces:
        yield _piece(old, left, start, count), _piece(new, right, start, count)


def both_by_drc_index(old: LmbTable, new: LmbTable) -> Iterator[tuple[Run, Run]]:
    """Yield what `by_drc_index` does where both tables have the LMBs."""
    for one, other in by_drc_index(old, new):
        if one is not None and other is not None:
            yield one, other


def _piece(table: LmbTable, owner: int | None, start: int, count: int) -> Run | None:
    if owner is None:
        return None
    run = table.runs[owner]
    return run.part(start - run.drc_index, count, table.lmb_size)


class Nodes:
    """The node of LMBs by the lookup arrays, each of which is looked at once: a hostile tree has long ones."""

    def __init__(self, associativity: Associativity) -> None:
        self._associativity = associativity
        self._known: dict[tuple[int, int], int | None] = {}

    def of(self, run: Run) -> int | None:
        """Return the node, None where Linux finds none."""
        key = run.aa_index, run.flags & AI_INVALID
        if key not in self._known:
            self._known[key] = self._associativity.node_of(*key)
        return self._known[key]

    def row(self, aa_index: int) -> tuple[int, ...] | None:
        """Return a lookup array."""
        return self._associativity.row(aa_index)
