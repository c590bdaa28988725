# SPDX-License-Identifier: MIT
"""What an action says that it writes, against what it changes: what explore takes for independent rests on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.rtas_input import RecordedCall as Answer
from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE
from drmemctl.hypervisor.powervm import PowerVm
from drmemctl.kernel.job import Job, OopsError
from drmemctl.kernel.mobility import handle_prrn_event, post_mobility_fixup
from drmemctl.kernel.notifier import remove_property, set_property
from drmemctl.kernel.requests import dlpar_store
from drmemctl.kernel.task import Action, StatePart, Task
from drmemctl.kernel.topology_updates import topology_write, update_cpu_topology
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.update_sources import RecordedUpdates
from drmemctl.tree.node import Node, Property
from tests.kernel import streams
from tests.kernel.cpu_partitions import CORE
from tests.kernel.cpu_trees import with_cores
from tests.kernel.partitions import lmbs, tree, u32

KERNELS = ["4.15", "4.16", "5.1", "5.4", "5.10", "6.1", "latest"]
LMB_PROPERTIES = {(NODE, V1): StatePart.LMBS, (NODE, V2): StatePart.LMBS, (NODE, LOOKUP_ARRAYS): StatePart.LOOKUP}

REQUESTS = [
    "memory add count 2",
    "memory add count 5",
    "memory add index 0x80000004",
    "memory add index 0x80000006",
    "memory add indexed-count 3 0x80000004",
    "memory remove count 1",
    "memory remove count 2",
    "memory remove index 0x80000002",
    "memory remove indexed-count 2 0x80000002",
    "cpu remove index 0x10000001",
    "cpu add index 0x10000001",
    "cpu add count 1",
    "cpu remove count 1",
]


def parts(job: Job) -> dict[StatePart, Any]:
    """Return each part of a partition as it is, but the properties."""
    state, machine = job.state, job.firmware
    assert isinstance(machine, PowerVm)
    held = list(state.table.lmbs(1 << 10))
    return {
        StatePart.NODES: [path for path, _ in state.tree.walk()],
        StatePart.FLAGS: [lmb.flags for lmb in held],
        StatePart.AA: [lmb.aa_index for lmb in held],
        StatePart.BLOCKS: list(state.blocks),
        StatePart.UPDATING: state.updating,
        StatePart.WINDOW: (state.deaf, state.topology_updates),
        StatePart.DISTANCES: state.distances,
        StatePart.CPUS: (state.cpus, state.cpu_ids, state.topology.with_cpus, state.staged),
        StatePart.CONNECTORS: machine.handing_out(machine.tree),
        StatePart.DELIVERED: machine.delivered,
    }


def properties(job: Job) -> dict[str, dict[str, bytes]]:
    """Return the properties of each node."""
    return {path: {one.name: one.value for one in node.properties} for path, node in job.state.tree.walk()}


def differing(before: dict[str, dict[str, bytes]], after: dict[str, dict[str, bytes]]) -> set[StatePart]:
    """Return what differs of the nodes that are in both: those of a node come and go with it."""
    return {
        LMB_PROPERTIES.get((path, name), StatePart.OTHER)
        for path in before.keys() & after.keys()
        for name in before[path].keys() | after[path].keys()
        if before[path].get(name) != after[path].get(name)
    }


def changes(job: Job, task: Task[Any]) -> Iterator[tuple[Action, set[StatePart]]]:
    """Carry a task out; yield each action with the parts that it changed."""
    result: Any = None
    while True:
        try:
            action = task.send(result)
        except StopIteration:
            return
        before, listed = parts(job), properties(job)
        try:
            result = action.do(job)
        except OopsError:
            return
        after = parts(job)
        changed = {part for part in before if before[part] != after[part]}
        yield action, changed | differing(listed, properties(job))


def tasks_of(job: Job) -> Iterator[Task[Any]]:
    """Yield one thing after the other that the kernel is asked to do."""
    yield from (dlpar_store(job, text) for text in REQUESTS)
    operations = streams.nodes(
        ADD | 1, streams.CHOSEN, 0x10000008, UPDATE | 2, streams.DRMEM, 0x3000, DELETE | 1, 0x99
    )
    arrays = streams.descriptor(LOOKUP_ARRAYS, streams.NEW_ARRAYS)
    moved = streams.descriptor("ibm,associativity", u32(2, 2, 0))
    areas = [
        streams.properties(arrays, streams.descriptor("x", b"1")),
        streams.properties(moved, phandle=0x3000),
    ]
    answers = [Answer(*operations), *(Answer(*streams.updates(area)) for area in areas)]
    yield post_mobility_fixup(job, RecordedUpdates(list(answers)))
    yield set_property(job, CORE, "ibm,associativity", u32(2, 3, 0))
    yield update_cpu_topology(job)
    yield from (topology_write(job, on=on) for on in (False, True))
    yield handle_prrn_event(job, RecordedUpdates(list(answers)), 2)
    yield set_property(job, NODE, LOOKUP_ARRAYS, u32(1, 1, 2), delivered=True)
    for name in (V1, V2):
        yield set_property(
            job, NODE, name, tree(lmbs(2, 3, 0, 8), lmbs(5, 3), v1=name == V1).get(NODE, name) or b""
        )
    for name in (LOOKUP_ARRAYS, V1, V2):
        yield remove_property(job, NODE, name, delivered=True)


def started(kernel: str, *, v1: bool, form: bytes = b"\xe0") -> Job:
    extra = [
        Node("cpu@8", (Property("ibm,my-drc-index", u32(0x10000008)), Property("phandle", u32(0x98)))),
        Node(
            "more",
            (Property("ibm,drc-indexes", u32(1, 0x10000008)),),
            (Node("x", (Property("phandle", u32(0x99)),)),),
        ),
    ]
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 4), v1=v1, more=extra)
    base = with_cores(base, (0, 1), connectors=3)
    base = base.with_property("/rtas", "ibm,hypertas-functions", b"hcall-vphn\0")
    vector = b"\x19" + bytes(4) + form + b"\x05" + bytes(19)
    base = base.with_property("/rtas", "ibm,associativity-reference-points", u32(1, 1))
    base = base.with_property("/chosen", "ibm,architecture-vec-5", vector)
    simulation = Simulation(base, kernel, "powervm")
    simulation.run("attach 0x80000006 1 assoc 3")
    simulation.run("unmovable 0x80000003")
    return Job(simulation.state, simulation.situation.machine, events=None, asks_each=False)


@pytest.mark.parametrize("form", [b"\xe0", b"\x80"], ids=["form2", "form1"])
@pytest.mark.parametrize("v1", [False, True], ids=["v2", "v1"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_an_action_changes_only_what_it_says_it_writes(kernel: str, v1: bool, form: bytes) -> None:
    job = started(kernel, v1=v1, form=form)
    for task in tasks_of(job):
        for action, changed in changes(job, task):
            assert changed <= action.touches.writes, action.name


def test_each_part_is_changed_by_some_action() -> None:
    seen: set[StatePart] = set()
    for kernel, form in (("5.1", b"\xe0"), ("latest", b"\xe0"), ("latest", b"\xc0")):
        job = started(kernel, v1=True, form=form)
        for task in tasks_of(job):
            for _, changed in changes(job, task):
                seen |= changed
    assert seen == set(StatePart) - {StatePart.CRASH_KERNEL}
