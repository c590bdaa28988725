# SPDX-License-Identifier: MIT
"""Requests that remove LMBs (Linux hotplug-memory.c `dlpar_memory_remove_by_count`, `…_by_index`, `…_by_ic`)."""

from __future__ import annotations

from functools import partial

from drmemctl.formats.dynamic_memory import ASSIGNED
from drmemctl.kernel.capabilities import (
    COUNTED_MARKS,
    OFFLINE_RESERVED,
    QUIET_INDEX_MESSAGES,
    SECTION_REMOVABLE_CHECK,
    SWAPPED_DRC_INDEXES,
    UNISOLATE_ON_ROLLBACK,
)
from drmemctl.kernel.dlpar import release_drc, unisolate_drc
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_ops import PREFIX, add_lmb, is_removable, remove_lmb
from drmemctl.kernel.lmb_range import find_drc, find_range, identity, passes_reserved
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.kernel.walk import Span, act_on_each, act_until, for_each_marked, next_lmb, whole
from drmemctl.model.run import DRC_INDEXES, Run
from drmemctl.numbers import as_int


def remove_by_count(job: Job, count: int) -> Task[int]:
    """Remove the first `count` LMBs that go: all of them, or none."""
    job.log.append(f"{PREFIX}Attempting to hot-remove {as_int(count)} LMB(s)")
    if count == 0:
        return EINVAL
    available = yield from _available(job, count)
    if available < count:
        job.log.append(f"{PREFIX}Not enough LMBs available ({available} of {as_int(count)}) to satisfy request")
        return EINVAL
    removed = yield from act_until(job, count, _next_removable, _remove)
    limit = removed if removed and job.has(COUNTED_MARKS) else None
    if removed == count:
        removed_message = "Memory at {base:x} was hot-removed"
        yield from for_each_marked(job, None, lambda index: _release_removed(job, index, removed_message), limit)
        return 0
    job.log.append(f"{PREFIX}Memory hot-remove failed, adding LMB's back")
    template = "LMB back, drc index {drc:x}"
    yield from for_each_marked(job, None, lambda index: _add_back(job, index, template), limit)
    return EINVAL


@atomic(reads=(StatePart.FLAGS,))
def _available(job: Job, most: int) -> int:
    """Count the LMBs that may be removed, up to `most`: those without a memory block count, too."""
    available = 0
    for run in job.state.table.runs:
        if is_removable(job, run.flags):
            available += run.lmbs - _n_pinned(job, run) - job.state.kept.n_kept(run, job.state.table.lmb_size or 0)
        if available >= most:
            return most
    return available


