# SPDX-License-Identifier: MIT
"""Each capability on both of its sides: the same steps, with it and without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE, encode_update_nodes
from drmemctl.kernel.boot import boot
from drmemctl.kernel.boot_regions import boot_regions, driver_memory
from drmemctl.kernel.capabilities import BY_NAME, CAPABILITIES
from drmemctl.kernel.crash_cma import CrashCma
from drmemctl.kernel.job import Job
from drmemctl.kernel.kdump import CrashMemory, Producer, kdump_tree
from drmemctl.kernel.kexec_load import LoadRefusedError, Route, check_load
from drmemctl.kernel.profiles import profile
from drmemctl.kernel.requests import dlpar_store
from drmemctl.kernel.task import Lock
from drmemctl.model.associativity import Associativity
from drmemctl.model.distances import Form1
from drmemctl.model.run import Run
from drmemctl.simulate.files import Files
from drmemctl.simulate.interleave.answer import Question
from drmemctl.simulate.memory_map import regions_now
from drmemctl.simulate.rearm import Rearm
from drmemctl.simulate.session import simulate
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.kernel.cpu_partitions import moved
from tests.kernel.cpu_trees import cpu_partition, drc_info, names
from tests.kernel.partitions import (
    BOOT_MEMORY,
    DRC,
    LMB,
    UNSET,
    aa_of,
    assigned,
    lmbs,
    memory_node,
    nodes,
    properties_of,
    tree,
    u32,
)

Observe = Callable[[Simulation], Any]

USUAL = (lmbs(2, 2, 1, 8), lmbs(4, 4))
RESERVED_ONE = (lmbs(2, 1, 1, 0x88), lmbs(3, 1, 1, 8), lmbs(4, 2))
MARK = 0x80000000
FAILED_ADD = (f"firmware {NODE} {LOOKUP_ARRAYS} -", "dlpar memory add index 0x80000004")
"""There is nothing to compare the LMB's associativity with."""


def simulation(base: Tree, kernel: str, name: str, *, has: bool, **files: Any) -> Simulation:
    """Return a partition whose kernel has a capability, or has not."""
    changed = profile(kernel, [name] if has else [], [] if has else [name])
    return Simulation(base, changed, "powervm", files=Files(**files))


def both(
    name: str, base: Tree, observe: Observe, *steps: str, kernel: str = "latest", **files: Any
) -> tuple[Any, Any]:
    """Return what is observed after the steps with the capability, and without it."""
    seen = []
    for has in (True, False):
        partition = simulation(base, kernel, name, has=has, **files)
        partition.run_all(steps)
        seen.append(observe(partition))
    return seen[0], seen[1]


def last_log(partition: Simulation) -> list[str]:
    return list(partition.results[-1].log)


def v2(*entries: Any) -> str:
    """Return the hex of a v2 property with the boot memory and these LMBs."""
    return encode_entries(V2, [BOOT_MEMORY, *entries]).hex()


def v1(*entries: Any) -> str:
    """Return the hex of a v1 property with the boot memory and these LMBs."""
    listed = [
        Run(base + i * LMB, 1, drc + i, aa, flags)
        for base, count, drc, aa, flags in (BOOT_MEMORY, *entries)
        for i in range(count)
    ]
    return encode_entries(V1, listed).hex()


def drmem_array() -> tuple[Any, Any]:
    # A new property is the truth for a kernel without an array; one with an array writes its own back.
    update = f"firmware {NODE} {V2} {v2(lmbs(2, 2, 0, 8), lmbs(4, 4))}"
    steps = (update, "dlpar memory add indexed-count 1 0x80000002")
    return both("drmem-array", tree(*USUAL), lambda one: aa_of(one, 2), *steps, kernel="5.12")


def dynamic_memory_v2() -> tuple[Any, Any]:
    return both("dynamic-memory-v2", tree(*USUAL), assigned, kernel="4.16")


def flush_per_lmb() -> tuple[Any, Any]:
    # LMB 3 stays, so the request fails; the property shows what happened to LMB 2 meanwhile.
    steps = ("unmovable 0x80000003", "dlpar memory remove indexed-count 2 0x80000002")
    base = tree(*USUAL, rows=((5,), (1,)))
    return both(
        "flush-per-lmb", base, lambda one: properties_of(one)[V2] != base.get(NODE, V2), *steps, kernel="arrayless"
    )


def assigned_first() -> tuple[Any, Any]:
    # The lookup fails: an LMB that counts as assigned all the same is written as such by the next request.
    steps = (*FAILED_ADD, "dlpar memory add indexed-count 1 0x80000002")
    return both("assigned-first", tree(*USUAL), assigned, *steps, kernel="4.20")


def range_check() -> tuple[Any, Any]:
    step = "dlpar memory remove indexed-count 9 0x80000005"
    return both("range-check", tree(*USUAL), lambda one: one.results[-1].errno, step)


def swapped_drc_indexes() -> tuple[Any, Any]:
    # LMB 2 goes and cannot come back, since LMB 3 stays and nobody tells the associativity of LMB 2.
    steps = (FAILED_ADD[0], "unmovable 0x80000003", "dlpar memory remove indexed-count 2 0x80000002")

    def failures(partition: Simulation) -> list[str]:
        return [line for line in last_log(partition) if "Failed to add" in line]

    return both("swapped-drc-indexes", tree(*USUAL), failures, *steps)


