# SPDX-License-Identifier: MIT
"""Merging the entries of a property into maximal runs, as columns: entry by entry only where it matters."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import islice, repeat
from operator import add, and_, eq
from typing import TYPE_CHECKING

from drmemctl.formats.dynamic_memory import Columns

if TYPE_CHECKING:
    from drmemctl.model.lmbs import Entry

_ADDRESSES = 1 << 64
_DRC_MASK = (1 << 32) - 1


class Merger:
    """Takes entries in their order and puts together those that continue one another; count 0 is nothing."""

    def __init__(self, lmb_size: int | None) -> None:
        self._lmb_size = lmb_size
        self._columns = Columns(array("Q"), array("Q"), array("I"), array("I"), array("I"))
        self._last: Entry = (0, 0, 0, 0, 0)
        self._next = (-1, -1)
        """Base address and DRC index of an LMB that would continue the last run."""

    def take(self, entries: Iterable[Entry]) -> None:
        """Take entries one by one: the loop is kept to comparisons."""
        size = self._lmb_size
        add_count, add_base, add_drc, add_aa, add_flags = (column.append for column in self._columns)
        count, base, drc, aa, flags = self._last
        next_base, next_drc = self._next
        for n, entry_base, entry_drc, entry_aa, entry_flags in entries:
            if n == 0:
                continue
            if entry_base == next_base and entry_drc == next_drc and entry_aa == aa and entry_flags == flags:
                count += n
            else:
                if count:
                    add_count(count)
                    add_base(base)
                    add_drc(drc)
                    add_aa(aa)
                    add_flags(flags)
                count, base, drc, aa, flags = n, entry_base, entry_drc, entry_aa, entry_flags
                next_base, next_drc = base, drc
            next_base = -1 if size is None else (next_base + n * size) % _ADDRESSES
            next_drc = next_drc + n & _DRC_MASK
        self._last = count, base, drc, aa, flags
        self._next = next_base, next_drc

    def take_columns(self, block: Columns) -> None:
        """Take many entries; where none continues the one before, no look at each is needed."""
        if len(block.counts) < 3 or _may_continue(block):
            self.take(zip(*block, strict=True))
            return
        self.take([_entry(block, 0)])
        self._close()
        for column, more in zip(self._columns, block, strict=True):
            column.extend(array(column.typecode, more[1:-1]))
        self.take([_entry(block, -1)])

    @property
    def n_runs(self) -> int:
        """How many runs there are so far, the one that may go on included."""
        return len(self._columns.counts) + bool(self._last[0])

    def _close(self) -> None:
        """Finish the last run: what comes next does not continue it."""
        if self._last[0]:
            for column, value in zip(self._columns, self._last, strict=True):
                column.append(value)
        self._last, self._next = (0, 0, 0, 0, 0), (-1, -1)

    def finished(self) -> Columns:
        """Return the runs."""
        self._close()
        return self._columns


def _entry(block: Columns, position: int) -> Entry:
    count, base, drc, aa, flags = (column[position] for column in block)
    return count, base, drc, aa, flags


def _may_continue(block: Columns) -> bool:
    """Whether some entry may continue the one before it, or counts nothing."""
    if 0 in block.counts:
        return True
    if not _has_equal_neighbours(block.aa_indexes) or not _has_equal_neighbours(block.flags):
        return False
    following = map(and_, map(add, block.drc_indexes, block.counts), repeat(_DRC_MASK))
    return any(map(eq, islice(block.drc_indexes, 1, None), following))


def _has_equal_neighbours(column: Sequence[int]) -> bool:
    return any(map(eq, column, islice(column, 1, None)))
