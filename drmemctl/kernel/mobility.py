# SPDX-License-Identifier: MIT
"""Device tree updates after a migration and on a platform resource reassignment.

Source: Linux arch/powerpc/platforms/pseries/mobility.c `pseries_devicetree_update`, `post_mobility_fixup`;
arch/powerpc/kernel/rtasd.c `handle_rtas_event`.
"""

from __future__ import annotations

from drmemctl.errors import LimitError
from drmemctl.formats.strings import decode_strings
from drmemctl.formats.update_nodes import ACTION_MASK, ADD, COUNT_MASK, DELETE, HEADER_SIZE, UPDATE, WORK_AREA
from drmemctl.kernel.capabilities import (
    NODE_LOOKUP_FIRST,
    PLATFORM_FACILITIES_KEPT,
    SUSPEND_CALL_LOGGED,
    SUSPEND_IN_STOP_MACHINE,
    UPDATE_ERRORS_PREFIXED,
    WAIT_FOR_TRANSFER,
)
from drmemctl.kernel.dlpar import configure_connector
from drmemctl.kernel.fault import HOTPLUG_LOCK_HELD, Fault
from drmemctl.kernel.firmware import UpdateSource
from drmemctl.kernel.job import MIGRATION, REASSIGNMENT, BlockedError, Job, OopsError
from drmemctl.kernel.plugins import replaceable
from drmemctl.kernel.requests import INDEX, READD, Request, handle_request
from drmemctl.kernel.sections import SECTION
from drmemctl.kernel.task import Lock, StatePart, Task, atomic, drop, take
from drmemctl.kernel.topology_capabilities import PRRN_READD, PRRN_UPDATE
from drmemctl.kernel.topology_updates import prrn_is_enabled, update_cpu_topology
from drmemctl.kernel.tree_edit import attached, detached, parent_of
from drmemctl.kernel.update_node import fetch_updates, update_dt_node
from drmemctl.model.drmem import RootCells
from drmemctl.model.phandles import find_phandle, phandle_of
from drmemctl.model.processors import CPUS
from drmemctl.tree.limits import LIMITS, NOT_REAL
from drmemctl.tree.node import Node

UPDATE_NODES = "update-nodes"
MIGRATION_SCOPE = 1
PRRN_SCOPE = -2

_PREFIX = "mobility: "
_PLATFORM_FACILITIES = "ibm,platform-facilities"


class _OverReadError(Exception):
    """The list of operations has left the work area; what follows is other memory of the kernel."""


class _NodeList:
    """The words of a work area of ibm,update-nodes behind its header, read one by one."""

    def __init__(self, area: bytes) -> None:
        self._data = area[:WORK_AREA].ljust(WORK_AREA, b"\0")
        self._at = HEADER_SIZE

    def next(self) -> int:
        """Return the next word; `_OverReadError` at the end of the work area, which the kernel does not check."""
        if self._at >= WORK_AREA:
            raise _OverReadError
        self._at += 4
        return int.from_bytes(self._data[self._at - 4 : self._at], "big")


def suspend_messages(job: Job) -> tuple[str, ...]:
    """Return the kernel's messages about the suspension (`rtas_percpu_suspend_me`, `do_join`, `do_suspend`).

    Any CPU may be the one that calls ibm,suspend-me; the messages say 0 here.
    """
    if job.has(SUSPEND_IN_STOP_MACHINE):
        return f"{_PREFIX}calling ibm,suspend-me on CPU 0", f"{_PREFIX}CPU 0 waking all threads"
    return ("calling ibm,suspend-me on cpu 0",) if job.has(SUSPEND_CALL_LOGGED) else ()


@replaceable("post_mobility_fixup")
def post_mobility_fixup(job: Job, source: UpdateSource) -> Task[int]:
    """Update the tree on the destination and wait for the rest of the memory (`post_mobility_fixup`)."""
    job.doing = MIGRATION
    rc = yield from devicetree_update(job, source, MIGRATION_SCOPE)
    if rc:
        prefixed = job.has(UPDATE_ERRORS_PREFIXED)
        subject = f"{_PREFIX}device tree update" if prefixed else "Post-mobility device tree update"
        job.log.append(f"{subject} failed: {rc}")
    if job.has(WAIT_FOR_TRANSFER):
        error = yield from _transfer_error(job)
        end = f"H_VASI_STATE return error ({error})" if error else "memory transfer completed."
        job.log += [f"{_PREFIX}waiting for memory transfer to complete...", _PREFIX + end]
    return 0


@atomic()
def _transfer_error(job: Job) -> int:
    return job.firmware.transfer_error


def handle_prrn_event(job: Job, source: UpdateSource, scope: int) -> Task[bool]:
    """Update the tree of a scope; return whether this kernel acts on reassignments (`handle_rtas_event`)."""
    job.doing = REASSIGNMENT
    if not job.has(PRRN_UPDATE):
        job.log.append("Platform resource reassignment ignored.")
        return False
    if not (yield from prrn_is_enabled(job)):
        return False
    yield from devicetree_update(job, source, -scope)
    yield from update_cpu_topology(job)
    return True


