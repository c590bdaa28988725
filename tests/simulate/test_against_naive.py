# SPDX-License-Identifier: MIT
"""The simulation by the run against a kernel and connectors by the LMB, over random partitions and walks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from errno import errorcode
from random import Random

import pytest

from drmemctl.formats.dynamic_memory import DRC_INVALID, LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.hypervisor.qemu import Qemu
from drmemctl.kernel.capabilities import (
    AA_SYNC,
    ADD_ERRORS_LOGGED,
    COUNTED_MARKS,
    QUIET_INDEX_MESSAGES,
    RESERVED_NOT_AVAILABLE,
    RESERVED_NOT_REMOVABLE,
    RESERVED_RANGE_NAMED,
    SECTION_REMOVABLE_CHECK,
    UNISOLATE_ON_ROLLBACK,
    WRONG_NODE_ADD,
)
from drmemctl.kernel.capability import Capability
from drmemctl.kernel.profiles import profile
from drmemctl.model.run import Run
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation
from tests.hypervisor.naive import NaiveAbortError, NaiveFirmware, NaivePowerVm, NaiveQemu, NaiveRefusedError
from tests.kernel.naive import NaiveBugError, NaiveKernel
from tests.kernel.partitions import DOMAINS, LMB
from tests.simulate.random_walk import KERNELS, Partition, Walker, random_partition
from tests.wide import seeds

WALKS = range(int(os.environ["DRMEMCTL_WALKS"])) if "DRMEMCTL_WALKS" in os.environ else seeds(300)
"""The walks that a test run makes; a search for defects makes more.

