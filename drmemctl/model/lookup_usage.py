# SPDX-License-Identifier: MIT
"""Who uses each associativity lookup array: LMBs by state and address; arrays unused, arrays that are the same.

Source: Linux arch/powerpc/mm/numa.c `of_get_assoc_arrays`, `of_drconf_to_nid_single` (which array an LMB has),
arch/powerpc/platforms/pseries/hotplug-memory.c `find_aa_index` (which appends an array for a hot-added LMB, and
never takes one away).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import AA_UNSET, AI_INVALID, LOOKUP_ARRAYS, NODE
from drmemctl.formats.lookup_arrays import LookupArrays
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.run import state_of
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Tree

RANGES_KEPT = 16
"""Address ranges kept for each user; the rest is counted."""

OUT_OF_RANGE = "out-of-range"
UNSET = "unset"
INVALID = "ai-invalid"


@dataclass(frozen=True, slots=True)
class Users:
    """LMBs, counted.

    Attributes:
        assigned: how many are assigned.
        free: how many are free.
        reserved: how many are reserved.
        ranges: the first addresses and numbers of LMBs, those next to each other as one, at most `RANGES_KEPT`.
        n_ranges: how many ranges there are.

    """

    assigned: int = 0
    free: int = 0
    reserved: int = 0
    ranges: tuple[tuple[int, int], ...] = ()
    n_ranges: int = 0

    __repr__ = short_repr

    @property
    def lmbs(self) -> int:
        """All of them."""
        return self.assigned + self.free + self.reserved


@dataclass(frozen=True, slots=True)
class ArrayUse:
    """A lookup array and the LMBs that have it.

    Attributes:
        index: the aa_index that means it.
        domains: its domains.
        node: the Linux node it stands for, None where Linux makes none of it.
        same_as: the first array with the same domains, None where that is itself.
        users: the LMBs with this aa_index.

    """

    index: int
    domains: tuple[int, ...]
    node: int | None
    same_as: int | None
    users: Users

    __repr__ = short_repr


@dataclass(frozen=True, slots=True)
class Outsiders:
    """LMBs that have no lookup array.

    Attributes:
        reason: `unset` (aa_index 0xffffffff), `out-of-range`, or `ai-invalid` (the flag says so).
        aa_index: their aa_index; None where LMBs with several stand together, as under `ai-invalid`.
        users: the LMBs.

    """

    reason: str
    aa_index: int | None
    users: Users


@dataclass(frozen=True, slots=True)
class LookupUsage:
    """The lookup arrays of a tree and their users.

    Attributes:
        n_arrays: the number of arrays that the property declares.
        array_sz: the domains of each.
        usable: whether Linux takes the property at all.
        arrays: the arrays that are there in full; none where they have no domains.
        outsiders: LMBs without an array, `unset` first.
        lmb_size: bytes of an LMB.
        unknown: whether the tree does not show what it takes to know the nodes.

    """

    n_arrays: int
    array_sz: int
    usable: bool
    arrays: tuple[ArrayUse, ...]
    outsiders: tuple[Outsiders, ...]
    lmb_size: int | None
    unknown: bool = False

    __repr__ = short_repr

    @classmethod
    def of(cls, drmem: Drmem, associativity: Associativity, limit: int) -> LookupUsage:
        """Return the usage; `LimitError` if there are more arrays, or indexes out of their range, than `limit`."""
        lookup = associativity.lookup or LookupArrays(0, 0, array("I"), 0)
        present = lookup.present if lookup.array_sz else 0
        _check(present, "lookup arrays", limit)
        users: dict[int, Users] = {}
        outsiders: list[Outsiders] = []
        for aa_index, index_users in _by_index(drmem.table):
            if 0 <= aa_index < present:
                users[aa_index] = index_users
            elif aa_index == _AI_INVALID:
                outsiders.append(Outsiders(INVALID, None, index_users))
            else:
                outsiders.append(Outsiders(UNSET if aa_index == AA_UNSET else OUT_OF_RANGE, aa_index, index_users))
            _check(len(outsiders), "aa_index values without an array", limit)
        outsiders.sort(key=lambda outsider: (outsider.reason != UNSET, outsider.reason != INVALID))
        return cls(
            lookup.n_arrays,
            lookup.array_sz,
            associativity.lookup is not None and lookup.usable,
            tuple(_arrays(lookup, present, associativity, users)),
            tuple(outsiders),
            drmem.table.lmb_size,
            bool(associativity.unknown),
        )

    @classmethod
    def from_tree(cls, tree: Tree, limit: int = 65_536) -> LookupUsage:
        """Return the usage of a tree; `NotInTreeError` without dynamic memory."""
        return cls.of(Drmem.from_tree(tree), Associativity.from_tree(tree), limit)

    @property
    def unused(self) -> int:
        """How many arrays no LMB has."""
        return sum(1 for use in self.arrays if not use.users.lmbs)

    @property
    def duplicates(self) -> int:
        """How many arrays say the same as an earlier one."""
        return sum(1 for use in self.arrays if use.same_as is not None)


def _check(number: int, things: str, limit: int) -> None:
    if number > limit:
        raise LimitError(
            f"more than {limit:,} {things}", path=NODE, property=LOOKUP_ARRAYS, hint="raise --limit to list them"
        )


def _arrays(
    lookup: LookupArrays, present: int, associativity: Associativity, users: dict[int, Users]
) -> Iterator[ArrayUse]:
    nobody = Users()
    first: dict[tuple[int, ...], int] = {}
    for index in range(present):
        domains = lookup.row(index) or ()
        same = first.setdefault(domains, index)
        node = associativity.node_of_row(domains) if lookup.usable else None
        yield ArrayUse(index, domains, node, None if same == index else same, users.get(index, nobody))


_SHIFT = 32
_AI_INVALID = -1


def _by_index(table: LmbTable) -> Iterator[tuple[int, Users]]:
    """Yield (aa_index, users) by ascending aa_index; first, as index -1, LMBs whose flags say it is invalid."""
    # One number a run, sorted: a dictionary of a hostile tree's three million values would take a gigabyte.
    keys = sorted(
        ((_AI_INVALID if flags & AI_INVALID else aa_index) << _SHIFT) + position
        for position, (aa_index, flags) in enumerate(zip(table.runs.aa_indexes, table.runs.flags, strict=True))
    )
    for aa_index, group in groupby(keys, key=lambda key: key >> _SHIFT):
        counter = _Counter()
        for key in group:
            run = table.runs[key & ((1 << _SHIFT) - 1)]
            counter.add(run.base, run.lmbs, run.flags, table.lmb_size)
        yield aa_index, counter.users()


@dataclass(slots=True)
class _Counter:
    """Adds LMBs up, and puts together ranges that follow one another."""

    states: dict[str, int] = field(default_factory=lambda: {"assigned": 0, "free": 0, "reserved": 0})
    ranges: list[list[int]] = field(default_factory=list)
    n_ranges: int = 0
    next_base: int = -1

    def add(self, base: int, count: int, flags: int, lmb_size: int | None) -> None:
        self.states[state_of(flags)] += count
        follows = base == self.next_base and lmb_size is not None
        if not follows:
            self.n_ranges += 1
            if self.n_ranges <= RANGES_KEPT:
                self.ranges.append([base, 0])
        if self.n_ranges <= RANGES_KEPT:
            self.ranges[-1][1] += count
        self.next_base = base + count * (lmb_size or 0)

    def users(self) -> Users:
        ranges = tuple((base, count) for base, count in self.ranges)
        return Users(**self.states, ranges=ranges, n_ranges=self.n_ranges)
