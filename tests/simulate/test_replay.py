# SPDX-License-Identifier: MIT
"""The simulation against real kernels: every step of every recorded run, byte for byte and word for word."""

from __future__ import annotations

import re

from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.dynamic_memory import V1, V2
from drmemctl.qualify.replay import step_differences
from drmemctl.simulate.repair import AGREES, NONE, PLAN, REBOOT, repair
from tests.cases import each
from tests.simulate.records import distances_in, record, record_names, recorded_state, replay
from tests.wide import share

CAPTURES = record_names("captures")
NODES = record_names("nodes")
MIGRATIONS = record_names("mobility")
REASSIGNMENTS = record_names("reassignments")
ALL = [*CAPTURES, *NODES, *MIGRATIONS, *REASSIGNMENTS]

STEPS = {
    f"{name.partition('/')[2]}-{number:02}-{step['step'][:40]}": (name, number)
    for name in ALL
    for number, step in enumerate(record(name)["steps"])
    if not step.get("hung")
}
each_step = each(("name", "number"), STEPS.values(), ids=STEPS)

OOPS_LINE = re.compile(r"(BUG|Oops|WARNING): |\[c0")
"""Addresses and backtraces of an oops: of that one boot of that one kernel."""

OF_THE_MACHINE = re.compile(r"Built \d+ zonelists, mobility grouping on\.  Total pages: \d+$|Offlined Pages \d+$")
"""How many pages: those records have them whose recorder kept all of the log."""

SUSPENDING_CPU = re.compile(r"(?<=calling ibm,suspend-me on cpu )\d+$")
"""Which CPU it was, is as it came."""

GARBAGE = re.compile(
    r"Could not update .* property$"
    r"|pseries-hotplug-mem: Failed to remove LMB, drc index 0$"
    r"|kernel BUG at mm/memory_hotplug.c:\d+!$",
    re.DOTALL,
)
"""What a kernel says of memory that it should not have read, or of a BUG."""


EVENTS_UNREAD = ("captures/4.14-unplug-fails", "captures/5.4-unplug-fails1")
"""Records without the events of the last unplug: the recorder read events with its next command to QEMU only."""


@each("name", ALL)
def test_boot(name: str) -> None:
    run = replay(name)
    assert run.boot == recorded_state(run.record["boot"])


@each_step
def test_properties(name: str, number: int) -> None:
    step = replay(name).steps[number]
    assert step.state.properties == step.recorded["properties"]


@each_step
def test_memory_blocks_and_their_nodes(name: str, number: int) -> None:
    step = replay(name).steps[number]
    assert step.state.blocks == recorded_state(step.recorded).blocks


@each_step
def test_messages(name: str, number: int) -> None:
    step = replay(name).steps[number]
    lines = [SUSPENDING_CPU.sub("0", line) for line in step.recorded["log"]]
    recorded = [line for line in lines if not OOPS_LINE.match(line) and not OF_THE_MACHINE.match(line)]
    found = list(step.result.log)
    if "filler" in step.recorded:
        # A request that changed nothing ran inside the migration.
        recorded = [line for line in recorded if "Attempting to hot-add" not in line]
    if step.result.kernel_faults:
        recorded = [line for line in recorded if not GARBAGE.match(line)]
    if any(fault.code == "over-read" and "beyond the work area" in fault.message for fault in step.result.faults):
        # The recorded kernel went on in its own memory, and its log buffer kept only the end of what it said.
        assert set(recorded) == {found[-1]}
    else:
        assert found == recorded


@each_step
def test_error_numbers(name: str, number: int) -> None:
    step = replay(name).steps[number]
    if step.recorded["step"].startswith(("plug", "unplug")):
        assert step.result.errno is None  # nobody gets one: the hotplug interrupt has no caller
    else:
        assert step.result.errno == step.recorded.get("errno")


@each_step
def test_outcome(name: str, number: int) -> None:
    step = replay(name).steps[number]
    failed = re.compile(r"failed, (adding|removing)|is reserved$")
    log = step.recorded["log"]
    expected = step.recorded["rc"] == 0 and not any(failed.search(line) for line in log)
    if step.recorded["step"].startswith("plug") and len(log) == 1 and "Attempting to hot-add" in log[0]:
        expected = False  # a range that goes beyond the last LMB: the kernel says no more
    if step.recorded["step"].startswith("plug") and not {V1, V2} & set(step.recorded["properties"]):
        return  # memory came, but there is no property to write: nobody gets the error number
    if step.recorded["step"].startswith("drmgr"):
        # Whose exit code is 0 also where something else went than was asked for: then the step is not ok.
        assert list(step_differences(step)) == []
        return
    assert step.result.ok == expected


@each_step
def test_oopses(name: str, number: int) -> None:
    step = replay(name).steps[number]
    oopsed = any(fault.code == "oops" for fault in step.result.faults)
    assert oopsed == step.recorded.get("oops", False)