@replaceable("pseries_devicetree_update")
def devicetree_update(job: Job, source: UpdateSource, scope: int) -> Task[int]:
    """Fetch lists of nodes until there are no more, and act on each; return the last status.

    No kernel takes this mutex, which was proposed (linuxppc-dev, J. Kim, April 2019).
    """
    yield from take(Lock.TREE_UPDATE)
    function, area, status = "pseries_devicetree_update", bytes(WORK_AREA), 1
    while status == 1:
        area, status = yield from fetch_updates(job, function, source, UPDATE_NODES, area, scope)
        if status not in (0, 1):
            break
        words = _NodeList(area)
        try:
            # Of each operation all nodes, up to a word without an action.
            while (word := words.next()) & ACTION_MASK:
                for _ in range(word & COUNT_MASK):
                    yield from _act_on_node(job, source, words, word & ACTION_MASK, scope)
        except _OverReadError:
            message = "the list of nodes goes on beyond the work area: what is there now passes for operations"
            job.faults.append(Fault("over-read", message, function))
    yield from drop(Lock.TREE_UPDATE)
    return status


def _act_on_node(job: Job, source: UpdateSource, words: _NodeList, action: int, scope: int) -> Task[None]:
    phandle = words.next()
    path = yield from _lookup(job, phandle)
    if path is None and job.has(NODE_LOOKUP_FIRST):
        # Here an ADD's DRC index is not skipped: from now on the list is read one word off.
        job.log.append(f"{_PREFIX}Failed lookup: phandle 0x{phandle:x} for action 0x{action:x}")
        if action == ADD:
            consequence = "its DRC index is read as the next word of the list"
            message = f"an ADD below the unknown phandle {phandle:#x}: {consequence}"
            job.faults.append(Fault("desync", message, "pseries_devicetree_update"))
        return
    drc_index = words.next() if action == ADD else 0
    if path is not None:
        if action == DELETE:
            yield from _delete(job, path)
        elif action == UPDATE:
            yield from update_dt_node(job, source, path, phandle, scope)
            if scope == PRRN_SCOPE and job.has(PRRN_READD) and path.startswith(f"{CPUS}/"):
                # prrn_update_node looks again. A CPU that was taken out and in comes back without its phandle.
                path = yield from _lookup(job, phandle)
        elif action == ADD:
            yield from _add(job, path, drc_index)
    if path is None and action == UPDATE and scope == PRRN_SCOPE and job.has(PRRN_READD):
        # What is no node's phandle is an LMB's DRC index (prrn_update_node).
        yield from handle_request(job, Request(READD, INDEX, drc_index=phandle))


@atomic(reads=(StatePart.NODES,))
def _lookup(job: Job, phandle: int) -> str | None:
    """Return a node's path; `LimitError` once searching so many times among so many takes more than seconds."""
    job.nodes = job.nodes or sum(1 for _ in job.state.tree.walk())
    job.searched += job.nodes
    if job.searched > LIMITS.max_searched_nodes:
        most = LIMITS.max_searched_nodes // job.nodes
        message = f"more than {most:,} updates of nodes, each of which looks for one of {job.nodes:,}"
        raise LimitError(message, source=job.state.tree.source or None, hint=NOT_REAL)
    match = find_phandle(job.state.tree, phandle)
    return None if match is None else match[0]


def _is_type(node: Node, kind: str) -> bool:
    data = node.get("device_type")
    return data is not None and decode_strings(data).items[:1] == (kind,)


@atomic(reads=(StatePart.OTHER, StatePart.BLOCKS), writes=(StatePart.NODES,))
def _delete(job: Job, path: str) -> None:
    """Detach a node and all below it, but not platform facilities (`delete_dt_node`)."""
    node = job.state.tree.find(path)
    if node is None:
        return
    if job.has(PLATFORM_FACILITIES_KEPT):
        parent = job.state.tree.node(parent_of(path))
        if _is_type(node, _PLATFORM_FACILITIES) or _is_type(parent, _PLATFORM_FACILITIES):
            job.log.append(f"{_PREFIX}ignoring remove operation for {path}:{phandle_of(node)}")
            return
    job.set_tree("delete_dt_node", detached(job.state.tree, path), path, "", None)
    if _is_type(node, "memory"):
        _remove_memory_node(job, path, node)


def _remove_memory_node(job: Job, path: str, node: Node) -> None:
    """Remove a detached node's memory section by section, which is a BUG with larger blocks.

    It is one with blocks of a section, too: nobody took them offline (`__remove_memory`).
    """
    reg = node.get("reg")
    if reg is None:
        return
    if job.state.dead:
        raise BlockedError
    base = int.from_bytes(reg[: 4 * RootCells.from_tree(job.state.tree).address], "big")
    blocks, size = job.state.blocks, job.state.block_size
    if blocks.node_of(base // size) is not None:
        message = f"memory at {base:#x} is removed in sections of 16 MiB, but its blocks have {size:#x} bytes"
        if size == SECTION:
            message = f"memory at {base:#x} is removed, but it is online"
        raise OopsError(Fault("oops", message, "pseries_remove_mem_node", path), dead=HOTPLUG_LOCK_HELD)


def _add(job: Job, parent: str, drc_index: int) -> Task[None]:
    """Attach the top node of what the connector describes; its children are dropped (`add_dt_node`)."""
    node = yield from configure_connector(job, drc_index)
    if node is None:
        return
    if job.has(PLATFORM_FACILITIES_KEPT) and _is_type(node, _PLATFORM_FACILITIES):
        job.log.append(f"{_PREFIX}ignoring add operation for {parent.rstrip('/')}/{node.name}")
        return
    yield from _attach(job, parent, Node(node.name, node.properties))


@atomic(writes=(StatePart.NODES,))
def _attach(job: Job, parent: str, node: Node) -> None:
    tree = attached(job.state.tree, parent, node)
    job.set_tree("add_dt_node", tree, f"{parent.rstrip('/')}/{node.name}", "", 0)
