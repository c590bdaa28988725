# SPDX-License-Identifier: MIT
"""Walks through QEMU's connectors: the same steps on a real QEMU and on the simulated one, answer by answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from drmemctl.hypervisor.qemu import ABORT
from drmemctl.qualify.monitor import GoneError
from drmemctl.qualify.qtest import FIRST_LMB, LMB, QtestMachine, address_of
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree

REFUSED = "refused"
FIRST = FIRST_LMB + 4
"""The first LMB of the walks: the machine has 1 GiB of its own."""

_LMBS = (FIRST, FIRST + 1, FIRST + 2)


@dataclass(frozen=True, slots=True)
class WalkAnswer:
    """What came of a step.

    Attributes:
        words: the words that an RTAS call returned, `ok`, `refused`, or `ABORT` where QEMU ended.
        events: what QEMU told its user, by name.
        said: what QEMU printed when it ended.

    """

    words: tuple[int, ...] | str
    events: tuple[str, ...] = ()
    said: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as records have it."""
        words = self.words if isinstance(self.words, str) else list(self.words)
        record: dict[str, Any] = {"answer": words, "events": list(self.events)}
        return {**record, "said": self.said} if self.said else record

    def agrees(self, answer: WalkAnswer) -> bool:
        """Whether it is the same answer, whatever was printed; what an end still told nobody can read."""
        if ABORT in (self.words, answer.words):
            return self.words == answer.words
        return (self.words, self.events) == (answer.words, answer.events)


class WalkedConnectors(Protocol):
    """Somebody who carries steps of a walk out."""

    def do(self, step: str) -> WalkAnswer:
        """Do a step."""
        ...


def random_walk(seed: int, length: int) -> list[str]:
    """Return the steps of a random walk; every seed has its own."""
    pick = random.Random(seed)  # noqa: S311 - walks have to be the same again
    steps = []
    for name in pick.choices([*_WEIGHTS], [*_WEIGHTS.values()], k=length):
        drc_index = pick.choice(_LMBS)
        if name in ("attach", "detach"):
            steps.append(f"{name} {FIRST:#x} {pick.choice((1, 2, 3))}")
        else:
            steps.append(_STEPS.get(name, name).format(drc_index))
    return steps


_WEIGHTS = {
    **dict.fromkeys(("usable", "unisolate", "configure", "isolate", "unusable"), 5),
    "sense": 3,
    "attach": 3,
    "detach": 4,
    "qemu-migrate": 1,
}
"""How often which step comes."""

_STEPS = {
    "usable": "rtas set-indicator 9003 {:#x} 1",
    "unusable": "rtas set-indicator 9003 {:#x} 0",
    "unisolate": "rtas set-indicator 9001 {:#x} 1",
    "isolate": "rtas set-indicator 9001 {:#x} 0",
    "configure": "rtas configure-connector {:#x}",
    "sense": "rtas get-sensor 9003 {:#x}",
}

TAKEN = tuple(
    _STEPS[call].format(drc_index) for drc_index in _LMBS[:2] for call in ("usable", "unisolate", "configure")
)
"""What a guest does to take the two LMBs of a DIMM."""

DIRECTED: dict[str, tuple[str, ...]] = {
    "refused after a migration": (
        *(f"attach {FIRST:#x} 2", *TAKEN, f"detach {FIRST:#x} 2", "qemu-migrate"),
        _STEPS["unisolate"].format(FIRST + 1),
    ),
    "given back in part, migrated, refused": (
        *(f"attach {FIRST:#x} 2", *TAKEN, f"detach {FIRST:#x} 2"),
        *(_STEPS["isolate"].format(FIRST), _STEPS["unusable"].format(FIRST), "qemu-migrate"),
        *(_STEPS["sense"].format(FIRST), _STEPS["unisolate"].format(FIRST + 1)),
    ),
    "given back in part, migrated, the rest given back": (
        *(f"attach {FIRST:#x} 2", *TAKEN, f"detach {FIRST:#x} 2"),
        *(_STEPS["isolate"].format(FIRST), _STEPS["unusable"].format(FIRST), "qemu-migrate"),
        *(_STEPS["sense"].format(FIRST), _STEPS["sense"].format(FIRST + 1)),
        *(_STEPS["isolate"].format(FIRST + 1), _STEPS["unusable"].format(FIRST + 1)),
        *(_STEPS["isolate"].format(FIRST), f"detach {FIRST:#x} 2"),
    ),
    "given back in part, migrated, asked for again": (
        *(f"attach {FIRST:#x} 2", *TAKEN, f"detach {FIRST:#x} 2"),
        *(_STEPS["isolate"].format(FIRST), _STEPS["unusable"].format(FIRST), "qemu-migrate"),
        *(f"detach {FIRST:#x} 2", _STEPS["isolate"].format(FIRST), _STEPS["unusable"].format(FIRST)),
        *(_STEPS["isolate"].format(FIRST + 1), _STEPS["unusable"].format(FIRST + 1)),
    ),
    "refused without a migration": (
        *(f"attach {FIRST:#x} 2", *TAKEN, f"detach {FIRST:#x} 2"),
        *(_STEPS["unisolate"].format(FIRST + 1), f"detach {FIRST:#x} 2"),
    ),
    "half taken, migrated": (
        *(f"attach {FIRST:#x} 2", *TAKEN[:2], "qemu-migrate", TAKEN[2]),
        *(_STEPS["sense"].format(FIRST), _STEPS["sense"].format(FIRST + 1), *TAKEN[3:]),
    ),
    "given back in part, kept, asked for again": (
        *(f"attach {FIRST:#x} 2", *TAKEN, f"detach {FIRST:#x} 2"),
        *(_STEPS["isolate"].format(FIRST), _STEPS["unusable"].format(FIRST)),
        *(_STEPS["unisolate"].format(FIRST + 1), f"detach {FIRST:#x} 2"),
    ),
}
"""Walks that are made by hand, where faults were found."""


