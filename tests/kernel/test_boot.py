# SPDX-License-Identifier: MIT
"""From tree to running kernel: against recorded arrays, trees that do not boot, and command lines."""

from __future__ import annotations

import gzip
import json

import pytest

from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.kernel.boot import boot
from drmemctl.kernel.profiles import profile
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from tests.conftest import FIXTURES, blob
from tests.kernel.partitions import DRC, LMB, UNSET, cpus, drmem_node, lmbs, memory_node, tree, u32

ARRAYS = sorted(path.name.removesuffix(".lmbs.json.gz") for path in (FIXTURES / "kernel-arrays").glob("*.lmbs.*"))
KERNELS = ["4.15", "4.16", "5.4", "5.10", "6.1", "latest", "arrayless"]


@pytest.mark.parametrize("name", ARRAYS)
def test_the_array_is_what_was_read_from_the_kernels_memory(name: str) -> None:
    state, faults = boot(read_fdt(blob(f"kernel-arrays/{name}")), profile("6.1"))
    with gzip.open(FIXTURES / "kernel-arrays" / f"{name}.lmbs.json.gz") as stream:
        recorded = json.load(stream)
    listed = recorded["lmbs"] if isinstance(recorded, dict) else recorded
    held = [[one.base, one.drc_index, one.aa_index, one.flags] for one in state.table.lmbs(1 << 20)]
    assert held == [list(entry) for entry in listed]
    assert faults == ()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("v1", [False, True], ids=["v2", "v1"])
def test_blocks_of_a_plain_partition(kernel: str, v1: bool) -> None:
    state, faults = boot(tree(lmbs(2, 2, 1, 8), lmbs(4, 4), v1=v1), profile(kernel))
    there = {0: 0, 1: 0} if kernel == "4.15" and not v1 else {0: 0, 1: 0, 2: 1, 3: 1}
    assert dict(state.blocks) == there
    assert (state.block_size, faults, state.dead) == (LMB, (), "")


@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12", "latest"])
def test_a_node_that_is_in_no_lookup_array_stops_the_boot(kernel: str) -> None:
    state, faults = boot(read_fdt(blob("boot/aa-out-of-range")), profile(kernel))
    assert state.dead == "oops at boot"
    assert [(fault.code, fault.function, fault.path) for fault in faults] == [
        ("oops", "numa_setup_drmem_lmb", NODE)
    ]


@pytest.mark.parametrize("kernel", ["5.10", "latest"])
def test_an_lmb_size_that_is_no_power_of_two_stops_the_boot(kernel: str) -> None:
    state, faults = boot(read_fdt(blob("boot/lmb-not-power-of-two")), profile(kernel))
    assert state.dead == "panic at boot"
    assert faults[0].message.startswith("Memory block size not suitable: 0x")


def test_without_an_lmb_size_no_lmb_becomes_memory() -> None:
    found = read_fdt(blob("boot/no-lmb-size"))
    state, _ = boot(found, profile("latest"))
    assert state.dead == ""
    assert state.block_size == 1 << 24
    assert state.table.n_lmbs == 0
    reg = sum(
        int.from_bytes((node.get("reg") or b"")[8:16], "big") for node in found.root.children if node.get("reg")
    )
    assert len(state.blocks) <= reg // (1 << 24)


def test_without_an_lmb_size_an_array_has_nothing_and_the_property_what_it_says() -> None:
    base = tree(lmbs(2, 2, 1, 8), v1=True).with_property(NODE, "ibm,lmb-size", None)
    assert [boot(base, profile(kernel))[0].table.n_lmbs for kernel in ("4.15", "4.16")] == [4, 0]


def test_an_lmb_size_that_is_cut_to_32_bits_leaves_the_property_its_name() -> None:
    base = tree(lmbs(2, 2, 1, 8), size=(1 << 32) + LMB)
    assert boot(base, profile("5.4"))[0].table.property_name == V2


def test_v1_wins_over_v2() -> None:
    found = tree(lmbs(2, 2, 1, 8), lmbs(4, 4))
    other = drmem_node([lmbs(2, 1, 0, 8)], v1=True).get(V1)
    state, _ = boot(found.with_property(NODE, V1, other), profile("latest"))
    assert state.table.property_name == V1
    assert dict(state.blocks) == {0: 0, 1: 0, 2: 0}


def test_what_is_read_beyond_the_end_is_said_and_the_rest_is_used() -> None:
    found = tree(lmbs(2, 2, 1, 8), lmbs(4, 4))
    data = found.get(NODE, V2) or b""
    state, faults = boot(found.with_property(NODE, V2, u32(9) + data[4:]), profile("latest"))
    assert [fault.code for fault in faults] == ["over-read"]
    assert "9 entries are read where there are 3" in faults[0].message
    assert state.table.n_lmbs == 8


@pytest.mark.parametrize(
    ("bootargs", "there"),
    [
        ("mem=768M", {0: 0, 1: 0, 2: 1}),
        ("quiet mem=0x30000000", {0: 0, 1: 0, 2: 1}),
        ("mem=1G mem=512m", {0: 0, 1: 0}),
        ("mem=520M", {0: 0, 1: 0}),
        ("mem=528M", {0: 0, 1: 0, 2: 1}),
        ("mem=junk", {0: 0, 1: 0, 2: 1, 3: 1}),
        ("numa=off", {0: 0, 1: 0, 2: 0, 3: 0}),
        ("numa=debug,off", {0: 0, 1: 0, 2: 0, 3: 0}),
        ("numa=off numa=debug", {0: 0, 1: 0, 2: 0, 3: 0}),
        ("numa=debug", {0: 0, 1: 0, 2: 1, 3: 1}),
    ],
)
def test_command_line(bootargs: str, there: dict[int, int]) -> None:
    state, _ = boot(tree(lmbs(2, 2, 1, 8), lmbs(4, 4), bootargs=bootargs), profile("latest"))
    assert dict(state.blocks) == there
    assert state.table.n_lmbs == 8


