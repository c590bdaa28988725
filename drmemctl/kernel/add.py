# SPDX-License-Identifier: MIT
"""Requests that add LMBs (Linux hotplug-memory.c `dlpar_memory_add_by_count`, `…_by_index`, `…_by_ic`)."""

from __future__ import annotations

from functools import partial

from drmemctl.formats.dynamic_memory import ASSIGNED, RESERVED
from drmemctl.kernel.capabilities import (
    COUNTED_MARKS,
    QUIET_INDEX_MESSAGES,
    RESERVED_NOT_AVAILABLE,
    SWAPPED_DRC_INDEXES,
)
from drmemctl.kernel.dlpar import acquire_drc, release_drc
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_ops import PREFIX, add_lmb, remove_lmb
from drmemctl.kernel.lmb_range import find_drc, find_range, identity, passes_reserved
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.kernel.walk import Span, act_on_each, act_until, for_each_marked, next_lmb, whole
from drmemctl.model.run import Run
from drmemctl.numbers import as_int


def add_by_count(job: Job, count: int) -> Task[int]:
    """Add the first `count` LMBs that firmware lets the kernel have: all of them, or none."""
    job.log.append(f"{PREFIX}Attempting to hot-add {as_int(count)} LMB(s)")
    if count == 0 or (yield from _available(job)) < count:
        return EINVAL
    added = yield from act_until(job, count, _next_free, _acquire_and_add)
    limit = added if added and job.has(COUNTED_MARKS) else None
    if added == count:
        yield from for_each_marked(job, None, lambda index: _log_added(job, index, quiet=True), limit)
        return 0
    job.log.append(f"{PREFIX}Memory hot-add failed, removing any added LMBs")
    yield from for_each_marked(job, None, lambda index: _remove_again(job, index), limit)
    return EINVAL


@atomic(reads=(StatePart.FLAGS,))
def _available(job: Job) -> int:
    """Count the LMBs that are not assigned; newer kernels leave reserved ones out."""
    excluded = ASSIGNED | (RESERVED if job.has(RESERVED_NOT_AVAILABLE) else 0)
    return sum(run.lmbs for run in job.state.table.runs if not run.flags & excluded)


@atomic(reads=(StatePart.FLAGS, StatePart.CONNECTORS))
def _next_free(job: Job, start: int) -> tuple[int, int] | None:
    """Return the next LMB that is not assigned; those that firmware will not give are passed over."""

    def n_skipped(position: int, run: Run) -> int:
        if run.flags & ASSIGNED:
            return run.lmbs
        if job.asks_each:
            return 0  # whoever looks on sees the kernel ask for each
        return job.firmware.refused((run.drc_index + position) & 0xFFFFFFFF, run.count - position)

    return next_lmb(job.state.table, whole(job), start, n_skipped)


def _acquire_and_add(job: Job, index: int, drc_index: int) -> Task[int]:
    rc = yield from acquire_drc(job, drc_index)
    if rc:
        return rc
    rc = yield from add_lmb(job, index, drc_index)
    if rc:
        yield from release_drc(job, drc_index)
    return rc


def _log_added(job: Job, index: int, *, quiet: bool = False) -> Task[None]:
    if quiet and job.has(QUIET_INDEX_MESSAGES):
        return
    base, drc_index = yield from identity(job, index)
    job.tell(PREFIX + "Memory at {base:x} (drc index {drc:x}) was hot-added", base, drc_index)


def _remove_again(job: Job, index: int) -> Task[None]:
    _, drc_index = yield from identity(job, index)
    if (yield from remove_lmb(job, index)):
        drc_field = "{swapped:x}" if job.has(SWAPPED_DRC_INDEXES) else "{drc:x}"
        job.tell(f"{PREFIX}Failed to remove LMB, drc index {drc_field}", 0, drc_index)
    else:
        yield from release_drc(job, drc_index)


def add_by_index(job: Job, drc_index: int) -> Task[int]:
    """Add the first LMB of the array with that DRC index, assigned, reserved or not."""
    job.log.append(f"{PREFIX}Attempting to hot-add LMB, drc index {drc_index:x}")
    index = yield from find_drc(job, drc_index)
    rc = EINVAL if index is None else (yield from _acquire_and_add(job, index, drc_index))
    if rc or index is None:
        job.log.append(f"{PREFIX}Failed to hot-add memory, drc index {drc_index:x}")
    else:
        yield from _log_added(job, index)
    return rc


def add_by_ic(job: Job, count: int, drc_index: int) -> Task[int]:
    """Add `count` LMBs of the array from the one with that DRC index on; those assigned do not matter."""
    job.log.append(f"{PREFIX}Attempting to hot-add {count} LMB(s) at index {drc_index:x}")
    if count == 0:
        return EINVAL
    span = yield from find_range(job, count, drc_index)
    if span is None or not (yield from passes_reserved(job, span)):
        return EINVAL
    find = partial(_next_free_in, span=span)
    rc = yield from act_on_each(job, span, find, _acquire_and_add)
    if rc == 0 and span.beyond:
        rc = yield from acquire_drc(job, 0)
    if rc == 0:
        yield from for_each_marked(job, span, lambda index: _log_added(job, index))
        return 0
    job.log.append(f"{PREFIX}Memory indexed-count-add failed, removing any added LMBs")
    yield from for_each_marked(job, span, lambda index: _remove_again(job, index))
    return EINVAL


@atomic(reads=(StatePart.FLAGS,))
def _next_free_in(job: Job, start: int, *, span: Span) -> tuple[int, int] | None:
    def n_skipped(_: int, run: Run) -> int:
        return run.lmbs if run.flags & ASSIGNED else 0

    return next_lmb(job.state.table, span, start, n_skipped)
