# SPDX-License-Identifier: MIT
"""Adding and removing one LMB (Linux hotplug-memory.c `dlpar_add_lmb`, `dlpar_remove_lmb`)."""

from __future__ import annotations

from drmemctl.formats.dynamic_memory import AA_UNSET, ASSIGNED, KERNEL_TOUCHED, NODE, RESERVED
from drmemctl.kernel.associativity import set_aa, update_lmb_associativity_index
from drmemctl.kernel.capabilities import (
    ADD_ERRORS_LOGGED,
    ASSIGNED_FIRST,
    FLUSH_PER_LMB,
    NO_DEFAULT_NODE,
    OFFLINE_RESERVED,
    RESERVED_NOT_REMOVABLE,
    SECTION_REMOVABLE_CHECK,
    TREE_ERRORS_LOGGED,
    WRONG_NODE_ADD,
)
from drmemctl.kernel.distances import look_up_fills_row, look_up_node
from drmemctl.kernel.dlpar import release_drc
from drmemctl.kernel.errno import E2BIG, EBUSY, EEXIST, EFAULT, EINVAL
from drmemctl.kernel.fault import HOTPLUG_LOCK_HELD, Fault
from drmemctl.kernel.flush import write_through
from drmemctl.kernel.job import Job, OopsError
from drmemctl.kernel.lmb_node import current_associativity
from drmemctl.kernel.memory_capabilities import ADDRESS_CHECK, RANGE_PREVALIDATED
from drmemctl.kernel.plugins import replaceable
from drmemctl.kernel.sections import max_physical
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.model.run import Lmb, is_assigned

PREFIX = "pseries-hotplug-mem: "


def lmb_at(job: Job, index: int) -> Lmb:
    """Return the LMB at an array index."""
    return job.state.table.lmb(index)


def base_of(lmb: Lmb) -> int:
    """Return the address of an LMB; 0 where the tree gave no LMB size to compute it with."""
    return lmb.base or 0


def is_removable(job: Job, flags: int) -> bool:
    """Whether an LMB may be removed as far as its flags say (`lmb_is_removable`; see `kept_memory`)."""
    return bool(flags & ASSIGNED) and not (flags & RESERVED and job.has(RESERVED_NOT_REMOVABLE))


def _is_stuck(job: Job, lmb: Lmb) -> bool:
    """Whether older kernels do not even try, because the memory cannot be moved (`is_mem_section_removable`)."""
    if not job.has(SECTION_REMOVABLE_CHECK):
        return False
    is_offline = job.state.block_of(base_of(lmb)) in job.state.blocks.offline
    return lmb.drc_index in job.state.unmovable or (is_offline and job.has(OFFLINE_RESERVED))


@atomic(writes=(StatePart.FLAGS,))
def mark(job: Job, index: int) -> None:
    """Mark an LMB as touched by this request (`drmem_mark_lmb_reserved`)."""
    job.set_lmb("drmem_mark_lmb_reserved", index, flags=lmb_at(job, index).flags | KERNEL_TOUCHED)


@atomic(writes=(StatePart.FLAGS,))
def unmark(job: Job, index: int) -> None:
    """Take the mark away (`drmem_remove_lmb_reservation`)."""
    job.set_lmb("drmem_remove_lmb_reservation", index, flags=lmb_at(job, index).flags & ~KERNEL_TOUCHED)


@replaceable("dlpar_remove_lmb")
def remove_lmb(job: Job, index: int) -> Task[int]:
    """Take an LMB's memory away and unassign it; its connector is left alone (`dlpar_remove_lmb`)."""
    rc = yield from _offline_lmb(job, index)
    if rc:
        return rc
    if job.has(ASSIGNED_FIRST) and look_up_fills_row(job):
        yield from _look_up_removed(job, index)
    yield from _remove_memory(job, index)
    yield from _unassign(job, index)
    yield from _write_through(job, index)
    return 0


@atomic(reads=(StatePart.FLAGS, StatePart.BLOCKS))
def _offline_lmb(job: Job, index: int) -> int:
    """Take an LMB's memory block offline, if the LMB may be removed and has one (`dlpar_offline_lmb`)."""
    lmb = lmb_at(job, index)
    if not is_removable(job, lmb.flags) or _is_stuck(job, lmb) or not job.state.kept.is_removable(base_of(lmb)):
        return EINVAL
    blocks, block = job.state.blocks, job.state.block_of(base_of(lmb))
    if blocks.node_of(block) is None:
        return EINVAL
    # `dlpar_change_lmb_state`, `device_offline`: nothing is to be done of a block that is offline.
    if block in blocks.offline:
        return 0
    if block in blocks.holed:
        return EINVAL
    return EBUSY if lmb.drc_index in job.state.unmovable else 0


