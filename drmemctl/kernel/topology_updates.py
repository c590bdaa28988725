# SPDX-License-Identifier: MIT
"""Topology updates: whether the kernel listens to new nodes of CPUs and to reassignments, and what it then does.

Source: Linux arch/powerpc/mm/numa.c up to 5.8 `start_topology_update`, `stop_topology_update`,
`dt_update_callback`, `stage_topology_update`, `numa_update_cpu_topology`, `find_and_online_cpu_nid`,
`topology_write`; arch/powerpc/platforms/pseries/hotplug-cpu.c `dlpar_cpu_readd`.
"""

from __future__ import annotations

from dataclasses import replace

from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.kernel.cpu_hotplug import add_cpu, remove_cpu_by_index
from drmemctl.kernel.errno import ENOENT
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.job import MIGRATION, Job, OopsError
from drmemctl.kernel.processors import home_of, home_or_first, listens, node_in_tree
from drmemctl.kernel.state import Cpu
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.kernel.topology_capabilities import (
    CPU_READD,
    CPU_TOPOLOGY_UPDATE,
    CPUS_LOCKED_IN_UPDATE,
    TOPOLOGY_STOPPED,
    TOPOLOGY_SWITCH_KEPT,
    VPHN_FAILURE_IGNORED,
)
from drmemctl.model.standard_properties import device_type

_PREFIX = "numa: "

CPUS_LOCKED = "a CPU is to go while none may: whatever needs CPUs or memory to stay or go waits for ever"
"""What the state of a kernel says of which a thread waits for CPUs that it keeps from going itself."""


@atomic(writes=(StatePart.WINDOW,))
def stop_topology_update(job: Job) -> None:
    """Listen neither to updates of CPUs nor to reassignments (`stop_topology_update`)."""
    _listen(job, on=False)


@atomic(writes=(StatePart.WINDOW,))
def start_topology_update(job: Job) -> None:
    """Listen to them again (`start_topology_update`)."""
    _listen(job, on=True)


def _listen(job: Job, *, on: bool) -> None:
    if job.has(TOPOLOGY_SWITCH_KEPT) and not job.state.topology_updates:
        return
    job.state = replace(job.state, deaf=not on)
    if job.has(TOPOLOGY_STOPPED):
        topology = job.state.topology
        # vphn_enabled takes shared processors, too, which those partitions have that ask for home nodes.
        sources = (" prrn_enabled" if topology.prrn else "") + (" vphn_enabled" if topology.vphn else "")
        job.log.append(_PREFIX + (f"Starting topology update{sources}" if on else "Stopping topology update"))


@atomic(writes=(StatePart.WINDOW,))
def topology_write(job: Job, *, on: bool) -> int:
    """Switch topology updates on or off (`topology_write`): what is written to /proc/powerpc/topology_updates."""
    if not job.has(CPU_TOPOLOGY_UPDATE):
        return ENOENT
    if on:
        job.state = replace(job.state, topology_updates=True)
        _listen(job, on=True)
    else:
        _listen(job, on=False)
        job.state = replace(job.state, topology_updates=False)
    return 0


@atomic(reads=(StatePart.WINDOW,))
def prrn_is_enabled(job: Job) -> bool:
    """Whether the kernel acts on a reassignment (`prrn_is_enabled`)."""
    return listens(job.state)


def cpu_updated(job: Job, path: str, doing: str) -> Task[None]:
    """Take note of a CPU's new associativity, in those kernels that do (`dt_update_callback`)."""
    drc_index = yield from _cpu_to_update(job, path)
    if drc_index is None:
        return
    if not job.has(CPU_READD):
        yield from _stage(job, path)
        return
    yield from _check_cpus_can_go(job, path, doing)
    rc = yield from remove_cpu_by_index(job, drc_index)
    if rc == 0:
        yield from add_cpu(job, drc_index)


@atomic(reads=(StatePart.WINDOW, StatePart.NODES, StatePart.OTHER))
def _cpu_to_update(job: Job, path: str) -> int | None:
    """Return the DRC index of a CPU, None where its update does not matter."""
    node = job.state.tree.find(path)
    if node is None or device_type(node) != "cpu" or not listens(job.state):
        return None
    return int.from_bytes((node.get(MY_DRC_INDEX) or b"")[:4], "big")


@atomic()
def _check_cpus_can_go(job: Job, path: str, doing: str) -> None:
    """Stop where `post_mobility_fixup` holds cpus_read_lock, for which `cpu_down` waits, in the same thread."""
    if doing == MIGRATION and job.has(CPUS_LOCKED_IN_UPDATE):
        message = (
            "the CPU is taken out and in again while the migration itself keeps CPUs from going: it waits for ever"
        )
        raise OopsError(Fault("never-returns", message, "dlpar_cpu_readd", path, ASSOCIATIVITY), dead=CPUS_LOCKED)


@atomic(writes=(StatePart.CPUS,))
def _stage(job: Job, path: str) -> None:
    """Note that a CPU may have to move (`stage_topology_update`)."""
    job.state = replace(job.state, staged=job.state.staged | {path})


def update_cpu_topology(job: Job) -> Task[None]:
    """Move the CPUs that were noted to their home nodes, at once or when a timer runs out.

    `numa_update_cpu_topology`: a reassignment ends with it; after a migration `topology_timer_fn` has it done,
    within a minute.
    """
    if job.has(CPU_TOPOLOGY_UPDATE) and not job.has(CPU_READD):
        yield from _move_staged(job)


@atomic(reads=(StatePart.NODES, StatePart.OTHER, StatePart.BLOCKS), writes=(StatePart.CPUS, StatePart.DISTANCES))
def _move_staged(job: Job) -> None:
    state = job.state
    if not state.staged:
        return
    moved = tuple(
        replace(cpu, node=_home_node(job, cpu)) if cpu.path in state.staged else cpu for cpu in state.cpus
    )
    nodes = frozenset(cpu.node for cpu in moved)
    topology = replace(state.topology, with_cpus=state.topology.with_cpus | nodes)
    job.state = replace(job.state, cpus=moved, topology=topology, staged=frozenset())


def _home_node(job: Job, cpu: Cpu) -> int:
    """Return where a CPU goes (`find_and_online_cpu_nid`).

    The hypervisor is taken to name the home node of its tree, if nothing told another.
    """
    state = job.state
    if not state.topology.vphn:
        # The hcall fails. Up to 4.18 what it should have filled in counts, and leads nowhere.
        return state.first_online_node if job.has(VPHN_FAILURE_IGNORED) else cpu.node
    home = home_of(job, cpu.path)
    return home_or_first(job, node_in_tree(state, cpu.path) if home is None else home)
