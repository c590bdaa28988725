# SPDX-License-Identifier: MIT
"""The Linux node of each CPU: found at boot, and kept or changed when a CPU's associativity is updated.

Source: Linux arch/powerpc/mm/numa.c `numa_setup_cpu`, `vphn_get_nid`, and up to 5.8 `find_and_online_cpu_nid`,
`topology_timer_fn`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from drmemctl.formats.lrdr_capacity import LRDR_CAPACITY, decode_lrdr_capacity
from drmemctl.formats.rows import words
from drmemctl.kernel.cpu_capabilities import HOME_NODE_AT_BOOT, HOME_NODE_FIRST, HOME_NODE_POLL, POLL_BESIDE_PRRN
from drmemctl.kernel.distances import look_up_node
from drmemctl.kernel.firmware import Firmware
from drmemctl.kernel.job import HOME_NODES, MIGRATION, Job
from drmemctl.kernel.lmb_node import current_associativity
from drmemctl.kernel.state import Cpu, CpuIds, KernelState
from drmemctl.kernel.task import StatePart, atomic
from drmemctl.kernel.topology_capabilities import (
    CPU_READD,
    CPU_TOPOLOGY_UPDATE,
    PRRN_OFF_BY_DEFAULT,
    TOPOLOGY_STOPPED,
    VPHN_FAILURE_IGNORED,
)
from drmemctl.model.associativity import Associativity, domains_of
from drmemctl.model.drmem import RootCells
from drmemctl.model.platform import hypertas_functions
from drmemctl.model.processors import CPUS, INTERRUPT_SERVERS, cores
from drmemctl.tree.node import Tree

_NR_CPUS = 2048
"""Threads that distributions' kernels are built for (CONFIG_NR_CPUS)."""


def cpus_of(tree: Tree, associativity: Associativity, fallback: int) -> tuple[Cpu, ...]:
    """Return the CPUs with their nodes at boot: `fallback` where the tree leads to none (`numa_setup_cpu`)."""
    booted = []
    first_id = 0
    for core in cores(tree, associativity):
        node = fallback if core.node is None else core.node
        booted.append(Cpu(core.path, tuple(core.threads), node, first_id))
        first_id += len(core.threads)
    return tuple(booted)


def cpu_ids_of(tree: Tree, cpus: tuple[Cpu, ...]) -> CpuIds:
    """Return the numbers that threads can have: firmware says for how many cores (`smp_setup_cpu_maps`)."""
    present = sum(len(cpu.threads) for cpu in cpus)
    capacity = tree.get("/rtas", LRDR_CAPACITY)
    cells = RootCells.from_tree(tree)
    most = 0 if capacity is None else decode_lrdr_capacity(capacity, cells.address, cells.size).max_cpus or 0
    # What counts is how many threads the last core of the tree has.
    possible = max(present, most * (len(cpus[-1].threads) if cpus else 1))
    of_nodes = frozenset((cpu.node, number) for cpu in cpus for number in cpu.ids)
    return CpuIds(min(possible, _NR_CPUS), of_nodes)


def node_of_cpu(job: Job, path: str) -> int:
    """Return the node that a CPU comes online on: its own, or the first online one (`numa_setup_cpu`)."""
    state = job.state
    node = home_of(job, path) if job.has(HOME_NODE_FIRST) else None
    if node is None:
        cpu_node = state.tree.find(path)
        domains = None if cpu_node is None else domains_of(cpu_node)
        node = None if domains is None else look_up_node(job, domains)
    return node if node is not None and state.topology.is_possible(node) else state.first_online_node


def home_of(job: Job, path: str) -> int | None:
    """Return the node of a CPU's home (`vphn_get_nid`), None where the hypervisor tells nothing but the tree's."""
    if not job.state.topology.vphn:
        return None
    node = job.state.tree.find(path)
    servers = words((node.get(INTERRUPT_SERVERS) if node is not None else None) or b"")
    domains = job.firmware.home_node(servers[0]) if servers else None
    return None if domains is None else look_up_node(job, domains)


def on_homes(state: KernelState, firmware: Firmware) -> KernelState:
    """Return a kernel after boot with its CPUs on their home nodes, if it asks for them (`vphn_get_nid`)."""
    job = Job(state, firmware, events=None)
    if not (job.has(HOME_NODE_FIRST) or job.has(HOME_NODE_AT_BOOT)) or not state.topology.vphn or state.dead:
        return state
    cpus = tuple(
        cpu if (home := home_of(job, cpu.path)) is None else replace(cpu, node=home_or_first(job, home))
        for cpu in state.cpus
    )
    if cpus == state.cpus:
        return job.state
    with_cpus = frozenset(cpu.node for cpu in cpus)
    at_boot = state.topology.at_boot - state.topology.with_cpus | with_cpus | state.blocks.nodes()
    cpu_ids = replace(state.cpu_ids, of_nodes=frozenset((cpu.node, number) for cpu in cpus for number in cpu.ids))
    topology = replace(state.topology, with_cpus=with_cpus, at_boot=at_boot)
    return replace(job.state, cpus=cpus, cpu_ids=cpu_ids, topology=topology)


