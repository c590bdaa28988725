# SPDX-License-Identifier: MIT
"""Adding and removing CPUs: their nodes, connectors, numbers and Linux nodes.

Source: Linux arch/powerpc/platforms/pseries/hotplug-cpu.c, 5.10 to 7.2; by index measured on 6.1 and 7.2, by
count and from ibm,drc-info read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.cells import read_cells
from drmemctl.formats.drc import INDEXES, MY_DRC_INDEX
from drmemctl.formats.drc_info import DRC_INFO_PROPERTY, DrcInfoEntry, decode_drc_info
from drmemctl.formats.rows import words
from drmemctl.kernel.cpu_capabilities import (
    CPU_CACHE_NODES,
    CPU_DEATH_LOGGED,
    CPU_DRC_INFO,
    CPU_IDS_BY_NODE,
    LAST_CPU_NAMED,
)
from drmemctl.kernel.distances import update_numa_distance
from drmemctl.kernel.dlpar import acquire_drc, configure_siblings, release_drc
from drmemctl.kernel.errno import EBUSY, EINVAL, ENODEV, ENOSPC, EPERM
from drmemctl.kernel.fault import HOTPLUG_LOCK_HELD, Fault
from drmemctl.kernel.job import Job, OopsError
from drmemctl.kernel.processors import node_of_cpu
from drmemctl.kernel.state import Cpu, KernelState
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.kernel.tree_edit import attached_first, detached
from drmemctl.model.caches import cache_chain, n_users
from drmemctl.model.processors import CPUS, INTERRUPT_SERVERS
from drmemctl.model.standard_properties import device_type
from drmemctl.numbers import as_int
from drmemctl.tree.node import Node, Tree

_PREFIX = "pseries-hotplug-cpu: "

_MOST_DRCS = 1 << 22
"""DRC indexes that `kcalloc` has room for: 16 MiB, the largest block with pages of 64 KiB."""

_NODES_AND_CPUS = (StatePart.NODES, StatePart.CPUS)


def add_cpu(job: Job, drc_index: int) -> Task[int]:
    """Add the CPU of a connector: acquire, describe, attach, put online (`dlpar_cpu_add`)."""
    rc = yield from _cannot_be_added(job, drc_index)
    if rc:
        return rc
    rc = yield from acquire_drc(job, drc_index)
    if rc:
        _warn(job, f"Failed to acquire DRC, rc: {rc}, drc index: {drc_index:x}")
        return EINVAL
    nodes = yield from configure_siblings(job, drc_index)
    if not nodes:
        _warn(job, f"Failed call to configure-connector, drc index: {drc_index:x}")
        yield from release_drc(job, drc_index)
        return EINVAL
    name, path = nodes[0].base_name, f"{CPUS}/{nodes[0].name}"
    yield from update_numa_distance(job, nodes[0].get(ASSOCIATIVITY) or b"")
    rc = yield from _attach(job, nodes)
    if rc:
        _warn(job, f"Failed to attach node {name}, rc: {rc}, drc index: {drc_index:x}")
        yield from release_drc(job, drc_index)
        return rc
    rc = yield from _online(job, path)
    if rc:
        _warn(job, f"Failed to online cpu {name}, rc: {rc}, drc index: {drc_index:x}")
        yield from _detach(job, path, caches=False)
        yield from release_drc(job, drc_index)
    return rc


def remove_cpu_by_index(job: Job, drc_index: int) -> Task[int]:
    """Remove the CPU with a DRC index (`dlpar_cpu_remove_by_index`, `dlpar_cpu_remove`)."""
    path = yield from _path_of(job, drc_index)
    if path is None:
        _warn(job, f"Cannot find CPU (drc index {drc_index:x}) to remove")
        return ENODEV
    name = path.rpartition("/")[2].partition("@")[0]
    rc = yield from _offline(job, path)
    if rc:
        _warn(job, f"Failed to offline CPU {name}, rc: {rc}")
        return EINVAL
    rc = yield from release_drc(job, drc_index)
    if rc:
        _warn(job, f"Failed to release drc ({drc_index:x}) for CPU {name}, rc: {rc}")
        yield from _online(job, path)
        return rc
    yield from _detach(job, path, caches=job.has(CPU_CACHE_NODES))
    return 0


def add_cpus_by_count(job: Job, count: int) -> Task[int]:
    """Add as many CPUs as are wanted, or none (`dlpar_cpu_add_by_count`)."""
    if count > _MOST_DRCS:
        return EINVAL
    drc_indexes = yield from _addable(job, count)
    if drc_indexes is None:
        _warn(job, "Could not find CPU root node in device tree")
        return EPERM
    if len(drc_indexes) < count:
        _warn(job, f"Failed to find enough CPUs ({len(drc_indexes)} of {as_int(count)}) to add")
        return EINVAL
    failure = "CPU hot-add failed, removing any added CPUs"
    return (yield from _all_or_none(job, drc_indexes, add_cpu, remove_cpu_by_index, failure))


def remove_cpus_by_count(job: Job, count: int) -> Task[int]:
    """Remove the first CPUs of the tree, but not all of them (`dlpar_cpu_remove_by_count`)."""
    if count > _MOST_DRCS:
        return EINVAL
    drc_indexes = yield from _removable(job, count)
    if drc_indexes is None:
        return EINVAL
    failure = "CPU hot-remove failed, adding back removed CPUs"
    return (yield from _all_or_none(job, drc_indexes, remove_cpu_by_index, add_cpu, failure))


_ActOnCpu = Callable[[Job, int], Task[int]]


def _all_or_none(job: Job, drc_indexes: Sequence[int], act: _ActOnCpu, undo: _ActOnCpu, failure: str) -> Task[int]:
    """Act on one CPU after the other; where that fails of one, undo it of those before."""
    for number, drc_index in enumerate(drc_indexes):
        if (yield from act(job, drc_index)):
            _warn(job, failure)
            for acted_on in drc_indexes[:number]:
                yield from undo(job, acted_on)
            return EINVAL
    return 0


def _warn(job: Job, message: str) -> None:
    job.log.append(_PREFIX + message)


def _my_drc_index(node: Node) -> int | None:
    return read_cells(node.get(MY_DRC_INDEX) or b"", 0, 1)


def _cpu_nodes(tree: Tree) -> Iterator[tuple[str, Node]]:
    return ((path, node) for path, node in tree.walk() if device_type(node) == "cpu")


@atomic(reads=(StatePart.NODES,))
def _path_of(job: Job, drc_index: int) -> str | None:
    """Return the path of the first CPU with a DRC index (`cpu_drc_index_to_dn`)."""
    return next((path for path, node in _cpu_nodes(job.state.tree) if _my_drc_index(node) == drc_index), None)


@atomic(reads=(StatePart.NODES, StatePart.OTHER))
def _cannot_be_added(job: Job, drc_index: int) -> int:
    parent = job.state.tree.find(CPUS)
    if parent is None:
        _warn(job, f'Failed to find CPU root node "{CPUS}"')
        return ENODEV
    if any(_my_drc_index(child) == drc_index for child in parent.children):
        _warn(job, f"CPU with drc index {drc_index:x} already exists")
        return EINVAL
    if not _is_listed(job, parent, drc_index):
        _warn(job, f"Cannot find CPU (drc index {drc_index:x}) to add.")
        return EINVAL
    return 0


def _is_listed(job: Job, parent: Node, drc_index: int) -> bool:
    """Whether there is a connector for a CPU with that index (`valid_cpu_drc_index`)."""
    drc_info = parent.get(DRC_INFO_PROPERTY)
    if drc_info is None or not job.has(CPU_DRC_INFO):
        return drc_index in words(parent.get(INDEXES) or b"")[1:]
    return any(entry.position(drc_index) is not None for entry in _cpu_entries(drc_info))


def _cpu_entries(drc_info: bytes) -> Iterator[DrcInfoEntry]:
    for entry in decode_drc_info(drc_info).entries:
        if not entry.type.startswith("CPU"):
            return
        yield entry


@atomic(reads=(StatePart.NODES, StatePart.OTHER))
def _addable(job: Job, count: int) -> list[int] | None:
    """Return the first connectors without a CPU, `count` at most (`find_drc_index_cpus_to_add`)."""
    parent = job.state.tree.find(CPUS)
    if parent is None:
        return None
    present = {_my_drc_index(child) for child in parent.children}
    drc_info = parent.get(DRC_INFO_PROPERTY)
    if drc_info is None or not job.has(CPU_DRC_INFO):
        listed = words(parent.get(INDEXES) or b"")[1:]
        return list(islice((drc_index for drc_index in listed if drc_index not in present), count))
    drc_indexes = _without_cpu(drc_info, present)
    if count == 0 and next(drc_indexes, None) is not None:
        message = "the DRC index of a CPU is written to an array of none: it is compared with the count too late"
        raise OopsError(Fault("oops", message, "find_drc_info_cpus_to_add", CPUS), dead=HOTPLUG_LOCK_HELD)
    return list(islice(drc_indexes, count))


def _without_cpu(drc_info: bytes, present: set[int | None]) -> Iterator[int]:
    """Yield what `find_drc_info_cpus_to_add` finds: it stays at the first connector that has a CPU."""
    for entry in _cpu_entries(drc_info):
        for position in range(entry.n_sequential):
            drc_index = entry.index(position)
            if drc_index in present:
                break
            yield drc_index


@atomic(reads=(StatePart.NODES,))
def _removable(job: Job, count: int) -> list[int] | None:
    """Return the first CPUs, None where they are not more than `count` (`find_dlpar_cpus_to_remove`)."""
    number = 0
    drc_indexes: list[int] = []
    for _, node in islice(_cpu_nodes(job.state.tree), count + 1):
        number += 1
        if number > count:
            return drc_indexes
        drc_index = _my_drc_index(node)
        if drc_index is None:
            _warn(job, f"Error occurred getting drc-index for {node.base_name}")
            # -1 is compared with the count as an unsigned number: what was found so far is removed, then index 0.
            return [*drc_indexes, *[0] * (count - len(drc_indexes))]
        drc_indexes.append(drc_index)
    if number == count:
        _warn(job, "Cannot remove all CPUs")
    else:
        _warn(job, f"Failed to find enough CPUs ({number} of {as_int(count)}) to remove")
    return None


def _servers(state: KernelState, path: str) -> Sequence[int] | None:
    node = state.tree.find(path)
    data = None if node is None else node.get(INTERRUPT_SERVERS)
    return None if data is None else words(data)


@atomic(reads=_NODES_AND_CPUS, writes=(StatePart.CPUS,))
def _offline(job: Job, path: str) -> int:
    """Take a CPU's threads offline one by one, but for the last of the partition (`dlpar_offline_cpu`)."""
    servers = _servers(job.state, path)
    if servers is None:
        return EINVAL
    by_thread = {thread: cpu for cpu in job.state.cpus for thread in cpu.threads}
    n_online = sum(len(cpu.threads) - len(cpu.offline) for cpu in job.state.cpus)
    for thread in servers:
        cpu = by_thread.get(thread)
        if cpu is None:
            _warn(job, f"Could not find cpu to offline with physical id {thread:#x}")
            continue
        if thread in cpu.offline:
            continue
        if n_online == 1:
            if job.has(LAST_CPU_NAMED):
                _warn(job, f"Unable to remove last online CPU {path.rpartition('/')[2].partition('@')[0]}")
            return EBUSY
        n_online -= 1
        if job.has(CPU_DEATH_LOGGED):
            number = cpu.ids[cpu.threads.index(thread)]
            job.log.append(f"cpu {number} (hwid {thread}) Ready to die...")
        cpu = replace(cpu, offline=cpu.offline | {thread})
        by_thread |= dict.fromkeys(cpu.threads, cpu)
        job.state = job.state.with_cpu(cpu)
    return 0


