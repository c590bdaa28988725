# SPDX-License-Identifier: MIT
"""The steps of a recorded run done to a simulated partition, and where the simulation does something else."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from drmemctl.formats.block_states import OFFLINE, ONLINE
from drmemctl.formats.dynamic_memory import ASSIGNED, NODE, V1, V2
from drmemctl.formats.update_nodes import NAME as UPDATE_NODES
from drmemctl.formats.update_properties import NAME as UPDATE_PROPERTIES
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.trace import RtasCall, TraceEvent
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, StepResult
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree

Blocks = list[tuple[int, int, str]]
"""Memory blocks: number, node and state of each."""


@dataclass(frozen=True)
class State:
    """The kernel after a step, as far as it was recorded."""

    properties: dict[str, str]
    blocks: Blocks


@dataclass(frozen=True)
class Replayed:
    """A recorded step beside the simulated one."""

    recorded: dict[str, Any]
    result: StepResult
    state: State
    after: Partition


@dataclass(frozen=True)
class ReplayedRun:
    """A whole recorded run beside the simulated one."""

    record: dict[str, Any]
    boot: State
    steps: tuple[Replayed, ...]
    simulation: Simulation


def recorded_state(state: dict[str, Any]) -> State:
    """Return what was recorded of the kernel's state."""
    blocks = [(block["block"], block["node"], block["state"]) for block in state["blocks"]]
    return State(state["properties"], blocks)


def state_of(simulation: Simulation, names: list[str]) -> State:
    """Return the simulated kernel's state: the properties of the drmem node named, both LMB properties, blocks."""
    values = {name: simulation.tree.get(NODE, name) for name in {*names, V1, V2}}
    properties = {name: data.hex() for name, data in values.items() if data is not None}
    offline = simulation.state.blocks.offline
    blocks = [(block, node, OFFLINE if block in offline else ONLINE) for block, node in simulation.state.blocks]
    return State(properties, blocks)


def simulated(
    record: dict[str, Any],
    tree: Tree,
    kernel: Profile | None = None,
    *,
    findings: bool = True,
    traced: bool = False,
) -> ReplayedRun:
    """Do the steps of a recorded run on a simulated partition with the same kernel, unless another is given."""
    answers = {
        shlex.split(step["step"])[1]: _answers(record, step) for step in record["steps"] if "answers" in step
    }
    files = Files(file=lambda file: json.dumps(answers[file]).encode(), is_record=lambda name: name in answers)
    simulation = Simulation(tree, kernel or record["kernel"], files=files, findings=findings)
    boot = state_of(simulation, list(record["boot"]["properties"]))
    steps = []
    for step in record["steps"]:
        values = step.get("properties", {})
        # The recorder's operator wrote new values down as steps, but not removals.
        if step["step"].startswith(("plug", "dlpar")) and V1 in values and V2 not in values:
            simulation.run(f"firmware {NODE} {V2} -")
        unmovable = " ".join(_unmovable(simulation, step))
        if unmovable:
            simulation.run(f"unmovable {unmovable}")
        result = simulation.run(step["step"].replace("topo ", "topology "), traced=traced)
        if unmovable:
            simulation.run(f"movable {unmovable}")
        state = state_of(simulation, list(values))
        steps.append(Replayed(step, result, state, simulation.situation))
    return ReplayedRun(record, boot, tuple(steps), simulation)


def _answers(record: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    """Return what the record of a step says as the steps `migrate` and `prrn` read it.

    Where a CPU's home is was recorded only where something but QEMU answered that; QEMU says where it put the CPU.
    """
    homes = [
        {"cpu": number, "associativity": value}
        for number, value in enumerate(record["boot"].get("cpu_associativity", {}).values())
    ]
    return {
        "answers": step["answers"],
        "connectors": step.get("connectors", []),
        "events": step.get("events", []),
        "homes": [] if record.get("name", "").endswith("-home") else homes,
    }


def _unmovable(simulation: Simulation, step: dict[str, Any]) -> list[str]:
    """Return the LMBs that could not go in a step: the first with memory where only their number is known."""
    assigned = (lmb for lmb in simulation.state.table.lmbs(1 << 10) if lmb.flags & ASSIGNED)
    unsure = islice(assigned, step.get("unmovable_unsure", 0))
    return [*step.get("unmovable", []), *(f"{lmb.drc_index:#x}" for lmb in unsure)]


_UPDATES = (UPDATE_NODES, UPDATE_PROPERTIES)


def calls_asked(calls: Iterable[dict[str, Any]]) -> list[str]:
    """Return the calls for updates of the tree that a kernel was seen to make, with the phandles of nodes."""
    return [
        f"{entry['call']} {int(entry['request'][:8], 16):#x}"
        if entry["call"] == UPDATE_PROPERTIES
        else entry["call"]
        for entry in calls
    ]


def calls_made(trace: Iterable[TraceEvent]) -> list[str]:
    """Return those that a simulated kernel made."""
    calls = (event for event in trace if isinstance(event, RtasCall) and event.call in _UPDATES)
    return [
        f"{event.call} {event.arguments[0]:#x}" if event.call == UPDATE_PROPERTIES else event.call
        for event in calls
    ]


def step_differences(step: Replayed) -> Iterator[str]:
    """Yield what of a step is not as it was recorded."""
    recorded = step.recorded
    if step.state.properties != recorded["properties"]:
        yield "properties"
    if step.state.blocks != recorded_state(recorded).blocks:
        yield "blocks"
    if list(step.result.log) != recorded["log"]:
        yield "log"
    if "asked" in recorded and calls_asked(recorded["asked"]) != calls_made(step.result.trace):
        yield "calls"
    # A plug or an unplug comes through the hotplug interrupt: nobody gets its error number.
    if recorded["step"].startswith("drmgr"):
        drmgr = step.result.drmgr
        # Standard output and standard error are one in the record, in no order.
        printed = recorded["rc"], sorted(recorded["output"])
        if drmgr is None or (drmgr.exit_code, sorted(drmgr.output)) != printed:
            yield "output"
    elif not recorded["step"].startswith(("plug", "unplug")) and step.result.errno != recorded["errno"]:
        yield "errno"
