# SPDX-License-Identifier: MIT
"""`ibm,associativity-lookup-arrays`: M associativity lists of N domains, without a length cell each.

Source: LoPAR 2.9, "ibm,dynamic-reconfiguration-memory"; Linux arch/powerpc/mm/numa.c `of_get_assoc_arrays`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from drmemctl.defect import Defect
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS
from drmemctl.formats.lists import judge_length
from drmemctl.formats.rows import Rows, pack_words, words
from drmemctl.formats.seam import building
from drmemctl.wording import count_of

HEADER = Rows(n_arrays=32, array_sz=32)
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class LookupArrays:
    """The lists, decoded on demand.

    Attributes:
        n_arrays: M, the number of lists declared.
        array_sz: N, the domains of each.
        cells: every whole word of the property after the two counts, slack included.
        size: the property's length in bytes.
        defects: length and count faults; their property is not filled in.

    """

    n_arrays: int
    array_sz: int
    cells: array[int]
    size: int
    defects: tuple[Defect, ...] = ()
    _rows: dict[int, tuple[int, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def usable(self) -> bool:
        """Whether Linux takes it: `of_get_assoc_arrays` wants all M·N words, as it counts them."""
        # The kernel computes M·N + 2 in u32, so that a huge product can wrap to a length that fits; the factor
        # of four is a size_t and wraps no more.
        needed = (self.n_arrays * self.array_sz + 2 & 0xFFFFFFFF) * 4
        return self.size >= max(needed, HEADER.size)

    @property
    def is_cut(self) -> bool:
        """Whether the source shows only the beginning of the property."""
        return any(defect.code == "lookup-cut" for defect in self.defects)

    @property
    def present(self) -> int:
        """How many of the M lists are there in full."""
        if self.array_sz == 0:
            return self.n_arrays
        return min(self.n_arrays, len(self.cells) // self.array_sz)

    @property
    def listed(self) -> int:
        """How many domains the list of an LMB has at most."""
        return self.array_sz if self.present else 0

    def row(self, index: int) -> tuple[int, ...] | None:
        """Return list `index`, or None if it is not there in full."""
        row = self._rows.get(index)
        if row is not None or not 0 <= index < self.present:
            return row
        row = tuple(self.cells[index * self.array_sz : (index + 1) * self.array_sz])
        # All LMBs of a list share it: a copy for each can come to gigabytes where lists are long.
        if len(self._rows) < _REMEMBERED:
            self._rows[index] = row
        return row

    def rows(self) -> list[tuple[int, ...]]:
        """Return all lists that are there; never more than the property's words allow, unless N is 0."""
        return [self.row(index) or () for index in range(self.present)] if self.array_sz else []


def decode_lookup_arrays(data: bytes, total: int | None = None) -> LookupArrays:
    """Return the lists of the property, as many as are there; what does not fit is a defect `lookup-…`."""
    if len(data) < HEADER.size:
        defect = Defect("lookup-too-short", f"{len(data)} bytes, too short for its two counts", offset=0)
        return LookupArrays(0, 0, array("I"), len(data), (defect,))
    n_arrays, array_sz = HEADER.unpack_one(data, 0)
    expected = HEADER.size + 4 * n_arrays * array_sz
    lists = f"{count_of(n_arrays, 'array')} of {count_of(array_sz, 'domain')}"
    defects = judge_length("lookup", lists, len(data), expected, total=total)
    return LookupArrays(n_arrays, array_sz, words(data[HEADER.size :]), len(data), defects)


def encode_lookup_arrays(arrays: list[tuple[int, ...]], array_sz: int) -> bytes:
    """Return the property's bytes for lists of `array_sz` domains each."""
    with building(LOOKUP_ARRAYS):
        if any(len(domains) != array_sz for domains in arrays):
            raise ValueError(f"not every list has {array_sz} domains")
        return pack_words([len(arrays), array_sz, *(domain for domains in arrays for domain in domains)])
