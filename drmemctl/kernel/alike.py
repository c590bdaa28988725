# SPDX-License-Identifier: MIT
"""LMBs that are alike: what a request does with one, it does with all of them, and is carried out once.

The kernel acts on one LMB after the other. Where no other thread runs between, that cannot be told from acting on
a run of LMBs that are alike in everything that the kernel and firmware look at.
"""

from __future__ import annotations

from collections.abc import Callable

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.kernel.capabilities import ASSIGNED_FIRST, FLUSH_PER_LMB, WRONG_NODE_ADD
from drmemctl.kernel.job import Job, LmbMessage
from drmemctl.kernel.physical import max_physical
from drmemctl.kernel.task import R, Task
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run

_DRC_INDEXES = 1 << 32
_ADDRESSES = 1 << 64
_MAX_LOOKUP_ARRAYS = 1 << 22
"""Bytes of lookup arrays in which no list is so wide that the kernel dies of comparing it."""


def n_alike(job: Job, index: int, most: int = _DRC_INDEXES) -> int:
    """Return how many LMBs from an array index on, up to `most`, are alike; 1 where each has to be seen."""
    if not job.alone:
        return 1
    state = job.state
    run = state.table.rest_of_run(index)
    size = state.block_size
    count = min(run.lmbs, most, _DRC_INDEXES - run.drc_index)
    if count == 1 or state.table.lmb_size != size or run.base % size or not _arrays_are_sound(job):
        return 1
    limit = max_physical(state.profile)
    count = min(count, ((limit if run.base < limit else _ADDRESSES) - run.base) // size)
    count = state.blocks.n_alike(run.base // size, max(1, count))
    count = state.kept.n_alike(run.base, count, size)
    count = state.listed.n_alike(run.base // size, count)
    for set_apart in filter(None, (state.unmovable, state.unbolted)):
        count = 1 if run.drc_index in set_apart else _until(run, count, set_apart.__contains__)
    if (job.has(WRONG_NODE_ADD) or job.has(ASSIGNED_FIRST)) and not run.assigned:
        count = _until_assigned(state.table, run, count)
    return job.firmware.n_alike(run.drc_index, count)


def at_once(job: Job, count: int) -> int:
    """Return how many of so many LMBs that are alike are acted on at once.

    A kernel that writes the property for each LMB writes it before it marks that one: the last is by itself in it.
    """
    return max(1, count - 1) if job.has(FLUSH_PER_LMB) else count


def _until(run: Run, count: int, is_other: Callable[[int], bool]) -> int:
    return next((place for place in range(1, count) if is_other(run.drc_index + place)), count)


def _until_assigned(table: LmbTable, run: Run, count: int) -> int:
    """Return how many LMBs of a run lie where no assigned LMB of the array does."""
    size = table.lmb_size or 0
    for assigned_run in table.runs:
        if assigned_run.assigned and assigned_run.position_of_address(run.base, size) is not None:
            return 1
        if assigned_run.assigned:
            count = min(count, -(-((assigned_run.base - run.base) % _ADDRESSES) // size))
    return count


def _arrays_are_sound(job: Job) -> bool:
    """Whether a list that is missing is appended once; to arrays that are cut each LMB appends it."""
    arrays = job.state.tree.get(NODE, LOOKUP_ARRAYS)
    if arrays is None:
        return True
    count, width = int.from_bytes(arrays[:4], "big"), int.from_bytes(arrays[4:8], "big")
    return 4 * (2 + count * width) == len(arrays) <= _MAX_LOOKUP_ARRAYS


def on_alike(job: Job, width: int, act: Callable[[int], Task[R]]) -> Task[R]:
    """Carry out on `width` LMBs that are alike what is to be done with each: `act(0)` with the first of them.

    Messages, faults and events come as they would one LMB after the other.
    """
    if width == 1 or job.events is None:
        return (yield from _on_run(job, width, act(0)))
    trace = job.events
    for place in range(min(width, _SHOWN)):
        events, n_messages = trace.new_part(), len(job.log)
        result = yield from act(place)
        n_messages = len(job.log) - n_messages
    if width > _SHOWN:
        job.events = None
        result = yield from _on_run(job, width - _SHOWN, act(_SHOWN))
        job.events = trace
        trace.repeat(events, n_messages, width - _SHOWN)
    return result


_SHOWN = 2
"""LMBs that are acted on by themselves where somebody looks on; those that follow go as the last of them.

The first may differ in what is there once: it appends a list, and splits a set of the property.
"""


def _on_run(job: Job, width: int, task: Task[R]) -> Task[R]:
    if width == 1:
        return (yield from task)
    log, faults = job.log, job.faults
    job.log, job.faults, job.width = [], [], width
    times = 1  # an oops ends it at the first
    try:
        result = yield from task
        times = width
    finally:
        size = job.state.table.lmb_size or 0
        log += [_of_lmb(line, place, size) for place in range(times if job.log else 0) for line in job.log]
        faults += job.faults * times
        job.log, job.faults, job.width = log, faults, 1
    return result


def _of_lmb(line: str, place: int, size: int) -> str:
    return line.of_following(place, size) if isinstance(line, LmbMessage) else line
