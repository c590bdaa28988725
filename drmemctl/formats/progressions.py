# SPDX-License-Identifier: MIT
"""Finding records that go on regularly, many at a time: a v1 property has an entry for every LMB.

A block of n records is one long integer. Where each record is the one before plus a constant, the block without
its first record minus the block without its last is that constant n-1 times over: three operations on long
integers instead of n tuples, at some 30 ns a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drmemctl.formats.rows import Rows

_BLOCK_RECORDS = 1024
_SMALLEST_BLOCK = 64
"""An irregular block is halved as long as trying the halves costs less than taking its records one by one."""


def progressions(
    rows: Rows, data: bytes, start: int, count: int, steps: Mapping[str, int]
) -> Iterator[tuple[int, int, bool]]:
    """Yield (position of the first record, how many, whether each is `steps` (field → increment) further).

    The next ones may continue a regular block all the same. No field wraps inside of one.
    """
    step = int.from_bytes(rows.pack_one(*(steps.get(name, 0) for name in rows.names)), "big")
    view = memoryview(data)
    pending = [(first, min(_BLOCK_RECORDS, count - first)) for first in range(0, count, _BLOCK_RECORDS)]
    pending.reverse()
    while pending:
        first, n = pending.pop()
        begin = start + first * rows.size
        if n > 1 and _is_regular(rows, view[begin : begin + n * rows.size], n, step, steps):
            yield first, n, True
        elif n > _SMALLEST_BLOCK and _has_regular_pair(rows, data, begin, n, step):
            half = n // 2
            pending += [(first + half, n - half), (first, half)]
        else:
            yield first, n, False


def _is_regular(rows: Rows, block: memoryview, n: int, step: int, steps: Mapping[str, int]) -> bool:
    bits = 8 * rows.size
    head = next(rows.iterate(block, 0, 1))
    tail = next(rows.iterate(block, (n - 1) * rows.size, 1))
    # Field by field for the ends: no carry from one field into another can then have made up the difference.
    if any(
        last != value + (n - 1) * steps.get(name, 0)
        for name, value, last in zip(rows.names, head, tail, strict=True)
    ):
        return False
    whole = int.from_bytes(block, "big")
    repeated, all_but_first = _repeated(step, bits, n - 1)
    return (whole & all_but_first) - (whole >> bits) == repeated


def _has_regular_pair(rows: Rows, data: bytes, begin: int, n: int, step: int) -> bool:
    """Whether any of four pairs of neighbours goes on regularly: a block without is not worth halving."""
    for position in (0, n // 4, n // 2, n - 2):
        offset = begin + position * rows.size
        middle = offset + rows.size
        if int.from_bytes(data[middle : middle + rows.size]) - int.from_bytes(data[offset:middle]) == step:
            return True
    return False


_known: dict[tuple[int, int, int], tuple[int, int]] = {}


def _repeated(step: int, bits: int, n: int) -> tuple[int, int]:
    """Return the integer of n times the same record, and that of n records of ones.

    The few that one property needs are remembered.
    """
    key = (step, bits, n)
    if key not in _known:
        if len(_known) >= 8:
            _known.clear()
        _known[key] = int.from_bytes(step.to_bytes(bits // 8, "big") * n, "big"), (1 << bits * n) - 1
    return _known[key]