def _n_pinned(job: Job, run: Run) -> int:
    """Count a run's LMBs that the kernel does not take for removable, though their flags allow it."""
    if not job.has(SECTION_REMOVABLE_CHECK):
        return 0
    pinned, block_size, lmb_size = job.state.unmovable, job.state.block_size, job.state.table.lmb_size or 0
    if job.has(OFFLINE_RESERVED) and job.state.blocks.offline and lmb_size:
        offline = set()
        for block in job.state.blocks.offline:
            base = block * block_size - run.base
            # The positions of the LMBs whose addresses lie in the block.
            first, past = max(0, -(-base // lmb_size)), min(run.lmbs, -(-(base + block_size) // lmb_size))
            offline |= {(run.drc_index + position) % DRC_INDEXES for position in range(first, past)}
        pinned |= offline
    if run.lmbs < len(pinned):
        return sum((run.drc_index + position) % DRC_INDEXES in pinned for position in range(run.lmbs))
    return sum(run.position_of_drc(drc_index) is not None for drc_index in pinned)


def _remove(job: Job, index: int, drc_index: int) -> Task[int]:
    del drc_index  # the connector is released once all LMBs are gone
    return remove_lmb(job, index)


@atomic(reads=(StatePart.FLAGS, StatePart.BLOCKS))
def _next_removable(job: Job, start: int) -> tuple[int, int] | None:
    """Return the next LMB that may be removed; those without a block, or kept for a dump, are passed over."""
    kept, blocks, size = job.state.kept, job.state.blocks, job.state.table.lmb_size or 0

    def n_skipped(first: int, run: Run) -> int:
        if not is_removable(job, run.flags):
            return run.lmbs
        # Where a block is an LMB, removing those fails that have no block.
        is_aligned = size and size == job.state.block_size and not run.base % size
        position = first
        while position < run.lmbs:
            base = run.base + position * size
            n_alike = kept.n_alike(base, run.lmbs - position, size) if size else run.lmbs - position
            passed = n_alike
            if kept.is_removable(base):
                block = job.state.block_of(base)
                passed = min(n_alike, blocks.missing(block, run.lmbs - position)) if is_aligned else 0
            position += passed
            if passed < n_alike:
                break
        return position - first

    return next_lmb(job.state.table, whole(job), start, n_skipped)


def _release_removed(job: Job, index: int, message: str) -> Task[None]:
    base, drc_index = yield from identity(job, index)
    yield from release_drc(job, drc_index)
    job.tell(PREFIX + message, base, drc_index)


def _add_back(job: Job, index: int, template: str) -> Task[None]:
    _, drc_index = yield from identity(job, index)
    if (yield from add_lmb(job, index, drc_index)):
        job.tell(f"{PREFIX}Failed to add {template}", 0, drc_index)


def remove_by_index(job: Job, drc_index: int) -> Task[int]:
    """Remove the first LMB of the array with that DRC index."""
    _log_by_index(job, f"Attempting to hot-remove LMB, drc index {drc_index:x}")
    index = yield from find_drc(job, drc_index)
    if index is None:
        if not job.has(QUIET_INDEX_MESSAGES):
            message = "the address of an LMB behind the end of the array is printed; the log says 0 for it here"
            job.faults.append(Fault("over-read", message, "dlpar_memory_remove_by_index"))
        _log_by_index(job, "Failed to hot-remove memory at 0")
        return EINVAL
    rc = yield from remove_lmb(job, index)
    if rc == 0:
        yield from release_drc(job, drc_index)
    base, _ = yield from identity(job, index)
    _log_by_index(job, f"Failed to hot-remove memory at {base:x}" if rc else f"Memory at {base:x} was hot-removed")
    return rc


def _log_by_index(job: Job, message: str) -> None:
    if not job.has(QUIET_INDEX_MESSAGES):
        job.log.append(PREFIX + message)


def readd_by_index(job: Job, drc_index: int) -> Task[int]:
    """Take an LMB's memory away and add it again on its node of now (`dlpar_memory_readd_by_index`)."""
    job.log.append(f"{PREFIX}Attempting to update LMB, drc index {drc_index:x}")
    index = yield from find_drc(job, drc_index)
    if index is None:
        job.log.append(f"{PREFIX}Failed to update memory at 0")
        return EINVAL
    rc = yield from remove_lmb(job, index)
    if rc == 0:
        rc = yield from add_lmb(job, index, drc_index)
        if rc:
            yield from release_drc(job, drc_index)
    base, _ = yield from identity(job, index)
    job.log.append(PREFIX + (f"Failed to update memory at {base:x}" if rc else f"Memory at {base:x} was updated"))
    return rc


def remove_by_ic(job: Job, count: int, drc_index: int) -> Task[int]:
    """Remove `count` LMBs of the array from the one with that DRC index on; those not assigned do not matter."""
    job.log.append(f"{PREFIX}Attempting to hot-remove {count} LMB(s) at {drc_index:x}")
    if count == 0:
        return EINVAL
    span = yield from find_range(job, count, drc_index)
    if span is None or not (yield from passes_reserved(job, span)):
        return EINVAL
    rc = yield from act_on_each(job, span, partial(_next_assigned_in, span=span), _remove)
    if rc == 0:
        message = "Memory at {base:x} (drc index {drc:x}) was hot-removed"
        yield from for_each_marked(job, span, lambda index: _release_removed(job, index, message))
        return 0
    job.log.append(f"{PREFIX}Memory indexed-count-remove failed, adding any removed LMBs")
    yield from for_each_marked(job, span, lambda index: _roll_back(job, index))
    return EINVAL


@atomic(reads=(StatePart.FLAGS,))
def _next_assigned_in(job: Job, start: int, *, span: Span) -> tuple[int, int] | None:
    def n_skipped(_: int, run: Run) -> int:
        return 0 if run.flags & ASSIGNED else run.lmbs

    return next_lmb(job.state.table, span, start, n_skipped)


def _roll_back(job: Job, index: int) -> Task[None]:
    if job.has(UNISOLATE_ON_ROLLBACK):
        _, drc_index = yield from identity(job, index)
        yield from unisolate_drc(job, drc_index)
    drc_field = "{swapped:x}" if job.has(SWAPPED_DRC_INDEXES) else "{drc:x}"
    yield from _add_back(job, index, f"LMB, drc index {drc_field}")
