# SPDX-License-Identifier: MIT
"""`ibm,dynamic-memory` (v1) of a table, made by the column: it has an entry for each LMB, up to some million."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator

from drmemctl.formats.rows import pack_words
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import ADDRESSES

V1_CELL = 24
"""sizeof(struct of_drconf_cell_v1) with an address of 64 bits: three words of 64 bits."""

_AT_ONCE = 1 << 16
"""LMBs whose entries are made at a time: their columns take as much room again."""


def encode_v1_table(table: LmbTable, most: int | None = None, flags_kept: int = -1) -> bytes:
    """Return the property for all LMBs, or with the first `most` of them; the count is that of all.

    Addresses have 64 bits. `flags_kept` is what of the flags is written; the reserved word of an entry is 0, as
    Linux writes it. Without an LMB size, runs are of one LMB.
    """
    packed = bytearray(pack_words([table.n_lmbs & 0xFFFFFFFF]))
    for entries in _entries(table, table.n_lmbs if most is None else most, flags_kept):
        if sys.byteorder == "little":
            entries.byteswap()
        packed += memoryview(entries).cast("B")
    return bytes(packed)


def _entries(table: LmbTable, most: int, flags_kept: int) -> Iterator[array[int]]:
    """Yield the entries of the first LMBs, some at a time: address, DRC index and 0, aa_index and flags."""
    if len(table.runs) == table.n_lmbs:
        bases, _, drc_indexes, aa_indexes, flags = table.runs.columns(0, most)
        kinds = array("Q", (aa << 32 | bits & flags_kept for aa, bits in zip(aa_indexes, flags, strict=True)))
        yield _interleaved(bases, array("Q", (drc << 32 for drc in drc_indexes)), kinds)
        return
    size, remaining = table.lmb_size or 0, most
    for base, lmbs, drc, aa, flags_of_run in table.runs:
        count = min(lmbs, remaining)
        remaining -= count
        kind = array("Q", [aa << 32 | flags_of_run & flags_kept])
        for first in range(0, count, _AT_ONCE):
            n = min(_AT_ONCE, count - first)
            addresses = _progression((base + first * size) % ADDRESSES, size, n)
            drc_words = _progression((drc + first << 32) % ADDRESSES, 1 << 32, n)
            yield _interleaved(addresses, drc_words, kind * n)


def _interleaved(first: array[int], second: array[int], third: array[int]) -> array[int]:
    entries = array("Q", bytes(V1_CELL * len(first)))
    entries[0::3], entries[1::3], entries[2::3] = first, second, third
    return entries


def _progression(first: int, step: int, count: int) -> array[int]:
    """Return numbers of 64 bits, each a step after the one before; they wrap, as in Linux."""
    if not step:
        return array("Q", [first]) * count
    if first + step * count <= ADDRESSES:
        return array("Q", range(first, first + step * count, step))
    return array("Q", [(first + i * step) % ADDRESSES for i in range(count)])
