# SPDX-License-Identifier: MIT
"""Adding and removing one LMB (Linux hotplug-memory.c `dlpar_add_lmb`, `dlpar_remove_lmb`)."""

from __future__ import annotations

from drmemctl.formats.dynamic_memory import AA_UNSET, ASSIGNED, KERNEL_TOUCHED, NODE, RESERVED
from drmemctl.kernel.associativity import (
    log_no_associativity,
    update_lmb_associativity_index,
)
from drmemctl.kernel.capabilities import (
    ADD_ERRORS_LOGGED,
    FLUSH_PER_LMB,
    NO_DEFAULT_NODE,
    RESERVED_NOT_REMOVABLE,
    SECTION_REMOVABLE_CHECK,
    WRONG_NODE_ADD,
)
from drmemctl.kernel.dlpar import release_drc
from drmemctl.kernel.errno import EBUSY, EEXIST, EINVAL
from drmemctl.kernel.flush import write_through
from drmemctl.kernel.job import Fault, Job, OopsError
from drmemctl.kernel.nodes import node_of_lmb
from drmemctl.model.lmbs import Lmb, is_assigned

PREFIX = "pseries-hotplug-mem: "


def lmb_at(job: Job, index: int) -> Lmb:
    """Return the LMB at an array index."""
    return job.state.table.lmb(index)


def base_of(lmb: Lmb) -> int:
    """Return the address of an LMB; 0 where the tree gave no LMB size to compute it with."""
    return lmb.base or 0


def is_removable(job: Job, flags: int) -> bool:
    """Whether an LMB may be removed as far as its flags say (`lmb_is_removable`)."""
    return bool(flags & ASSIGNED) and not (flags & RESERVED and job.has(RESERVED_NOT_REMOVABLE))


def _is_stuck(job: Job, lmb: Lmb) -> bool:
    """Whether older kernels do not even try, because the memory cannot be moved (`is_mem_section_removable`)."""
    return job.has(SECTION_REMOVABLE_CHECK) and lmb.drc_index in job.state.unmovable


def mark(job: Job, index: int) -> None:
    """Mark an LMB as touched by this request (`drmem_mark_lmb_reserved`)."""
    job.set_lmb("drmem_mark_lmb_reserved", index, flags=lmb_at(job, index).flags | KERNEL_TOUCHED)


def unmark(job: Job, index: int) -> None:
    """Take the mark away (`drmem_remove_lmb_reservation`)."""
    job.set_lmb("drmem_remove_lmb_reservation", index, flags=lmb_at(job, index).flags & ~KERNEL_TOUCHED)


def _offline(job: Job, lmb: Lmb, block: int) -> int:
    """Take a memory block offline (`device_offline`)."""
    if block in job.state.blocks.holed:
        return EINVAL
    return EBUSY if lmb.drc_index in job.state.unmovable else 0


def remove_lmb(job: Job, index: int) -> int:
    """Take an LMB's memory away and unassign it; its connector is left alone (`dlpar_remove_lmb`)."""
    lmb = lmb_at(job, index)
    if not is_removable(job, lmb.flags) or _is_stuck(job, lmb):
        return EINVAL
    block = job.state.block_of(base_of(lmb))
    if job.state.blocks.node_of(block) is None:
        return EINVAL
    rc = _offline(job, lmb, block)
    if rc:
        return rc
    _check_aligned(job, base_of(lmb))
    job.remove_block("__remove_memory", block)
    job.set_lmb("dlpar_remove_lmb", index, aa_index=AA_UNSET, flags=lmb.flags & ~ASSIGNED)
    _write_through(job)
    return 0


def _check_aligned(job: Job, base: int) -> None:
    """Stop where no block begins at an address: `try_remove_memory` has a BUG_ON for that."""
    size = job.state.block_size
    if base % size:
        job.log.append(_unaligned(base, size))
        message = f"memory at {base:#x} is removed, which is not where a block of {size:#x} bytes begins"
        raise OopsError(Fault("oops", message, "try_remove_memory", NODE), dead="the hotplug lock is held")


def _unaligned(base: int, size: int) -> str:
    return f"Block size [{size:#x}] unaligned hotplug range: start {base:#x}, size {size:#x}"


def _write_through(job: Job) -> None:
    if job.has(FLUSH_PER_LMB):
        write_through(job)


def add_lmb(job: Job, index: int) -> int:
    """Add an LMB's memory on its node and assign it (`dlpar_add_lmb`)."""
    lmb = lmb_at(job, index)
    if lmb.flags & ASSIGNED:
        return EINVAL
    rc = update_lmb_associativity_index(job, index, lmb.drc_index)
    if rc:
        # Released here and by the callers once more; harmless, since then it is not present.
        log_no_associativity(job, rc, lmb.drc_index)
        release_drc(job, lmb.drc_index)
        _log_error(job, f"Failed to configure LMB 0x{lmb.drc_index:x}")
        return rc
    rc = _add_memory(job, index)
    if rc:
        job.set_lmb("invalidate_lmb_associativity_index", index, aa_index=AA_UNSET)
    else:
        job.set_lmb("dlpar_add_lmb", index, flags=lmb_at(job, index).flags | ASSIGNED)
    _write_through(job)
    return rc


def _add_memory(job: Job, index: int) -> int:
    """Add and online the memory block (`__add_memory`, `device_online`)."""
    lmb = lmb_at(job, index)
    node = node_for_add(job, lmb)
    base, size = base_of(lmb), job.state.block_size
    rc = _add_error(job, base, size)
    if rc:
        _log_error(job, f"Failed to add LMB 0x{lmb.drc_index:x} to node {node}")
        return rc
    job.add_block("__add_memory", job.state.block_of(base), node)
    return 0


def _add_error(job: Job, base: int, size: int) -> int:
    if base % size:
        job.log.append(_unaligned(base, size))
        return EINVAL
    return 0 if job.state.blocks.node_of(job.state.block_of(base)) is None else EEXIST


def _log_error(job: Job, message: str) -> None:
    if job.has(ADD_ERRORS_LOGGED):
        job.log.append(PREFIX + message)


def node_for_add(job: Job, lmb: Lmb) -> int:
    """Return the node that an LMB's memory is added on: its own, or the first online one for want of any."""
    state = job.state
    if state.topology.primary_index is None:
        return state.first_online_node
    found: Lmb | None = lmb
    if job.has(WRONG_NODE_ADD):
        # memory_add_physaddr_to_nid looks for an assigned LMB at that address, which this one is not yet.
        found = _assigned_at(job, base_of(lmb))
    node = None if found is None else node_of_lmb(state, found)
    if node is None and found is not None and not job.has(NO_DEFAULT_NODE):
        node = 0
    return node if node is not None and state.topology.is_possible(node) else state.first_online_node


def _assigned_at(job: Job, base: int) -> Lmb | None:
    table = job.state.table
    first = 0
    for run in table.runs:
        position = run.position_of_address(base, table.lmb_size) if is_assigned(run.flags) else None
        if position is not None:
            return table.lmb(first + position)
        first += run.count
    return None