Thirty tell all kernels of `TOLD_APART` apart.
"""

GROUPS = 6
STEPS = 25


TOLD_APART = [
    WRONG_NODE_ADD,
    RESERVED_NOT_REMOVABLE,
    RESERVED_NOT_AVAILABLE,
    RESERVED_RANGE_NAMED,
    COUNTED_MARKS,
    UNISOLATE_ON_ROLLBACK,
    SECTION_REMOVABLE_CHECK,
    QUIET_INDEX_MESSAGES,
    ADD_ERRORS_LOGGED,
    AA_SYNC,
]


class NaiveSimulation:
    """A naive kernel on naive firmware that takes steps of the step language."""

    def __init__(self, partition: Partition) -> None:
        release = tuple(int(part) for part in partition.kernel.split("."))
        self.release = (release[0], release[1])
        self.rows = partition.rows
        self.firmware: NaiveFirmware = NaiveQemu() if partition.hypervisor == "qemu" else NaivePowerVm()
        for _, count, drc, aa, flags in partition.sets():
            domains = self.rows[aa] if aa < len(self.rows) else self.rows[0]
            self.firmware.describe(drc, count, domains)
            if not flags & DRC_INVALID:
                self.firmware.boot(drc, count, domains, there=bool(flags & 8))
        self.kernel = self._kernel(partition)
        self.partition = partition
        self.ended = not self._boot()

    def _kernel(self, partition: Partition) -> NaiveKernel:
        node = partition.tree().node(NODE)
        properties = {name: node.find(name) for name in (V1, V2, LOOKUP_ARRAYS)}
        held = {name: prop.value for name, prop in properties.items() if prop is not None}
        return NaiveKernel(self.release, self.firmware, [], held, {}, LMB, set(), {partition.cpu_node})

    def _boot(self) -> bool:
        kernel, partition = self.kernel, self.partition
        kernel.with_distances = set(range(DOMAINS))
        kernel.possible = {*range(DOMAINS), partition.cpu_node}
        fine = kernel.boot({0: partition.memory_node, 1: partition.memory_node})
        for block in sorted(kernel.blocks)[partition.limit or 1000 :]:
            del kernel.blocks[block]
        kernel.list_blocks()
        kernel.possible = {*range(DOMAINS), partition.cpu_node, *kernel.blocks.values()}
        return fine

    def fits(self) -> bool:
        """Whether v1 has room for all its entries; an array flushed into a shorter property is cut off."""
        data = self.kernel.properties.get(V1)
        return data is None or len(data) >= 4 + 24 * int.from_bytes(data[:4], "big")

    def _kexec(self, words: list[str]) -> tuple[bool, str | None]:
        assert words == ["kexec"]
        fine = self._boot()
        # Without LMBs there is little left to see, and up to 5.6 a null pointer.
        self.ended = not fine or not self.kernel.lmbs
        return fine, None

    def run(self, step: str) -> tuple[bool, str | None]:
        """Do a step; return whether it was ok, and the name of the error number that somebody gets."""
        words = step.split()
        self.kernel.log, self.firmware.events = [], []
        doing: dict[str, Callable[[list[str]], tuple[bool, str | None]]] = {
            "dlpar": self._dlpar,
            "plug": self._attach,
            "attach": self._attach,
            "unplug": self._detach,
            "detach": self._detach,
            "unmovable": self._pin,
            "movable": self._pin,
            "firmware": self._firmware,
            "rtas": self._rtas,
            "kexec": self._kexec,
        }
        try:
            return doing[words[0]](words)
        except NaiveBugError:
            self.ended = True
            return False, None

    def _dlpar(self, words: list[str]) -> tuple[bool, str | None]:
        rc = self.kernel.request(words[2], words[3], *(int(word, 0) for word in words[4:]))
        if rc:
            self.kernel.log.append(f'dlpar: Could not handle DLPAR request "{" ".join(words[1:])}')
        return rc == 0, errorcode[-rc] if rc else None

    def _attach(self, words: list[str]) -> tuple[bool, str | None]:
        first, count = int(words[1], 0), int(words[2])
        domains = self.rows[0] if words[3] == "row" else tuple(int(word) for word in words[4].split(","))
        try:
            self.firmware.attach(first, count, domains)
        except NaiveRefusedError:
            return False, None
        return words[0] == "attach" or self.kernel.request("add", "indexed-count", count, first) == 0, None

    def _detach(self, words: list[str]) -> tuple[bool, str | None]:
        first, count = int(words[1], 0), int(words[2])
        try:
            self.firmware.detach(first, count)
        except NaiveRefusedError:
            return False, None
        except NaiveAbortError:
            self.ended = True
            self.firmware.events.append("ABORT")
            return False, None
        return words[0] == "detach" or self.kernel.request("remove", "indexed-count", count, first) == 0, None

    def _pin(self, words: list[str]) -> tuple[bool, str | None]:
        named = {int(word, 0) for word in words[1:]}
        known = self.kernel.unmovable
        self.kernel.unmovable = known | named if words[0] == "unmovable" else known - named
        return True, None

    def _firmware(self, words: list[str]) -> tuple[bool, str | None]:
        if words[3] == "-":
            self.kernel.properties.pop(words[2], None)
        else:
            self.kernel.update(words[2], bytes.fromhex(words[3]))
        return True, None

    def _rtas(self, words: list[str]) -> tuple[bool, str | None]:
        firmware = self.firmware
        if words[1] == "configure-connector":
            return firmware.configure(int(words[2], 0))[0] == 0, None
        if words[1] == "get-sensor":
            return firmware.sense(int(words[3], 0))[0] == 0, None
        calls = {
            ("9001", "0"): firmware.isolate,
            ("9001", "1"): firmware.unisolate,
            ("9003", "0"): firmware.unusable,
            ("9003", "1"): firmware.usable,
        }
        return calls[words[2], words[4]](int(words[3], 0)) == 0, None


def state_of(simulation: Simulation) -> dict[str, object]:
    """Return the whole state by the LMB."""
    machine = simulation.situation.machine
    names = (V1, V2, LOOKUP_ARRAYS)
    connectors = {
        drc: (run.state.value, run.device != 0 and isinstance(machine, Qemu), run.unplug)
        for run in machine.connectors.runs
        for drc in range(run.first, run.end)
    }
    values = {name: simulation.tree.get(NODE, name) for name in names}
    return {
        "lmbs": [(one.base, one.drc_index, one.aa_index, one.flags) for one in simulation.state.table.lmbs(99)],
        "properties": {name: value.hex() for name, value in values.items() if value is not None},
        "blocks": dict(simulation.state.blocks),
        "connectors": connectors,
    }


def naive_state_of(naive: NaiveSimulation) -> dict[str, object]:
    """Return the same of the naive simulation."""
    kernel = naive.kernel
    return {
        "lmbs": [(one.base, one.drc, one.aa, one.flags) for one in kernel.lmbs],
        "properties": {name: value.hex() for name, value in kernel.properties.items()},
        "blocks": kernel.blocks,
        "connectors": {drc: (one.state, bool(one.dimm), one.unplug) for drc, one in naive.firmware.drcs.items()},
    }


def next_step(random: Random, naive: NaiveSimulation) -> str:
    """Return a step that makes sense, or nearly, as the naive partition is now."""
    firmware, kernel = naive.firmware, naive.kernel
    dimms = [(one.first, one.count) for one in firmware.dimms.values()] if isinstance(firmware, NaiveQemu) else []
    entries = [Run(one.base, 1, one.drc, one.aa, one.flags & 0x7FFFFFFF) for one in kernel.lmbs]
    lookup, drcs = kernel.properties.get(LOOKUP_ARRAYS), [one.drc for one in kernel.lmbs]
    walker = Walker(random, naive.release, drcs, dimms, entries, lookup, V1 in kernel.properties)
    step = walker.step()
    return step if step != "kexec" or naive.fits() else walker.dlpar()


def check(seed: int, toggled: Capability | None = None) -> None:
    """Walk with a seed, with a capability taken from kernels that have it, or given to others.

    Fails at the first difference.
    """
    random = Random(seed)
    partition = random_partition(random)
    kernel = profile(partition.kernel)
    if toggled is not None:
        kernel = kernel.changed(**{"removed" if kernel.has(toggled) else "added": [toggled.name]})
    simulation = Simulation(partition.tree(), kernel, partition.hypervisor)
    naive = NaiveSimulation(partition)
    about = f"seed {seed}, {partition}"
    assert state_of(simulation) == naive_state_of(naive), about
    steps: list[str] = []
    while len(steps) < STEPS and not naive.ended:
        steps.append(next_step(random, naive))
        found = simulation.run(steps[-1])
        ok, errno = naive.run(steps[-1])
        _compare(found, ok, errno, naive, f"{about}\n" + "\n".join(steps))
        if not naive.ended:
            assert state_of(simulation) == naive_state_of(naive), f"{about}\n" + "\n".join(steps)


def _compare(found: StepResult, ok: bool, errno: str | None, naive: NaiveSimulation, about: str) -> None:
    assert (found.ok, found.errno) == (ok, errno), about
    assert list(found.log) == naive.kernel.log, about
    assert list(found.events) == naive.firmware.events, about


@pytest.mark.parametrize("group", range(GROUPS))
def test_walks(group: int) -> None:
    for seed in WALKS[group::GROUPS]:
        check(seed)


def differs(seed: int, toggled: Capability) -> bool:
    """Whether a walk shows that a kernel is not what it should be."""
    try:
        check(seed, toggled)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("capability", TOLD_APART, ids=lambda capability: capability.name)
def test_walks_tell_a_kernel_from_another(capability: Capability) -> None:
    assert any(differs(seed, capability) for seed in range(300))


def test_walks_reach_what_they_are_for() -> None:
    """The walks are worth nothing if they only ever meet refusals."""
    logs: list[str] = []
    kernels = set()
    for seed in range(300):
        random = Random(seed)
        partition = random_partition(random)
        kernels.add(partition.kernel)
        naive = NaiveSimulation(partition)
        for _ in range(STEPS):
            if naive.ended:
                break
            naive.run(next_step(random, naive))
            logs += [re.sub(r"\b(0x)?[0-9a-f]*[0-9][0-9a-f]*\b", "N", line) for line in naive.kernel.log]
    assert kernels == set(KERNELS)
    said = " | ".join(set(logs))
    for message in (
        "was hot-added",
        "was hot-removed",
        "hot-add failed",
        "hot-remove failed",
        "indexed-count-add failed",
        "indexed-count-remove failed",
        "is reserved",
        "Failed to add LMB back",
        "Failed to remove LMB",
        "Failed to configure LMB",
        "Not enough LMBs",
    ):
        assert message in said, message
