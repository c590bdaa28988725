# SPDX-License-Identifier: MIT
"""The LMBs of a partition as runs, which is what Linux's `drmem_info` array holds, in its order.

A 64 TiB partition has 262,144 LMBs of 256 MiB, but a handful of runs. Everything here costs by the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, overload

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import ASSIGNED, HOTREMOVABLE, RESERVED, Columns, Entries
from drmemctl.model.merging import Merger
from drmemctl.tree.limits import NOT_REAL
from drmemctl.tree.node import Tree

_ADDRESSES = 1 << 64
_DRC_INDEXES = 1 << 32

Entry = tuple[int, int, int, int, int]
"""Count, base, DRC index, aa_index, flags."""


@dataclass(frozen=True, slots=True)
class Lmb:
    """One LMB of the array; `base` is None where it is unknown (a set's later LMBs without an LMB size)."""

    base: int | None
    drc_index: int
    aa_index: int
    flags: int


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive LMBs with consecutive addresses and DRC indexes, the same aa_index and flags.

    `base` and `drc_index` are the first LMB's. Addresses wrap at 64 bits and DRC indexes at 32, as in Linux.
    """

    base: int
    count: int
    drc_index: int
    aa_index: int
    flags: int

    @property
    def assigned(self) -> bool:
        """Whether Linux takes these LMBs for memory: ASSIGNED and not RESERVED (`early_init_drmem_lmb`)."""
        return is_assigned(self.flags)

    def part(self, first: int, count: int, lmb_size: int | None) -> Run:
        """Return `count` LMBs of the run from position `first` on."""
        base = (self.base + first * (lmb_size or 0)) % _ADDRESSES
        return Run(base, count, (self.drc_index + first) % _DRC_INDEXES, self.aa_index, self.flags)

    def position_of_drc(self, drc_index: int) -> int | None:
        """Return the position in the run of the first LMB with this DRC index, or None."""
        position = (drc_index - self.drc_index) % _DRC_INDEXES
        return position if position < self.count else None

    def position_of_address(self, address: int, lmb_size: int | None) -> int | None:
        """Return the position in the run of the LMB that holds this address, or None."""
        if not lmb_size:
            return 0 if address == self.base else None
        position = (address - self.base) % _ADDRESSES // lmb_size
        return position if position < self.count else None


def as_run(entry: Entry) -> Run:
    """Return (count, base, DRC index, aa_index, flags) as a run."""
    count, base, drc, aa, flags = entry
    return Run(base, count, drc, aa, flags)


def in_common(ones: Sequence[object], others: Sequence[object]) -> tuple[int, int]:
    """Return how many items of two lists are the same at the beginning, and then at the end."""
    shorter = min(len(ones), len(others))
    head = next((i for i, (one, other) in enumerate(zip(ones, others, strict=False)) if one != other), shorter)
    backwards = zip(reversed(ones), reversed(others), strict=False)
    tail = next((i for i, (one, other) in enumerate(backwards) if one != other), shorter)
    return head, min(tail, shorter - head)


def is_assigned(flags: int) -> bool:
    """Whether Linux takes an LMB with these flags for memory (`early_init_drmem_lmb`)."""
    return flags & (ASSIGNED | RESERVED) == ASSIGNED


def state_of(flags: int) -> str:
    """Return `assigned`, `free` or `reserved`. Reserved wins, as in `early_init_drmem_lmb`."""
    if flags & RESERVED:
        return "reserved"
    return "assigned" if flags & ASSIGNED else "free"


def has_state(flags: int, state: str) -> bool:
    """Whether an LMB counts as `assigned`, `free`, `reserved` or `hot-removable`."""
    if state == "hot-removable":
        return bool(flags & HOTREMOVABLE)
    return state_of(flags) == state


STATES = ("assigned", "free", "reserved", "hot-removable")


class Runs(Sequence[Run]):
    """An immutable sequence of runs, held as columns: 24 bytes a run, however many a hostile tree has.

    Attributes:
        counts: how many LMBs each has.
        bases: address of the first LMB.
        drc_indexes: DRC index of the first LMB.
        aa_indexes: of all its LMBs.
        flags: of all its LMBs.
        n_lmbs: LMBs in all.

    """

    __slots__ = ("aa_indexes", "bases", "counts", "drc_indexes", "flags", "n_lmbs")

    def __init__(self, entries: Iterable[Entry], lmb_size: int | None) -> None:
        """Merge `entries` (count, base, DRC index, aa_index, flags) into maximal runs; count 0 is nothing."""
        merger = Merger(lmb_size)
        merger.take(entries)
        self._hold(merger.finished())

    def _hold(self, columns: Columns) -> None:
        self.counts, self.bases, self.drc_indexes, self.aa_indexes, self.flags = columns
        self.n_lmbs: int = sum(self.counts)

    @classmethod
    def of_blocks(cls, blocks: Iterable[Columns], lmb_size: int | None, most: int | None = None) -> Runs:
        """Return the runs of entries in columns; `LimitError` if there are more than `most` runs."""
        merger = Merger(lmb_size)
        for block in blocks:
            merger.take_columns(block)
            if most is not None and merger.n_runs > most:
                message = f"more than {most:,} runs of LMBs: hardly any LMB follows from the one before"
                raise LimitError(message, hint=NOT_REAL)
        runs = cls((), lmb_size)
        runs._hold(merger.finished())
        return runs

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Run(
            self.bases[index],
            self.counts[index],
            self.drc_indexes[index],
            self.aa_indexes[index],
            self.flags[index],
        )

    def __len__(self) -> int:
        return len(self.counts)

    def __iter__(self) -> Iterator[Run]:
        return map(Run, self.bases, self.counts, self.drc_indexes, self.aa_indexes, self.flags)

    def columns(self, first: int = 0, end: int | None = None) -> Columns:
        """Return the columns of the runs from one position up to another."""
        return Columns(*(column[first:end] for column in self._columns()))

    def entries(self) -> Iterator[Entry]:
        """Yield the runs as (count, base, DRC index, aa_index, flags)."""
        return zip(self.counts, self.bases, self.drc_indexes, self.aa_indexes, self.flags, strict=True)

    def packed(self) -> bytes:
        """Return bytes that only equal runs share."""
        return b"".join(column.tobytes() for column in self._columns())

    def _columns(self) -> tuple[Any, ...]:
        return (self.counts, self.bases, self.drc_indexes, self.aa_indexes, self.flags)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and self._columns() == other._columns()

    def __hash__(self) -> int:
        return hash((len(self), self.n_lmbs))

    def __repr__(self) -> str:
        return f"Runs({list(self[:4])!r}{', …' if len(self) > 4 else ''})"


@dataclass(frozen=True, slots=True)
class LmbTable:
    """The LMBs in array order.

    Two tables are equal if Linux would hold the same array; where they were read from does not count.

    Attributes:
        runs: maximal runs in property order.
        lmb_size: bytes of an LMB, None if the tree does not say.
        property_name: the property they were read from.

    """

    runs: Runs
    lmb_size: int | None
    property_name: str = field(default="", compare=False)

    @classmethod
    def of(cls, entries: Iterable[Entry], lmb_size: int | None, property_name: str = "") -> LmbTable:
        """Return the table of entries (count, base, DRC index, aa_index, flags)."""
        return cls(Runs(entries, lmb_size), lmb_size, property_name)

    @classmethod
    def of_property(cls, entries: Entries, lmb_size: int | None, most: int | None = None) -> LmbTable:
        """Return the table of a property; `LimitError` if it has more than `most` runs."""
        return cls(Runs.of_blocks(entries.blocks(lmb_size), lmb_size, most), lmb_size, entries.property)

    @classmethod
    def from_tree(cls, tree: Tree) -> LmbTable:
        """Return the LMBs of a tree; `NotInTreeError` without a drmem node. `Drmem.from_tree` tells more."""
        from drmemctl.model.drmem import Drmem

        return Drmem.from_tree(tree).table

    @property
    def n_lmbs(self) -> int:
        """Number of LMBs: Linux's `drmem_info->n_lmbs`, if that were not an int."""
        return self.runs.n_lmbs

    def lmb(self, index: int) -> Lmb:
        """Return the LMB at an array index; `IndexError` past the end."""
        for run in self.runs:
            if index < run.count:
                return self._lmb(run, index)
            index -= run.count
        raise IndexError(index)

    def _lmb(self, run: Run, position: int) -> Lmb:
        base = None
        if position == 0 or self.lmb_size is not None:
            base = (run.base + position * (self.lmb_size or 0)) % _ADDRESSES
        return Lmb(base, (run.drc_index + position) % _DRC_INDEXES, run.aa_index, run.flags)

    def lmbs(self, limit: int) -> Iterator[Lmb]:
        """Yield every LMB; `LimitError` at once if there are more than `limit`."""
        check_limit(self.n_lmbs, limit)
        return (self._lmb(run, position) for run in self.runs for position in range(run.count))

    def index_of_drc(self, drc_index: int) -> int | None:
        """Return the array index of the first LMB with this DRC index, as Linux would find it, or None."""
        first = 0
        for count, drc in zip(self.runs.counts, self.runs.drc_indexes, strict=True):
            position = (drc_index - drc) % _DRC_INDEXES
            if position < count:
                return first + position
            first += count
        return None

    def index_of_address(self, address: int) -> int | None:
        """Return the array index of the first LMB that holds this address, or None."""
        first = 0
        for run in self.runs:
            position = run.position_of_address(address, self.lmb_size)
            if position is not None:
                return first + position
            first += run.count
        return None

    def part(self, first: int, count: int) -> list[Run]:
        """Return the runs of `count` LMBs from array index `first` on, cut at both ends."""
        parts = []
        end = first + count
        begin, position = self._run_at(first)
        while begin < end and position < len(self.runs):
            run = self.runs[position]
            low, high = max(first, begin), min(end, begin + run.count)
            if low < high:
                parts.append(run.part(low - begin, high - low, self.lmb_size))
            begin += run.count
            position += 1
        return parts

    def _run_at(self, index: int) -> tuple[int, int]:
        """Return where in the array the run begins that has an LMB, and which run it is."""
        from bisect import bisect_right

        ends = list(accumulate(self.runs.counts))
        position = bisect_right(ends, index)
        return ends[position - 1] if position else 0, position

    def rest_of_run(self, index: int) -> Run:
        """Return the run from the LMB at an array index on; `IndexError` past the end."""
        begin, position = self._run_at(index)
        run = self.runs[position]
        return run.part(index - begin, run.count - (index - begin), self.lmb_size)

    def with_changed(
        self, first: int, count: int, *, aa_index: int | None = None, flags: int | None = None
    ) -> LmbTable:
        """Return the table with `count` LMBs from array index `first` on given a new aa_index or flags."""
        count = min(count, self.n_lmbs - first)
        if count <= 0:
            return self
        changed = [
            Run(
                run.base,
                run.count,
                run.drc_index,
                run.aa_index if aa_index is None else aa_index,
                run.flags if flags is None else flags,
            )
            for run in self.part(first, count)
        ]
        begin, low = self._run_at(first)
        last, high = self._run_at(first + count - 1)
        end = last + self.runs.counts[high]
        between = [*self.part(begin, first - begin), *changed, *self.part(first + count, end - first - count)]
        # What is on both sides stays as it is, however many runs: columns are copied and no run is looked at.
        blocks = self.runs.columns(0, low), Runs(map(_entry, between), None).columns(), self.runs.columns(high + 1)
        return LmbTable(Runs.of_blocks(blocks, self.lmb_size), self.lmb_size, self.property_name)


def _entry(run: Run) -> Entry:
    return run.count, run.base, run.drc_index, run.aa_index, run.flags


def check_limit(n_lmbs: int, limit: int) -> None:
    """Raise `LimitError` if so many LMBs are more than may be expanded."""
    if n_lmbs > limit:
        message = f"expanding gives {n_lmbs:,} LMBs, more than the limit of {limit:,}"
        raise LimitError(message, hint="read the runs, or raise --limit")
