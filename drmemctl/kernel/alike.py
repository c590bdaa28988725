# SPDX-License-Identifier: MIT
"""Acting on runs of equal LMBs at once: what a request does to one of them, it does to all.

The kernel acts on one LMB after the other. Where no other thread runs in between, the result is the same as of
acting once on a run of LMBs that are equal in everything that the kernel and firmware look at.
"""

from __future__ import annotations

from collections.abc import Callable

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.kernel.capabilities import ASSIGNED_FIRST, FLUSH_PER_LMB, WRONG_NODE_ADD
from drmemctl.kernel.job import Job, LmbMessage
from drmemctl.kernel.sections import max_physical
from drmemctl.kernel.task import R, Task
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import ADDRESSES, DRC_INDEXES, Run

_MAX_LOOKUP_ARRAYS = 1 << 22
"""Bytes of lookup arrays up to which comparing a list cannot leave mapped memory (`find_aa_index`)."""


def n_alike(job: Job, index: int, most: int = DRC_INDEXES) -> int:
    """Return how many LMBs from an array index on, up to `most`, are alike; 1 where other threads run."""
    if not job.alone:
        return 1
    state = job.state
    run = state.table.rest_of_run(index)
    size = state.block_size
    count = min(run.lmbs, most, DRC_INDEXES - run.drc_index)
    if count == 1 or state.table.lmb_size != size or run.base % size or not _arrays_are_sound(job):
        return 1
    limit = max_physical(state.profile)
    # What ends just at the limit is refused as what is beyond it is, but by another check.
    count = min(count, ((limit - 1 if run.base < limit else ADDRESSES) - run.base) // size)
    count = state.blocks.n_alike(run.base // size, max(1, count))
    count = state.kept.n_alike(run.base, count, size)
    count = state.listed.n_alike(run.base // size, count)
    for set_apart in filter(None, (state.unmovable, state.unbolted)):
        following = (place for place in range(1, count) if run.drc_index + place in set_apart)
        count = 1 if run.drc_index in set_apart else next(following, count)
    if (job.has(WRONG_NODE_ADD) or job.has(ASSIGNED_FIRST)) and not run.assigned:
        count = _n_before_assigned(state.table, run, count)
    return job.firmware.n_alike(run.drc_index, count)


def n_at_once(job: Job, count: int) -> int:
    """Return how many of `count` equal LMBs are acted on at once.

    Kernels with `flush-per-lmb` write the property for each LMB before they mark it: there the last one is acted
    on alone, so that the property has the others marked and that one not.
    """
    return max(1, count - 1) if job.has(FLUSH_PER_LMB) else count


def _n_before_assigned(table: LmbTable, run: Run, count: int) -> int:
    """Return how many LMBs of a run lie where no assigned LMB of the array does."""
    size = table.lmb_size or 0
    for assigned_run in table.runs:
        if assigned_run.assigned and assigned_run.position_of_address(run.base, size) is not None:
            return 1
        if assigned_run.assigned:
            count = min(count, -(-((assigned_run.base - run.base) % ADDRESSES) // size))
    return count


def _arrays_are_sound(job: Job) -> bool:
    """Whether `find_aa_index` appends a missing list once: to arrays cut short it appends it for each LMB."""
    arrays = job.state.tree.get(NODE, LOOKUP_ARRAYS)
    if arrays is None:
        return True
    count, width = int.from_bytes(arrays[:4], "big"), int.from_bytes(arrays[4:8], "big")
    return 4 * (2 + count * width) == len(arrays) <= _MAX_LOOKUP_ARRAYS


def act_on_alike(job: Job, width: int, act: Callable[[int], Task[R]]) -> Task[R]:
    """Do a task to each of `width` equal LMBs; `act(n)` returns the task for the LMB `n` after the first.

    Messages, faults and events are those of acting on one LMB after the other.
    """
    if width == 1 or job.events is None:
        return (yield from _act_on_run(job, width, act(0)))
    trace = job.events
    for place in range(min(width, _ACTED_ON_SINGLY)):
        events, n_messages = trace.new_part(), len(job.log)
        result = yield from act(place)
        n_messages = len(job.log) - n_messages
    if width > _ACTED_ON_SINGLY:
        job.events = None
        result = yield from _act_on_run(job, width - _ACTED_ON_SINGLY, act(_ACTED_ON_SINGLY))
        job.events = trace
        trace.repeat(events, n_messages, width - _ACTED_ON_SINGLY)
    return result


_ACTED_ON_SINGLY = 2
"""LMBs that are acted on one by one where events are collected; the events of the others repeat those of the last.

The first one may differ: it appends a list to the lookup arrays, and splits a set of the property.
"""


def _act_on_run(job: Job, width: int, task: Task[R]) -> Task[R]:
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
        places = range(times if job.log else 0)
        log += [
            line.of_following(place, size) if isinstance(line, LmbMessage) else line
            for place in places
            for line in job.log
        ]
        faults += job.faults * times
        job.log, job.faults, job.width = log, faults, 1
    return result
