# SPDX-License-Identifier: MIT
"""An action of a schedule in words."""

from __future__ import annotations

from drmemctl.check.finding import Finding
from drmemctl.formats.dynamic_memory import aa_text
from drmemctl.kernel.errno import errno_name
from drmemctl.kernel.task import Lock
from drmemctl.kernel.trace import ArrayWrite, BlockWrite, RtasCall, TraceEvent, TreeWrite
from drmemctl.output.simulation_trace import rtas_text
from drmemctl.output.text import safe, worded
from drmemctl.simulate.interleave.trace import TracedAction

_PLAIN = {
    "set_updating": "drmem_update_dt: in_drmem_update = true",
    "clear_updating": "drmem_update_dt: in_drmem_update = false",
    "cpu_to_update": "dt_update_callback: looks whether updates of CPUs are listened to",
    "check_cpus_can_go": "dlpar_cpu_readd: takes the CPU out and in again",
    "stage": "dt_update_callback: notes that the CPU may have to move",
    "move_staged": "numa_update_cpu_topology: CPUs that were noted move",
    "prrn_is_enabled": "rtas_event_scan: looks whether reassignments are listened to",
    "stop_topology_update": "stop_topology_update: neither updates of CPUs nor reassignments are listened to",
    "start_topology_update": "start_topology_update: they are again",
    "topology_write": "topology_updates is written",
    "queue": "is queued: {lock}",
    "take": "takes {lock}",
    "drop": "releases {lock}",
    "change_state": "state_store: puts the memory block online, or takes it offline",
    "kexec -p": "udev: the crash kernel is loaded with the tree as it is",
    "property_from_array": "drmem_update_dt: the property is made from the array",
    "property_by_lmb": "the property is made from the LMBs",
    "available": "counts the LMBs that there are",
    "next_free": "looks for a free LMB",
    "next_removable": "looks for an LMB to remove",
    "flags_of": "dlpar_add_lmb: reads the LMB's flags",
    "lookup_arrays": "find_aa_index: reads ibm,associativity-lookup-arrays",
    "node_for_add": "dlpar_add_lmb: looks the node up",
    "node_filling_row": "dlpar_add_lmb: looks the node up, whose distances it takes",
    "look_up_removed": "dlpar_remove_lmb: looks the node up, whose distances it takes",
    "fill_row": "update_numa_distance: takes the distances of the LMB's node",
    "offline_lmb": "dlpar_remove_lmb: takes the memory offline",
    "suspend": "is suspended, and wakes up on the destination",
    "pseries_memory_notifier": "notifier: nothing to do",
    "passes_reserved": "looks for reserved LMBs",
    "next_free_in": "looks for a free LMB",
    "next_assigned_in": "looks for an assigned LMB",
    "read_property": "reads the property",
    "lookup": "of_find_node_by_phandle: found",
    "event-scan": "event-scan: a reassignment is received",
    "remove_memory": "__remove_memory: there is no block",
    "changed": "the hypervisor attaches or detaches",
    "qemu_migration": "QEMU migrates the machine",
    "add_memory": "__add_memory fails",
    "marked": "goes through the LMBs that it touched",
    "walk_array": "starts to walk the array",
    "find_range": "looks for the part of the array that begins with that DRC index",
    "find_drc": "looks for the LMB with that DRC index",
    "identity": "reads the LMB's address and DRC index",
    "give_copy_back": "gives its copy of the property back",
    "transfer_error": "asks how the transfer of memory ended",
    "path_of": "looks for the CPU with that DRC index",
    "cannot_be_added": "dlpar_cpu_add: looks whether there is such a CPU, and a connector for it",
    "addable": "looks for connectors without a CPU",
    "removable": "looks for CPUs to remove",
    "offline": "dlpar_offline_cpu: threads go offline",
    "online": "dlpar_online_cpu: threads come online",
    "rehomed": "the hypervisor has another home node for a CPU",
    "poll_home_nodes": "topology_timer_fn: CPUs whose home node changed are moved",
    "dlpar_hp_pmem": "dlpar_hp_pmem: no memory request",
    "delete": "delete_dt_node: the node is not there any more, or stays",
}
"""What an action does that changes nothing that a trace has events for, by its name."""

_LOST = "notifier: PASSED OVER, another thread has in_drmem_update set"
_OWN = "notifier: passes over its own update"


def row_words(row: TracedAction) -> list[str]:
    """Return what an action does, a line each: at least one."""
    if row.passed_over:
        return [_LOST if row.lost else _OWN]
    lines = [_event(event) for event in row.events]
    if not lines:
        action = row.action
        lock = action.joins or action.takes or action.drops
        words = _PLAIN.get(action.name, action.name)
        lines = [words.format(lock=lock.value if isinstance(lock, Lock) else "")]
    return [safe(line) for line in lines]


def _event(event: TraceEvent) -> str:
    match event:
        case RtasCall():
            return rtas_text(event)
        case ArrayWrite():
            words = [f"aa {aa_text(event.aa_index)}"] if event.aa_index is not None else []
            words += [f"flags {event.flags:#x}"] if event.flags is not None else []
            many = f" x{event.count:,}" if event.count > 1 else ""
            return f"array[{event.drc_index:#010x}{many}] = {', '.join(words)} ({event.function})"
        case BlockWrite():
            where = "goes (uevent remove)" if event.node is None else f"comes, node {event.node} (uevent add)"
            return f"memory block {event.block} {where}"
        case TreeWrite():
            name = event.property or event.path
            size = "goes" if event.size is None else f"= {event.size} bytes"
            return f"{name} {size} ({event.function})"
    return event.function


def outcome_words(outcome: int | None, *, endless: bool) -> str:
    """Return what a thread came to."""
    if outcome is None:
        return "goes on" if endless else "hangs"
    return errno_name(outcome) or "ok"


def verdict_words(verdict: Finding) -> str:
    """Return what is wrong in a line."""
    return worded(f"{verdict.rule or verdict.title} {verdict.severity}: {verdict.message}", 400)
