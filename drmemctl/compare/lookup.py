# SPDX-License-Identifier: MIT
"""Lookup arrays compared as associativities: what lists there are, and only then under which index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.formats.lookup_arrays import LookupArrays

ADDED = "added"
REMOVED = "removed"
RENUMBERED = "renumbered"
CHANGED = "changed"

MOST_LISTS = 1 << 20
"""Lists of each tree that are looked at: more than any machine has nodes."""

Domains = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ListChange:
    """A list, or two that stand for one another, of the lookup arrays.

    Attributes:
        kind: `renumbered`: the same domains under other indexes; `changed`: other domains under the same index,
            and none of the two lists is anywhere in the other tree; `added`, `removed`.
        old: the domains before, None for an added list.
        new: the domains now, None for a removed one.
        old_indexes: where they were.
        new_indexes: where they are.

    """

    kind: str
    old: Domains | None
    new: Domains | None
    old_indexes: tuple[int, ...] = ()
    new_indexes: tuple[int, ...] = ()

    def mirrored(self) -> ListChange:
        """Return what the change back would be."""
        kind = {ADDED: REMOVED, REMOVED: ADDED}.get(self.kind, self.kind)
        return ListChange(kind, self.new, self.old, self.new_indexes, self.old_indexes)

    @property
    def order(self) -> tuple[object, ...]:
        """What changes are sorted by: the first index at which it is met, the same in both directions."""
        first_indexes = sorted((*self.old_indexes[:1], *self.new_indexes[:1]))
        return first_indexes[0], first_indexes[-1], self.kind, sorted(filter(None, (self.old, self.new)))


@dataclass(frozen=True, slots=True)
class LookupDiff:
    """What became of the lookup arrays.

    Attributes:
        old_lists: how many there were, None without the property.
        new_lists: how many there are.
        changes: by index.
        incomplete: whether there are more than `MOST_LISTS`, which were not looked at and are not all the same.

    """

    old_lists: int | None = None
    new_lists: int | None = None
    changes: tuple[ListChange, ...] = ()
    incomplete: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing changed, not even that there are any."""
        return not self.changes and self.old_lists == self.new_lists and not self.incomplete

    @property
    def only_renumbered(self) -> bool:
        """Whether the lists are the same, and only their indexes differ."""
        return bool(self.changes) and all(change.kind == RENUMBERED for change in self.changes)

    def mirrored(self) -> LookupDiff:
        """Return the diff in the other direction."""
        changes = sorted((change.mirrored() for change in self.changes), key=lambda change: change.order)
        return LookupDiff(self.new_lists, self.old_lists, tuple(changes), self.incomplete)


def compare_lookup(old: LookupArrays | None, new: LookupArrays | None) -> LookupDiff:
    """Return what became of the lists that are there in full, as far as the shorter one of two cut values goes."""
    counts = (None if old is None else old.n_arrays), (None if new is None else new.n_arrays)
    if old == new:
        return LookupDiff(*counts)
    limit = min(_shown(old), _shown(new))
    before, after = _by_domains(old, limit), _by_domains(new, limit)
    changes = sorted(_changes(before, after), key=lambda change: change.order)
    incomplete = any(
        arrays is not None and arrays.array_sz and arrays.present > MOST_LISTS for arrays in (old, new)
    )
    return LookupDiff(*counts, tuple(changes), incomplete)


def _shown(arrays: LookupArrays | None) -> int:
    """Return how many lists may be compared: of a value that its source cut, those that it shows."""
    return arrays.present if arrays is not None and arrays.is_cut else MOST_LISTS


def _by_domains(arrays: LookupArrays | None, limit: int) -> dict[Domains, tuple[int, ...]]:
    """Return each list with the indexes that it has; lists without domains are left out."""
    indexes: dict[Domains, list[int]] = {}
    if arrays is not None and arrays.array_sz:
        for index in range(min(arrays.present, limit)):
            indexes.setdefault(arrays.row(index) or (), []).append(index)
    return {domains: tuple(listed) for domains, listed in indexes.items()}


def _changes(
    before: dict[Domains, tuple[int, ...]], after: dict[Domains, tuple[int, ...]]
) -> Iterator[ListChange]:
    for domains in before.keys() & after.keys():
        if before[domains] != after[domains]:
            yield ListChange(RENUMBERED, domains, domains, before[domains], after[domains])
    removed = {domains: before[domains] for domains in before.keys() - after.keys()}
    added = {domains: after[domains] for domains in after.keys() - before.keys()}
    added_at = {indexes: domains for domains, indexes in added.items()}
    for domains, indexes in removed.items():
        successor = added_at.get(indexes)
        if successor is None:
            yield ListChange(REMOVED, domains, None, indexes, ())
        else:
            del added[successor]
            yield ListChange(CHANGED, domains, successor, indexes, indexes)
    for domains, indexes in added.items():
        yield ListChange(ADDED, None, domains, (), indexes)
