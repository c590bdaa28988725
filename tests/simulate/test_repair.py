# SPDX-License-Identifier: MIT
"""The way back: every recorded run that ends in disagreement, and small partitions searched exhaustively."""

from __future__ import annotations

import json
from itertools import product

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.model.run import Run
from drmemctl.simulate.carry_out import carry_out
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import PartitionJudge
from drmemctl.simulate.partition import Partition
from drmemctl.simulate.repair import AGREES, PLAN, REBOOT, Repair, goals, repair
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.steps.language import parse_step
from drmemctl.tree.source import load
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.kernel.partitions import DRC, lmbs, tree
from tests.simulate.records import replay

BEFORE, AFTER = (FIXTURES / "tutorial" / f"lpar7-{name}.tar.xz" for name in ("before", "after"))

SWAPPED = f"firmware {NODE} {LOOKUP_ARRAYS} {encode_lookup_arrays([(1,), (0,)], 1).hex()}"
"""An update after which every LMB is on the other node, by the tree: what a migration does."""


def partition(*entries: Run, kernel: str = "latest") -> Simulation:
    made = tree(*(entries or (lmbs(2, 2, 0, 8), lmbs(4, 2))))
    return Simulation(made, kernel, "powervm", findings=False)


def after(*steps: str, kernel: str = "latest") -> Repair:
    simulation = partition(kernel=kernel)
    simulation.run_all(steps)
    return repair(simulation)


def steps_of(found: Repair) -> list[str]:
    return [request.step for request in found.requests]


def test_what_agrees_needs_nothing() -> None:
    assert after().verdict == AGREES


def test_of_a_tree_alone_it_is_said_that_blocks_and_array_are_those_of_a_boot() -> None:
    alone, migrated = after(), after(SWAPPED)
    assert [note.partition(":")[0] for note in alone.notes] == ["TREE shows no memory blocks of a running kernel"]
    assert migrated.notes == ()
    shown = run("repair", FIXTURES / "trees/v2-empty.dtb.gz")
    assert shown.out.splitlines()[1:] == [f"note: {alone.notes[0]}"]


def test_memory_on_the_wrong_node_is_taken_out_and_in_again() -> None:
    found = after(SWAPPED)
    assert [violation.rule for violation in found.contradictions] == ["DRM085"]
    assert steps_of(found) == [
        "dlpar memory remove indexed-count 2 0x80000002",
        "dlpar memory add indexed-count 2 0x80000002",
    ]
    assert found.needed == 2 << 28
    assert [part.leaves for part in found.stuck] == ["perhaps"]
    first, second = found.requests
    assert first.failure is not None
    assert first.failure.errno == "EINVAL"
    assert second.failure is None


def test_an_offline_block_is_put_online() -> None:
    assert steps_of(after("offline 3")) == ["online 3"]


def test_memory_that_cannot_leave_takes_a_reboot() -> None:
    found = after(SWAPPED, "unmovable 0x80000003")
    assert found.verdict == REBOOT
    assert "1 LMB from 0x80000003 on cannot leave: memory in it cannot be moved" in found.reasons


def test_a_kernel_that_adds_on_the_first_node_takes_a_reboot() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), kernel="5.4")
    simulation.run_all([f"dlpar memory {verb} index 0x80000003" for verb in ("remove", "add")])
    found = repair(simulation)
    assert found.verdict == REBOOT
    assert "DRM085: this kernel adds all memory on the first online node" in found.reasons


def test_a_goal_is_about_one_rule() -> None:
    simulation = partition()
    simulation.run_all([SWAPPED, "offline 3"])
    assert {violation.rule for violation in repair(simulation).contradictions} == {"DRM084", "DRM085"}
    # Put online, it would be on the wrong node: an error that was not there.
    assert steps_of(repair(simulation, "DRM084")) == [
        f"dlpar memory {verb} index 0x80000003" for verb in ("remove", "add")
    ]
    assert "DRM084" in goals()


def test_a_dead_kernel_is_asked_nothing() -> None:
    found = repair(replay("mobility/chunkdel-4.14").simulation)
    assert (found.verdict, found.requests) == (REBOOT, ())
    assert found.reasons[0].startswith("the kernel answers no more requests")