def tree_errors_logged() -> tuple[Any, Any]:
    return both(
        "tree-errors-logged",
        tree(*USUAL),
        lambda one: any("Couldn't update device tree" in line for line in last_log(one)),
        *FAILED_ADD,
    )


def length_check() -> tuple[Any, Any]:
    whole = tree(*USUAL, v1=True)
    data = whole.get(NODE, V1) or b""
    return both("length-check", whole.with_property(NODE, V1, data[:-24]), assigned, kernel="4.15")


def wrong_node_add() -> tuple[Any, Any]:
    steps = ("attach 0x80000004 1 node 1", "dlpar memory add index 0x80000004")
    return both("wrong-node-add", tree(*USUAL), lambda one: nodes(one)[4], *steps, kernel="5.4")


def reserved_not_removable() -> tuple[Any, Any]:
    # Both kernels leave it as memory at boot out; only the flags decide here.
    base = tree(*RESERVED_ONE)
    return both("reserved-not-removable", base, last_log, "dlpar memory remove count 2")


def reserved_not_available() -> tuple[Any, Any]:
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 1, UNSET, 0x80))
    return both("reserved-not-available", base, lambda one: one.results[-1].ok, "dlpar memory add count 1")


def reserved_range_named() -> tuple[Any, Any]:
    step = "dlpar memory remove indexed-count 2 0x80000002"
    return both("reserved-range-named", tree(*RESERVED_ONE), last_log, step)


def negative_count() -> tuple[Any, Any]:
    step = "dlpar memory remove indexed-count 0xffffffff 0x80000002"
    return both("reserved-range-named", tree(*USUAL), lambda one: one.results[-1].errno, step)


def counted_marks() -> tuple[Any, Any]:
    # LMB 3 came with the mark of the kernel's own: an old kernel takes it for one that this request removed.
    base = tree(lmbs(2, 1, 1, 8), lmbs(3, 1, 1, 8 | MARK), lmbs(4, 2))
    return both("counted-marks", base, last_log, "dlpar memory remove count 1")


def unisolate_on_rollback() -> tuple[Any, Any]:
    found = []
    for has in (True, False):
        changed = profile(
            "6.1", ["unisolate-on-rollback"] if has else [], [] if has else ["unisolate-on-rollback"]
        )
        partition = Simulation(tree(*USUAL), changed, "qemu")
        result = partition.run_all(["unmovable 0x80000003", "unplug 0x80000002 2"])[-1]
        found.append(result.events)
    return found[0], found[1]


def section_removable_check() -> tuple[Any, Any]:
    steps = ("unmovable 0x80000002", "dlpar memory remove index 0x80000002")
    return both("section-removable-check", tree(*USUAL), lambda one: one.results[-1].errno, *steps)


def offline_reserved() -> tuple[Any, Any]:
    steps = ("offline 3", "dlpar memory remove index 0x80000003")
    return both("offline-reserved", tree(*USUAL), lambda one: one.results[-1].errno, *steps, kernel="5.7")


def quiet_index_messages() -> tuple[Any, Any]:
    return both("quiet-index-messages", tree(*USUAL), last_log, "dlpar memory remove index 0x80000002")


def add_errors_logged() -> tuple[Any, Any]:
    return both("add-errors-logged", tree(*USUAL), last_log, *FAILED_ADD)


def aa_sync() -> tuple[Any, Any]:
    update = f"firmware {NODE} {V2} {v2(lmbs(2, 2, 0, 8), lmbs(4, 4))}"
    return both("aa-sync", tree(*USUAL), lambda one: aa_of(one, 2), update)


def assigned_diff_notifier() -> tuple[Any, Any]:
    update = f"firmware {NODE} {V1} {v1(lmbs(2, 1), lmbs(3, 1, 1, 8), lmbs(4, 4))}"
    base = tree(*USUAL, v1=True)
    return both("assigned-diff-notifier", base, lambda one: one.results[-1].ok, update, kernel="5.4")


def old_property_check() -> tuple[Any, Any]:
    update = f"firmware {NODE} {V1} {v1(*USUAL)}"
    return both(
        "old-property-check",
        tree(*USUAL),
        lambda one: [fault.code for fault in one.results[-1].faults],
        update,
        kernel="5.4",
    )


def iterator_inclusive() -> tuple[Any, Any]:
    return both(
        "iterator-inclusive",
        tree(),
        lambda one: [fault.code for fault in one.results[-1].faults],
        "dlpar memory add count 1",
        kernel="5.4",
    )


def lmb_size_u32() -> tuple[Any, Any]:
    large = 1 << 32
    base = tree(Run(large, 3, DRC + 1, UNSET, 0), size=large, memory=[memory_node(0, large)])
    return both("lmb-size-u32", base, lambda one: one.state.table.lmb(3).base)


def block_size_u32() -> tuple[Any, Any]:
    large = 1 << 32
    base = tree(Run(large, 3, DRC + 1, UNSET, 0), size=large, memory=[memory_node(0, large)])
    return both("block-size-u32", base, lambda one: [fault.message for fault in one.boot_faults])


