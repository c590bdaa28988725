# SPDX-License-Identifier: MIT
"""`ibm,associativity` of a node: the domains that a CPU, memory or a bridge belongs to.

Source: LoPAR 2.9, "ibm,associativity" (one or more lists: a resource may be connected more than once) and
"NUMA Resource AssociativityLists"; Linux arch/powerpc/mm/numa.c `of_node_to_nid_single`, which reads the first
list only. Each list is a u32 N, then N u32, the outermost domain first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drmemctl.defect import Defect
from drmemctl.formats.lists import COUNT_SIZE, encode_words, judge_length
from drmemctl.formats.rows import words
from drmemctl.wording import count_of

ASSOCIATIVITY = "ibm,associativity"


@dataclass(frozen=True, slots=True)
class AssociativityLists:
    """The associativity lists of a node.

    Attributes:
        declared: the number of domains that the first word claims.
        domains: the first list, as much of it as is there; the one that Linux uses.
        more: the further lists, of a resource that is connected more than once.
        defects: length and count faults; their property is not filled in.

    """

    declared: int
    domains: tuple[int, ...]
    more: tuple[tuple[int, ...], ...] = ()
    defects: tuple[Defect, ...] = ()

    def domain(self, ordinal: int) -> int | None:
        """Return the domain at an ordinal from 1 on, or None if the list does not reach so far."""
        return self.domains[ordinal - 1] if 1 <= ordinal <= len(self.domains) else None


def decode_associativity(data: bytes, total: int | None = None) -> AssociativityLists:
    """Return the lists of the property, as much of them as is there."""
    cells = words(data)
    declared = cells[0] if cells else 0
    lists: list[tuple[int, ...]] = []
    position = 0
    while position < len(cells):
        count = cells[position]
        lists.append(tuple(cells[position + 1 : position + 1 + count]))
        position += 1 + count
    content = count_of(len(lists), "associativity list") + f", the first of {count_of(declared, 'domain')}"
    defects = judge_length("associativity", content, len(data), max(4 * position, COUNT_SIZE), total=total)
    return AssociativityLists(declared, lists[0] if lists else (), tuple(lists[1:]), defects)


def encode_associativity(domains: Sequence[int], *more: Sequence[int]) -> bytes:
    """Return the property's bytes for one list, or several."""
    cells = [cell for listed in (domains, *more) for cell in (len(listed), *listed)]
    return encode_words(ASSOCIATIVITY, cells)
