# SPDX-License-Identifier: MIT
"""`ibm,max-associativity-domains` and `ibm,current-associativity-domains` of `/rtas`.

Source: LoPAR 2.9, "RTAS Node Properties" and "Maximum and Current Associativity Domains"; Linux
arch/powerpc/mm/numa.c `find_possible_nodes`. A u32 N, then N u32: how many domains there are at each level.
"""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.defect import Defect
from drmemctl.formats.lists import decode_counted_words

MAX_DOMAINS = "ibm,max-associativity-domains"
CURRENT_DOMAINS = "ibm,current-associativity-domains"

MIGRATABLE = "ibm,migratable-partition"
"""Property of the root: with it, Linux from 5.15 on goes by the maximum, since nodes may come by a migration."""


@dataclass(frozen=True, slots=True)
class Domains:
    """How many associativity domains there are at each level.

    Attributes:
        declared: the number of levels that the first word claims.
        counts: the number of domains by level, of the levels that are there.
        defects: length and count faults; their property is not filled in.

    """

    declared: int
    counts: tuple[int, ...]
    defects: tuple[Defect, ...] = ()


def decode_domains(data: bytes, total: int | None = None) -> Domains:
    """Return the counts of either property."""
    levels = decode_counted_words("domains", "level", data, total)
    return Domains(levels.declared, tuple(levels.cells), levels.defects)
