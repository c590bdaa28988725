# SPDX-License-Identifier: MIT
"""A line for each of very many LMBs, a thousand at a time.

A quarter of a million lines made one by one take a second. All LMBs with the same aa_index and flags have the
same line but for two addresses and a DRC index: a block of them is one text with three numbers for each put in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from operator import add, eq
from typing import NamedTuple

from drmemctl.model.drmem import LmbTable

_AT_ONCE = 1024

Kind = tuple[int, int]
"""aa_index and flags."""


class Block(NamedTuple):
    """Some LMBs: of each its address, DRC index and kind."""

    bases: Sequence[int]
    drc_indexes: Sequence[int]
    kinds: Iterable[Kind]


def each_is_a_line(table: LmbTable) -> bool:
    """Whether a table of runs has a line for each LMB: none has two, none goes on with the same DRC index."""
    drc_indexes = table.runs.drc_indexes
    return table.n_lmbs == len(table.runs) and not any(map(eq, drc_indexes, islice(drc_indexes, 1, None)))


def blocks_of(table: LmbTable) -> Iterator[Block]:
    """Yield all LMBs of a table, whose size is known."""
    runs, size = table.runs, table.lmb_size or 0
    if table.n_lmbs == len(runs):
        for first in range(0, len(runs), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            yield Block(
                runs.bases[part],
                runs.drc_indexes[part],
                zip(runs.aa_indexes[part], runs.flags[part], strict=True),
            )
        return
    for run in runs:
        for first in range(0, run.lmbs, _AT_ONCE):
            block = run.part(first, min(_AT_ONCE, run.lmbs - first), size)
            bases = range(block.base, block.base + block.lmbs * size, size)
            drc_indexes = range(block.drc_index, block.drc_index + block.lmbs)
            yield Block(bases, drc_indexes, repeat((run.aa_index, run.flags), block.lmbs))


def can_fill_in(table: LmbTable, digits: int) -> bool:
    """Whether no address has more digits than are reserved for it, and nothing wraps."""
    size = table.lmb_size or 0
    runs = table.runs
    if table.n_lmbs == len(runs):
        return max(runs.bases) + size <= 1 << 4 * digits
    return all(
        run.base + run.lmbs * size <= 1 << 4 * digits and run.drc_index + run.lmbs <= 1 << 32 for run in runs
    )


def filled_in(blocks: Iterable[Block], lmb_size: int, form_of: Callable[[Kind], str]) -> Iterator[str]:
    """Yield the lines of blocks as text; `form_of` returns a line with three numbers to be filled in (%x)."""
    forms: dict[Kind, str] = {}
    for block in blocks:
        kinds = list(block.kinds)
        for kind in set(kinds).difference(forms):
            forms[kind] = form_of(kind)
        ends = map(add, block.bases, repeat(lmb_size - 1))
        numbers = chain.from_iterable(zip(block.bases, ends, block.drc_indexes, strict=True))
        yield "".join(map(forms.__getitem__, kinds)) % tuple(numbers)