def block_size_probe() -> tuple[Any, Any]:
    base = tree(memory=[memory_node(0, 1 << 30), memory_node(1 << 30, 1 << 30)])
    return both("block-size-probe", base, lambda one: one.state.block_size)


def bridge_nodes() -> tuple[Any, Any]:
    base = tree(*USUAL, memory=[memory_node(0, 2 * LMB, 1)], cpu_node=1, more=[_bridge(0)])
    return both("bridge-nodes", base, lambda one: one.state.first_online_node)


def _bridge(node: int) -> Node:
    properties = (Property("device_type", b"pci\0"), Property("ibm,associativity", u32(1, node)))
    return Node("pci@800000020000000", properties)


def pmem_events() -> tuple[Any, Any]:
    connectors = Property("ibm,drc-indexes", u32(1, 0x90000001))
    more = [Node("ibm,persistent-memory", (connectors,))]
    return both("pmem-events", tree(*USUAL, more=more), last_log, "plug 0x90000001 1")


def far(first: int) -> Tree:
    """Return a partition that has free LMBs from an address on."""
    return tree(lmbs(2, 2, 1, 8), Run(first, 2, DRC + 4, UNSET, 0))


def physmem_51() -> tuple[Any, Any]:
    return both("physmem-51", far(1 << 47), _add_first)


def address_check() -> tuple[Any, Any]:
    return both("address-check", far(1 << 51), _add_first, kernel="5.2")


def _add_first(partition: Simulation) -> str | None:
    return partition.run("dlpar memory add index 0x80000004").errno


def range_prevalidated() -> tuple[Any, Any]:
    step = "dlpar memory add index 0x80000004"
    return both("range-prevalidated", far(1 << 51), lambda one: last_log(one)[1], step)


def block_size_panic() -> tuple[Any, Any]:
    base = tree(Run(0x30000000, 2, DRC + 2, UNSET, 0), size=0x18000000)
    return both("block-size-panic", base, lambda one: one.state.dead)


def blocks_listed_twice() -> tuple[Any, Any]:
    def faults(done: Simulation) -> list[str]:
        return [fault.code for fault in done.results[-1].faults]

    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 1, 0, 8), lmbs(5, 3))
    steps = ("unmovable 0x80000003 0x80000004", "dlpar memory remove count 2")
    return both("blocks-listed-twice", base, faults, *steps, kernel="5.8")


def no_default_node() -> tuple[Any, Any]:
    return both("no-default-node", tree(lmbs(2, 2, 7, 8)), lambda one: one.state.dead)


def hotremovable_memblock() -> tuple[Any, Any]:
    return both("hotremovable-memblock", tree(lmbs(2, 2, 1, 0x108)), _flags)


def memory_limit_16m() -> tuple[Any, Any]:
    base = tree(lmbs(2, 2, 1, 8), bootargs="mem=520M")
    return both("memory-limit-16m", base, lambda one: list(one.state.blocks))


def chosen_limits() -> tuple[Any, Any]:
    # 768 MiB, as a little-endian kernel reads it.
    base = tree(lmbs(2, 2, 1, 8)).with_property("/chosen", "linux,memory-limit", (3 * LMB).to_bytes(8, "little"))
    return both("chosen-limits", base, lambda one: list(one.state.blocks))


def crashkernel_raises_limit() -> tuple[Any, Any]:
    base = tree(lmbs(2, 2, 1, 8), bootargs="mem=512M crashkernel=512M@256M")
    return both("crashkernel-raises-limit", base, lambda one: list(one.state.blocks))


def kexec_in_hotplug() -> tuple[Any, Any]:
    base = tree(lmbs(2, 2, 1, 0x108), bootargs="movable_node")
    return both("kexec-in-hotplug", base, _images)


def _refusal(base: Tree, crash: CrashMemory) -> Observe:
    """Return what loads a crash kernel by kexec_file_load, and tells of the refusal."""

    def load(partition: Simulation) -> str:
        crash_tree = kdump_tree(base, crash, Producer.FILE)
        try:
            check_load(base, crash_tree, crash, partition.profile)
        except LoadRefusedError as error:
            return " ".join(error.message.split()[:3])
        return "loaded"

    return load


FREE_LMBS = tree(lmbs(2, 2, 1, 8), lmbs(4, 900))
CRASH_MEMORY = CrashMemory(LMB // 2, LMB // 4)


def kexec_file_crash() -> tuple[Any, Any]:
    return both("kexec-file-crash", FREE_LMBS, _refusal(FREE_LMBS, CRASH_MEMORY))


def kexec_lmbs_counted() -> tuple[Any, Any]:
    # 502 LMBs take 4,032 bytes: more than the small tree, and less than a page and counters of booted memory.
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 500))
    return both("kexec-lmbs-counted", base, _refusal(base, CRASH_MEMORY), kernel="6.1")


def kexec_pluggable_counted() -> tuple[Any, Any]:
    return both("kexec-pluggable-counted", FREE_LMBS, _refusal(FREE_LMBS, CRASH_MEMORY))


