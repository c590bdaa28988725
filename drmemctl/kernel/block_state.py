# SPDX-License-Identifier: MIT
"""What is written to the `state` of a memory block: `online` or `offline`.

Source: Linux drivers/base/memory.c `state_store`, `memory_subsys_offline`; drivers/base/core.c `device_offline`,
which returns 1 where nothing is to be done, of which `state_store` makes EINVAL; mm/memory_hotplug.c
`offline_pages`. Read in 6.12.118; measured on 5.10, 6.1 and 7.3 (`captures/*-block-states`).
"""

from __future__ import annotations

from dataclasses import replace

from drmemctl.kernel.errno import EBUSY, EINVAL, ENOENT
from drmemctl.kernel.job import Job
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import Lock, StatePart, Task, atomic, holding


def write_state(job: Job, block: int, *, online: bool) -> Task[int]:
    """Put a memory block online or take it offline; return 0 or a negative error number."""
    return holding(Lock.HOTPLUG, _change_state(job, block, online=online))


@atomic(reads=(StatePart.FLAGS,), writes=(StatePart.BLOCKS,))
def _change_state(job: Job, block: int, *, online: bool) -> int:
    blocks = job.state.blocks
    if blocks.node_of(block) is None:
        return ENOENT
    if online == (block not in blocks.offline):
        return EINVAL
    rc = 0 if online else _offline_error(job.state, block)
    if rc == 0:
        offline = blocks.offline - {block} if online else blocks.offline | {block}
        job.state = replace(job.state, blocks=replace(blocks, offline=offline))
    return rc


def _offline_error(state: KernelState, block: int) -> int:
    """Return why a block does not go offline: a part of it is missing, or something in it cannot be moved.

    Bolted entries of the hash table keep no block online: the linear
    mapping of a block is only taken away when its memory is removed.
    """
    if block in state.blocks.holed:
        return EINVAL
    size = state.block_size
    base, end = block * size, (block + 1) * size
    if any(state.kept.reserved_in(base, end)):
        return EBUSY
    lmb_size = state.table.lmb_size or 0
    for run in state.table.runs if lmb_size and state.unmovable else ():
        positions = run.positions_in(base, end, lmb_size)
        if not state.unmovable.isdisjoint(run.drc_index + position for position in positions):
            return EBUSY
    return 0
