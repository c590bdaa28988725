# SPDX-License-Identifier: MIT
"""What a kernel writes down of its work: as much as happened, in order, and nothing that changes it."""

from __future__ import annotations

from dataclasses import replace

from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED
from drmemctl.kernel.trace import ArrayWrite, BlockWrite, RtasCall, TraceEvent, TreeWrite, recorded
from drmemctl.simulate.simulation import Simulation
from tests.cases import each
from tests.simulate.records import record, record_names, tree_of

NAMES = record_names("captures")


@each("name", NAMES)
def test_the_writes_lead_from_one_state_to_the_next(name: str) -> None:
    simulation = Simulation(tree_of(name), record(name)["kernel"], findings=False)
    for step in record(name)["steps"]:
        before = simulation.state
        with recorded() as events:
            simulation.run(step["step"])
        after = simulation.state
        table, blocks = before.table, before.blocks
        for event in events:
            if isinstance(event, ArrayWrite):
                change = {"aa_index": event.aa_index, "flags": event.flags}
                table = table.with_changed(event.first, event.count, **change)
            elif isinstance(event, BlockWrite):
                gone = event.node is None
                blocks = blocks.removed(event.block) if gone else blocks.added(event.block, event.node or 0)
        assert table == after.table
        if step["step"].startswith(("offline", "online")):
            blocks = replace(blocks, offline=after.blocks.offline)  # the state of a block, which is no write here
        assert blocks == after.blocks
        written = {f"{event.path}:{event.property}" for event in events if isinstance(event, TreeWrite)}
        nodes = {event.path for event in events if isinstance(event, TreeWrite) and not event.property}
        changed = simulation.results[-1].changed
        # The properties of a node come and go with it.
        assert {key for key in changed if key.rpartition(":")[0] not in nodes} <= written


def events_of(*steps: str, hypervisor: str = "qemu") -> list[TraceEvent]:
    simulation = Simulation(tree_of("captures/6.1-lpm"), "6.1", hypervisor)
    with recorded() as events:
        simulation.run_all(steps)
    return list(events)


def test_each_connector_is_asked_for_where_somebody_looks_on() -> None:
    calls = [event for event in events_of("dlpar memory add count 1") if isinstance(event, RtasCall)]
    asked = [call.arguments[1] for call in calls if call.call == "get-sensor-state"]
    # Reserved ones, which the kernel does not leave out here, come first in the array.
    assert asked == [*range(8), *range(0x80000008, 0x80000020)]
    assert {call.function for call in calls} == {"dlpar_acquire_drc"}


def test_events_know_how_many_messages_came_before_them() -> None:
    events = events_of("plug 0x80000008 1")
    assert [event.messages for event in events] == sorted(event.messages for event in events)
    assert (events[0].messages, events[-1].messages) == (1, 2)


def test_marks_are_in_the_trace_and_gone_at_its_end() -> None:
    flags = [e.flags for e in events_of("plug 0x80000008 1") if isinstance(e, ArrayWrite) and e.flags is not None]
    assert [bool(one & KERNEL_TOUCHED) for one in flags] == [False, True, False]


def test_nothing_is_collected_unless_asked_for() -> None:
    simulation = Simulation(tree_of("captures/6.1-lpm"), "6.1")
    with recorded() as events:
        pass
    simulation.run("plug 0x80000008 1")
    assert events == []
