# SPDX-License-Identifier: MIT
"""Where the hypervisor has the LMBs by what it delivered to the partition last: property, rows, connectors.

An LMB's place is its associativity, domain by domain, and not an aa_index: the partition appends rows of its own
to the lookup arrays, and firmware numbers them anew when a partition migrates.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from drmemctl.formats.dynamic_memory import AA_UNSET, AI_INVALID, LOOKUP_ARRAYS, NODE, V1, V2, decode_entries
from drmemctl.formats.lookup_arrays import LookupArrays, decode_lookup_arrays
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import Drmem, LmbTable, RootCells
from drmemctl.model.joined_runs import joined, with_run
from drmemctl.tree.node import Tree

NO_LMBS = LmbTable.of((), None)


def lmb_table(tree: Tree) -> LmbTable:
    """Return a tree's LMBs, none without a drmem node."""
    return Drmem.from_tree(tree).table if tree.find(NODE) is not None else NO_LMBS


def lookup_rows(tree: Tree) -> tuple[tuple[int, ...], ...]:
    """Return the lists of a tree's lookup arrays."""
    lookup = Associativity.from_tree(tree).lookup
    return () if lookup is None else tuple(lookup.rows())


@dataclass(frozen=True, slots=True, order=True)
class ConnectorPlace:
    """The associativity that connectors described for `count` LMBs from DRC index `first` on.

    Attributes:
        first: the first one's DRC index.
        count: how many.
        index: which of firmware's lists that was then; None for none of them: the partition appends it.
        domains: the list; empty where firmware has fewer lists by now, or the LMB was given back.

    """

    first: int
    count: int
    index: int | None
    domains: tuple[int, ...]

    @property
    def end(self) -> int:
        """The DRC index after the last one's."""
        return self.first + self.count

    def goes_on(self, following: ConnectorPlace) -> bool:
        """Whether `following` follows, and is at the same place."""
        mine = (self.end, self.index, self.domains)
        return mine == (following.first, following.index, following.domains)


@dataclass(frozen=True, slots=True, eq=False)
class DeliveredTopology:
    """What the hypervisor delivered last. Two are equal if they place the LMBs alike, by whatever calls.

    Attributes:
        lmbs: the LMB property that came last.
        lookup: the lookup arrays that came last, None without any.
        appended: the partition's lookup arrays when that property came, where an aa_index is beyond `lookup`: it
            can only mean a list that the partition had appended itself.
        places: what ibm,configure-connector said since then, by ascending DRC index.

    """

    lmbs: LmbTable = NO_LMBS
    lookup: LookupArrays | None = None
    appended: LookupArrays | None = None
    places: tuple[ConnectorPlace, ...] = ()

    @classmethod
    def of_tree(cls, tree: Tree, lmbs: LmbTable | None = None) -> DeliveredTopology:
        """Return what firmware says that hands out this tree, whose LMBs may be known already."""
        return cls(lmb_table(tree) if lmbs is None else lmbs, Associativity.from_tree(tree).lookup)

    def domains(self, aa_index: int, flags: int) -> tuple[int, ...] | None:
        """Return where LMBs of the property with this aa_index are; None where it leads nowhere."""
        if flags & AI_INVALID:
            return None
        row = _row(self.lookup, aa_index)
        return _row(self.appended, aa_index) if row is None else row

    def updated(self, name: str, value: bytes | None, tree: Tree) -> DeliveredTopology:
        """Return what holds once a property of the drmem node was delivered to a partition that holds `tree`.

        With new lists an LMB keeps its index of firmware's, and is where that leads now. Lists that only the
        partition had appended are none of firmware's: what has one of those stays there.
        """
        if name == LOOKUP_ARRAYS:
            lookup = None if value is None else decode_lookup_arrays(value)
            places = tuple(
                part if part.index is None else replace(part, domains=_row(lookup, part.index) or ())
                for part in self.places
            )
            return replace(self, lookup=lookup, appended=None, places=places)
        if name not in (V1, V2):
            return self
        if value is None:
            no_lmbs = LmbTable.of((), self.lmbs.lmb_size)
            return replace(self, lmbs=no_lmbs, places=()) if self.lmbs.property_name == name else self
        entries = decode_entries(name, value, RootCells.from_tree(tree).address)
        lmbs = LmbTable.of_property(entries, self.lmbs.lmb_size)
        n_lists = 0 if self.lookup is None else self.lookup.present
        beyond = any(n_lists <= aa_index < AA_UNSET for aa_index in lmbs.runs.aa_indexes)
        return DeliveredTopology(lmbs, self.lookup, Associativity.from_tree(tree).lookup if beyond else None)

    @property
    def key(self) -> Hashable:
        """A key that is equal for topologies that place LMBs alike now and after any new lookup arrays."""
        lookup = self.lookup
        cells = None if lookup is None else (lookup.n_arrays, lookup.array_sz, lookup.cells.tobytes())
        listed = sorted(
            ConnectorPlace(run.drc_index, run.lmbs, run.aa_index, self.domains(run.aa_index, run.flags) or ())
            for run in self.lmbs.runs
            if run.assigned
        )
        places_now = tuple(joined(listed))
        for part in self.places:
            places_now = with_run(places_now, part)
        places = tuple(part for part in places_now if part.index is not None or part.domains)
        return places, cells, self.lmbs.property_name

    def __eq__(self, delivered: object) -> bool:
        return isinstance(delivered, DeliveredTopology) and (self is delivered or self.key == delivered.key)

    def __hash__(self) -> int:
        return hash(self.key)

    def configured(self, first: int, count: int, domains: tuple[int, ...]) -> DeliveredTopology:
        """Return what holds once connectors have said where their LMBs are."""
        # One request adds many LMBs of one place, and lists may be many.
        index = next((part.index for part in reversed(self.places) if part.domains == domains), None)
        if index is None and self.lookup is not None:
            # Linux compares as many domains as firmware's lists have.
            rows, compared_domains = self.lookup.rows(), domains[: self.lookup.array_sz]
            index = rows.index(compared_domains) if compared_domains in rows else None
        return replace(self, places=with_run(self.places, ConnectorPlace(first, count, index, domains)))

    def released(self, first: int, count: int) -> DeliveredTopology:
        """Return what holds once the partition has given LMBs back: the hypervisor has them nowhere."""
        return replace(self, places=with_run(self.places, ConnectorPlace(first, count, None, ())))


NOTHING_DELIVERED = DeliveredTopology()


def _row(lookup: LookupArrays | None, index: int) -> tuple[int, ...] | None:
    """Return a list that Linux finds in lookup arrays, None where it finds none."""
    return None if lookup is None or not lookup.usable else lookup.row(index)