@dataclass(slots=True)
class SimulatedConnectors:
    """The simulation of a QEMU."""

    simulation: Simulation

    @classmethod
    def of(cls, tree: Tree, version: Sequence[int]) -> SimulatedConnectors:
        """Return the simulation of a version, with the connectors of a tree."""
        return cls(Simulation(tree, None, f"qemu-{version[0]}.{version[1]}", findings=False))

    def do(self, step: str) -> WalkAnswer:
        """Do a step."""
        result: StepResult = self.simulation.run(step)
        if ABORT in result.events:
            return WalkAnswer(ABORT)
        words = result.answer or ("ok" if result.ok else REFUSED)
        return WalkAnswer(words, result.events)


class RealConnectors:
    """A real QEMU, in the place of which another comes with each migration."""

    def __init__(self, qemu: str, place: Path) -> None:
        self._machine = QtestMachine(qemu, place, "m")
        self._dimms: dict[str, int] = {}
        self._number = 0

    def do(self, step: str) -> WalkAnswer:
        """Do a step."""
        seen = len(self._machine.monitor.events)
        machine = self._machine
        try:
            words = self._done(step.split())
        except GoneError:
            return WalkAnswer(ABORT, said=machine.last_words())
        if machine is not self._machine:
            return WalkAnswer(words)
        machine.monitor.ask("query-status")  # takes in the events that came before its answer
        events = [event["event"] for event in machine.monitor.events[seen:]]
        for event in machine.monitor.events[seen:]:
            if event["event"] == "DEVICE_DELETED":
                self._dimms.pop(event["data"]["device"], None)
                machine.monitor.ask("object-del", id=f"mem-{event['data']['device']}")
        return WalkAnswer(words, tuple(events))

    def _done(self, words: list[str]) -> tuple[int, ...] | str:
        match words:
            case ["attach", first, count]:
                return self._attached(int(first, 16), int(count))
            case ["detach", first, count]:
                names = [name for name, lmbs in self._dimms.items() if lmbs == int(count)]
                del first  # all DIMMs of a walk begin there
                return REFUSED if not names else _outcome(self._machine.monitor.ask("device_del", id=names[0]))
            case ["rtas", "get-sensor", _, drc_index]:
                return self._machine.sense(int(drc_index, 16))
            case ["rtas", "set-indicator", token, drc_index, value]:
                return self._machine.rtas("set-indicator", int(token), int(drc_index, 16), int(value))
            case ["rtas", _, drc_index]:
                return (self._machine.configure(int(drc_index, 16)),)
        self._machine = self._machine.migrated(list(self._devices()))
        return "ok"

    def _attached(self, first: int, count: int) -> str:
        self._number += 1
        name = f"d{self._number}"
        monitor = self._machine.monitor
        backend = {"qom-type": "memory-backend-ram", "id": f"mem-{name}", "size": count * LMB}
        monitor.ask("object-add", **backend)
        added = monitor.ask("device_add", driver="pc-dimm", id=name, memdev=f"mem-{name}", addr=address_of(first))
        if _outcome(added) == REFUSED:
            monitor.ask("object-del", id=f"mem-{name}")
            return REFUSED
        self._dimms[name] = count
        return "ok"

    def _devices(self) -> Iterator[str]:
        """Yield the arguments that start a QEMU with the DIMMs that are there now."""
        for name, count in self._dimms.items():
            yield from ("-object", f"memory-backend-ram,id=mem-{name},size={count * LMB}")
            yield from ("-device", f"pc-dimm,id={name},memdev=mem-{name},addr={address_of(FIRST)}")

    def close(self) -> None:
        """End QEMU."""
        self._machine.stop()


def _outcome(answer: Any) -> str:
    return REFUSED if isinstance(answer, dict) and "class" in answer else "ok"


def walked(connectors: WalkedConnectors, steps: Iterable[str]) -> list[WalkAnswer]:
    """Do steps up to QEMU's end; return what came of each."""
    answers = []
    for step in steps:
        answers.append(connectors.do(step))
        if answers[-1].words == ABORT:
            break
    return answers
