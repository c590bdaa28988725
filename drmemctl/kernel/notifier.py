# SPDX-License-Identifier: MIT
"""What happens when a property of the tree is updated (Linux `of_update_property`, `pseries_memory_notifier`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.dynamic_memory import ASSIGNED, LOOKUP_ARRAYS, NODE, V1, V2, decode_entries
from drmemctl.formats.rows import words
from drmemctl.kernel.capabilities import AA_SYNC, ASSIGNED_DIFF_NOTIFIER, DRMEM_ARRAY, OLD_PROPERTY_CHECK
from drmemctl.kernel.fault import HOTPLUG_LOCK_HELD, Fault
from drmemctl.kernel.job import BlockedError, Job, OopsError
from drmemctl.kernel.plugins import replaceable
from drmemctl.kernel.task import Action, Footprint, StatePart, Task, atomic
from drmemctl.kernel.topology_updates import cpu_updated
from drmemctl.kernel.trace import ArrayWrite
from drmemctl.model.drmem import READ_FROM, Drmem, LmbTable, RootCells
from drmemctl.model.intervals import Claims, split
from drmemctl.model.processors import CPUS
from drmemctl.model.run import Run
from drmemctl.model.runs import Runs

APPENDING = "find_aa_index"
"""The function that appends a list to the lookup arrays, where every index keeps its meaning."""


@replaceable("of_update_property")
def set_property(  # noqa: PLR0913 - what changes, who wants it, and whether it comes from outside
    job: Job,
    path: str,
    name: str,
    value: bytes,
    by: str = "of_update_property",
    *,
    delivered: bool = False,
    notify: bool = True,
) -> Task[None]:
    """Update or add a property of an existing node, then notify (`of_update_property`).

    Other threads may run between the update and the notification.

    Args:
        job: the work in hand.
        path: the node.
        name: the property.
        value: its new value.
        by: the kernel function that calls.
        delivered: whether firmware delivers the value by this update.
        notify: whether the memory notifier is called; every kernel does, plugins may not.

    """
    old = yield from _change_property(job, by, path, name, value, delivered=delivered)
    if path == NODE and name in (V1, V2):
        if not notify:
            return
        yield from _notify(job, name, old, value)
    elif name == ASSOCIATIVITY and path.startswith(CPUS + "/"):
        yield from cpu_updated(job, path, job.doing)


def remove_property(job: Job, path: str, name: str, *, delivered: bool = False) -> Task[None]:
    """Remove a property; no notifier of the memory code listens to that (`of_remove_property`)."""
    yield from _change_property(job, "of_remove_property", path, name, None, delivered=delivered)


def _change_property(  # noqa: PLR0913 - see `set_property`
    job: Job, by: str, path: str, name: str, value: bytes | None, *, delivered: bool
) -> Task[bytes | None]:
    """Set a property, or remove it where `value` is None; return its old value."""
    part = StatePart.LOOKUP if (path, name) == (NODE, LOOKUP_ARRAYS) else StatePart.OTHER
    part = StatePart.LMBS if (path, name) in READ_FROM else part
    touches = Footprint(frozenset({StatePart.NODES}), frozenset({part}))
    if delivered and path == NODE:
        touches |= Footprint(frozenset({StatePart.LOOKUP}), frozenset({StatePart.DELIVERED}))
    if not job.has(DRMEM_ARRAY) and path == NODE:
        touches |= Footprint(writes=frozenset({StatePart.AA, StatePart.FLAGS}))

    def change(actor: Job) -> bytes | None:
        if delivered and path == NODE:
            actor.firmware = actor.firmware.updated(name, value, actor.state.tree)
        tree = actor.state.tree
        node = tree.find(path)
        if node is None or (value is None and node.find(name) is None):
            return None  # nobody finds a detached node's properties, and none that is not there
        size = None if value is None else len(value)
        actor.set_tree(by, tree.with_property(path, name, value), path, name, size)
        if path == NODE and (name in (V1, V2) or (name == LOOKUP_ARRAYS and by != APPENDING)):
            actor.state = replace(actor.state, writer=by)
        if value is None and path == NODE and not actor.has(DRMEM_ARRAY):
            reread(actor)
        return node.get(name)

    old: bytes | None = yield Action(by, change, touches)
    return old


_NOTIFIED = Footprint(frozenset({StatePart.UPDATING, StatePart.BLOCKS}), frozenset({StatePart.AA}))
_READ_AGAIN = Footprint(
    frozenset({StatePart.UPDATING, StatePart.BLOCKS}), frozenset({StatePart.AA, StatePart.FLAGS})
)


@replaceable("pseries_memory_notifier")
def _notify(job: Job, name: str, old: bytes | None, new: bytes) -> Task[None]:
    """Tell the memory code of a new property (`pseries_memory_notifier`), which may be told to pass it over."""

    def notify(actor: Job) -> None:
        if actor.state.updating:
            return
        if not actor.has(DRMEM_ARRAY):
            reread(actor)
        if actor.has(ASSIGNED_DIFF_NOTIFIER) and name == V1:
            _assigned_diff(actor, old, new)
        if actor.has(AA_SYNC) and actor.has(DRMEM_ARRAY):
            _sync_aa(actor, name, new)

    yield Action("pseries_memory_notifier", notify, _NOTIFIED if job.has(DRMEM_ARRAY) else _READ_AGAIN)


@atomic(writes=(StatePart.UPDATING,))
def set_updating(job: Job) -> None:
    """Have the notifier pass over updates (`in_drmem_update`, earlier `rtas_hp_event`)."""
    job.state = replace(job.state, updating=True)


@atomic(writes=(StatePart.UPDATING,))
def clear_updating(job: Job) -> None:
    """Have the notifier look at updates again."""
    job.state = replace(job.state, updating=False)


def reread(job: Job) -> None:
    """Take the LMBs from the tree again, in a kernel that holds no array of its own.

    A request works on its copy of the property to its end, whatever becomes of the property meanwhile
    (`dlpar_clone_drconf_property`).
    """
    if job.state.tree.find(NODE) is not None and not job.state.copies:
        job.state = replace(job.state, table=Drmem.from_tree(job.state.tree).table)


def _sync_aa(job: Job, name: str, data: bytes) -> None:
    """Give every LMB of the array that the property describes its aa_index (`drmem_update_lmbs`).

    Flags, addresses, number and order stay as they are; LMBs that either side lacks are passed over.
    """
    cells = RootCells.from_tree(job.state.tree)
    entries = decode_entries(name, data, cells.address)
    if entries.present < entries.declared:
        walked = f"{entries.declared} entries are walked where there are {entries.present}"
        message = f"{walked}: what lies behind the property is read"
        job.faults.append(Fault("over-read", message, "walk_drmem_lmbs", NODE, name))
    table = job.state.table
    update = LmbTable.of_property(entries, table.lmb_size)
    writes = list(_aa_writes(table, update))
    if job.events is not None:
        for write in writes:
            job.events.append(ArrayWrite("drmem_update_lmbs", len(job.log), *write))
    job.state = replace(job.state, table=_with_aa_writes(table, writes))
    message = ""
    if entries.declared - entries.present > _READABLE_ENTRIES:
        message = f"{entries.declared} entries are walked where there are {entries.present}"
    elif update.n_lmbs * table.n_lmbs > _MOST_COMPARED:
        message = f"each of {update.n_lmbs} LMBs is looked for among {table.n_lmbs}"
    if message:
        raise OopsError(Fault("never-returns", message, f"drmem_update_lmbs: {name}", NODE, name))


def synced(table: LmbTable, update: LmbTable) -> LmbTable:
    """Return an array with the aa_indexes of an update, by DRC index (`drmem_update_lmbs`)."""
    return _with_aa_writes(table, list(_aa_writes(table, update)))


def _aa_writes(table: LmbTable, update: LmbTable) -> Iterator[tuple[int, int, int, int]]:
    """Yield what an update writes into an array: array index, count, DRC index, aa_index."""
    places = _IndexesByDrc(table)
    for run in update.runs:
        for first, count, drc_index in places.of(run):
            yield first, count, drc_index, run.aa_index


def _with_aa_writes(table: LmbTable, writes: Sequence[tuple[int, int, int, int]]) -> LmbTable:
    # `drmem_update_lmbs` writes entry by entry: of several entries with one DRC index the last one stays.
    claims = Claims()
    for first, count, _, aa_index in reversed(writes):
        claims.add(first, first + count, aa_index)
    return replace(table, runs=Runs(_with_aa(table, claims.parts), table.lmb_size))


_READABLE_ENTRIES = 1 << 16
"""Entries beyond a property that a kernel may get through; more take hours, or end in unmapped memory."""

_MOST_COMPARED = 1 << 43
"""LMBs of an update times LMBs of the array: beyond that it takes hours, at a nanosecond for each comparison."""


class _IndexesByDrc:
    """Where in the array the first LMB with each DRC index is."""

    def __init__(self, table: LmbTable) -> None:
        # The owner of a range of DRC indexes is the difference between array index and DRC index.
        self._claims = Claims()
        first = 0
        for run in table.runs:
            position = first
            for low, high in split(run.drc_index, run.lmbs):
                self._claims.add(low, high, position - low)
                position += high - low
            first += run.lmbs

    def of(self, run: Run) -> list[tuple[int, int, int]]:
        """Return (array index, count, DRC index) of the LMBs that a run describes, by array index."""
        return sorted(
            (max(low, begin) + distance, min(high, end) - max(low, begin), max(low, begin))
            for low, high in split(run.drc_index, run.lmbs)
            for begin, end, distance in self._claims.meeting(low, high)
        )


def _with_aa(table: LmbTable, writes: Iterable[tuple[int, int, int]]) -> Iterator[Run]:
    """Yield the runs of a table after writes to it: (array index, the one after the last, aa_index), ascending."""
    remaining = iter(writes)
    write = next(remaining, None)
    first = 0
    for run in table.runs:
        position, last = first, first + run.lmbs
        while position < last:
            while write is not None and write[1] <= position:
                write = next(remaining, None)
            if write is None or write[0] > position:
                end = last if write is None else min(write[0], last)
                yield run.part(position - first, end - position, table.lmb_size)
            else:
                end = min(write[1], last)
                yield run.part(position - first, end - position, table.lmb_size)._replace(aa_index=write[2])
            position = end
        first = last


def _assigned_diff(job: Job, old: bytes | None, new: bytes) -> None:
    """Act on the first LMB whose assigned flag differs (`pseries_update_drconf_memory`).

    Adding only makes the memory known to memblock, which no memory block follows; removing it section by section
    hits a BUG, unless there is no memory. As many entries are compared as the old value has, however many the new
    one has.
    """
    function = "pseries_update_drconf_memory"
    if old is None:
        if not job.has(OLD_PROPERTY_CHECK):
            message = f"{V1} was not there before: its old value is read through a null pointer"
            raise OopsError(Fault("oops", message, function, NODE, V1))
        return
    old_entries, new_flags = decode_entries(V1, old), words(new)[_FIRST_FLAGS::_ENTRY_WORDS]
    for place, (base, *_, was) in enumerate(old_entries):
        if place == len(new_flags):
            message = f"{old_entries.present} entries are compared with {place}: zeros are taken for the others"
            job.faults.append(Fault("over-read", message, function, NODE, V1))
        if (was ^ (new_flags[place] if place < len(new_flags) else 0)) & ASSIGNED:
            block = job.state.block_of(base)
            if was & ASSIGNED and job.state.dead:
                raise BlockedError
            if was & ASSIGNED and job.state.blocks.node_of(block) is not None:
                message = f"memory at {base:#x} is in use and is removed in sections of 16 MiB"
                raise OopsError(Fault("oops", message, function, NODE, V1), dead=HOTPLUG_LOCK_HELD)
            return


_FIRST_FLAGS, _ENTRY_WORDS = 6, 6
"""Where the flags of the first entry of v1 are, in words, and how many words an entry has (`of_drconf_cell`)."""