@atomic(reads=(StatePart.AA, StatePart.LOOKUP), writes=(StatePart.DISTANCES,))
def _look_up_removed(job: Job, index: int) -> None:
    """Look up the node of an LMB that goes (`memory_add_physaddr_to_nid`; since 4.20 the node is kept)."""
    _fill_distances(job, lmb_at(job, index))


@atomic(writes=(StatePart.BLOCKS,))
def _remove_memory(job: Job, index: int) -> None:
    base, size = base_of(lmb_at(job, index)), job.state.block_size
    if base % size:  # a BUG_ON
        job.tell(_UNALIGNED.format(size=size), base, 0)
        message = f"memory at {base:#x} is removed, which is not where a block of {size:#x} bytes begins"
        raise OopsError(Fault("oops", message, "try_remove_memory", NODE), dead=HOTPLUG_LOCK_HELD)
    block = job.state.block_of(base)
    if job.state.blocks.node_of(block) is not None:
        job.remove_block(block)


_UNALIGNED = "Block size [{size:#x}] unaligned hotplug range: start {{base:#x}}, size {size:#x}"


@atomic(writes=(StatePart.AA, StatePart.FLAGS))
def _unassign(job: Job, index: int) -> None:
    flags = lmb_at(job, index).flags & ~ASSIGNED
    job.set_lmb("dlpar_remove_lmb", index, aa_index=AA_UNSET, flags=flags)


def _write_through(job: Job, index: int) -> Task[int]:
    return (yield from write_through(job, index)) if job.has(FLUSH_PER_LMB) else 0


@atomic(reads=(StatePart.FLAGS,))
def flags_of(job: Job, index: int) -> int:
    """Return an LMB's flags."""
    return lmb_at(job, index).flags


@replaceable("dlpar_add_lmb")
def add_lmb(job: Job, index: int, drc_index: int) -> Task[int]:
    """Add an LMB's memory on its node and assign it (`dlpar_add_lmb`)."""
    if (yield from flags_of(job, index)) & ASSIGNED:
        return EINVAL
    assign = _add_device_tree_lmb if job.has(ASSIGNED_FIRST) else _look_up
    rc = yield from assign(job, index, drc_index)
    if rc:
        _log_tree_error(job, "Couldn't update device tree for drc index {drc:x}", drc_index)
        # Released here and by the callers once more; harmless, since then it is not present.
        yield from release_drc(job, drc_index)
        _log_error(job, "Failed to configure LMB 0x{drc:x}", lmb_at(job, index))
        return rc
    node = yield from (_node_filling_row(job, index) if look_up_fills_row(job) else node_for_add(job, index))
    rc = yield from _add_memory(job, index, node)
    if job.has(ASSIGNED_FIRST):
        if rc:
            yield from _unassign(job, index)
            yield from _write_through(job, index)
        return rc
    if rc:
        yield from set_aa(job, "invalidate_lmb_associativity_index", index, AA_UNSET)
    else:
        yield from _assign(job, index)
    yield from _write_through(job, index)
    return rc


def _add_device_tree_lmb(job: Job, index: int, drc_index: int) -> Task[int]:
    """Assign an LMB, look its associativity up and write both (`dlpar_add_device_tree_lmb`).

    Whatever fails, it stays assigned in an array: it can be added no more. A kernel without one forgets its copy.
    """
    yield from _assign(job, index)
    rc = yield from _look_up(job, index, drc_index)
    return rc or (yield from _write_through(job, index))


def _look_up(job: Job, index: int, drc_index: int) -> Task[int]:
    rc = yield from update_lmb_associativity_index(job, index, drc_index)
    if rc:
        _log_tree_error(job, "Couldn't find associativity index for drc index {drc:x}", drc_index)
    return rc


def _log_tree_error(job: Job, template: str, drc_index: int) -> None:
    if job.has(TREE_ERRORS_LOGGED):
        job.tell(PREFIX + template, 0, drc_index)


@atomic(writes=(StatePart.FLAGS,))
def _assign(job: Job, index: int) -> None:
    job.set_lmb("dlpar_add_lmb", index, flags=lmb_at(job, index).flags | ASSIGNED)


