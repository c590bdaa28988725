# SPDX-License-Identifier: MIT
"""The hypervisor's home nodes: which kernel asks for them, when, and what it makes of the answer.

Source: Linux arch/powerpc/mm/numa.c, `vphn_get_nid` (5.10 and later), `topology_timer_fn` (up to 5.8).
"""

from __future__ import annotations

import pytest

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5
from drmemctl.model.associativity import CHOSEN
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.step_words import StepError
from drmemctl.simulate.steps.language import parse_step
from tests.kernel.cpu_trees import cpu_partition, numbers
from tests.kernel.partitions import u32
from tests.simulate.records import record, tree_of

MOVED = "vphn 1 1,1"
"""CPU 1, which the tree has on node 0, is at home on node 1."""

AGAIN = ("dlpar cpu remove index 0x10000001", "dlpar cpu add index 0x10000001")


def homes(*steps: str, kernel: str = "latest", **more: object) -> Simulation:
    """Return a partition that agreed on no reassignments, which keep 4.14 from asking, after some steps."""
    base = cpu_partition(kernel=kernel, vphn=True, **more).tree  # type: ignore[arg-type]
    vector = bytearray(base.get(CHOSEN, ARCHITECTURE_VEC5) or b"")
    vector[5] &= ~0x40
    base = base.with_property(CHOSEN, ARCHITECTURE_VEC5, bytes(vector))
    simulation = Simulation(base, kernel, "powervm")
    simulation.run_all(steps)
    return simulation


@pytest.mark.parametrize(
    ("kernel", "at_once", "again", "booted"),
    [
        ("4.14", 1, 0, 0),
        ("4.15", 1, 0, 1),
        ("4.19", 1, 0, 1),
        ("5.1", 1, 0, 1),
        ("5.2", 0, 0, 1),
        ("5.8", 0, 0, 1),
        ("5.9", 0, 0, 0),
        ("5.10", 0, 1, 1),
        ("6.1", 0, 1, 1),
        ("latest", 0, 1, 1),
    ],
)
def test_when_a_cpu_goes_home(kernel: str, at_once: int, again: int, booted: int) -> None:
    assert numbers(homes(MOVED, kernel=kernel))["1"][1] == at_once
    assert numbers(homes(MOVED, *AGAIN, kernel=kernel))["1"][1] == again
    assert numbers(homes(MOVED, "reboot", kernel=kernel))["1"][1] == booted
    assert numbers(homes(MOVED, "kexec", kernel=kernel))["1"][1] == booted


def test_up_to_4_14_polling_and_reassignments_exclude_each_other() -> None:
    for kernel, node in (("4.14", 0), ("4.15", 1)):
        simulation = homes(kernel=kernel)
        vector = bytearray(simulation.tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"")
        vector[5] |= 0x40
        simulation = Simulation(simulation.tree.with_property(CHOSEN, ARCHITECTURE_VEC5, bytes(vector)), kernel)
        result = simulation.run(MOVED)
        assert simulation.state.cpus[1].node == node
        assert ("reassignment" in result.note) == (node == 0)


def test_the_home_counts_also_where_an_update_of_the_tree_makes_the_kernel_ask() -> None:
    """Up to 5.0 the new associativity is only what makes it ask."""
    simulation = homes(kernel="5.0")
    vector = bytearray(simulation.tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"")
    vector[5] |= 0x40
    simulation = Simulation(simulation.tree.with_property(CHOSEN, ARCHITECTURE_VEC5, bytes(vector)), "5.0")
    simulation.run_all(
        ["vphn 1 3,1", "firmware /cpus/PowerPC,POWER9@1 ibm,associativity 000000020000000100000001"]
    )
    assert simulation.state.cpus[1].node == 3


def test_all_threads_of_a_core_have_one_home() -> None:
    simulation = homes("vphn 5 1,4", *AGAIN, threads=4)
    assert numbers(simulation)["4"] == ([12, 13, 14, 15], 1)


def test_a_home_that_leads_nowhere() -> None:
    for domains in ("0xffff,1", "99,1"):
        simulation = homes(f"vphn 1 {domains}", *AGAIN)
        assert numbers(simulation)["1"][1] == 0
    # The timer has no tree to fall back on.
    assert homes("vphn 2 0xffff,2", kernel="5.1").state.cpus[2].node == 0


def test_a_cpu_at_home_is_on_no_wrong_node() -> None:
    simulation = homes(MOVED, kernel="5.1")
    assert not [finding.rule for finding in simulation.results[-1].findings]
    assert simulation.run("expect consistent").ok
    (change,) = simulation.results[0].cpus
    assert (change.before, change.node, change.in_tree) == (0, 1, 0)
    assert change.why == "the hypervisor says that its home is there"


def test_the_destination_of_a_migration_has_homes_of_its_own() -> None:
    simulation = homes(MOVED)
    assert simulation.situation.machine.home_node(1) == (1, 1)
    assert simulation.situation.machine.moved(simulation.tree).home_node(1) is None


@pytest.mark.parametrize(
    ("step", "vphn", "note"),
    [
        ("vphn 0 1,0", False, "the hypervisor does not tell home nodes: ibm,hypertas-functions has no hcall-vphn"),
        ("vphn 9 1,0", True, "no CPU has a thread with interrupt server number 9"),
    ],
)
def test_refusals(step: str, vphn: bool, note: str) -> None:
    result = cpu_partition(vphn=vphn).run(step)
    assert (result.ok, result.note) == (False, note)


@pytest.mark.parametrize(
    ("step", "column"),
    [
        ("vphn", 5),
        ("vphn x 1", 6),
        ("vphn 0", 7),
        ("vphn 0 1,x", 8),
        ("vphn 0 0x80000000", 8),
        ("vphn 0 " + ",".join("1" * 25), 8),
        ("vphn 0 1 2", 10),
    ],
)
def test_what_is_no_home(step: str, column: int) -> None:
    with pytest.raises(StepError) as raised:
        parse_step(step)
    assert raised.value.column == column


def test_a_core_without_threads_is_left_alone() -> None:
    simulation = homes(kernel="5.1")
    base = simulation.tree.with_property("/cpus/PowerPC,POWER9@2", "ibm,ppc-interrupt-server#s", b"")
    simulation = Simulation(base, "5.1")
    assert simulation.run(MOVED).ok
    assert [cpu.node for cpu in simulation.state.cpus] == [0, 1, 1]
    assert simulation.tree.get("/cpus/PowerPC,POWER9@1", "ibm,associativity") == u32(2, 0, 1)


def test_recorded_guests_boot_with_a_cpu_at_home_and_not_where_the_tree_has_it() -> None:
    """Both booted by kexec from a tree with CPU 1's list edited to node 1; QEMU answered node 0 when asked."""
    for kernel in ("6.1", "7.2"):
        recorded = record(f"home-nodes/{kernel}")
        tree = tree_of(f"home-nodes/{kernel}")
        assert tree.get("/cpus/PowerPC,POWER9@1", "ibm,associativity") == u32(2, 1, 1)
        simulation = Simulation(tree, recorded["kernel"])
        assert [cpu.node for cpu in simulation.state.cpus] == [0, 1, 1]
        simulation.run_all(["vphn 1 0,1", "kexec"])
        for moment in (recorded["boot"], *recorded["steps"]):
            if "step" in moment:
                assert simulation.run(moment["step"]).ok == (moment["rc"] == 0)
            nodes = {cpu.first_id: cpu.node for cpu in simulation.state.cpus}
            assert nodes == {cpu["cpu"]: cpu["node"] for cpu in moment["cpus"]}, kernel
