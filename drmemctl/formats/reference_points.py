# SPDX-License-Identifier: MIT
"""`ibm,associativity-reference-points` of `/rtas`: which ordinals of an associativity list matter most.

Source: LoPAR 2.9, "RTAS Node Properties" and "Relative Performance Distance"; Linux arch/powerpc/mm/numa.c
`find_primary_domain_index`. A list of u32 without a count; ordinals count from 1.
"""

from __future__ import annotations

from typing import NamedTuple

from drmemctl.defect import Defect
from drmemctl.formats.lists import decode_words

REFERENCE_POINTS = "ibm,associativity-reference-points"


class ReferencePoints(NamedTuple):
    """The ordinals, the most significant first.

    Attributes:
        points: positions in an associativity list, the first domain being 1.
        defects: length faults; their property is not filled in.

    """

    points: tuple[int, ...]
    defects: tuple[Defect, ...] = ()


def decode_reference_points(data: bytes, total: int | None = None) -> ReferencePoints:
    """Return the reference points that are there in full."""
    points = decode_words("reference-points", "reference point", data, total)
    return ReferencePoints(tuple(points.cells), points.defects)