def kexec_room_divided() -> tuple[Any, Any]:
    whole = tree(*USUAL)
    children = tuple(child for child in whole.root.children if f"/{child.name}" != NODE)
    base = whole.with_root(replace(whole.root, children=children))
    return both("kexec-room-divided", base, _refusal(base, CRASH_MEMORY))


def crash_hotplug() -> tuple[Any, Any]:
    def reloads(partition: Simulation) -> bool:
        threads = ("dlpar memory add count 1", "kdump")
        return Question(tree(*USUAL), threads, partition.profile).partition().crash_tree is not None

    return both("crash-hotplug", tree(*USUAL), reloads)


def _rearmed(name: str, *steps: str, kernel: str = "latest") -> tuple[Any, Any]:
    """Return whether the crash kernel is needed anew after steps, and what is noted."""
    outcomes = []
    for has in (True, False):
        changed = profile(kernel, [name] if has else [], [] if has else [name])
        session = simulate(tree(lmbs(2, 4, 1, 8), lmbs(6, 4)), steps, kernel=changed, traced=True)
        rearm = Rearm.of_fadump(session) if "fadump" in name else Rearm.of_crash_kernel(session, Route.FILE)
        outcomes.append((rearm.needed, len(rearm.notes)))
    return outcomes[0], outcomes[1]


def crash_range_split() -> tuple[Any, Any]:
    return _rearmed("crash-range-split", "dlpar memory remove index 0x80000003")


def crash_backup_offset() -> tuple[Any, Any]:
    return _rearmed("crash-backup-offset", "dlpar memory remove index 0x80000005")


def fadump_hotplug() -> tuple[Any, Any]:
    return _rearmed("fadump-hotplug", "dlpar memory remove index 0x80000003")


def _cma_state(name: str, kernel: str) -> tuple[Any, Any]:
    states = []
    base = tree(bootargs="crashkernel=256M@128M crashkernel=1G,cma")
    for has in (True, False):
        cma = CrashCma.of(base, profile(kernel, [name] if has else [], [] if has else [name]))
        states.append(None if cma is None else str(cma.state))
    return states[0], states[1]


def crashkernel_cma_suffix() -> tuple[Any, Any]:
    return _cma_state("crashkernel-cma-suffix", "6.17")


def crashkernel_cma() -> tuple[Any, Any]:
    return _cma_state("crashkernel-cma", "latest")


def _images(partition: Simulation) -> list[bool]:
    regions, _ = boot_regions(partition.tree, partition.state.profile)
    return [one.consequences.images for one in regions]


def movable_node_test() -> tuple[Any, Any]:
    return both("movable-node-test", tree(lmbs(2, 2, 1, 0x108)), _images)