def test_reserved_and_unassigned_lmbs_are_no_memory() -> None:
    state, _ = boot(tree(lmbs(2, 1, 1, 0x88), lmbs(3, 1, 1, 8), lmbs(4, 1, 1, 0)), profile("latest"))
    assert dict(state.blocks) == {0: 0, 1: 0, 3: 1}


def test_nodes_are_those_with_cpus_or_memory() -> None:
    state, _ = boot(tree(lmbs(2, 2, 1, 8), cpu_node=3), profile("latest"))
    assert state.online == {0, 1, 3}
    assert state.topology.possible == 4
    assert [state.topology.is_possible(node) for node in (3, 4)] == [True, False]


def test_a_partition_without_dynamic_memory_boots() -> None:
    memory = [memory_node(0, LMB), memory_node(LMB, LMB)]
    state, faults = boot(tree(memory=memory), profile("6.1"))
    assert (state.table.n_lmbs, state.block_size, faults) == (0, LMB, ())
    assert dict(state.blocks) == {0: 0, 1: 0}


def test_memory_without_associativity_is_on_node_0() -> None:
    plain = memory_node(0, 2 * LMB, 1).with_property("ibm,associativity", None)
    state, _ = boot(tree(lmbs(2, 2, 1, 8), memory=[plain]), profile("latest"))
    assert dict(state.blocks) == {0: 0, 1: 0, 2: 1, 3: 1}


def test_domain_counts_too_short_for_the_primary_index_make_no_node_possible() -> None:
    found = tree(lmbs(2, 2, 1, 8)).with_property("/rtas", "ibm,max-associativity-domains", u32(0))
    state, _ = boot(found, profile("latest"))
    assert state.topology.possible == 0
    assert state.topology.is_possible(1)


def without_associativity(node: Node) -> Node:
    return Node(node.name, tuple(one for one in node.properties if one.name != "ibm,associativity"), node.children)


@pytest.mark.parametrize(
    ("memory", "cpu_node", "expected"),
    [
        # numa_setup_cpu: without a node of its own, the first online node: one with memory, or with other CPUs.
        ([memory_node(0, 2 * LMB, 2)], None, (2, 2)),
        ([memory_node(0, 2 * LMB, 2)], 1, (1, 1)),
    ],
)
def test_the_first_online_node(memory: list[Node], cpu_node: int | None, expected: tuple[int, int]) -> None:
    with_core = cpus(cpu_node or 0)
    core = with_core.children[0] if cpu_node is not None else without_associativity(with_core.children[0])
    base = tree(memory=memory)
    children = tuple(Node("cpus", (), (core,)) if one.name == "cpus" else one for one in base.root.children)
    state, _ = boot(Tree(Node("", base.root.properties, children)), profile("6.1"))
    assert (state.cpus[0].node, state.first_online_node) == expected


def test_with_numa_off_there_is_one_node_and_all_cpus_are_on_it() -> None:
    state, _ = boot(tree(lmbs(2, 2, 1, 8), cpu_node=3, bootargs="numa=off"), profile("6.1"))
    assert (state.topology.primary_index, state.topology.possible) == (None, 0)
    assert state.topology.with_cpus == state.online == {0}
    assert [cpu.node for cpu in state.cpus] == [0]


def test_possible_nodes_are_counted_at_the_primary_domain() -> None:
    """ibm,max-associativity-domains has a count for each level; the first reference point names one, from 1 on."""
    base = tree().with_property("/rtas", "ibm,max-associativity-domains", u32(3, 7, 5, 9))
    for level, count in ((1, 7), (2, 5), (3, 9), (4, 0)):
        state, _ = boot(
            base.with_property("/rtas", "ibm,associativity-reference-points", u32(level)), profile("5.14")
        )
        assert (state.topology.primary_index, state.topology.possible) == (level, count)
    without = base.with_property("/rtas", "ibm,max-associativity-domains", None)
    assert boot(without, profile())[0].topology.possible == 0


def test_cpus_are_found_where_they_are() -> None:
    assert cpus(2).children[0].get("ibm,associativity") == u32(2, 2, 0)
    assert lmbs(2, 1) == (2 * LMB, 1, DRC + 2, UNSET, 0)


def bridged(*nodes: int) -> Tree:
    """Return a partition with memory and CPUs on node 1 and PCI host bridges on others."""
    bridges = [Node(f"pci@80000002{i}", (Property("ibm,associativity", u32(1, i)),)) for i in nodes]
    return tree(lmbs(2, 1, 1, 8), lmbs(4, 2), memory=[memory_node(0, 2 * LMB, 1)], cpu_node=1, more=bridges)


@pytest.mark.parametrize(("kernel", "node"), [("6.10", 1), ("6.11", 0), ("latest", 0)])
def test_a_node_with_a_host_bridge_only_is_online(kernel: str, node: int) -> None:
    partition = Simulation(bridged(0), kernel, "qemu")
    for step in ("attach 0x80000004 1 assoc 0xffff", "dlpar memory add index 0x80000004"):
        assert partition.run(step).ok
    assert partition.state.blocks.node_of(4) == node


def test_it_goes_offline_with_the_last_memory_that_came_there() -> None:
    """try_offline_node asks for memory and CPUs, and for nothing else."""
    partition = Simulation(bridged(0, 3), "latest", "powervm")
    assert partition.state.online == {0, 1, 3}
    assert partition.run("dlpar memory add index 0x80000004").ok
    assert partition.run("dlpar memory remove index 0x80000004").ok
    assert partition.state.online == {1, 3}
