# SPDX-License-Identifier: MIT
"""What a node lists of its children's connectors, in either form."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from functools import cached_property
from itertools import compress
from operator import not_

from drmemctl.check.subject import Subject
from drmemctl.check.survey import LocatedNode, per_subject, survey, whole
from drmemctl.formats import drc
from drmemctl.formats.drc import Connectors, DrcStrings, decode_connectors
from drmemctl.formats.drc_info import DRC_INFO_PROPERTY, DrcInfoEntry, decode_drc_info
from drmemctl.model.intervals import IndexSet, split, stretches

_MEMORY = "MEM"
_MOST_EXPANDED = 1 << 16
"""Connectors of a drc-info that are looked at one by one, where they are not consecutive."""


class Listing:
    """The connectors that a node lists.

    Attributes:
        path: the node.
        arrays: ibm,drc-indexes and the three beside it, None where the node has none or shows only a part.
        info: ibm,drc-info, likewise.

    """

    def __init__(self, parent: LocatedNode) -> None:
        self.path = parent.path
        self.arrays: Connectors | None = None
        indexes = whole(parent.node, drc.INDEXES)
        if indexes is not None:
            names = (drc.NAMES, drc.TYPES, drc.POWER_DOMAINS)
            self.arrays = decode_connectors(indexes, *(whole(parent.node, name) for name in names))
        data = whole(parent.node, DRC_INFO_PROPERTY)
        self.info = None if data is None else decode_drc_info(data)

    @cached_property
    def marks(self) -> bytes:
        """Of each connector of the arrays 1 where it is that of an LMB or its type is not told, else 0."""
        if self.arrays is None:
            return b""
        number, types = len(self.arrays), self.arrays.types
        if types is None:
            return b"\1" * number
        if _is_one_repeated(types):
            marks = bytes((types.data.startswith(_MEMORY.encode(), 4),)) * types.present
        else:
            kinds = raw_strings(types)
            of_memory = {kind for kind in set(kinds) if kind.startswith(_MEMORY.encode())}
            marks = bytes(map(of_memory.__contains__, kinds))
        return marks[:number].ljust(number, b"\0")

    @cached_property
    def memory_indexes(self) -> array[int]:
        """The DRC indexes of LMBs in the arrays, as they stand there; each is four bytes."""
        return array("I", compress(self.cells, self.marks)) if 0 in self.marks else self.cells

    @property
    def cells(self) -> array[int]:
        """The DRC indexes of the arrays, as they stand there."""
        return array("I") if self.arrays is None else self.arrays.indexes.cells

    @cached_property
    def in_arrays(self) -> IndexSet:
        """The DRC indexes of the arrays."""
        devices = array("I", compress(self.cells, map(not_, self.marks)) if 0 in self.marks else ())
        return IndexSet((*self._memory_in_arrays, *_stretches(devices)))

    @cached_property
    def in_info(self) -> IndexSet:
        """The DRC indexes of ibm,drc-info."""
        return IndexSet(span for entry in self._entries for span in _spans(entry))

    @cached_property
    def all(self) -> IndexSet:
        """The DRC indexes of both."""
        return IndexSet((*self.in_arrays, *self.in_info)) if self.in_info else self.in_arrays

    @cached_property
    def memory(self) -> IndexSet:
        """Those of LMBs, or of a type that is not told."""
        spans = [span for entry in self._entries if is_memory(entry.type) for span in _spans(entry)]
        return IndexSet((*spans, *self._memory_in_arrays))

    @cached_property
    def _memory_in_arrays(self) -> IndexSet:
        return IndexSet(_stretches(self.memory_indexes))

    @cached_property
    def _entries(self) -> tuple[DrcInfoEntry, ...]:
        return () if self.info is None else tuple(self.info.entries)

    @property
    def is_whole(self) -> bool:
        """Whether it lists something, and nothing is missing of that or too scattered to look at."""
        if self.arrays is None and self.info is None:
            return False
        defects = [defect for form in (self.arrays, self.info) if form is not None for defect in form.defects]
        scattered = sum(entry.n_sequential for entry in self._entries if not _is_range(entry))
        return scattered <= _MOST_EXPANDED and all(defect.code.endswith("-trailing") for defect in defects)


def is_memory(kind: str) -> bool:
    """Whether a connector type is that of LMBs: MEM, or LoPAR's MEM-n."""
    return kind.startswith(_MEMORY)


def raw_strings(strings: DrcStrings) -> list[bytes]:
    """Return the strings of a property as they are, all at once."""
    return strings.data[4:].split(b"\0", strings.present)[: strings.present]


def _is_one_repeated(strings: DrcStrings) -> bool:
    """Whether all strings are the same, told without taking them apart."""
    first = strings.data[4 : strings.data.find(b"\0", 4) + 1]
    end = 4 + len(first) * strings.present
    return end <= len(strings.data) and strings.data.startswith(first * strings.present, 4)


def _stretches(indexes: array[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the stretches in DRC indexes of any order."""
    if not indexes:
        return
    # The usual case is that they are all from the lowest on, each once: told without a set or sorting.
    low = min(indexes)
    seen = bytearray(len(indexes))
    try:
        for index in indexes:
            seen[index - low] = 1
    except IndexError:
        yield from stretches(sorted(set(indexes)))
        return
    if 0 in seen:
        yield from stretches(sorted(set(indexes)))
    else:
        yield low, low + len(indexes)


def _is_range(entry: DrcInfoEntry) -> bool:
    return entry.increment <= 1 or entry.n_sequential <= 1


def _spans(entry: DrcInfoEntry) -> Iterator[tuple[int, int]]:
    """Yield the DRC indexes of a sequence as (start, end); of a scattered one not more than can be looked at."""
    if not entry.n_sequential:
        return
    if _is_range(entry):
        yield from split(entry.index_start, entry.n_sequential if entry.increment == 1 else 1)
    else:
        for position in range(min(entry.n_sequential, _MOST_EXPANDED)):
            index = entry.index(position)
            yield index, index + 1


@per_subject
def listings(subject: Subject) -> dict[str, Listing]:
    """Return what the nodes of a tree list, by path: the root has LMBs, persistent memory and host bridges."""
    return {parent.path: Listing(parent) for parent in survey(subject).parents}