def _after_an_add(name: str) -> tuple[Any, Any]:
    regions = []
    for has in (True, False):
        partition = simulation(tree(lmbs(2, 2, 1, 8), lmbs(4, 2, 1)), "latest", name, has=has)
        partition.run("dlpar memory add index 0x80000004", traced=True)
        regions.append([(one.region.base // LMB, one.region.flags) for one in regions_now(partition)])
    return regions[0], regions[1]


def hotplug_mark_all() -> tuple[Any, Any]:
    return _after_an_add("hotplug-mark-all")


def driver_managed_memblock() -> tuple[Any, Any]:
    pmem = Node("ibm,persistent-memory", (), (Node("ibm,pmemory@1", ()),))

    def of_drivers(partition: Simulation) -> list[tuple[bool, bool]]:
        associativity = Associativity.from_tree(partition.tree)
        memory = driver_memory(partition.tree, associativity, partition.state.profile)
        return [(entry.marked, entry.consequences.images) for entry in memory]

    return both("driver-managed-memblock", tree(lmbs(2, 2, 1, 8), more=(pmem,)), of_drivers)


def _flags(partition: Simulation) -> list[tuple[int, int]]:
    """Return where memory with other flags begins, and the flags, as the kernel booted with it."""
    kernel = partition.state.profile
    regions, _ = boot_regions(partition.tree, kernel)
    return [(one.region.base // LMB, one.region.flags) for one in regions]


def form2() -> tuple[Any, Any]:
    base = tree(*USUAL)
    return both("form2", base, lambda one: one.state.topology.form)


def _domains(name: str, more: str) -> tuple[Any, Any]:
    base = tree(*USUAL).with_property("/rtas", "ibm,current-associativity-domains", u32(1, 2))
    if more:
        base = base.with_property("/", more, b"")
    return both(name, base, lambda one: one.state.topology.possible)


def connector_distances() -> tuple[Any, Any]:
    """A node whose list is another at its connector than in the tree: the row is by that, or stays."""
    vector = b"\x19" + bytes(4) + b"\x80\x05" + bytes(19)
    base = tree(*USUAL).with_property("/chosen", "ibm,architecture-vec-5", vector)
    base = base.with_property("/rtas", "ibm,associativity-reference-points", u32(1, 2))
    steps = "attach 0x80000004 1 assoc 1,7"
    return both("connector-distances", base, _row_of_node_1, steps, "dlpar memory add count 1")


def _row_of_node_1(partition: Simulation) -> tuple[int, ...]:
    table = partition.state.distances
    assert isinstance(table, Form1)
    return table.row(1)


def current_domains() -> tuple[Any, Any]:
    return _domains("current-domains", "")


def migratable_max_domains() -> tuple[Any, Any]:
    return _domains("migratable-max-domains", "ibm,migratable-partition")


def migration(*operations: tuple[int, list[int]], status: int = 0) -> bytes:
    """Return the record of a migration with these operations and no new properties."""
    areas = encode_update_nodes(operations)
    answers = [
        {"call": "update-nodes", "answer": area.hex(), "status": status or int(area is not areas[-1])}
        for area in areas
    ]
    return json.dumps(answers).encode()


def node_lookup_first() -> tuple[Any, Any]:
    record = migration((ADD, [0xBAD, DRC + 4]), (DELETE, [0x4000]))
    return both(
        "node-lookup-first",
        tree(*USUAL),
        lambda one: one.tree.find("/chosen") is not None,
        "migrate record",
        file=lambda _: record,
    )


def platform_facilities_kept() -> tuple[Any, Any]:
    facilities = Node(
        "ibm,platform-facilities",
        (Property("device_type", b"ibm,platform-facilities\0"), Property("phandle", u32(0x5000))),
    )
    record = migration((DELETE, [0x5000]))
    return both(
        "platform-facilities-kept",
        tree(*USUAL, more=[facilities]),
        lambda one: (one.tree.find("/ibm,platform-facilities") is not None, last_log(one)),
        "migrate record",
        file=lambda _: record,
        kernel="5.10.0",
    )


def update_errors_prefixed() -> tuple[Any, Any]:
    record = migration((UPDATE, [0x4000]), status=-1)
    return both(
        "update-errors-prefixed", tree(*USUAL), last_log, "migrate record", file=lambda _: record, kernel="5.10"
    )


def suspend_in_stop_machine() -> tuple[Any, Any]:
    record = migration((UPDATE, []))
    return both(
        "suspend-in-stop-machine", tree(*USUAL), last_log, "migrate record", file=lambda _: record, kernel="5.10"
    )


def wait_for_transfer() -> tuple[Any, Any]:
    record = migration((UPDATE, []))
    return both(
        "wait-for-transfer", tree(*USUAL), last_log, "migrate record", file=lambda _: record, kernel="5.10"
    )


def prrn_update() -> tuple[Any, Any]:
    return both("prrn-update", tree(*USUAL), last_log, "prrn 2 0x80000002", kernel="5.1")


def prrn_off_by_default() -> tuple[Any, Any]:
    return both("prrn-off-by-default", tree(*USUAL), last_log, "prrn 2 0x80000002", kernel="5.1")


def prrn_readd() -> tuple[Any, Any]:
    return both("prrn-readd", tree(*USUAL), last_log, "prrn 2 0x80000002", kernel="5.1")


def long_log_records() -> tuple[Any, Any]:
    return both("long-log-records", tree(*USUAL), lambda done: len(last_log(done)[-1]), f"dlpar {'x' * 2000}")


def dt_resource() -> tuple[Any, Any]:
    return both("dt-resource", tree(*USUAL), last_log, "dlpar dt frob")


HOT_REMOVED = "pseries-hotplug-mem: Memory at 20000000 was hot-removed"
ATTEMPT = "pseries-hotplug-mem: Attempting to hot-remove"
RECORD_LOG = ["mobility: calling ibm,suspend-me on CPU 0", "mobility: CPU 0 waking all threads"]


def core_after(name: str, kernel: str, step: str = "lpm there", *, vphn: bool = False) -> tuple[Any, Any]:
    """Return the node of a core that is on node 2 of the new tree, and was on node 1."""
    kernels = (profile(kernel, [name]), profile(kernel, [], [name]))
    seen = [moved(one, step, vphn=vphn).state.cpus[0].node for one in kernels]
    return seen[0], seen[1]


def cpu_topology_update() -> tuple[Any, Any]:
    return core_after("cpu-topology-update", "4.19.0", vphn=True)


def topology_stopped_in_migration() -> tuple[Any, Any]:
    return core_after("topology-stopped-in-migration", "4.20", vphn=True)


def cpu_readd() -> tuple[Any, Any]:
    return core_after("cpu-readd", "5.1", "prrn there")


def topology_switch_kept() -> tuple[Any, Any]:
    def is_off(done: Simulation) -> bool:
        done.run("topology off")
        done.run("migrate record")
        return done.state.deaf

    record = migration((UPDATE, []))
    return both("topology-switch-kept", tree(*USUAL), is_off, file=lambda _: record, kernel="5.1")


def cpus_locked_in_update() -> tuple[Any, Any]:
    name = "cpus-locked-in-update"
    kernels = (profile("4.19.78", [name]), profile("4.19.78", [], [name]))
    hangs, goes_on = [moved(one).results[-1].faults for one in kernels]
    return [fault.code for fault in hangs], [fault.code for fault in goes_on]


def suspend_call_logged() -> tuple[Any, Any]:
    record = migration((UPDATE, []))
    return both(
        "suspend-call-logged", tree(*USUAL), last_log, "migrate record", file=lambda _: record, kernel="5.4"
    )


def vphn_failure_ignored() -> tuple[Any, Any]:
    return core_after("vphn-failure-ignored", "4.19.0")


def queued_requests() -> tuple[Any, Any]:
    def locks(partition: Simulation) -> list[str | None]:
        job = Job(partition.state, partition.situation.machine)
        taken: list[str | None] = []
        task = dlpar_store(job, "memory add count 0\n")
        action = next(task)
        try:
            while True:
                taken.append(action.takes)
                action = task.send(action.do(job))
        except StopIteration:
            return [lock for lock in taken if lock]

    return both("queued-requests", tree(*USUAL), locks)


def unguarded_memory_node() -> tuple[str, str]:
    base = tree(memory=[memory_node(0, 2 * LMB, 0xFFFF)])
    with_it, without = profile("6.1"), profile("6.1", removed=["unguarded-memory-node"])
    return boot(base, with_it)[0].dead, boot(base, without)[0].dead


def cpus_after(name: str, *steps: str, kernel: str = "latest", **more: Any) -> tuple[Any, Any]:
    """Return the log and the CPUs' nodes and numbers after steps, with the capability and without it."""
    seen = []
    for has in (True, False):
        changed = profile(kernel, [name] if has else [], [] if has else [name])
        partition = cpu_partition(kernel=changed, **more)
        partition.run_all(steps)
        seen.append((last_log(partition), names(partition)))
    return seen[0], seen[1]


def home_after(name: str, *steps: str, kernel: str = "latest", agreed: bool = False) -> tuple[int, int]:
    """Return the node of CPU 1, which is at home on node 1 and on node 0 of the tree, with and without."""
    base = cpu_partition(vphn=True).tree
    if agreed:
        vector = b"\x19" + bytes(4) + b"\xe0\x05" + bytes(19)
        base = base.with_property("/chosen", "ibm,architecture-vec-5", vector)
    seen = []
    for has in (True, False):
        partition = simulation(base, kernel, name, has=has)
        partition.run_all(["vphn 1 1,1", *steps])
        seen.append(partition.state.cpus[1].node)
    return seen[0], seen[1]


def home_node_first() -> tuple[int, int]:
    return home_after("home-node-first", "reboot")


def home_node_at_boot() -> tuple[int, int]:
    return home_after("home-node-at-boot", "reboot", kernel="5.8")


def home_node_poll() -> tuple[int, int]:
    return home_after("home-node-poll", kernel="5.1")


def poll_beside_prrn() -> tuple[int, int]:
    return home_after("poll-beside-prrn", kernel="5.1", agreed=True)


def cpu_by_count() -> tuple[Any, Any]:
    return cpus_after("cpu-by-count", "dlpar cpu remove count 1")


def cpu_drc_info() -> tuple[Any, Any]:
    return cpus_after("cpu-drc-info", "dlpar cpu add index 0x10000003", info=drc_info((0x10000000, 4, 1)))


LAST_CORE = "dlpar cpu remove index 0x10000000"


def last_cpu_named() -> tuple[Any, Any]:
    return cpus_after("last-cpu-named", LAST_CORE, on_nodes=[0])


def cpu_unisolate() -> tuple[Any, Any]:
    steps = ("plug 0x10000001 1", "dlpar cpu remove index 0x10000000", "unplug 0x10000001 1")
    seen = []
    for has in (True, False):
        changed = profile("latest", *(([], ["cpu-unisolate"]) if not has else (["cpu-unisolate"],)))
        partition = cpu_partition(kernel=changed, on_nodes=[0], hypervisor="qemu")
        partition.run_all(steps)
        seen.append(partition.results[-1].events)
    return seen[0], seen[1]


def cpu_death_logged() -> tuple[Any, Any]:
    return cpus_after("cpu-death-logged", "dlpar cpu remove index 0x10000001")


def cpu_ids_by_node() -> tuple[Any, Any]:
    steps = ("dlpar cpu remove index 0x10000001", "attach 0x10000001 1 node 1", "dlpar cpu add index 0x10000001")
    return cpus_after("cpu-ids-by-node", *steps, connectors=3)


def cpu_cache_nodes() -> tuple[Any, Any]:
    return cpus_after("cpu-cache-nodes", "dlpar cpu remove index 0x10000001", caches=(0x71, 0x72))


CPU_PREFIX = "pseries-hotplug-cpu: "
LAST_CORE_LOG = [
    f"{CPU_PREFIX}Failed to offline CPU PowerPC,POWER9, rc: -16",
    f'dlpar: Could not handle DLPAR request "{LAST_CORE.removeprefix("dlpar ")}',
]

CASES: list[tuple[Callable[[], tuple[Any, Any]], Any, Any]] = [
    (queued_requests, [Lock.WORKQUEUE, Lock.HOTPLUG], [Lock.HOTPLUG]),
    (drmem_array, 1, 0),
    (dynamic_memory_v2, [2, 3], []),
    (flush_per_lmb, True, False),
    (tree_errors_logged, True, False),
    (length_check, [], [2, 3]),
    (wrong_node_add, 0, 1),
    (
        reserved_not_removable,
        [
            f"{ATTEMPT} 2 LMB(s)",
            "pseries-hotplug-mem: Not enough LMBs available (1 of 2) to satisfy request",
            'dlpar: Could not handle DLPAR request "memory remove count 2',
        ],
        [
            f"{ATTEMPT} 2 LMB(s)",
            "pseries-hotplug-mem: Memory hot-remove failed, adding LMB's back",
            'dlpar: Could not handle DLPAR request "memory remove count 2',
        ],
    ),
    (reserved_not_available, False, True),
    (
        reserved_range_named,
        [
            f"{ATTEMPT} 2 LMB(s) at 80000002",
            "pseries-hotplug-mem: Memory at 20000000 (drc index 80000002) is reserved",
            'dlpar: Could not handle DLPAR request "memory remove indexed-count 2 0x80000002',
        ],
        [
            f"{ATTEMPT} 2 LMB(s) at 80000002",
            'dlpar: Could not handle DLPAR request "memory remove indexed-count 2 0x80000002',
        ],
    ),
    (negative_count, None, "EINVAL"),
    (
        counted_marks,
        [f"{ATTEMPT} 1 LMB(s)", HOT_REMOVED],
        [f"{ATTEMPT} 1 LMB(s)", HOT_REMOVED, "pseries-hotplug-mem: Memory at 30000000 was hot-removed"],
    ),
    (
        unisolate_on_rollback,
        ("MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"),
        ("MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"),
    ),
    (section_removable_check, "EINVAL", "EBUSY"),
    (offline_reserved, "EINVAL", None),
    (quiet_index_messages, [], [f"{ATTEMPT} LMB, drc index 80000002", HOT_REMOVED]),
    (
        add_errors_logged,
        [
            "pseries-hotplug-mem: Attempting to hot-add LMB, drc index 80000004",
            "pseries-hotplug-mem: Failed to configure LMB 0x80000004",
            "pseries-hotplug-mem: Failed to hot-add memory, drc index 80000004",
            'dlpar: Could not handle DLPAR request "memory add index 0x80000004',
        ],
        [
            "pseries-hotplug-mem: Attempting to hot-add LMB, drc index 80000004",
            "pseries-hotplug-mem: Failed to hot-add memory, drc index 80000004",
            'dlpar: Could not handle DLPAR request "memory add index 0x80000004',
        ],
    ),
    (aa_sync, 0, 1),
    (assigned_diff_notifier, False, True),
    (old_property_check, [], ["oops"]),
    (iterator_inclusive, ["oops"], []),
    (lmb_size_u32, 1 << 32, 2 << 32),
    (block_size_u32, ["Memory block size not suitable: 0x0"], []),
    (block_size_probe, 1 << 28, 1 << 30),
    (bridge_nodes, 0, 1),
    (pmem_events, [], ["dlpar: Invalid resource (6) specified"]),
    (physmem_51, None, "E2BIG"),
    (address_check, "EFAULT", None),
    (
        range_prevalidated,
        "Hotplug memory [0x8000000000000-0x8000010000000] exceeds maximum addressable range [0x0-0x7ffffffffffff]",
        "Unable to create mapping for hot added memory 0xc008000000000000..0xc008000010000000: -1",
    ),
    (block_size_panic, "panic at boot", ""),
    (blocks_listed_twice, ["oops"], []),
    (no_default_node, "oops at boot", ""),
    (hotremovable_memblock, [(0, 0), (2, 1)], [(0, 0), (2, 0)]),
    (memory_limit_16m, [(0, 0), (1, 0)], [(0, 0), (1, 0), (2, 1)]),
    (chosen_limits, [(0, 0), (1, 0), (2, 1)], [(0, 0), (1, 0), (2, 1), (3, 1)]),
    (crashkernel_raises_limit, [(0, 0), (1, 0), (2, 1)], [(0, 0), (1, 0)]),
    (kexec_in_hotplug, [True, True], [True, False]),
    (movable_node_test, [True, True], [True, False]),
    (hotplug_mark_all, [(0, 0), (2, 0), (4, 1)], [(0, 0), (2, 0)]),
    (driver_managed_memblock, [(True, False)], [(False, True)]),
    (kexec_file_crash, "loaded", "kexec_file_load of Linux"),
    (kexec_lmbs_counted, "loaded", "kexec_file_load fails to"),
    (kexec_pluggable_counted, "loaded", "kexec_file_load fails to"),
    (kexec_room_divided, "kexec_file_load divides by", "loaded"),
    (crash_hotplug, False, True),
    (crash_range_split, (False, 1), (True, 0)),
    (crash_backup_offset, (False, 0), (False, 1)),
    (fadump_hotplug, (False, 0), (True, 0)),
    (crashkernel_cma_suffix, "ignored", "refused"),
    (crashkernel_cma, "reserved", "ignored"),
    (assigned_first, [2, 3, 4], [2, 3]),
    (range_check, "EINVAL", None),
    (
        swapped_drc_indexes,
        ["pseries-hotplug-mem: Failed to add LMB, drc index 2000080"],
        ["pseries-hotplug-mem: Failed to add LMB, drc index 80000002"],
    ),
    (form2, 2, 1),
    (connector_distances, (1, 7), (1, 0)),
    (current_domains, 2, 4),
    (migratable_max_domains, 4, 2),
    (node_lookup_first, True, False),
    (
        platform_facilities_kept,
        (True, ["mobility: ignoring remove operation for /ibm,platform-facilities:20480"]),
        (False, []),
    ),
    (
        update_errors_prefixed,
        ["mobility: device tree update failed: -1"],
        ["Post-mobility device tree update failed: -1"],
    ),
    (suspend_in_stop_machine, RECORD_LOG, []),
    (
        wait_for_transfer,
        ["mobility: waiting for memory transfer to complete...", "mobility: memory transfer completed."],
        [],
    ),
    (
        prrn_update,
        [
            "pseries-hotplug-mem: Attempting to update LMB, drc index 80000002",
            "pseries-hotplug-mem: Memory at 20000000 was updated",
        ],
        ["Platform resource reassignment ignored."],
    ),
    (
        prrn_off_by_default,
        [],
        [
            "pseries-hotplug-mem: Attempting to update LMB, drc index 80000002",
            "pseries-hotplug-mem: Memory at 20000000 was updated",
        ],
    ),
    (
        prrn_readd,
        [
            "pseries-hotplug-mem: Attempting to update LMB, drc index 80000002",
            "pseries-hotplug-mem: Memory at 20000000 was updated",
        ],
        [],
    ),
    (unguarded_memory_node, "oops at boot", ""),
    (cpu_topology_update, 2, 1),
    (topology_stopped_in_migration, 1, 2),
    (topology_switch_kept, True, False),
    (cpus_locked_in_update, ["never-returns"], []),
    (suspend_call_logged, ["calling ibm,suspend-me on cpu 0"], []),
    (cpu_readd, 2, 1),
    (vphn_failure_ignored, 0, 1),
    (long_log_records, 1021, 989),
    (home_node_first, 1, 0),
    (home_node_at_boot, 1, 0),
    (home_node_poll, 1, 0),
    (poll_beside_prrn, 1, 0),
    (
        cpu_by_count,
        ([], ["@1", "@2"]),
        (['dlpar: Could not handle DLPAR request "cpu remove count 1'], ["@0", "@1", "@2"]),
    ),
    (
        cpu_drc_info,
        ([], ["@3", "@0", "@1", "@2"]),
        (
            [
                f"{CPU_PREFIX}Cannot find CPU (drc index 10000003) to add.",
                'dlpar: Could not handle DLPAR request "cpu add index 0x10000003',
            ],
            ["@0", "@1", "@2"],
        ),
    ),
    (
        last_cpu_named,
        ([f"{CPU_PREFIX}Unable to remove last online CPU PowerPC,POWER9", *LAST_CORE_LOG], ["@0"]),
        (LAST_CORE_LOG, ["@0"]),
    ),
    (cpu_unisolate, ("DEVICE_UNPLUG_GUEST_ERROR",), ()),
    (cpu_death_logged, (["cpu 1 (hwid 1) Ready to die..."], ["@0", "@2"]), ([], ["@0", "@2"])),
    (
        cpu_ids_by_node,
        ([f"{CPU_PREFIX}Reusing free CPU ids 1-1 from another node"], ["@1", "@0", "@2"]),
        ([], ["@1", "@0", "@2"]),
    ),
    (
        cpu_cache_nodes,
        ([], ["@0", "@2", "l2-cache@2000"]),
        ([], ["@0", "@2", "l2-cache@2000", "l2-cache@2001"]),
    ),
    (
        dt_resource,
        ["dlpar: Invalid action specified.", 'dlpar: Could not handle DLPAR request "dt frob'],
        ["dlpar: Invalid resource specified.", 'dlpar: Could not handle DLPAR request "dt frob'],
    ),
]


@each(("case", "with_it", "without"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_both_sides(case: Callable[[], tuple[Any, Any]], with_it: Any, without: Any) -> None:
    assert case() == (with_it, without)


def test_every_capability_is_told_apart() -> None:
    cases = {case.__name__.replace("_", "-") for case, _, _ in CASES}
    assert {capability.name for capability in CAPABILITIES} - cases == set()


def test_names_are_unique_and_releases_make_sense() -> None:
    assert len(BY_NAME) == len(CAPABILITIES)
    for capability in CAPABILITIES:
        assert capability.first or capability.last, capability.name
        if capability.first and capability.last:
            assert capability.first <= capability.last, capability.name


def test_a_kernel_that_died_at_boot_answers_nothing() -> None:
    state, faults = boot(tree(lmbs(2, 2, 7, 8)), profile())
    assert state.dead == "oops at boot"
    assert [fault.code for fault in faults] == ["oops"]
    partition = Simulation(tree(lmbs(2, 2, 7, 8)))
    result = partition.run("dlpar memory add count 1")
    assert (result.ok, result.note) == (False, "the kernel does not answer: oops at boot")
    assert not replace(state, dead="").dead


def test_a_change_can_be_read_without_the_capability_before_it() -> None:
    """`drmemctl kernels 5.10 6.1` lists those that differ, not their neighbours."""
    pronouns = ("that ", "such ", "this ", "those ", "it ")
    assert [c.name for c in CAPABILITIES if c.changes.startswith(pronouns)] == []