@each("name", CAPTURES)
def test_events_of_the_hypervisor(name: str) -> None:
    run = replay(name)
    events = [event for step in run.steps for event in step.result.events]
    recorded = [event["event"] for event in run.record["events"]]
    unread = len(events) - len(recorded)
    if name in EVENTS_UNREAD:
        assert 0 < unread <= len(next(step.result.events for step in reversed(run.steps) if step.result.events))
        del events[-unread:]
    assert events == recorded


@each("name", ALL)
def test_what_changed_is_what_differs(name: str) -> None:
    run = replay(name)
    before = run.boot.properties
    for step in run.steps:
        after = step.state.properties
        names = {key.rpartition(":")[2] for key in step.result.changed if "reconfiguration-memory:" in key}
        differing = {key for key in {**before, **after} if before.get(key) != after.get(key)}
        # A property that the recorder's operator removed between two steps was not changed by either.
        assert differing - names <= {"ibm,dynamic-memory-v2"}
        assert names & set(after) <= differing
        before = after


@each("name", [name for name in (*MIGRATIONS, *REASSIGNMENTS) if "cpus" in record(name)["boot"]])
def test_where_cpus_are_and_what_the_tree_says(name: str) -> None:
    for number, step in enumerate(replay(name).steps):
        if step.recorded.get("hung"):
            continue
        kernel = step.after.kernel
        nodes = {number: cpu.node for cpu in kernel.cpus for number in cpu.ids}
        assert nodes == {cpu["cpu"]: cpu["node"] for cpu in step.recorded["cpus"] if cpu["online"]}, number
        listed = {path: kernel.tree.get(path, ASSOCIATIVITY) for path in step.recorded["cpu_associativity"]}
        assert listed == {path: bytes.fromhex(text) for path, text in step.recorded["cpu_associativity"].items()}
        if step.result.ok:
            assert step.recorded["topology_updates"] == ("off" if kernel.deaf else "on"), number


@each("name", REASSIGNMENTS)
def test_the_kernel_asks_for_what_it_asked_for(name: str) -> None:
    """An answer that is not asked for is left over, one that is missing is a fault."""
    for step in replay(name).steps:
        assert not [fault for fault in step.result.faults if fault.code == "no-answer"], step.recorded["step"]


def test_a_cpu_that_is_taken_out_within_a_migration_waits_for_ever() -> None:
    run = replay("reassignments/m-cpu-4.19")
    (step,) = run.steps
    assert step.recorded["hung"]
    assert (step.result.ok, step.result.errno) == (False, None)
    (fault,) = [fault for fault in step.result.faults if fault.code == "never-returns"]
    assert any(fault.function in line for line in step.recorded["log"])
    assert not run.simulation.run("dlpar memory add count 1").ok


WITH_CPUS = [name for name in CAPTURES if "cpus" in record(name)["boot"]]


@each("name", WITH_CPUS)
def test_cpus_and_their_nodes(name: str) -> None:
    run = replay(name)
    nodes: dict[str, dict[str, str] | None] = dict(run.record["boot"]["cpu_nodes"])
    for number, step in enumerate(run.steps, 1):
        kernel = step.after.kernel
        nodes |= step.recorded["cpu_nodes"]
        found = {
            child.name: {prop.name: prop.value.hex() for prop in child.properties}
            for child in kernel.tree.node("/cpus").children
        }
        assert found == {name: node for name, node in nodes.items() if node is not None}, number
        online = {number: cpu.node for cpu in kernel.cpus if not cpu.offline for number in cpu.ids}
        assert online == {cpu["cpu"]: cpu["node"] for cpu in step.recorded["cpus"]}, number


@each("name", NODES)
def test_online_nodes_and_their_distances(name: str) -> None:
    """Form 1's of a node that something was added on come from its connector, which says other than the tree."""
    run = replay(name)
    assert distances_in(run.simulation.started_with()) == run.record["boot"]["distances"]
    for number, step in enumerate(run.steps, 1):
        assert distances_in(step.after.kernel) == step.recorded["distances"], number


@each("name", share(ALL, 0, 2))
def test_every_recorded_run_can_be_put_right_or_it_is_said_why_not(name: str) -> None:
    simulation = replay(name).simulation
    found = repair(simulation)
    assert (found.verdict == AGREES) == simulation.consistent
    if found.verdict in (PLAN, REBOOT):
        assert found.proof.consistent
        assert all(result.ok and not result.kernel_faults for result in found.proof.results)
    if found.verdict in (REBOOT, NONE):
        assert found.reasons
    if found.verdict == PLAN:
        there = {block for block, _ in simulation.state.blocks}
        assert there <= {block for block, _ in found.proof.state.blocks}
