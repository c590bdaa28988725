# SPDX-License-Identifier: MIT
"""Writing the array back to the tree (Linux arch/powerpc/mm/drmem.c `drmem_update_dt`)."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED, NODE, V1, V2, encode_entries
from drmemctl.formats.lists import COUNT_SIZE
from drmemctl.formats.rows import pack_words, words
from drmemctl.kernel.capabilities import DRMEM_ARRAY, DYNAMIC_MEMORY_V2
from drmemctl.kernel.errno import ENODEV, EPERM
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.job import Job
from drmemctl.kernel.notifier import clear_updating, set_property, set_updating
from drmemctl.kernel.plugins import replaceable
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.model.v1_encoding import V1_CELL, encode_v1_table

WRITTEN_FLAGS = ~KERNEL_TOUCHED
"""What `drmem_lmb_flags` leaves of the flags of an LMB."""

_COUNT_MASK = (1 << 32) - 1
_ADDRESS_MASK = (1 << 64) - 1
_DRC_MASK = (1 << 32) - 1


_WRITERS = {V1: "drmem_update_dt_v1", V2: "drmem_update_dt_v2"}


def function_that_writes(name: str) -> str:
    """Return the kernel function that writes the array into a property."""
    return _WRITERS[name]


@replaceable("drmem_update_dt")
def drmem_update_dt(job: Job) -> Task[int]:
    """Regenerate the property that the tree has from the array; -1 if it has none.

    The flag that has the notifier pass over the update is one for all: it also passes over what another thread
    updates between the first and the last of these actions.
    """
    yield from set_updating(job)
    regenerated = yield from property_from_array(job)
    if regenerated is not None:
        yield from set_property(job, NODE, *regenerated, _WRITERS[regenerated[0]])
    yield from clear_updating(job)
    return EPERM if regenerated is None else 0


@atomic(reads=(StatePart.NODES, StatePart.LMBS, StatePart.AA, StatePart.FLAGS))
def property_from_array(job: Job) -> tuple[str, bytes] | None:
    """Return name and bytes of the property, the first of v1 and v2 that there is; None without either."""
    node = job.state.tree.find(NODE)
    if node is None:
        return None
    old = node.get(V1)
    if old is not None:
        return V1, _encode_v1(job, old)
    return None if node.get(V2) is None else (V2, encode_v2(job.state.table))


def _encode_v1(job: Job, old: bytes) -> bytes:
    """Return as many bytes as the old property had: the array, then zeros."""
    written, table = job.state.written, job.state.table
    room, odd = divmod(len(old) - COUNT_SIZE, V1_CELL)
    if written is None or written[1] is not old or odd:
        # A set of v2 may have billions of LMBs, of which v1 has room for a few.
        data = encode_v1(table, max(0, room + 1))
    else:
        data = patched(old, written[0], table)
    size = COUNT_SIZE + V1_CELL * table.n_lmbs
    if size > len(old):
        message = f"{size} bytes are written into a property of {len(old)}: the heap behind it is overwritten"
        job.faults.append(Fault("heap-overrun", message, "drmem_update_dt_v1", NODE, V1))
    data = data[: len(old)].ljust(len(old), b"\0")
    job.state = replace(job.state, written=(table, data))
    return data


def encode_v1(table: LmbTable, most: int | None = None) -> bytes:
    """Return what `drmem_update_dt_v1` makes of all LMBs, or of the first `most` of them."""
    return encode_v1_table(table, most, WRITTEN_FLAGS)


def patched(data: bytes, before: LmbTable, after: LmbTable) -> bytes:
    """Return what `encode_v1` makes of `after`, given what it made of `before`, by the run.

    The kernel writes every entry each time, but an LMB keeps its address and its DRC index for ever.
    """
    present = (len(data) - 4) // V1_CELL
    patched = bytearray(data)
    entries = memoryview(patched)[4 : 4 + present * V1_CELL].cast("B").cast("Q")
    for first, count, aa, flags in _differences(before, after):
        words = array("Q", [aa << 32 | flags & WRITTEN_FLAGS]) * max(0, min(count, present - first))
        if sys.byteorder == "little":
            words.byteswap()
        entries[3 * first + 2 : 3 * (first + len(words)) : 3] = memoryview(words)
    entries.release()
    return bytes(patched)


def _differences(before: LmbTable, after: LmbTable) -> Iterator[tuple[int, int, int, int]]:
    """Yield (array index, count, aa_index, flags) where one table differs from another of the same LMBs."""
    old = iter(before.runs)
    old_run, remaining, first = None, 0, 0
    for run in after.runs:
        todo = run.lmbs
        while todo:
            if not remaining:
                old_run = next(old)
                remaining = old_run.lmbs
            count = min(todo, remaining)
            if old_run is not None and (old_run.aa_index, old_run.flags) != (run.aa_index, run.flags):
                yield first, count, run.aa_index, run.flags
            first, todo, remaining = first + count, todo - count, remaining - count


class PlacedRun(NamedTuple):
    """Where `drmem_update_dt_v2` puts LMBs of the array.

    Attributes:
        first: the LMBs that the set begins with.
        position: how many LMBs of the set are before these.
        run: the LMBs.

    """

    first: Run
    position: int
    run: Run

    @property
    def read_back(self) -> int:
        """How many LMBs the set has up to here, as its 32-bit count says it."""
        return self.position + self.run.lmbs & _COUNT_MASK


def placed_in_sets(table: LmbTable) -> Iterator[PlacedRun]:
    """Yield in which set `drmem_update_dt_v2` writes LMBs: a new one only where aa_index or flags change.

    It looks at neither address nor DRC index, so that neighbours in the array with equal attributes become one
    set even where they are not contiguous; all but the first then read back wrongly.
    """
    first: Run | None = None
    position = 0
    for run in table.runs:
        if first is None or not is_same_set(first, run):
            first, position = run, 0
        yield PlacedRun(first, position, run)
        position += run.lmbs


def is_same_set(run: Run, following: Run) -> bool:
    """Whether `drmem_update_dt_v2` goes on with a set: it compares aa_index and flags."""
    return run.aa_index == following.aa_index and not (run.flags ^ following.flags) & WRITTEN_FLAGS


def in_set(first: Run, position: int, lmb_size: int) -> tuple[int, int]:
    """Return address and DRC index with which an LMB at a position of a set reads back."""
    return first.base + position * lmb_size & _ADDRESS_MASK, first.drc_index + position & _DRC_MASK


def encode_v2(table: LmbTable) -> bytes:
    """Return what `drmem_update_dt_v2` makes of an array: its `seq_lmbs` is a u32, and wraps.

    By the column, in the sets of `placed_in_sets`: kernels up to 4.19 do it for each LMB of a request.
    """
    bases, lmbs, drc_indexes, aa_indexes, flags = table.runs.columns()
    written = [bits & WRITTEN_FLAGS for bits in flags]
    kinds = list(zip(aa_indexes, written, strict=True))
    begins = [place for place, kind in enumerate(kinds) if not place or kind != kinds[place - 1]]
    sets = [
        Run(bases[begin], sum(lmbs[begin:end]) & _COUNT_MASK, drc_indexes[begin], *kinds[begin])
        for begin, end in pairwise([*begins, len(kinds)])
    ]
    return encode_entries(V2, sets)


_LMB_WRITER = "dlpar_update_device_tree_lmb"

FLUSHES = frozenset({*_WRITERS.values(), _LMB_WRITER})
"""Functions that write what the kernel holds into the LMB property."""


def write_through(job: Job, index: int) -> Task[int]:
    """Put a change of an LMB into the property at once: all of the array, or without one its own entry."""
    if job.has(DRMEM_ARRAY):
        return (yield from drmem_update_dt(job))
    yield from set_updating(job)
    changed = yield from _property_by_lmb(job, index)
    if changed is not None:
        yield from set_property(job, NODE, *changed, _LMB_WRITER)
    yield from clear_updating(job)
    return ENODEV if changed is None else 0


@atomic(reads=(StatePart.NODES, StatePart.LMBS, StatePart.AA, StatePart.FLAGS))
def _property_by_lmb(job: Job, index: int) -> tuple[str, bytes] | None:
    """Return name and bytes of the property: each LMB's own entry, a v2 set split where it has to be."""
    node = job.state.tree.find(NODE)
    old = None if node is None else node.get(V1)
    if old is not None:
        return V1, _with_entries(old, job.state.table.rest_of_run(index), job.width)
    if node is None or node.get(V2) is None or not job.has(DYNAMIC_MEMORY_V2):
        return None
    runs = job.state.table.runs
    sets = (run._replace(lmbs=run.lmbs & _COUNT_MASK, flags=run.flags & WRITTEN_FLAGS) for run in runs)
    return V2, encode_entries(V2, sets)


_V1_WORDS = V1_CELL // 4
_DRC, _AA, _FLAGS = 2, 4, 5
"""Which word of an entry of v1 is which (`struct of_drconf_cell`)."""


def _with_entries(data: bytes, lmbs: Run, count: int) -> bytes:
    """Return a v1 property with what LMBs have now in the first entry that has the DRC index of each, if any has.

    All else stays as it is (`dlpar_update_device_tree_lmb`).
    """
    cells = words(data)
    end = 1 + _V1_WORDS * min(cells[0], (len(cells) - 1) // _V1_WORDS) if cells else 0
    drc_indexes = cells[1 + _DRC : end : _V1_WORDS]
    changed = bytearray(data)
    for place in range(count):
        try:
            entry = 1 + _V1_WORDS * drc_indexes.index((lmbs.drc_index + place) & _DRC_MASK)
        except ValueError:
            continue
        flags = lmbs.flags & WRITTEN_FLAGS | cells[entry + _FLAGS] & KERNEL_TOUCHED
        changed[4 * (entry + _AA) : 4 * (entry + _FLAGS + 1)] = pack_words([lmbs.aa_index, flags])
    return bytes(changed)