DRCS = range(DRC + 2, DRC + 6)
REQUESTS = [
    *(f"dlpar memory {verb} index {drc:#x}" for verb in ("add", "remove") for drc in DRCS),
    *(f"dlpar memory {verb} count {count}" for verb in ("add", "remove") for count in range(1, 5)),
    *(
        f"dlpar memory {verb} indexed-count {count} {drc:#x}"
        for verb in ("add", "remove")
        for drc in DRCS
        for count in range(2, DRC + 7 - drc)
    ),
    *(f"{verb} {block}" for verb in ("online", "offline") for block in range(2, 6)),
]
"""Every request about four LMBs."""

STATES = [
    ((lmbs(2, 2, 0, 8), lmbs(4, 2)), (SWAPPED,)),
    ((lmbs(2, 1, 0, 8), lmbs(3, 1), lmbs(4, 1, 1, 8), lmbs(5, 1)), (SWAPPED,)),
    ((lmbs(2, 4, 0, 8),), (SWAPPED, "dlpar memory remove index 0x80000003", "dlpar memory add index 0x80000003")),
    ((lmbs(2, 4, 0, 8),), ("offline 3",)),
    ((lmbs(2, 3, 0, 8), lmbs(5, 1)), ("offline 4", "unmovable 0x80000002")),
    ((lmbs(2, 4, 0, 8),), (SWAPPED, "unmovable 0x80000004")),
]


@pytest.mark.parametrize(("entries", "steps"), STATES)
def test_no_shorter_sequence_of_any_requests_does(entries: tuple[Run, ...], steps: tuple[str, ...]) -> None:
    simulation = partition(*entries)
    simulation.run_all(steps)
    found = repair(simulation)
    judge, files = PartitionJudge(after_steps=False), Files()
    kept = {block for block, _ in simulation.state.blocks}
    n_assigned = sum(run.lmbs for run in simulation.state.table.runs if run.flags & 8)

    def is_repaired(moment: Partition) -> bool:
        kernel = moment.kernel
        there = {block for block, _ in kernel.blocks}
        same = kept == there and n_assigned == sum(run.lmbs for run in kernel.table.runs if run.flags & 8)
        return same and not judge.judged(moment).contradictions()

    shorter = len(found.requests) - 1 if found.verdict == PLAN else 2
    reached = [simulation.situation]
    for _ in range(shorter):
        following = []
        for moment, text in product(reached, REQUESTS):
            step = parse_step(text)
            assert step is not None
            result = carry_out(step, moment, files, judge)
            if result.ok and not result.kernel_faults:
                assert not is_repaired(result.after), text
                following.append(result.after)
        reached = following
    assert found.verdict == (REBOOT if "unmovable 0x80000004" in steps else PLAN)


def test_the_command() -> None:
    shown = run("repair", AFTER, "--hypervisor", "powervm")
    assert shown.code == 1
    assert 'echo "memory remove indexed-count 2 0x80000004" > /sys/kernel/dlpar' in shown.out
    assert "drmgr -c mem -r -s 0x80000004; drmgr -c mem -r -s 0x80000005" in shown.out
    assert run("repair", BEFORE).code == 0
    found = json.loads(run("repair", BEFORE, "offline 4", "--format", "json").out)
    assert (found["verdict"], found["plan"][0]["step"]) == ("plan", "online 4")
    assert found["proof"]["consistent"]
    assert run("repair", BEFORE, "--goal", "DRM999").code == 2
    assert run("repair", BEFORE, "--goal", "DRM084").code == 0


def test_migrated_memory_is_repaired_on_either_hypervisor() -> None:
    for hypervisor, verbs in (("qemu", ["unplug", "plug"]), ("powervm", ["dlpar", "dlpar"])):
        simulation = Simulation(load(str(BEFORE)), "5.10", hypervisor, findings=False)
        simulation.run(f"lpm {AFTER}")
        found = repair(simulation)
        assert [step.split()[0] for step in steps_of(found)] == verbs
        assert found.proof.consistent
