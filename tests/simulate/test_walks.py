# SPDX-License-Identifier: MIT
"""The connectors against a real QEMU: every answer and every event of the recorded walks."""

from __future__ import annotations

import json
from typing import Any

from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation
from tests.cases import each
from tests.simulate.records import tree_of, walk_file

DOCUMENT: dict[str, Any] = json.loads(walk_file().read_text(encoding="utf-8"))
MIXED: dict[str, Any] = json.loads(walk_file("qemu-mixed-walks").read_text(encoding="utf-8"))
FIRST: int = DOCUMENT["lmbs"][0]

STEPS = {
    "plug": f"attach {FIRST:#x} {{arg}} node 0",
    "unplug": f"detach {FIRST:#x} {{arg}}",
    "usable": "rtas set-indicator 9003 {arg:#x} 1",
    "unusable": "rtas set-indicator 9003 {arg:#x} 0",
    "isolate": "rtas set-indicator 9001 {arg:#x} 0",
    "unisolate": "rtas set-indicator 9001 {arg:#x} 1",
    "sense": "rtas get-sensor 9003 {arg:#x}",
    "configure": "rtas configure-connector {arg:#x}",
}


def answer_of(call: dict[str, Any], result: StepResult) -> Any:
    """Return a simulated answer in the words of the record."""
    if "ABORT" in result.events:
        return "hypervisor aborted"
    if call["call"] == "plug":
        return "ok" if result.ok else result.note
    if call["call"] == "unplug":
        return "ok" if result.ok else "refused"
    assert result.answer is not None
    return list(result.answer) if call["call"] == "sense" else result.answer[0]


@each("walk", DOCUMENT["walks"], ids=lambda walk: str(walk["seed"]))
def test_walk(walk: dict[str, Any]) -> None:
    simulation = Simulation(tree_of("trees/v2-empty"))
    for call in walk["calls"]:
        result = simulation.run(STEPS[call["call"]].format(arg=call["arg"]))
        assert answer_of(call, result) == call["answer"], call
        events = [event for event in result.events if event != "ABORT"]
        assert events == call.get("events", []), call


def mixed_answer(simulation: Simulation, call: dict[str, Any]) -> tuple[Any, list[str]]:
    """Do a call of a mixed walk; return the answer in the words of the record, and the events."""
    name, arg = call["call"], call["arg"]
    if name == "indicate":
        # The step language has no dr-indicator, which no kernel uses for what can be simulated.
        return simulation.situation.machine.set_indicator(9002, arg, 1)[0], []
    if name in ("plug", "unplug"):
        step = f"{'attach' if name == 'plug' else 'detach'} {arg[0]:#x} {arg[1]}"
        result = simulation.run(step)
        return "ok" if result.ok else call["answer"] if call["answer"] != "ok" else result.note, list(
            result.events
        )
    result = simulation.run("reboot" if name == "reset" else STEPS[name].format(arg=arg))
    return "ok" if name == "reset" else answer_of(call, result), list(result.events)


@each("walk", MIXED["walks"], ids=lambda walk: str(walk["seed"]))
def test_mixed_walk(walk: dict[str, Any]) -> None:
    simulation = Simulation(tree_of("drc/mixed"))
    for call in walk["calls"]:
        assert mixed_answer(simulation, call) == (call["answer"], call.get("events", [])), call


def test_after_the_abort_every_step_fails() -> None:
    simulation = Simulation(tree_of("trees/v2-empty"))
    steps = (
        "attach 0x80000004 3",
        "rtas set-indicator 9003 0x80000005 1",
        "rtas set-indicator 9001 0x80000005 1",
        "detach 0x80000004 3",
        "rtas set-indicator 9001 0x80000005 1",
        "detach 0x80000004 3",
        "rtas get-sensor 9003 0x80000005",
        "dlpar memory add count 1",
        "reboot",
    )
    results = simulation.run_all(steps)
    assert [result.events for result in results if result.events] == [
        ("MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"),
        ("ABORT",),
    ]
    assert [result.ok for result in results[-4:]] == [False] * 4
    assert [result.note for result in results[-3:]] == ["the hypervisor has aborted"] * 3
