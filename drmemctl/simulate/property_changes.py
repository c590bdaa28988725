# SPDX-License-Identifier: MIT
"""The properties that a step changed, decoded: LMBs as sets, lookup arrays as lists, others as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, decode_entries
from drmemctl.formats.lookup_arrays import LookupArrays, decode_lookup_arrays
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.tree.node import Property, Tree


class LmbSets(NamedTuple):
    """The LMBs of a property.

    Attributes:
        declared: how many entries it declares.
        sets: (base address, LMBs, DRC index, aa_index, flags), as they are written; the entries of v1 by the run.
        address_digits: hex digits to which addresses of this partition are padded.

    """

    declared: int
    sets: Iterable[tuple[int, int, int, int, int]]
    address_digits: int = 0


class ValueChange(NamedTuple):
    """A property before and after a step, `PATH:PROPERTY`; None where it was not there."""

    key: str
    old: LmbSets | LookupArrays | Property | None
    new: LmbSets | LookupArrays | Property | None


def changed_values(old: Tree, new: Tree, keys: Iterable[str]) -> Iterator[ValueChange]:
    """Yield the values of properties, of which each is in one of two trees at least."""
    for key in keys:
        path, _, name = key.rpartition(":")
        if old.find(path) is None and new.find(path) is None:
            # The name has a colon itself: whichever cut names a node that is there.
            path, _, name = key.partition(":")
        yield ValueChange(key, _value(old, path, name), _value(new, path, name))


def _value(tree: Tree, path: str, name: str) -> LmbSets | LookupArrays | Property | None:
    value = tree.get(path, name)
    if value is None or path != NODE or name not in (V1, V2, LOOKUP_ARRAYS):
        return None if value is None else Property(name, value)
    if name == LOOKUP_ARRAYS:
        return decode_lookup_arrays(value)
    drmem = Drmem.from_tree(tree)
    entries = decode_entries(name, value, drmem.cells.address)
    runs = entries if name == V2 else LmbTable.of_property(entries, drmem.table.lmb_size).runs
    return LmbSets(entries.declared, runs, drmem.table.address_digits)


class RowChange(NamedTuple):
    """A lookup array that a step changed; None where there was none."""

    aa_index: int
    old: tuple[int, ...] | None
    new: tuple[int, ...] | None


class LookupChange(NamedTuple):
    """The lookup arrays before and after a step, None where there were none, and the lists that differ."""

    old: LookupArrays | None
    new: LookupArrays | None
    lists: tuple[RowChange, ...]


def changed_lookup_arrays(old: Tree, new: Tree) -> LookupChange | None:
    """Return what changed of the lookup arrays, None where they have the same bytes."""
    values = [tree.get(NODE, LOOKUP_ARRAYS) for tree in (old, new)]
    if values[0] == values[1]:
        return None
    before, after = (None if value is None else decode_lookup_arrays(value) for value in values)
    rows = [[] if arrays is None else arrays.rows() for arrays in (before, after)]
    pairs = enumerate(zip_longest(*rows))
    return LookupChange(
        before, after, tuple(RowChange(aa_index, *pair) for aa_index, pair in pairs if pair[0] != pair[1])
    )
