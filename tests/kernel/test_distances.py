# SPDX-License-Identifier: MIT
"""The table of distances of a running kernel, against a reading of update_numa_distance and what it replaced."""

from __future__ import annotations

from dataclasses import replace

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.kernel.distances import distances_of
from drmemctl.simulate.files import Files
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Node, Property, Tree
from tests.kernel.partitions import LMB, lmbs, tree, u32

FORM1 = b"\x19" + bytes(4) + b"\x80\x05" + bytes(19)

NEAR = ((4, 0), (4, 1), (4, 2))
"""Lists of a machine all of whose nodes are in domain 4: with reference points 2 and 1 they are 20 apart."""


def form1(rows: tuple[tuple[int, int], ...] = NEAR, outer: int = 4, used: int = 1) -> Tree:
    """Return a partition with memory and a core on node 0, and LMBs on nodes 1 and 2, of which some are free."""
    memory = Node(
        "memory@0",
        (
            Property("device_type", b"memory\0"),
            Property("reg", u32(0, 0, 0, 2 * LMB)),
            Property("ibm,associativity", u32(2, outer, 0)),
        ),
    )
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 2, 2, 8), lmbs(6, 4), rows=rows, memory=[memory])
    base = base.with_property("/rtas", "ibm,associativity-reference-points", u32(2, 1))
    base = base.with_property("/rtas", "ibm,max-associativity-domains", u32(2, 8, 4))
    base = base.with_property("/chosen", "ibm,architecture-vec-5", FORM1)
    return base.with_property("/cpus/PowerPC,POWER9@0", "ibm,associativity", u32(3, outer, 0, 0))


def matrix(simulation: Simulation) -> tuple[tuple[int | None, ...], ...]:
    table = distances_of(simulation.state)
    assert table is not None
    assert table.nodes == (0, 1, 2)
    return table.rows


def migrated(kernel: str) -> Simulation:
    """Return a partition that came to a machine on which its nodes 1 and 2 are in domain 7, not in 4."""
    there = form1(((4, 0), (7, 1), (7, 2)))
    simulation = Simulation(form1(), kernel, "powervm", files=Files(tree=lambda _: replace(there, source="there")))
    simulation.run("lpm there")
    return simulation


def test_a_boot_makes_the_distances_of_the_tree() -> None:
    assert matrix(Simulation(form1(), "latest")) == ((10, 20, 20), (20, 10, 20), (20, 20, 10))


def test_before_5_15_node_0_has_no_row() -> None:
    for kernel in ("4.19", "5.10.177", "5.14"):
        assert matrix(Simulation(form1(), kernel)) == ((10, 40, 40), (40, 10, 20), (40, 20, 10)), kernel
    assert matrix(Simulation(form1(), "5.10.178")) == ((10, 20, 20), (20, 10, 20), (20, 20, 10))


def test_a_migration_changes_no_row_and_an_add_that_of_its_node() -> None:
    simulation = migrated("latest")
    assert matrix(simulation) == ((10, 20, 20), (20, 10, 20), (20, 20, 10))
    step = simulation.run("plug 0x80000006 1 assoc 7,1")
    # Node 1's row is (1, 7) now, those of nodes 0 and 2 still (0, 4) and (2, 4).
    assert matrix(simulation) == ((10, 40, 20), (40, 10, 40), (20, 40, 10))
    assert [(change.nodes, change.old, change.new) for change in step.changed_distances] == [
        ((0, 1), 20, 40),
        ((1, 2), 20, 40),
    ]
    simulation.run("plug 0x80000007 1 assoc 7,2")
    assert matrix(simulation) == ((10, 40, 40), (40, 10, 20), (40, 20, 10))


def stale(simulation: Simulation) -> list[str]:
    return [finding.message for finding in simulation.findings if finding.rule == "DRM150"]


def test_the_rule_tells_of_distances_that_the_tree_gives_no_more() -> None:
    simulation = migrated("latest")
    assert stale(simulation) == [
        (
            "Linux has 2 pairs of nodes at distances of old: 0 and 1 at 20, 40 by the tree; "
            "0 and 2 at 20, 40 by the tree"
        )
    ]
    assert simulation.run("plug 0x80000006 1 assoc 7,1").ok
    assert stale(simulation) == [
        (
            "Linux has 2 pairs of nodes at distances of old: 0 and 2 at 20, 40 by the tree; "
            "1 and 2 at 40, 20 by the tree"
        )
    ]
    assert simulation.run("plug 0x80000007 1 assoc 7,2").ok
    assert stale(simulation) == []
    assert simulation.consistent


def test_a_new_boot_has_the_distances_of_the_tree() -> None:
    simulation = migrated("latest")
    simulation.run("kexec")
    assert stale(simulation) == []
    assert matrix(simulation) == ((10, 40, 40), (40, 10, 20), (40, 20, 10))


def test_up_to_5_14_the_list_of_the_lookup_arrays_counts() -> None:
    """5.10 looks the node up by the new aa_index, 5.4 only where an assigned LMB is at the address: nowhere."""
    for kernel, expected in (
        ("5.10.177", ((10, 40, 40), (40, 10, 40), (40, 40, 10))),
        ("5.4", ((10, 40, 40), (40, 10, 20), (40, 20, 10))),
        ("4.19", ((10, 40, 40), (40, 10, 40), (40, 40, 10))),
    ):
        simulation = migrated(kernel)
        simulation.run("plug 0x80000006 1 assoc 7,1")
        assert matrix(simulation) == expected, kernel


def test_4_19_looks_the_node_up_to_remove_an_lmb() -> None:
    rows = encode_lookup_arrays([(4, 0), (7, 1), (4, 2)], 2).hex()
    for kernel, near in (("4.19", 40), ("5.0", 20)):
        simulation = Simulation(form1(), kernel, "powervm")
        simulation.run(f"firmware {NODE} {LOOKUP_ARRAYS} {rows}")
        simulation.run("dlpar memory remove index 0x80000002")
        assert matrix(simulation)[1][2] == near, kernel


def test_what_only_asks_changes_nothing() -> None:
    simulation = migrated("latest")
    before = simulation.state.distances
    simulation.run("dlpar memory remove index 0x80000004")
    assert simulation.state.distances is before


def test_in_form_2_a_node_without_distances_is_logged() -> None:
    """The WARN of update_numa_distance, of which the message is said."""
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 4)).with_property("/rtas", "ibm,numa-lookup-index-table", u32(2, 0, 1))
    base = base.with_property("/rtas", "ibm,numa-distance-table", u32(4) + bytes((10, 20, 20, 10)))
    said = "NUMA distance details for node 2 not provided"
    for kernel, times in (("5.15", 1), ("5.10.178", 1), ("7.2", 1), ("5.10.177", 0)):
        simulation = Simulation(base, kernel, "powervm")
        assert simulation.run("plug 0x80000004 1 assoc 2").log.count(said) == times, kernel
        assert simulation.run("plug 0x80000005 1 assoc 1").log.count(said) == 0
    alike = Simulation(base, "latest", "powervm")
    assert alike.run("plug 0x80000004 4 assoc 2").log.count(said) == 4
