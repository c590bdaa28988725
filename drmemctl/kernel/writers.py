# SPDX-License-Identifier: MIT
"""Which values of the LMB property the kernel wrote from its array, and which came from outside.

Nothing in a value says who wrote it. But the kernel (arch/powerpc/mm/drmem.c drmem_update_dt) writes its whole
array in one form, and in an array only requests change something: an LMB becomes memory with an aa_index of its
own, or is no more. So the kernel can have written a value if it has that form and differs from the array as a
request leaves it. Of all that explain a history, the explanation with the fewest values from outside is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import (
    AA_UNSET,
    ASSIGNED,
    DRC_INVALID,
    KERNEL_TOUCHED,
    V1,
    V2,
    Entries,
)
from drmemctl.kernel.capabilities import AA_SYNC
from drmemctl.kernel.flush import encode_v1, is_same_set
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.topology_capabilities import PRRN_READD
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.dumped import PastMoment
from drmemctl.model.run import Run
from drmemctl.model.runs import Runs

BOOT = "boot"
FLUSH = "flush"
UPDATE = "update"

RunPair = tuple[Run, Run]


@dataclass(frozen=True, slots=True)
class WrittenValue:
    """Who wrote a value.

    Attributes:
        writer: `boot`, `flush`, `update` (firmware, or /proc/ppc64/ofdt); None where it cannot be told.
        reason: why no flush can have written it; empty where one can.
        requested: the LMBs that requests changed in the array since the value before, as they were and are.
        undone: the LMBs that the flush gave back what an update had changed: the update's and the array's.

    """

    writer: str | None
    reason: str = ""
    requested: tuple[RunPair, ...] = ()
    undone: tuple[RunPair, ...] = ()


@dataclass(frozen=True, slots=True)
class LmbValue:
    """A value of the LMB property: its bytes, entry by entry, and the LMBs that they say."""

    entries: Entries
    table: LmbTable


def lmb_values(name: str, moments: Iterable[PastMoment]) -> list[LmbValue] | None:
    """Return the values of the LMB property, None where Linux would not read its LMBs from each of them."""
    values: list[LmbValue] = []
    for moment in moments:
        if moment.value is None:
            return None
        try:
            drmem = Drmem.from_tree(moment.after)
        except LimitError:
            return None
        if drmem.entries is None or drmem.entries.property != name:
            return None
        values.append(LmbValue(drmem.entries, drmem.table))
    return values


@dataclass(frozen=True, slots=True)
class _Explanation:
    """One way in which the values so far came to be: the array after the last, and who wrote each."""

    array: LmbTable
    writers: tuple[WrittenValue, ...]
    updates: int


def writers_of(values: Sequence[LmbValue], profile: Profile, array: LmbTable | None) -> list[WrittenValue]:
    """Return who wrote each value, the oldest first, which is taken for that of boot.

    `profile` is the kernel, one with an array; `array` is what that is now, None where it is not known.
    """
    explanations = [_Explanation(values[0].table, (WrittenValue(BOOT),), 0)]
    for number, value in enumerate(values[1:], 1):
        now = array if number == len(values) - 1 else None
        unlike = form_fault(value)
        flushes = () if unlike else _flushes(explanations, value, values[number - 1], profile, now)
        reason = unlike or _why_no_flush(explanations[0], value, profile, now)
        update = min(explanations, key=lambda explanation: explanation.updates)
        explanations = [*flushes, _updated(update, value, reason, profile)]
        explanations.sort(key=lambda explanation: explanation.updates)
    return list(explanations[0].writers)


def _flushes(
    explanations: Iterable[_Explanation],
    value: LmbValue,
    before: LmbValue,
    profile: Profile,
    now: LmbTable | None,
) -> Iterator[_Explanation]:
    """Yield the cheapest explanation in which a flush wrote a value: the array is what it says then."""
    for explanation in explanations:
        if request_fault(explanation.array, value.table, profile) or _contradicts(value.table, now):
            continue
        undone: tuple[RunPair, ...] = ()
        if explanation.writers[-1].writer == UPDATE:
            undone = tuple(_undone(before.table, explanation.array, value.table))
        requested = tuple(changed_lmbs(explanation.array, value.table))
        written = WrittenValue(FLUSH, "", requested, undone)
        yield _Explanation(value.table, (*explanation.writers, written), explanation.updates)
        return


def _updated(explanation: _Explanation, value: LmbValue, reason: str, profile: Profile) -> _Explanation:
    """Return the explanation that a value came from outside; from 5.15 on the array takes its aa_indexes over."""
    array = synced(explanation.array, value.table) if profile.has(AA_SYNC) else explanation.array
    writers = (*explanation.writers, WrittenValue(UPDATE, reason))
    return _Explanation(array, writers, explanation.updates + 1)


def _why_no_flush(likeliest: _Explanation, value: LmbValue, profile: Profile, now: LmbTable | None) -> str:
    fault = request_fault(likeliest.array, value.table, profile)
    if not fault and _contradicts(value.table, now):
        fault = "the kernel's array still says something else"
    return fault or "what the next value was written from says something else"


def form_fault(value: LmbValue) -> str:
    """Return in what a value is not as the kernel writes one, empty if in nothing."""
    entries, table = value.entries, value.table
    if entries.defects:
        return "its length or count is none that the kernel writes"
    if entries.property == V2:
        previous: Run | None = None
        for number, (base, lmbs, drc, aa, flags) in enumerate(entries):
            entry = Run(base, lmbs, drc, aa, flags)
            if flags & KERNEL_TOUCHED or not lmbs:
                return f"the kernel writes no set like number {number}"
            if previous is not None and is_same_set(previous, entry):
                return f"the kernel would write sets {number - 1} and {number} as one"
            previous = entry
        return ""
    written = encode_v1(table)
    return "" if entries.property == V1 and written == entries.data else "it is not as the kernel writes one"


def request_fault(array: LmbTable, written: LmbTable, profile: Profile) -> str:
    """Return why no request can have made one array of another, empty where requests can."""
    if array.n_lmbs != written.n_lmbs or array.lmb_size != written.lmb_size:
        return "it has other LMBs than the array"
    for old, new in changed_lmbs(array, written):
        if old.base != new.base or (old.drc_index != new.drc_index and not old.flags & new.flags & DRC_INVALID):
            return "it has other LMBs than the array"
        changed = (old.flags ^ new.flags) & ~KERNEL_TOUCHED
        if changed & ~ASSIGNED:
            return f"LMB {new.drc_index:08x} has flags {new.flags:#x}, {old.flags:#x} in the array"
        came, is_free = changed & new.flags & ASSIGNED, not new.flags & ASSIGNED
        if old.aa_index == new.aa_index:
            if changed and is_free and old.aa_index != AA_UNSET:
                return f"LMB {new.drc_index:08x} is free and has an aa_index, which a removal takes away"
        elif not came and not (is_free and new.aa_index == AA_UNSET) and not profile.has(PRRN_READD):
            indexes = f"aa_index {new.aa_index:#x}, {old.aa_index:#x} in the array"
            return f"LMB {new.drc_index:08x} has {indexes}, and no request added it"
    return ""


def _contradicts(written: LmbTable, now: LmbTable | None) -> bool:
    """Whether the array has other memory than the last flush wrote, and no request is at work."""
    if now is None or now.n_lmbs != written.n_lmbs:
        return False
    changed = [(old, new) for old, new in changed_lmbs(written, now) if (old.flags ^ new.flags) & ASSIGNED]
    return bool(changed) and not any(flags & KERNEL_TOUCHED for flags in now.runs.flags)


def _undone(update: LmbTable, array: LmbTable, written: LmbTable) -> Iterator[RunPair]:
    """Yield the LMBs that an update had changed and the array had not, as the update and as the flush has them."""
    if update.n_lmbs != array.n_lmbs or update.lmb_size != array.lmb_size:
        return
    for delivered, held, now in in_step(update, array, written):
        if held == now != delivered:
            yield delivered, now


def synced(array: LmbTable, update: LmbTable) -> LmbTable:
    """Return the array with the aa_indexes of an update (drmem_update_lmbs)."""
    if array.n_lmbs != update.n_lmbs:
        return array
    runs = (
        old._replace(aa_index=new.aa_index) if old.drc_index == new.drc_index else old
        for old, new in in_step(array, update)
    )
    return replace(array, runs=Runs(runs, array.lmb_size))


def changed_lmbs(old: LmbTable, new: LmbTable) -> Iterator[RunPair]:
    """Yield the LMBs at the same place of two arrays that differ there."""
    return ((before, after) for before, after in in_step(old, new) if before != after)


def in_step(*tables: LmbTable) -> Iterator[tuple[Run, ...]]:
    """Yield the LMBs at the same place of several arrays, as far as all have some, cut where any begins a run."""
    following = [iter(table.runs) for table in tables]
    runs = [next(iterator, None) for iterator in following]
    while None not in runs:
        heads = [run for run in runs if run is not None]
        count = min(run.lmbs for run in heads)
        yield tuple(run._replace(lmbs=count) for run in heads)
        runs = [
            run.part(count, run.lmbs - count, table.lmb_size) if run.lmbs > count else next(iterator, None)
            for run, table, iterator in zip(heads, tables, following, strict=True)
        ]