@atomic(reads=(*_NODES_AND_CPUS, StatePart.OTHER, StatePart.BLOCKS), writes=(StatePart.CPUS, StatePart.DISTANCES))
def _online(job: Job, path: str) -> int:
    """Put a CPU's threads online on its node (`dlpar_online_cpu`, `numa_setup_cpu`)."""
    servers = _servers(job.state, path)
    if servers is None:
        return EINVAL
    cpu = next((cpu for cpu in job.state.cpus if cpu.path == path), None)
    if cpu is None:
        job.log += [f"Could not find cpu to online with physical id {thread:#x}" for thread in servers]
        return 0
    node = node_of_cpu(job, path)
    state = job.state
    topology = replace(state.topology, with_cpus=state.topology.with_cpus | {node})
    job.state = replace(state, topology=topology).with_cpu(replace(cpu, node=node, offline=frozenset()))
    return 0


@atomic(
    reads=(*_NODES_AND_CPUS, StatePart.OTHER, StatePart.BLOCKS), writes=(*_NODES_AND_CPUS, StatePart.DISTANCES)
)
def _attach(job: Job, nodes: tuple[Node, ...]) -> int:
    """Attach a CPU's node, and those of its caches, and give its threads numbers (`pseries_add_processor`)."""
    for attached in nodes if job.has(CPU_CACHE_NODES) else nodes[:1]:
        tree = attached_first(job.state.tree, CPUS, attached)
        job.set_tree("dlpar_cpu_add", tree, f"{CPUS}/{attached.name}", "", 0)
    path = f"{CPUS}/{nodes[0].name}"
    servers = _servers(job.state, path)
    if servers is None:
        return 0
    node = node_of_cpu(job, path)
    first_id = _first_free_id(job, path, len(servers), node)
    if first_id is None:
        if not job.has(CPU_CACHE_NODES):
            return 0  # of_attach_node does not care what its notifiers say
        job.log.append(f"OF: changeset notifier error @{path}")
        return ENOSPC
    cpu = Cpu(path, tuple(servers), node, first_id, frozenset(servers))
    recorded = frozenset(pair for pair in job.state.cpu_ids.of_nodes if pair[1] not in cpu.ids)
    cpu_ids = replace(job.state.cpu_ids, of_nodes=recorded | {(node, number) for number in cpu.ids})
    cpus = tuple(sorted((*job.state.cpus, cpu), key=lambda cpu: cpu.first_id))
    job.state = replace(job.state, cpus=cpus, cpu_ids=cpu_ids)
    return 0


