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
from itertools import accumulate, islice

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import (
    AA_UNSET,
    ASSIGNED,
    DRC_INVALID,
    KERNEL_TOUCHED,
    NODE,
    V2,
    Entries,
    aa_text,
)
from drmemctl.kernel.capabilities import AA_SYNC, DRMEM_ARRAY
from drmemctl.kernel.flush import encode_v1, is_same_set
from drmemctl.kernel.notifier import synced
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.topology_capabilities import PRRN_READD
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.dumped import PastMoment, past_values
from drmemctl.model.run import Run
from drmemctl.model.runs import Runs
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Tree

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


def past_lmb_moments(tree: Tree, name: str) -> list[PastMoment]:
    """Return the values that the LMB property of a dump has had, the newest first, as far as they are looked at.

    Together they have no more sets than a simulated kernel may; those of version 1 are LMBs, which make few runs.
    """
    if name != V2:
        return list(past_values(tree, NODE, name))
    replaced = () if tree.dump is None else tree.dump.replaced.get(NODE, ())
    current = tree.get(NODE, name)
    sizes = [] if current is None else [len(current)]
    sizes += (len(prop.value) for prop in replaced if prop.name == name)
    most = sum(sets <= LIMITS.max_simulated_runs for sets in accumulate(size // 24 for size in sizes))
    return list(islice(past_values(tree, NODE, name), max(1, most)))


def lmb_writers(
    name: str, moments: Sequence[PastMoment], profile: Profile, array: LmbTable | None
) -> list[WrittenValue] | None:
    """Return who wrote each value, the newest first; None where that cannot be told.

    See `writers_of`; so with a kernel that has no array, and values that Linux would read no LMBs from.
    """
    values = lmb_values(name, moments[::-1])
    return None if values is None or not profile.has(DRMEM_ARRAY) else writers_of(values, profile, array)[::-1]


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
    """One way in which the values so far came to be: the array after the last, and who wrote each.

    It costs the updates in it, and where these are as many, the ranges of LMBs that updates made memory or free:
    firmware says where memory is, and leaves it to requests which there is. LMBs that requests took out and added
    again, as one does that fails, cost the same as an update.
    """

    array: LmbTable
    writers: tuple[WrittenValue, ...]
    cost: tuple[int, int] = (0, 0)


def writers_of(values: Sequence[LmbValue], profile: Profile, array: LmbTable | None) -> list[WrittenValue]:
    """Return who wrote each value, the oldest first, which is taken for that of boot.

    `profile` is the kernel, one with an array; `array` is what that is now, None where it is not known.
    """
    explanations = [_Explanation(values[0].table, (WrittenValue(BOOT),))]
    for number, value in enumerate(values[1:], 1):
        present = array if number == len(values) - 1 else None
        unlike = form_fault(value)
        flushes = () if unlike else _flushes(explanations, value, values[number - 1], profile, present)
        reason = unlike or _why_no_flush(explanations[0], value, present)
        update = _updated(explanations[0], value, values[number - 1], reason, profile)
        flush = min(flushes, key=lambda explanation: explanation.cost, default=None)
        explanations = [update] if flush is None else sorted((flush, update), key=lambda either: either.cost)
    return list(explanations[0].writers)


def _flushes(
    explanations: Iterable[_Explanation],
    value: LmbValue,
    before: LmbValue,
    profile: Profile,
    present: LmbTable | None,
) -> Iterator[_Explanation]:
    """Yield the explanations in which a flush wrote a value: the array is what it says then."""
    for explanation in explanations:
        fault = request_fault(explanation.array, value.table)
        if fault or _contradicts(value.table, present):
            continue
        undone: tuple[RunPair, ...] = ()
        if explanation.writers[-1].writer == UPDATE:
            undone = tuple(_undone(before.table, explanation.array, value.table))
        # The addresses and DRC indexes of a merged set read back as others.
        runs = (
            old._replace(aa_index=new.aa_index, flags=new.flags | old.flags & KERNEL_TOUCHED)
            for old, new in in_step(explanation.array, value.table)
        )
        array = replace(explanation.array, runs=Runs(runs, explanation.array.lmb_size))
        written = WrittenValue(FLUSH, "", tuple(changed_lmbs(explanation.array, array)), undone)
        n_again = len(list(_added_again(explanation.array, array)))
        cost = explanation.cost[0] + bool(n_again and not profile.has(PRRN_READD)), explanation.cost[1] + n_again
        yield _Explanation(array, (*explanation.writers, written), cost)


def _updated(
    explanation: _Explanation, value: LmbValue, before: LmbValue, reason: str, profile: Profile
) -> _Explanation:
    """Return the explanation that a value came from outside; from 5.15 on the array takes its aa_indexes over."""
    array = synced(explanation.array, value.table) if profile.has(AA_SYNC) else explanation.array
    pairs = in_step(before.table, value.table)
    n_states = sum(bool((old.flags ^ new.flags) & ASSIGNED) for old, new in pairs)
    cost = explanation.cost[0] + 1, explanation.cost[1] + n_states
    return _Explanation(array, (*explanation.writers, WrittenValue(UPDATE, reason)), cost)


def _why_no_flush(likeliest: _Explanation, value: LmbValue, present: LmbTable | None) -> str:
    fault = request_fault(likeliest.array, value.table)
    if not fault:
        pair = next(_added_again(likeliest.array, value.table), None)
        if pair is not None:
            old, new = pair
            indexes = f"aa_index {aa_text(new.aa_index)}, {aa_text(old.aa_index)} in the array"
            fault = f"LMB {old.drc_index:#010x} has {indexes}, and no request added it"
    if not fault and _contradicts(value.table, present):
        fault = "the kernel's array still says something else"
    return fault or "what the next value was written from says something else"


def form_fault(value: LmbValue) -> str:
    """Return in what a value is not as the kernel writes one, empty if in nothing."""
    entries, table = value.entries, value.table
    if entries.property == V2:
        if entries.defects:
            return "its length or count is none that the kernel writes"
        previous: Run | None = None
        for number, (base, lmbs, drc, aa, flags) in enumerate(entries):
            entry = Run(base, lmbs, drc, aa, flags)
            if flags & KERNEL_TOUCHED or not lmbs:
                return f"the kernel writes no set like number {number}"
            if previous is not None and is_same_set(previous, entry):
                return f"the kernel would write sets {number - 1} and {number} as one"
            previous = entry
        return ""
    # As long as the property was, whatever room that has.
    written = encode_v1(table)[: len(entries.data)].ljust(len(entries.data), b"\0")
    return "" if written == entries.data else "it is not as the kernel writes one"


def request_fault(array: LmbTable, written: LmbTable) -> str:
    """Return why no request can have made one array of another, empty where requests can.

    Of a set of version 2 only the first LMB's address and DRC index are the array's, see DRM015.
    """
    if array.n_lmbs != written.n_lmbs or array.lmb_size != written.lmb_size:
        return "it has other LMBs than the array"
    starts = set(accumulate(written.runs.lmbs, initial=0))
    position = 0
    for old, new in in_step(array, written):
        is_read_back = written.property_name == V2 and position not in starts
        position += new.lmbs
        has_same_drc = old.drc_index == new.drc_index or old.flags & new.flags & DRC_INVALID
        if not is_read_back and (old.base != new.base or not has_same_drc):
            return "it has other LMBs than the array"
        fault = _attribute_fault(old, new)
        if fault:
            return fault
    return ""


def _added_again(array: LmbTable, written: LmbTable) -> Iterator[RunPair]:
    """Yield LMBs that are memory before and after, and have another aa_index."""
    return (
        (old, new)
        for old, new in in_step(array, written)
        if old.aa_index != new.aa_index and old.flags & new.flags & ASSIGNED
    )


def _attribute_fault(old: Run, new: Run) -> str:
    """Return why no request can have made one LMB of another: only adding gives an aa_index, removal takes it."""
    changed = (old.flags ^ new.flags) & ~KERNEL_TOUCHED
    if changed & ~ASSIGNED:
        return f"LMB {old.drc_index:#010x} has flags {new.flags:#x}, {old.flags:#x} in the array"
    is_free = not new.flags & ASSIGNED
    if old.aa_index == new.aa_index:
        if changed and is_free and old.aa_index != AA_UNSET:
            return f"LMB {old.drc_index:#010x} is free and has an aa_index, which a removal takes away"
    elif is_free and new.aa_index != AA_UNSET:
        indexes = f"aa_index {aa_text(new.aa_index)}, {aa_text(old.aa_index)} in the array"
        return f"LMB {old.drc_index:#010x} has {indexes}, and no request added it"
    return ""


def _contradicts(written: LmbTable, present: LmbTable | None) -> bool:
    """Whether the array has other memory than the last flush wrote, and no request is at work."""
    if present is None or present.n_lmbs != written.n_lmbs:
        return False
    changed = [(old, new) for old, new in changed_lmbs(written, present) if (old.flags ^ new.flags) & ASSIGNED]
    return bool(changed) and not any(flags & KERNEL_TOUCHED for flags in present.runs.flags)


def _undone(update: LmbTable, array: LmbTable, written: LmbTable) -> Iterator[RunPair]:
    """Yield the LMBs that an update had changed and the array had not, as the update and as the flush has them."""
    if update.n_lmbs != array.n_lmbs or update.lmb_size != array.lmb_size:
        return
    for delivered, live, flushed in in_step(update, array, written):
        if live[3:] == flushed[3:] != delivered[3:]:
            yield delivered, live


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
