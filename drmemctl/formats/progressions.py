# SPDX-License-Identifier: MIT
"""Finding records that go on regularly, many at a time: a v1 property has an entry for every LMB.

A block of n records is one long integer. The block without its last record plus a constant for each is, in an
exclusive or with the block without its first, zero in each record that is the one before plus that constant: some
operations on long integers, and a search for bytes that are not zero, instead of n tuples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from drmemctl.formats.rows import Rows

_BLOCK_RECORDS = 1024
_FEWEST_ALIKE = 4
"""Where progressions have fewer records on average, records are faster taken one by one."""

_zeros = re.compile(rb"\0*").match


def progressions(
    rows: Rows, data: bytes, start: int, count: int, steps: Mapping[str, int]
) -> Iterator[tuple[int, int, Sequence[int]]]:
    """Yield the records in blocks: position of the first, how many, positions at which a progression begins.

    In a progression each record is `steps` (field → increment) further than the one before, and no field wraps.
    The first of a block may continue the progression before all the same; so may any, where few go on regularly.
    """
    increments = [steps.get(name, 0) for name in rows.names]
    step = int.from_bytes(rows.pack_one(*increments), "big")
    view = memoryview(data)
    for first in range(0, count, _BLOCK_RECORDS):
        n = min(_BLOCK_RECORDS, count - first)
        block = view[start + first * rows.size :][: n * rows.size]
        begins = _begins(rows, block, n, step) if _has_regular_pair(rows, block, n, step) else None
        exact = None if begins is None else _exact(rows, block, (*begins, n), increments)
        yield first, n, range(first, first + n) if exact is None else [first + begin for begin in exact]


def _begins(rows: Rows, block: memoryview, n: int, step: int) -> list[int] | None:
    """Return the records that are not the one before plus `step`, the first included; None if they are many."""
    whole = int.from_bytes(block, "big")
    repeated, all_but_first = _repeated(step, 8 * rows.size, n - 1)
    differences = ((whole >> 8 * rows.size) + repeated) ^ (whole & all_but_first)
    begins = [0]
    if not differences:
        return begins
    # Before the n-1 differences is room for a carry out of the first.
    content = differences.to_bytes(n * rows.size, "big")
    position = rows.size
    while (position := _end_of_zeros(content, position)) < len(content):
        begins.append(position // rows.size)
        if len(begins) * _FEWEST_ALIKE > n:
            return None
        position = (begins[-1] + 1) * rows.size
    return begins


def _end_of_zeros(content: bytes, position: int) -> int:
    match = _zeros(content, position)
    return match.end() if match is not None else position


def _exact(rows: Rows, block: memoryview, bounds: Sequence[int], increments: Sequence[int]) -> list[int] | None:
    """Return where progressions begin, looked at field by field; None where a carry between fields made up a step.

    A carry out of the first field can also part a progression: what goes on from the one before is left out.
    """
    begins: list[int] = []
    due: list[int] = []
    for begin, end in pairwise(bounds):
        further = end - begin - 1
        head = rows.unpack_one(block, begin)
        tail = rows.unpack_one(block, end - 1) if further else head
        if list(tail) != [value + further * increment for value, increment in zip(head, increments, strict=True)]:
            return None
        if list(head) != due:
            begins.append(begin)
        due = [value + increment for value, increment in zip(tail, increments, strict=True)]
    return begins


def _has_regular_pair(rows: Rows, block: memoryview, n: int, step: int) -> bool:
    """Whether any of four pairs of neighbours goes on regularly: a block without is not worth a closer look."""
    if n < 2:
        return False
    for position in (0, n // 4, n // 2 - 1, n - 2):
        pair = block[position * rows.size :][: 2 * rows.size]
        if int.from_bytes(pair[rows.size :], "big") - int.from_bytes(pair[: rows.size], "big") == step:
            return True
    return False


@lru_cache(8)
def _repeated(step: int, bits: int, n: int) -> tuple[int, int]:
    """Return the integer of n times the same record, and that of n records of ones.

    The few that one property needs are remembered.
    """
    return int.from_bytes(step.to_bytes(bits // 8, "big") * n, "big"), (1 << bits * n) - 1
