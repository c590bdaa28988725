# SPDX-License-Identifier: MIT
"""Live migration of QEMU's connectors against a real QEMU: every answer and event of the recorded walks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drmemctl.hypervisor.qemu import Qemu
from drmemctl.qualify.connector_walk import DIRECTED, SimulatedConnectors, WalkAnswer, random_walk, walked
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.qtest import firmware_blob
from drmemctl.simulate.simulation import Simulation
from tests.cases import each
from tests.kernel.partitions import DRC, lmbs, tree
from tests.simulate.records import tree_of, walk_file

DOCUMENT: dict[str, Any] = json.loads(walk_file("qemu-migration-walks").read_text(encoding="utf-8"))
USUAL = (lmbs(2, 2, 1, 8), lmbs(4, 4))


def recorded_answer(record: dict[str, Any]) -> WalkAnswer:
    words = record["answer"]
    listed = words if isinstance(words, str) else tuple(words)
    return WalkAnswer(listed, tuple(record.get("events", ())), record.get("said", ""))


@each("walk", DOCUMENT["walks"], ids=lambda walk: str(walk["name"]))
def test_a_recorded_walk(walk: dict[str, Any]) -> None:
    steps = [record["step"] for record in walk["steps"]]
    answers = walked(SimulatedConnectors.of(tree_of("trees/precas"), (7, 2)), steps)
    assert len(answers) == len(steps)
    for record, answer in zip(walk["steps"], answers, strict=True):
        assert answer.agrees(recorded_answer(record)), (record, answer)


def test_the_walks_made_by_hand_are_recorded() -> None:
    recorded = {walk["name"]: [record["step"] for record in walk["steps"]] for walk in DOCUMENT["walks"]}
    assert {name: list(steps) for name, steps in DIRECTED.items()}.items() <= recorded.items()
    assert all("assertion failed: (ds)" in walk["steps"][-1]["said"] for walk in DOCUMENT["walks"][:2])


@pytest.mark.parametrize(("version", "asked"), [((6, 2), "pseries,dumpdtb="), ((7, 2), "-qmp"), ((11, 1), "-qmp")])
def test_the_tree_is_asked_for_as_qemu_writes_it(version: tuple[int, ...], asked: str, tmp_path: Path) -> None:
    """QEMU 10.0.2, 10.0.13 and 11.1.3 refuse the option dumpdtb; before 7.2 the monitor has no such command."""
    qemu = tmp_path / "qemu"
    blob = tmp_path / "machine.dtb"
    qemu.write_text(f"#!/bin/sh\n{{ echo $*; cat; }} > {blob}\n")
    qemu.chmod(0o755)
    said = firmware_blob(str(qemu), version, tmp_path).decode()
    assert asked in said
    assert (f'"dumpdtb", "arguments": {{"filename": "{blob}"}}' in said) == (version >= (7, 2))
    qemu.write_text("#!/bin/sh\necho 'unsupported machine type' >&2\nexit 1\n")
    with pytest.raises(OracleError, match="no pseries machine: unsupported machine type"):
        firmware_blob(str(qemu), version, tmp_path)


def test_a_walk_is_the_same_again() -> None:
    assert random_walk(7, 30) == random_walk(7, 30) != random_walk(8, 30)


@pytest.mark.parametrize(
    ("version", "waits", "isolate"),
    [("4.2", False, -1), ("5.0", True, 0), ("10.2", True, 0)],
)
def test_before_5_0_a_pending_unplug_is_forgotten_altogether(version: str, waits: bool, isolate: int) -> None:
    simulation = Simulation(tree(*USUAL), None, f"qemu-{version}")
    simulation.run_all([f"detach {DRC + 2:#x} 2", "qemu-migrate"])
    assert any(finding.rule == "DRM089" for finding in simulation.findings) == waits
    assert simulation.run(f"rtas set-indicator 9001 {DRC + 2:#x} 0").answer == (isolate,)


@pytest.mark.parametrize(("hypervisor", "note"), [("powervm", "see `lpm`"), ("qemu-2.9", "not known")])
def test_who_cannot_be_migrated_says_so(hypervisor: str, note: str) -> None:
    result = Simulation(tree(*USUAL), None, hypervisor).run("qemu-migrate")
    assert not result.ok
    assert note in result.note


@pytest.mark.parametrize(("stuck", "end"), [(DRC + 2, "EINVAL"), (DRC + 3, None)])
def test_qemu_aborts_where_the_kernel_unisolates(stuck: int, end: str | None) -> None:
    """A kernel that took nothing away yet makes no call, and QEMU lives."""
    simulation = Simulation(tree(*USUAL), "6.1", "qemu")
    simulation.run_all([f"unmovable {stuck:#x}", f"detach {DRC + 2:#x} 2", "qemu-migrate"])
    result = simulation.run(f"dlpar memory remove indexed-count 2 {DRC + 2:#x}")
    assert (result.ok, result.errno, result.events) == (False, end, ("ABORT",) if end is None else ())
    assert (result.note == "the hypervisor has aborted") == (end is None)
    assert simulation.run("reboot").ok == (end is not None)


def test_what_was_not_being_unplugged_is_as_before() -> None:
    machine = Qemu.from_tree(tree(*USUAL))
    assert machine.migrated() == machine
    assert machine.attach(DRC + 4, 2, ()).migrated() == machine.attach(DRC + 4, 2, ())
