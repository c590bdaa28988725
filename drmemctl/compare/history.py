# SPDX-License-Identifier: MIT
"""The values that a property of a dumped kernel has had since boot.

of_remove_property and __of_update_property (drivers/of/base.c) put what they take out in front of the node's
`deadprops`. So that list tells the node's changes one after the other: taking them back, the last first, leads
through all states of the node. A property that was added leaves nothing there, and looks as if it had been there
since boot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from drmemctl.compare.diff import Diff, diff_of_lmbs
from drmemctl.compare.log_times import LogTimes
from drmemctl.compare.properties import property_change
from drmemctl.compare.side import read_pair
from drmemctl.errors import NotInTreeError
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.lookup_arrays import decode_lookup_arrays
from drmemctl.kernel.affinity import affinity_rules
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.writers import BOOT, FLUSH, UPDATE, WrittenValue, lmb_writers, past_lmb_moments
from drmemctl.model.drmem import Drmem, RootCells
from drmemctl.model.dumped import PastMoment, array_in, past_values
from drmemctl.notebook import short_repr
from drmemctl.tree.lookup import Place
from drmemctl.tree.node import Property, Tree

LMB_PROPERTIES = (V1, V2)


@dataclass(frozen=True, slots=True)
class PastValue:
    """A value that a property has, or had until another took its place.

    Attributes:
        number: 0 is the oldest that the dump has.
        value: None where the property was not there for a while.
        is_current: whether it is the one that the tree has now.
        written: who wrote it.
        seconds: when the kernel's log has the last of the LMBs that the request before the flush changed.
        change: what is different from the value before, None for the oldest.

    """

    number: int
    value: bytes | None
    is_current: bool
    written: WrittenValue
    seconds: float | None = None
    change: Diff | None = None

    __repr__ = short_repr


@dataclass(frozen=True, slots=True)
class PropertyHistory:
    """The values of a property, the newest first, and how many older ones are left off."""

    name: str
    values: tuple[PastValue, ...]
    left_off: int = 0

    __repr__ = short_repr


@dataclass(frozen=True, slots=True)
class History:
    """The histories of properties of a node.

    Attributes:
        path: the node.
        properties: each with its values.
        further: (path, property, values) of the others in the dump that were replaced.
        kernel: the kernel as which they were read.

    """

    path: str
    properties: tuple[PropertyHistory, ...]
    further: tuple[tuple[str, str, int], ...]
    kernel: Profile

    __repr__ = short_repr


def history(tree: Tree, place: Place, kernel: Profile, limit: int) -> History:
    """Return the values of a property, or of all that were replaced in its node, at most `limit` of each.

    Of /ibm,dynamic-reconfiguration-memory without a name, it is the LMB property that is meant.
    """
    replaced = () if tree.dump is None else tree.dump.replaced.get(place.path, ())
    names = _names(place, replaced)
    node_history = _NodeHistory(tree, place, replaced, kernel)
    further = tuple(
        (path, name, count) for path, name, count in _counts(tree) if path != place.path or name not in names
    )
    return History(place.path, tuple(node_history.of(name, limit) for name in names), further, kernel)


def past_place(tree: Tree, path: str, name: str | None) -> Place:
    """Return a node, and of its properties one that it has or had; `NotInTreeError` for one that it never had.

    So for an input that keeps no former values.
    """
    from drmemctl.tree.lookup import find_node, find_property

    if tree.dump is None:
        raise NotInTreeError(
            "this keeps no former values of properties: only the memory of a kernel does",
            source=tree.source,
            hint="name a vmcore or another dump of the kernel's memory; drmemctl diff compares two trees",
        )
    at = path.rfind(":")
    if name is None and at > path.rfind("/") and tree.find(path) is None:
        path, name = path[:at], path[at + 1 :]
    if name is not None:
        place = find_node(tree, path)
        if any(prop.name == name for prop in tree.dump.replaced.get(place.path, ())):
            return Place(place.path, place.node, name)
    return find_property(tree, path, name)


def _names(place: Place, replaced: Sequence[Property]) -> list[str]:
    if place.property is not None:
        return [place.property]
    gone = list(dict.fromkeys(prop.name for prop in replaced))
    if place.path != NODE:
        return gone
    there = [name for name in LMB_PROPERTIES if place.node.find(name) is not None]
    return [name for name in LMB_PROPERTIES if name in there[:1] or name in gone]


def _counts(tree: Tree) -> Iterator[tuple[str, str, int]]:
    """Yield how many values each property of the dump has had that was ever replaced."""
    if tree.dump is None:
        return
    for path, replaced in tree.dump.replaced.items():
        node = tree.find(path)
        for name in dict.fromkeys(prop.name for prop in replaced):
            is_there = node is not None and node.find(name) is not None
            yield path, name, sum(prop.name == name for prop in replaced) + is_there


class _NodeHistory:
    """One node of a dump through time."""

    def __init__(self, tree: Tree, place: Place, replaced: Sequence[Property], kernel: Profile) -> None:
        self._tree = tree
        self._place = place
        self._replaced = replaced
        self._kernel = kernel

    def of(self, name: str, limit: int) -> PropertyHistory:
        """Return the values of a property, the newest first."""
        total = 1 + sum(prop.name == name for prop in self._replaced)
        # Who wrote a value is told by those before it, also by those that are not shown.
        is_lmbs = self._place.path == NODE and name in LMB_PROPERTIES
        past = past_lmb_moments(self._tree, name) if is_lmbs else past_values(self._tree, self._place.path, name)
        moments = list(past)
        written = self._writers(name, moments, whole=len(moments) == total)
        times = self._times(written)
        values = tuple(
            PastValue(
                total - 1 - index,
                moment.value,
                index == 0,
                written[index],
                times[index],
                None if moment.before is None else self._diff(name, moment.before, moment.after),
            )
            for index, moment in enumerate(moments[:limit])
        )
        return PropertyHistory(name, values, total - len(values))

    def _writers(self, name: str, moments: Sequence[PastMoment], *, whole: bool) -> list[WrittenValue]:
        """Return who wrote each value; only of LMBs can it be told."""
        unknown = [WrittenValue(None)] * len(moments)
        if self._place.path != NODE or name not in (*LMB_PROPERTIES, LOOKUP_ARRAYS):
            return unknown
        if name == LOOKUP_ARRAYS:
            written = [
                WrittenValue(None, _APPENDED) if _is_appended(older.value, newer.value) else WrittenValue(UPDATE)
                for newer, older in pairwise(moments)
            ]
            return [*written, WrittenValue(BOOT if whole else None)]
        writers = lmb_writers(name, moments, self._kernel, array_in(self._tree))
        if writers is None:
            return unknown
        return writers if whole else [*writers[:-1], WrittenValue(None)]

    def _times(self, written: Sequence[WrittenValue]) -> list[float | None]:
        """Return the times of the flushes, the newest first, each before the one that followed it."""
        log = LogTimes.of(self._tree)
        drmem = None if self._tree.find(NODE) is None else Drmem.from_tree(self._tree)
        lmb_size = 0 if drmem is None else drmem.table.lmb_size or 0
        times: list[float | None] = []
        latest: float | None = None
        for value in written:
            seconds = log.of_request(value.requested, lmb_size, latest) if value.writer == FLUSH else None
            times.append(seconds)
            latest = latest if seconds is None else seconds
        return times

    def _diff(self, name: str, old: Tree, new: Tree) -> Diff:
        """Return what is different from the value before: LMBs and lookup arrays by their meaning."""
        before, after = read_pair(old, new, affinity_rules(self._kernel))
        difference = diff_of_lmbs(before, after)
        if self._place.path == NODE and name in (*LMB_PROPERTIES, LOOKUP_ARRAYS):
            return difference
        path = self._place.path
        change = property_change(path, (old.node(path), new.node(path)), name, RootCells.from_tree(new))
        return replace(difference, properties=() if change is None else (change,))


_APPENDED = "one list more, as the kernel appends for an LMB whose list is new (find_aa_index)"


def _is_appended(old: bytes | None, new: bytes | None) -> bool:
    """Whether lookup arrays are the old ones and one more."""
    if old is None or new is None:
        return False
    before, after = decode_lookup_arrays(old), decode_lookup_arrays(new)
    header = 8
    return (
        after.n_arrays == before.n_arrays + 1
        and after.array_sz == before.array_sz
        and len(new) == len(old) + 4 * after.array_sz
        and new[header:].startswith(old[header:])
    )
