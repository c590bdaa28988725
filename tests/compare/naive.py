# SPDX-License-Identifier: MIT
"""The comparison of LMBs done one LMB at a time: what the one by the run has to come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

from drmemctl.compare.lmbs import LmbDiff
from drmemctl.model.drmem import LmbTable

DRC_INVALID = 0x20
LIMIT = 100_000


class One(NamedTuple):
    """An LMB; what it is worth in a sorted list comes first."""

    aa: int
    flags: int
    base: int
    drc: int


Pair = tuple[One | None, One | None]


def lmbs_of(table: LmbTable) -> list[One]:
    return [One(lmb.aa_index, lmb.flags, lmb.base or 0, lmb.drc_index) for lmb in table.lmbs(LIMIT)]


def by_key(lmbs: Iterable[One], key: Callable[[One], Hashable]) -> dict[Hashable, list[One]]:
    found: dict[Hashable, list[One]] = defaultdict(list)
    for lmb in lmbs:
        found[key(lmb)].append(lmb)
    return found


def matched(old: list[One], new: list[One]) -> list[Pair]:
    """Return the LMBs of both in pairs: the same by address and DRC, then by DRC, then by address."""
    pairs: list[Pair] = []
    rounds: list[tuple[Callable[[One], Hashable], bool]] = [
        (lambda lmb: (lmb.base, lmb.drc), False),
        (lambda lmb: lmb.drc, True),
        (lambda lmb: lmb.base, False),
    ]
    for key, valid in rounds:
        kept: tuple[list[One], list[One]] = ([], [])
        sides = []
        for side, lmbs in enumerate((old, new)):
            kept[side].extend(lmb for lmb in lmbs if valid and lmb.flags & DRC_INVALID)
            sides.append(by_key((lmb for lmb in lmbs if not valid or not lmb.flags & DRC_INVALID), key))
        for place in {**sides[0], **sides[1]}:
            ones, others = sorted(sides[0].get(place, [])), sorted(sides[1].get(place, []))
            for lmb in list(ones):
                if lmb in others:
                    ones.remove(lmb)
                    others.remove(lmb)
                    pairs.append((lmb, lmb))
            both = min(len(ones), len(others))
            pairs += zip(ones[:both], others[:both], strict=True)
            kept[0].extend(ones[both:])
            kept[1].extend(others[both:])
        old, new = kept
    pairs += ((lmb, None) for lmb in old)
    pairs += ((None, lmb) for lmb in new)
    return pairs


def differing(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs that differ, sorted; a DRC index that counts in neither is none."""
    return sorted((pair for pair in pairs if _differs(*pair)), key=repr)


def _differs(old: One | None, new: One | None) -> bool:
    if old is None or new is None:
        return True
    if old.flags & new.flags & DRC_INVALID:
        old = old._replace(drc=new.drc)
    return old != new


def expanded(diff: LmbDiff, lmb_size: int) -> list[Pair]:
    """Return the changes of a diff LMB by LMB, sorted."""
    pairs: list[Pair] = []
    for change in diff.changes:
        for position in range(change.count):
            one, other = (
                None
                if lmbs is None
                else One(
                    lmbs.aa_index,
                    lmbs.flags,
                    (lmbs.base + position * lmb_size) % (1 << 64),
                    lmbs.drc_index if lmbs.same_drc else (lmbs.drc_index + position) % (1 << 32),
                )
                for lmbs in (change.old, change.new)
            )
            pairs.append((one, other))
    return sorted(pairs, key=repr)