def why_unasked(state: KernelState) -> str:
    """Return why this kernel does not notice by itself that a home node changed; empty if it does."""
    profile = state.profile
    if not profile.has(HOME_NODE_POLL):
        if profile.has(HOME_NODE_FIRST):
            return "since 5.9 no timer asks for home nodes: Linux asks when a CPU boots or comes online"
        return "5.9 puts no CPU on its home node: it goes by the tree of boot"
    if state.deaf:
        return _off(state)
    if state.topology.prrn and not profile.has(POLL_BESIDE_PRRN):
        return "up to 4.14 no timer asks for home nodes where platform resource reassignment was agreed on"
    return ""


@atomic(
    reads=(StatePart.CONNECTORS, StatePart.NODES, StatePart.OTHER, StatePart.BLOCKS),
    writes=(StatePart.CPUS, StatePart.DISTANCES),
)
def poll_home_nodes(job: Job) -> None:
    """Move CPUs whose home node changed (`topology_timer_fn`, `numa_update_cpu_topology`)."""
    if why_unasked(job.state) or not job.state.topology.vphn:
        return
    for cpu in job.state.cpus:
        domains = job.firmware.home_node(cpu.threads[0]) if cpu.threads else None
        if domains is None:
            continue
        node = home_or_first(job, look_up_node(job, domains))
        state = job.state
        if node != cpu.node:
            topology = replace(state.topology, with_cpus=state.topology.with_cpus | {node})
            job.state = replace(state, topology=topology).with_cpu(replace(cpu, node=node))


def tells_home_nodes(tree: Tree) -> bool:
    """Whether the hypervisor can be asked for the home node of a CPU (`FW_FEATURE_VPHN`)."""
    return "hcall-vphn" in hypertas_functions(tree)


def listens(state: KernelState) -> bool:
    """Whether updates of CPUs and reassignments are acted on: agreed on at boot, and not stopped."""
    return state.profile.has(CPU_TOPOLOGY_UPDATE) and state.topology.prrn and not state.deaf


def why_deaf(state: KernelState, doing: str) -> str:
    """Return why this kernel did not move a CPU on an update of its associativity; empty if it does."""
    profile, topology = state.profile, state.topology
    if not profile.has(CPU_TOPOLOGY_UPDATE):
        return "this kernel does not listen to such updates: they were taken out in 5.9"
    if not topology.prrn:
        return "platform resource reassignment was not agreed on at boot"
    if doing == MIGRATION and profile.has(TOPOLOGY_STOPPED) and not state.deaf:
        return "topology updates are stopped while a migration updates the tree (4.20 to 5.8)"
    if state.deaf:
        return _off(state)
    if not (profile.has(CPU_READD) or topology.vphn or profile.has(VPHN_FAILURE_IGNORED)):
        return "the hypervisor does not tell home nodes (hcall-vphn), and the CPU stays where it is"
    return ""


def _off(state: KernelState) -> str:
    if state.profile.has(PRRN_OFF_BY_DEFAULT):
        return "topology updates are off by default from 5.2 on"
    return "topology updates were switched off"


def home_or_first(job: Job, home: int | None) -> int:
    """Return the node of a home if a CPU can go there, else the first online one (`find_and_online_cpu_nid`)."""
    state = job.state
    return home if home is not None and state.topology.is_possible(home) else state.first_online_node


def node_in_tree(state: KernelState, path: str) -> int | None:
    """Return the node that the tree as it is now gives a CPU; None where it gives none."""
    node = state.tree.find(path)
    domains = None if node is None else domains_of(node)
    return None if domains is None else current_associativity(state).node_of_row(domains)


@dataclass(frozen=True, slots=True)
class CpuChange:
    """A CPU that came or went, or whose associativity, node or threads a step changed.

    Attributes:
        path: its node in the tree.
        threads: the interrupt server numbers of its threads.
        before: the Linux node before, None for a CPU that came.
        node: the Linux node after, None for one that went.
        in_tree: the node that the tree gives it now; None for none.
        why: why the CPU is not where the tree has it, empty where it is.
        offline: how many of its threads are offline.

    """

    path: str
    threads: tuple[int, ...]
    before: int | None
    node: int | None
    in_tree: int | None
    why: str
    offline: int = 0


def cpu_changes(before: KernelState, after: KernelState, doing: str) -> tuple[CpuChange, ...]:
    """Return what a step changed of CPUs, in the tree or in the kernel; nothing where it booted anew."""
    if before.cpus is after.cpus and before.tree.find(CPUS) is after.tree.find(CPUS):
        return ()
    old_cpus = {cpu.path: cpu for cpu in before.cpus}
    asks = after.profile.has(HOME_NODE_FIRST) and after.topology.vphn
    changes = []
    for cpu in after.cpus:
        old, in_tree = old_cpus.pop(cpu.path, None), node_in_tree(after, cpu.path)
        state = cpu.node, cpu.offline, in_tree
        if old is not None and (old.node, old.offline, node_in_tree(before, cpu.path)) == state:
            continue
        goes_home = asks if old is None else doing == HOME_NODES
        if in_tree == cpu.node:
            why = ""
        elif goes_home:
            why = "the hypervisor says that its home is there"
        else:
            stays = "" if old is None else why_deaf(after, doing) or after.dead
            why = stays or "the kernel goes by the first online node"
        was_on = None if old is None else old.node
        changes.append(CpuChange(cpu.path, cpu.threads, was_on, cpu.node, in_tree, why, len(cpu.offline)))
    removed = (CpuChange(cpu.path, cpu.threads, cpu.node, None, None, "") for cpu in old_cpus.values())
    return (*changes, *removed)
