# SPDX-License-Identifier: MIT
"""Which LMBs an indexed-count request is about (Linux hotplug-memory.c `get_lmb_range` and its callers)."""

from __future__ import annotations

from drmemctl.formats.dynamic_memory import NODE, RESERVED, V1
from drmemctl.kernel.capabilities import RANGE_CHECK, RESERVED_RANGE_NAMED
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_ops import PREFIX, base_of, lmb_at
from drmemctl.kernel.task import StatePart, atomic
from drmemctl.kernel.walk import Span, runs_in
from drmemctl.numbers import as_int


@atomic()
def find_range(job: Job, count: int, drc_index: int) -> Span | None:
    """Return the part of the array of `count` LMBs from a DRC index on; None if there is no such part.

    Positions in the array count, not DRC indexes. The count becomes an int here: a negative one ends before it
    begins, and is then no LMB at all.
    """
    first = job.state.table.index_of_drc(drc_index)
    if first is None:
        return None
    if as_int(count) < 0:
        # Before, too few LMBs were then counted as available.
        return Span(first, 0) if job.has(RESERVED_RANGE_NAMED) else None
    beyond = max(0, first + count - job.state.table.n_lmbs)
    if not beyond:
        return Span(first, count)
    if job.has(RANGE_CHECK):
        return None
    message = f"{beyond} LMBs behind the last of the property are looked at: they are taken for zeros here"
    job.faults.append(Fault("over-read", message, "dlpar_memory", NODE, V1))
    return Span(first, count - beyond, beyond)


@atomic(reads=(StatePart.FLAGS,))
def passes_reserved(job: Job, span: Span) -> bool:
    """Whether no LMB of a part of the array is reserved; some kernels name the one that is."""
    runs = runs_in(job.state.table, span)
    index = next((index for index, run in runs if run.flags & RESERVED), None)
    if index is None:
        return True
    if job.has(RESERVED_RANGE_NAMED):
        lmb = lmb_at(job, index)
        job.log.append(f"{PREFIX}Memory at {base_of(lmb):x} (drc index {lmb.drc_index:x}) is reserved")
    return False


@atomic()
def identity(job: Job, index: int) -> tuple[int, int]:
    """Return address and DRC index of the LMB at an array index: no update changes them."""
    lmb = lmb_at(job, index)
    return base_of(lmb), lmb.drc_index


@atomic()
def find_drc(job: Job, drc_index: int) -> int | None:
    """Return the array index of the first LMB with a DRC index."""
    return job.state.table.index_of_drc(drc_index)
