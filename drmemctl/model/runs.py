# SPDX-License-Identifier: MIT
"""Runs of LMBs in array order, held as columns: 24 bytes a run, however many a hostile tree has."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice, repeat
from operator import add, and_, eq
from typing import Any, overload

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import Columns
from drmemctl.model.run import ADDRESSES, DRC_INDEXES, Run
from drmemctl.tree.limits import NOT_REAL


class Runs(Sequence[Run]):
    """An immutable sequence of maximal runs.

    Attributes:
        bases: address of the first LMB.
        lmbs: how many LMBs each has.
        drc_indexes: DRC index of the first LMB.
        aa_indexes: of all its LMBs.
        flags: of all its LMBs.
        n_lmbs: LMBs in all.

    """

    __slots__ = ("_ends", "aa_indexes", "bases", "drc_indexes", "flags", "lmbs", "n_lmbs")

    def __init__(self, runs: Iterable[Run], lmb_size: int | None) -> None:
        """Merge runs that continue one another; those without an LMB are nothing."""
        merger = _Merger(lmb_size)
        merger.add_each(runs)
        self._hold(merger.finished())

    def _hold(self, columns: Columns) -> None:
        self.bases, self.lmbs, self.drc_indexes, self.aa_indexes, self.flags = columns
        self.n_lmbs: int = sum(self.lmbs)
        self._ends: Sequence[int] | None = None

    @classmethod
    def of_blocks(cls, blocks: Iterable[Columns], lmb_size: int | None, most: int | None = None) -> Runs:
        """Return the runs of entries in columns; `LimitError` if there are more than `most` runs."""
        merger = _Merger(lmb_size)
        for block in blocks:
            merger.add_columns(block)
            if most is not None and merger.n_runs > most:
                message = f"more than {most:,} runs of LMBs: hardly any LMB follows from the one before"
                raise LimitError(message, hint=NOT_REAL)
        return cls._of(merger.finished())

    @classmethod
    def _of(cls, columns: Columns) -> Runs:
        runs = cls.__new__(cls)
        runs._hold(columns)  # noqa: SLF001 - its own
        return runs

    def replaced(self, low: int, high: int, runs: Iterable[Run], lmb_size: int | None) -> Runs:
        """Return the runs with others in place of those from position `low` up to `high`.

        Only their neighbours can continue them: of the rest columns are copied and no run is looked at.
        """
        before, after = max(low - 1, 0), high + 1
        between = Runs((*self[before:low], *runs, *self[high:after]), lmb_size)
        columns = zip(self._columns(), between._columns(), strict=True)
        return self._of(Columns(*(column[:before] + middle + column[after:] for column, middle in columns)))

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Run(
            self.bases[index],
            self.lmbs[index],
            self.drc_indexes[index],
            self.aa_indexes[index],
            self.flags[index],
        )

    def __len__(self) -> int:
        return len(self.lmbs)

    def __iter__(self) -> Iterator[Run]:
        # What `Run._make` does, without a call into Python for each: a third of its time.
        return map(tuple.__new__, repeat(Run), zip(*self._columns(), strict=True))

    def columns(self, first: int = 0, end: int | None = None) -> Columns:
        """Return the columns of the runs from one position up to another."""
        return Columns(*(column[first:end] for column in self._columns()))

    def position_of(self, index: int) -> tuple[int, int]:
        """Return the array index at which the run begins that has an LMB, and the position of that run."""
        if self._ends is None:
            self._ends = array("Q", accumulate(self.lmbs))
        position = bisect_right(self._ends, index)
        return self._ends[position - 1] if position else 0, position

    def beginning_at(self, position: int) -> Iterator[Run]:
        """Yield the runs from a position on."""
        # Not by `islice`, which makes a run of each that it passes over.
        return (self[number] for number in range(position, len(self)))

    def packed(self) -> bytes:
        """Return bytes that only equal runs share."""
        return b"".join(column.tobytes() for column in self._columns())

    def _columns(self) -> tuple[Any, ...]:
        return (self.bases, self.lmbs, self.drc_indexes, self.aa_indexes, self.flags)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and self._columns() == other._columns()

    def __hash__(self) -> int:
        return hash((len(self), self.n_lmbs))

    def __repr__(self) -> str:
        return f"<Runs: {len(self):,} with {self.n_lmbs:,} LMBs>"


class _Merger:
    """Takes entries in their order and puts together those that continue one another; 0 LMBs are nothing."""

    def __init__(self, lmb_size: int | None) -> None:
        self._lmb_size = lmb_size
        self._columns = Columns(array("Q"), array("Q"), array("I"), array("I"), array("I"))
        self._last = (0, 0, 0, 0, 0)
        self._next = (-1, -1)
        """Base address and DRC index of an LMB that would continue the last run."""

    def add_each(self, entries: Iterable[tuple[int, int, int, int, int]]) -> None:
        """Add entries one by one: the loop is kept to comparisons."""
        size = self._lmb_size
        add_base, add_lmbs, add_drc, add_aa, add_flags = (column.append for column in self._columns)
        base, lmbs, drc, aa, flags = self._last
        next_base, next_drc = self._next
        for entry_base, n, entry_drc, entry_aa, entry_flags in entries:
            if n == 0:
                continue
            if entry_base == next_base and entry_drc == next_drc and entry_aa == aa and entry_flags == flags:
                lmbs += n
            else:
                if lmbs:
                    add_base(base)
                    add_lmbs(lmbs)
                    add_drc(drc)
                    add_aa(aa)
                    add_flags(flags)
                base, lmbs, drc, aa, flags = entry_base, n, entry_drc, entry_aa, entry_flags
                next_base, next_drc = base, drc
            next_base = -1 if size is None else (next_base + n * size) % ADDRESSES
            next_drc = (next_drc + n) % DRC_INDEXES
        self._last = base, lmbs, drc, aa, flags
        self._next = next_base, next_drc

    def add_columns(self, block: Columns) -> None:
        """Add many entries; where none continues the one before, no look at each is needed."""
        if len(block.lmbs) < 3 or _may_continue(block):
            self.add_each(zip(*block, strict=True))
            return
        self.add_each(zip(*(column[:1] for column in block), strict=True))
        self._close()
        for column, more in zip(self._columns, block, strict=True):
            column.extend(array(column.typecode, more[1:-1]))
        self.add_each(zip(*(column[-1:] for column in block), strict=True))

    @property
    def n_runs(self) -> int:
        """How many runs there are so far, the one that may go on included."""
        return len(self._columns.lmbs) + bool(self._last[1])

    def _close(self) -> None:
        """Finish the last run: what comes next does not continue it."""
        if self._last[1]:
            for column, value in zip(self._columns, self._last, strict=True):
                column.append(value)
        self._last, self._next = (0, 0, 0, 0, 0), (-1, -1)

    def finished(self) -> Columns:
        """Return the runs."""
        self._close()
        return self._columns


def _may_continue(block: Columns) -> bool:
    """Whether some entry may continue the one before it, or counts nothing."""
    if 0 in block.lmbs:
        return True
    if not _has_equal_neighbours(block.aa_indexes) or not _has_equal_neighbours(block.flags):
        return False
    following = map(and_, map(add, block.drc_indexes, block.lmbs), repeat(DRC_INDEXES - 1))
    return any(map(eq, islice(block.drc_indexes, 1, None), following))


def _has_equal_neighbours(column: Sequence[int]) -> bool:
    return any(map(eq, column, islice(column, 1, None)))
