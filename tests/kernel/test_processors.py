# SPDX-License-Identifier: MIT
"""The Linux node of CPUs: by release, when a migration or a reassignment brings them another associativity."""

from __future__ import annotations

import pytest

from drmemctl.formats.update_nodes import DELETE
from drmemctl.kernel.job import Job
from drmemctl.kernel.notifier import set_property
from drmemctl.kernel.processors import cpus_of, tells_home_nodes
from drmemctl.kernel.state import Cpu
from drmemctl.kernel.task import run
from drmemctl.model.associativity import Associativity
from drmemctl.simulate.simulation import Simulation
from tests.kernel.cpu_partitions import CORE, moved, with_core
from tests.kernel.partitions import u32
from tests.kernel.streams import migrated, nodes

LPM, PRRN = "lpm there", "prrn there"


@pytest.mark.parametrize(
    ("kernel", "step", "node"),
    [
        ("4.15", LPM, 0),
        ("4.15", PRRN, 0),
        ("4.19.0", LPM, 1),
        ("4.20", LPM, 1),
        ("5.1", LPM, 1),
        ("5.1", PRRN, 2),
        ("5.2", PRRN, 1),
        ("5.8", LPM, 1),
        ("5.9", PRRN, 1),
        ("6.1", LPM, 1),
        ("latest", LPM, 1),
    ],
)
def test_where_a_cpu_is_without_home_nodes(kernel: str, step: str, node: int) -> None:
    simulation = moved(kernel, step)
    assert simulation.state.cpus[0].node == node


@pytest.mark.parametrize(("kernel", "node"), [("4.15", 2), ("4.19.0", 2), ("4.20", 1), ("5.10", 1)])
def test_the_hypervisor_tells_home_nodes(kernel: str, node: int) -> None:
    assert moved(kernel, vphn=True).state.cpus[0].node == node


@pytest.mark.parametrize("step", [LPM, PRRN])
def test_updates_need_an_agreement_at_boot(step: str) -> None:
    assert moved("4.15", step, vphn=True).state.cpus[0].node == 2
    assert moved("4.15", step, prrn=False, vphn=True).state.cpus[0].node == 1


@pytest.mark.parametrize(
    ("kernel", "step", "why"),
    [
        ("4.20", LPM, "topology updates are stopped while a migration updates the tree (4.20 to 5.8)"),
        ("5.9", LPM, "this kernel does not listen to such updates: they were taken out in 5.9"),
        ("5.4", LPM, "topology updates are off by default from 5.2 on"),
        ("4.19.0", LPM, "the hypervisor does not tell home nodes (hcall-vphn), and the CPU stays where it is"),
        ("4.15", LPM, "the kernel goes by the first online node"),
        ("5.1", PRRN, None),
    ],
)
def test_the_step_says_why_a_cpu_is_not_where_the_tree_has_it(kernel: str, step: str, why: str | None) -> None:
    simulation = moved(kernel, step)
    found = simulation.results[-1].to_json()["cpus"]
    assert found == [
        {
            "path": CORE,
            "threads": [0],
            "before": 1,
            "node": simulation.state.cpus[0].node,
            "in_tree": 2,
            "why": why,
        }
    ]


@pytest.mark.parametrize(
    ("kernel", "step", "stays"), [("6.1", LPM, True), ("4.20", LPM, True), ("5.1", PRRN, False)]
)
def test_a_rule_speaks_of_a_cpu_that_stays_and_memory_is_consistent_all_the_same(
    kernel: str, step: str, stays: bool
) -> None:
    simulation = moved(kernel, step)
    said = [finding.rule for finding in simulation.results[-1].findings]
    assert said.count("DRM087") == stays
    assert simulation.run("expect consistent").ok
    if stays:
        assert simulation.run("expect finding DRM087").ok
        simulation.run("kexec")
        assert "DRM087" not in {finding.rule for finding in simulation.findings}