@atomic(writes=(StatePart.BLOCKS,))
def _add_memory(job: Job, index: int, node: int) -> int:
    """Add and online the memory block (`__add_memory`, `device_online`)."""
    lmb = lmb_at(job, index)
    base, size = base_of(lmb), job.state.block_size
    rc = _add_error(job, base, size) or _mapping_error(job, lmb, base, size)
    if rc:
        _log_error(job, f"Failed to add LMB 0x{{drc:x}} to node {node}", lmb)
        return rc
    block = job.state.block_of(base)
    if job.state.listed.is_foreign(block, node):  # a BUG_ON
        message = f"memory block {block} is added on node {node}, which lists it since boot, when it was another's"
        raise OopsError(Fault("oops", message, "add_memory_resource", NODE), dead=HOTPLUG_LOCK_HELD)
    job.add_block(block, node)
    return 0


def _add_error(job: Job, base: int, size: int) -> int:
    limit = max_physical(job.state.profile)
    if base + size > limit and job.has(RANGE_PREVALIDATED):
        message = f"Hotplug memory [{{base:#x}}-{{end:#x}}] exceeds maximum addressable range [0x0-{limit - 1:#x}]"
        job.tell(message, base, 0, size)
        return E2BIG
    if base % size:
        job.tell(_UNALIGNED.format(size=size), base, 0)
        return EINVAL
    return 0 if job.state.blocks.node_of(job.state.block_of(base)) is None else EEXIST


def _mapping_error(job: Job, lmb: Lmb, base: int, size: int) -> int:
    """Return -EFAULT where the memory cannot be mapped linearly (`arch_add_memory`).

    `create_section_mapping` refuses what reaches vmalloc's addresses, which begin where memory of the highest
    possible address would be mapped. In a hash page table there may be no room besides: -1 is what
    `pSeries_lpar_hpte_insert` makes of H_PTEG_FULL. The latter was read, not measured.
    """
    limit = max_physical(job.state.profile)
    if lmb.drc_index not in job.state.unbolted and not (job.has(ADDRESS_CHECK) and base + size >= limit):
        if base + size > limit:
            message = (
                f"memory at {base:#x} is beyond {limit:#x}: its section is read behind the end of mem_section"
            )
            job.faults.append(Fault("over-read", message, "sparse_add_one_section", NODE))
        return 0
    mapping = "linear mapping for" if job.has(RANGE_PREVALIDATED) else "mapping for hot added memory"
    job.tell(f"Unable to create {mapping} 0x{{base:x}}..0x{{end:x}}: -1", _LINEAR_MAPPING + base, 0, size)
    return EFAULT


_LINEAR_MAPPING = 0xC000000000000000
"""PAGE_OFFSET: the kernel prints addresses of its own, not physical ones."""


def _log_error(job: Job, template: str, lmb: Lmb) -> None:
    if job.has(ADD_ERRORS_LOGGED):
        job.tell(PREFIX + template, base_of(lmb), lmb.drc_index)


_NODE = (StatePart.AA, StatePart.FLAGS, StatePart.LOOKUP, StatePart.BLOCKS, StatePart.CPUS)


@atomic(reads=_NODE)
def node_for_add(job: Job, index: int) -> int:
    """Return the node that an LMB's memory is added on."""
    return _node_for_add(job, index)


@atomic(reads=_NODE, writes=(StatePart.DISTANCES,))
def _node_filling_row(job: Job, index: int) -> int:
    return _node_for_add(job, index)


def _node_for_add(job: Job, index: int) -> int:
    """Return the node that an LMB's memory is added on: its own, or the first online one for want of any."""
    state, lmb = job.state, lmb_at(job, index)
    if state.topology.primary_index is None:
        return state.first_online_node
    source: Lmb | None = lmb
    if job.has(WRONG_NODE_ADD) or job.has(ASSIGNED_FIRST):
        # memory_add_physaddr_to_nid looks for an assigned LMB at that address: from 4.20 on this one is none yet.
        source = _assigned_at(job, base_of(lmb))
    node = None
    if source is not None:
        node = current_associativity(state).node_of(source.aa_index, source.flags)
        _fill_distances(job, source)
    if node is None and source is not None and not job.has(NO_DEFAULT_NODE):
        node = 0
    return node if node is not None and state.topology.is_possible(node) else state.first_online_node


def _fill_distances(job: Job, lmb: Lmb) -> None:
    """Take an LMB's list for its node's distances, where looking the node up does (`of_drconf_to_nid_single`)."""
    row = current_associativity(job.state).row(lmb.aa_index, lmb.flags)
    if row is not None:
        look_up_node(job, row)


def _assigned_at(job: Job, base: int) -> Lmb | None:
    table = job.state.table
    first = 0
    for run in table.runs:
        position = run.position_of_address(base, table.lmb_size) if is_assigned(run.flags) else None
        if position is not None:
            return table.lmb(first + position)
        first += run.lmbs
    return None
