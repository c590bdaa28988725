# SPDX-License-Identifier: MIT
"""Requests that add LMBs (Linux hotplug-memory.c `dlpar_memory_add_by_count`, `…_by_index`, `…_by_ic`)."""

from __future__ import annotations

from drmemctl.formats.dynamic_memory import ASSIGNED, RESERVED
from drmemctl.kernel.capabilities import COUNTED_MARKS, QUIET_INDEX_MESSAGES, RESERVED_NOT_AVAILABLE
from drmemctl.kernel.dlpar import acquire_drc, release_drc
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_ops import PREFIX, add_lmb, base_of, lmb_at, mark, remove_lmb
from drmemctl.kernel.range import as_int, lmb_range, passes_reserved
from drmemctl.kernel.walk import Span, for_each_marked, runs_in, whole
from drmemctl.model.lmbs import Run


def add_by_count(job: Job, count: int) -> int:
    """Add the first `count` LMBs that firmware lets the kernel have: all of them, or none."""
    job.log.append(f"{PREFIX}Attempting to hot-add {as_int(count)} LMB(s)")
    if count == 0 or _available(job) < count:
        return EINVAL
    added = _add_first(job, count)
    limit = added if added and job.has(COUNTED_MARKS) else None
    if added == count:
        for_each_marked(job, whole(job), lambda index: _added(job, index, quiet=True), limit)
        return 0
    job.log.append(f"{PREFIX}Memory hot-add failed, removing any added LMBs")
    for_each_marked(job, whole(job), lambda index: _take_back(job, index), limit)
    return EINVAL


def _available(job: Job) -> int:
    """Count the LMBs that are not assigned; newer kernels leave reserved ones out."""
    left_out = ASSIGNED | (RESERVED if job.has(RESERVED_NOT_AVAILABLE) else 0)
    return sum(run.count for run in job.state.table.runs if not run.flags & left_out)


def _add_first(job: Job, count: int) -> int:
    """Acquire, add and mark LMBs until there are `count`, reserved ones as well; return how many came."""
    added = 0
    for first, run in runs_in(job.state.table, whole(job)):
        position = run.count if run.flags & ASSIGNED else 0
        while position < run.count:
            position += _refused(job, run, position)
            if position < run.count and _acquire_and_add(job, first + position) == 0:
                mark(job, first + position)
                added += 1
                if added == count:
                    return added
            position += 1
    return added


def _refused(job: Job, run: Run, position: int) -> int:
    """Return how many LMBs from a position of the run on firmware will not give."""
    if job.events is not None:
        return 0  # whoever looks on sees the kernel ask for each
    return job.firmware.refused((run.drc_index + position) & 0xFFFFFFFF, run.count - position)


def _acquire_and_add(job: Job, index: int) -> int:
    drc_index = lmb_at(job, index).drc_index
    rc = acquire_drc(job, drc_index)
    if rc:
        return rc
    rc = add_lmb(job, index)
    if rc:
        release_drc(job, drc_index)
    return rc


def _added(job: Job, index: int, *, quiet: bool = False) -> None:
    if quiet and job.has(QUIET_INDEX_MESSAGES):
        return
    lmb = lmb_at(job, index)
    job.log.append(f"{PREFIX}Memory at {base_of(lmb):x} (drc index {lmb.drc_index:x}) was hot-added")


def _take_back(job: Job, index: int) -> None:
    drc_index = lmb_at(job, index).drc_index
    if remove_lmb(job, index):
        job.log.append(f"{PREFIX}Failed to remove LMB, drc index {drc_index:x}")
    else:
        release_drc(job, drc_index)


def add_by_index(job: Job, drc_index: int) -> int:
    """Add the first LMB of the array with that DRC index, assigned, reserved or not."""
    job.log.append(f"{PREFIX}Attempting to hot-add LMB, drc index {drc_index:x}")
    index = job.state.table.index_of_drc(drc_index)
    rc = EINVAL if index is None else _acquire_and_add(job, index)
    if rc or index is None:
        job.log.append(f"{PREFIX}Failed to hot-add memory, drc index {drc_index:x}")
    else:
        _added(job, index)
    return rc


def add_by_ic(job: Job, count: int, drc_index: int) -> int:
    """Add `count` LMBs of the array from the one with that DRC index on; those assigned do not matter."""
    job.log.append(f"{PREFIX}Attempting to hot-add {count} LMB(s) at index {drc_index:x}")
    if count == 0:
        return EINVAL
    span = lmb_range(job, count, drc_index)
    if span is None or not passes_reserved(job, span):
        return EINVAL
    if _add_range(job, span) == 0:
        for_each_marked(job, span, lambda index: _added(job, index))
        return 0
    job.log.append(f"{PREFIX}Memory indexed-count-add failed, removing any added LMBs")
    for_each_marked(job, span, lambda index: _take_back(job, index))
    return EINVAL


def _add_range(job: Job, span: Span) -> int:
    for first, run in runs_in(job.state.table, span):
        for index in () if run.flags & ASSIGNED else range(first, first + run.count):
            rc = _acquire_and_add(job, index)
            if rc:
                return rc
            mark(job, index)
    return 0