def test_what_says_nothing_of_cpus_says_so() -> None:
    simulation = moved("6.1", "dlpar memory add count 1")
    assert "cpus" not in simulation.results[-1].to_json()
    ignored = moved("6.1", PRRN)
    assert ignored.results[-1].log == ("Platform resource reassignment ignored.",)
    assert "cpus" not in ignored.results[-1].to_json()


def test_a_boot_reads_the_tree_anew() -> None:
    simulation = moved("6.1")
    result = simulation.run("kexec")
    assert simulation.state.cpus[0].node == 2
    assert "cpus" not in result.to_json()


def test_a_node_with_a_cpu_is_online() -> None:
    simulation = moved("5.1", PRRN)
    assert 2 in simulation.state.online


def test_cpus_without_a_node_are_where_the_kernel_puts_them() -> None:
    tree = with_core(1).with_property(CORE, "ibm,associativity", None)
    assert cpus_of(tree, Associativity.from_tree(tree), 3)[0] == Cpu(CORE, (0,), 3)


def test_who_tells_home_nodes() -> None:
    assert tells_home_nodes(with_core(1, vphn=True))
    assert not tells_home_nodes(with_core(1))


OTHER = "/cpus/PowerPC,POWER9@1"


@pytest.mark.parametrize(("domain", "node"), [(2, 2), (9, 0), (0xFFFF, 0)])
def test_only_the_cpu_that_is_updated_moves_and_only_to_a_node_that_is_possible(domain: int, node: int) -> None:
    """There are four possible nodes; without a node of its own a CPU goes to the first online one."""
    simulation = Simulation(with_core(1, vphn=True), "4.15", "powervm")
    result = simulation.run(f"firmware {OTHER} ibm,associativity {u32(2, domain, 1).hex()}")
    assert [(cpu.path, cpu.node) for cpu in simulation.state.cpus] == [(CORE, 1), (OTHER, node)]
    assert [change.path for change in result.cpus] == [OTHER]


def test_a_cpu_that_is_readded_is_as_its_connector_has_it() -> None:
    """dlpar_cpu_readd: an update that does not come from the hypervisor's own tree is undone by it."""
    simulation = Simulation(with_core(1), "5.1", "powervm")
    result = simulation.run(f"firmware {CORE} ibm,associativity {u32(2, 2, 0).hex()}")
    assert simulation.tree.get(CORE, "ibm,associativity") == u32(2, 1, 0)
    assert simulation.state.cpus[0].node == 1
    assert result.log == ("cpu 0 (hwid 0) Ready to die...",)


def test_other_properties_of_a_cpu_move_it_nowhere() -> None:
    simulation = moved("5.1")
    simulation.run(f"firmware {CORE} x 00")
    assert simulation.state.cpus[0].node == 1


def test_a_cpu_of_which_the_tree_says_nothing_any_more() -> None:
    simulation = Simulation(with_core(1), "6.1", "powervm")
    (change,) = simulation.run(f"firmware {CORE} ibm,associativity -").cpus
    assert (change.before, change.node, change.in_tree) == (1, 1, None)


def test_a_cpu_whose_node_is_deleted() -> None:
    simulation, result = migrated("6.1", nodes(DELETE | 1, 0x3000), base=with_core(1))
    assert simulation.tree.find(CORE) is None
    (change,) = result.cpus
    assert (change.path, change.node, change.in_tree) == (CORE, 1, None)


def test_an_update_of_a_cpu_that_was_detached_moves_nothing() -> None:
    simulation = Simulation(with_core(1), "5.1", "powervm")
    job = Job(simulation.state, simulation.situation.machine)
    run(job, set_property(job, OTHER, "ibm,associativity", u32(2, 2, 0)))
    assert job.state.cpus[0].node == 1


@pytest.mark.parametrize("names", [b"", b"hcall-pft\0", b"hcall-vphn-2\0"])
def test_who_does_not_tell_home_nodes(names: bytes) -> None:
    assert not tells_home_nodes(with_core(1).with_property("/rtas", "ibm,hypertas-functions", names))