def _first_free_id(job: Job, path: str, n_threads: int, node: int) -> int | None:
    """Return the first of `n_threads` free numbers (`find_cpu_id_range`), None where there are no such."""
    state = job.state
    free = set(range(state.cpu_ids.possible)).difference(*(cpu.ids for cpu in state.cpus))
    starts = range(0, state.cpu_ids.possible, n_threads or 1)
    if job.has(CPU_IDS_BY_NODE):
        online = state.online
        of_others = {number for owner, number in state.cpu_ids.of_nodes if owner != node and owner in online}
        first_id = _start_of_range(free - of_others, starts, n_threads)
        if first_id is not None:
            return first_id
    first_id = _start_of_range(free, starts, n_threads)
    if first_id is not None:
        if job.has(CPU_IDS_BY_NODE):
            _warn(job, f"Reusing free CPU ids {first_id}-{first_id + n_threads - 1} from another node")
    elif job.has(CPU_IDS_BY_NODE) or not free:
        prefix = _PREFIX if job.has(CPU_IDS_BY_NODE) else ""
        supported = f"this system configuration supports {state.cpu_ids.possible} logical cpus."
        job.log.append(f"{prefix}Cannot add cpu {path}; {supported}")
    else:
        name = path.rpartition("/")[2].partition("@")[0]
        job.log.append(f"Unable to find space in cpu_present_mask for processor {name} with {n_threads} thread(s)")
    return first_id


def _start_of_range(free: set[int], starts: range, n_threads: int) -> int | None:
    return next((start for start in starts if free.issuperset(range(start, start + n_threads))), None)


@atomic(reads=(*_NODES_AND_CPUS, StatePart.BLOCKS), writes=_NODES_AND_CPUS)
def _detach(job: Job, path: str, *, caches: bool) -> None:
    """Detach a CPU's node, and caches that no other has (`pseries_cpuhp_detach_nodes`); forget its threads."""
    tree = job.state.tree
    paths = [path]
    for cache in cache_chain(tree, path) if caches else ():
        if n_users(tree, cache) > 1:
            break
        paths.append(cache)
    for detached_path in paths:
        job.set_tree("dlpar_cpu_remove", detached(job.state.tree, detached_path), detached_path, "", None)
    state = job.state
    cpus = tuple(cpu for cpu in state.cpus if cpu.path != path)
    # A node without memory stays online without its last CPU: only removing memory looks for empty nodes.
    staying = {cpu.node for cpu in cpus} | (state.topology.with_cpus - state.blocks.nodes())
    topology = replace(state.topology, with_cpus=state.topology.with_cpus & staying)
    job.state = replace(state, cpus=cpus, topology=topology)
