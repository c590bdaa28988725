# SPDX-License-Identifier: MIT
"""The hypervisor's topology in the verdict: what it delivered, what was made of it, and who is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.model.run import Run
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import agreement_text
from drmemctl.simulate.interleave.answer import answer
from drmemctl.simulate.interleave.policy import BY_NAME
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from drmemctl.tree.source import load
from tests.conftest import FIXTURES
from tests.kernel.partitions import BOOT_MEMORY, DRC, lmbs, tree
from tests.simulate.interleave.cases import question
from tests.simulate.test_delivered import lost_lmbs

BEFORE = tree(lmbs(2, 2, 1, 8), lmbs(4, 4))
TREES = {
    "moved": tree(lmbs(2, 2, 0, 8), lmbs(4, 4)),
    "renumbered": tree(lmbs(2, 2, 0, 8), lmbs(4, 4), rows=((1,), (0,))),
    "one-of-two": tree(lmbs(2, 1, 0, 8), lmbs(3, 1, 1, 8), lmbs(4, 4)),
    "lists-only": tree(lmbs(2, 2, 1, 8), lmbs(4, 4), rows=((1,), (0,))),
    "without-them": tree(lmbs(4, 4)),
    "moved-v1": tree(lmbs(2, 2, 0, 8), lmbs(4, 4), v1=True),
}
REMEDY = [
    f"dlpar memory {what} index {drc:#x}" for drc in (DRC + 2, DRC + 3) for what in ("remove", "add")
]  # fmt: skip
ANY = "dlpar memory add indexed-count 1 0x80000002"
"""A request that changes nothing but writes the property."""

BOTH = {DRC + 2, DRC + 3}


def partition(kernel: str = "5.10", hypervisor: str = "powervm") -> Simulation:
    return Simulation(BEFORE, kernel, hypervisor, files=Files(tree=lambda name: TREES[name]))


def done(steps: Sequence[str], kernel: str = "5.10", hypervisor: str = "powervm") -> Simulation:
    simulation = partition(kernel, hypervisor)
    simulation.run_all(steps)
    return simulation


def lost_after(*steps: str, kernel: str = "5.10", hypervisor: str = "powervm") -> set[int]:
    simulation = done(steps, kernel, hypervisor)
    lost = lost_lmbs(simulation.situation)
    assert not (lost and simulation.consistent)
    assert simulation.run("expect finding DRM088").ok == bool(lost)
    return lost


def firmware(name: str, value: bytes | None) -> str:
    return f"firmware {NODE} {name} {'-' if value is None else value.hex() or '-'}"


def v2(*entries: Run) -> str:
    return firmware(V2, encode_entries(V2, [BOOT_MEMORY, *entries]))


def lists(*rows: int) -> str:
    return firmware(LOOKUP_ARRAYS, encode_lookup_arrays([(row,) for row in rows], 1))


# What a flush destroys.


@pytest.mark.parametrize("kernel", ["4.19.85", "4.20", "5.9", "5.10", "5.14"])
@pytest.mark.parametrize(("tree_name", "lost"), [("moved", BOTH), ("one-of-two", {DRC + 2})])
def test_kernels_before_5_15_lose_what_a_migration_delivered(kernel: str, tree_name: str, lost: set[int]) -> None:
    assert lost_after(f"lpm {tree_name}", kernel=kernel) == set()
    assert lost_after(f"lpm {tree_name}", ANY, kernel=kernel) == lost
    assert lost_after(f"lpm {tree_name}", ANY, "kexec", ANY, kernel=kernel) == lost


@pytest.mark.parametrize("kernel", ["4.16", "4.19"])
def test_kernels_up_to_4_19_lose_it_by_a_request_that_changes_an_lmb(kernel: str) -> None:
    assert lost_after("lpm moved", ANY, kernel=kernel) == set()
    assert lost_after("lpm moved", "dlpar memory add count 1", kernel=kernel) == BOTH


@pytest.mark.parametrize("kernel", ["5.15", "6.1", "latest", "arrayless"])
def test_kernels_that_take_it_over_lose_nothing(kernel: str) -> None:
    assert lost_after("lpm moved", ANY, kernel=kernel) == set()


def test_the_same_places_under_other_numbers_are_lost_by_number() -> None:
    """The lists are renumbered: the source's index leads elsewhere, though the memory never moved."""
    simulation = done(["lpm renumbered", ANY])
    [lost] = [one for one in simulation.findings if one.rule == "DRM088"]
    assert lost.message == (
        "2 LMBs lead to <0> (node 0) by aa_index 1, the hypervisor has them at <1> (node 1), "
        f"first 0x20000000 (DRC 0x80000002): drmem_update_dt_v2 wrote that in {ANY!r}"
    )
    assert (lost.path, lost.property, lost.when, lost.severity) == (NODE, V2, "now", "error")


def test_the_flush_that_destroyed_it_is_named_not_the_last_one() -> None:
    simulation = done(["dlpar memory add count 1", "lpm moved", ANY, "dlpar memory add count 1"])
    [lost] = [one for one in simulation.findings if one.rule == "DRM088"]
    assert lost.message.endswith(f"drmem_update_dt_v2 wrote that in {ANY!r}")


def test_v1_is_written_by_the_function_for_v1() -> None:
    simulation = done(["lpm moved-v1", ANY])
    [lost] = [finding for finding in simulation.findings if finding.rule == "DRM088"]
    assert "drmem_update_dt_v1 wrote that" in lost.message
    assert lost.property == V1


# What is no loss.


@pytest.mark.parametrize("kernel", ["4.20", "5.10", "6.1"])
@pytest.mark.parametrize("hypervisor", ["qemu", "powervm"])
@pytest.mark.parametrize("where", ["node 1", "row 1", "assoc 1", "assoc 5"])
def test_a_healthy_plug_is_consistent(kernel: str, hypervisor: str, where: str) -> None:
    simulation = done([f"plug 0x80000004 2 {where}"], kernel, hypervisor)
    assert simulation.results[-1].ok
    assert lost_lmbs(simulation.situation) == set()
    # Before 5.10 hot-added memory is on the first online node, and node 5 is not possible on any kernel.
    known = {"DRM085"} if kernel == "4.20" or where == "assoc 5" else set()
    assert {finding.rule for finding in simulation.contradictions} <= known


@pytest.mark.parametrize("kernel", ["5.10", "6.1"])
def test_remove_and_add_again_mends_it(kernel: str) -> None:
    simulation = done(["lpm moved", ANY, *REMEDY], kernel)
    assert all(result.ok for result in simulation.results)
    assert simulation.consistent


@pytest.mark.parametrize("kernel", ["5.10", "6.1"])
@pytest.mark.parametrize("hypervisor", ["qemu", "powervm"])
def test_a_reboot_mends_it(kernel: str, hypervisor: str) -> None:
    assert done(["lpm moved", ANY, "reboot"], kernel, hypervisor).consistent


def test_on_qemu_memory_comes_back_where_the_destination_has_it() -> None:
    steps = ["lpm moved", ANY, "unplug 0x80000002 2", "plug 0x80000002 2 node 0"]
    assert done(steps, "5.10", "qemu").consistent


def test_a_connector_of_the_destination_says_where_the_destination_has_it() -> None:
    simulation = done(["lpm moved", ANY, "rtas configure-connector 0x80000002"], "5.10", "qemu")
    assert lost_lmbs(simulation.situation) == BOTH


def test_memory_that_the_destination_does_not_tell_of_is_not_judged() -> None:
    assert lost_after("lpm without-them", ANY) == set()


def test_free_memory_is_not_judged() -> None:
    assert lost_after(v2(lmbs(2, 2, 0, 0), lmbs(4, 4)), ANY) == set()


@pytest.mark.parametrize("aa_index", [7, 0xFFFFFFFE, 0xFFFFFFFF])
def test_where_the_hypervisor_says_nothing_nothing_is_lost(aa_index: int) -> None:
    assert lost_after(v2(lmbs(2, 2, aa_index, 8), lmbs(4, 4)), ANY) == set()


# Lists without LMBs, LMBs without lists, and streams that break off.


def test_new_lists_alone_move_what_has_an_index_of_them() -> None:
    assert lost_after("lpm lists-only", ANY, kernel="5.10") == set()
    assert lost_after(lists(1, 0), ANY) == set()
    assert lost_after(lists(1, 0), v2(lmbs(2, 2, 0, 8), lmbs(4, 4)), ANY) == BOTH
    assert lost_after(v2(lmbs(2, 2, 0, 8), lmbs(4, 4)), lists(1, 0), ANY) == BOTH


def test_new_lists_do_not_move_what_has_a_list_that_only_linux_had_appended() -> None:
    """The hypervisor has the LMB at <3>, which is list 2 for Linux alone: new lists know nothing of that."""
    plugged = "plug 0x80000004 1 assoc 3"
    assert lost_after(plugged) == set()
    assert lost_after(plugged, lists(0, 1, 3)) == set()
    assert lost_after(plugged, lists(0, 1)) == {DRC + 4}
    assert lost_after(plugged, lists(0, 1, 0)) == {DRC + 4}
    assert lost_after(plugged, lists(0, 1, 0), v2(lmbs(2, 2, 1, 8), lmbs(4, 1, 2, 8), lmbs(5, 3))) == set()


def test_an_index_beyond_the_lists_delivered_is_one_that_linux_had_appended() -> None:
    plugged = ["plug 0x80000004 1 assoc 3", v2(lmbs(2, 1, 2, 8), lmbs(3, 1, 1, 8), lmbs(4, 1, 2, 8), lmbs(5, 3))]
    assert lost_after(*plugged) == set()
    assert lost_after(*plugged, ANY) == {DRC + 2}


def test_lists_that_are_taken_away_and_come_back() -> None:
    assert lost_after(firmware(LOOKUP_ARRAYS, None)) == set()
    assert lost_after(firmware(LOOKUP_ARRAYS, None), lists(0, 1)) == set()
    assert lost_after(firmware(LOOKUP_ARRAYS, None), lists(0, 1), ANY) == set()


def test_lists_that_linux_does_not_take_lead_nowhere() -> None:
    """Three are declared where one is: what connectors told of is nowhere then, as all else is."""
    short = firmware(LOOKUP_ARRAYS, bytes.fromhex("000000030000000100000000"))
    assert lost_after("plug 0x80000004 1 node 1", short) == set()


def test_a_reassignment_counts_as_far_as_it_is_delivered() -> None:
    """Newer kernels ignore the event and fetch nothing: nothing was delivered to them."""
    assert lost_after("prrn moved", ANY, kernel="4.20") == BOTH
    assert lost_after("prrn moved", ANY, kernel="6.1") == set()


# By node, by row.


SHUFFLED = ((1,), (0,), (3,), (0,), (256,))
"""Lists that are not in the order of their nodes; the last one is no node at all."""


@pytest.mark.parametrize("hypervisor", ["qemu", "powervm"])
@pytest.mark.parametrize(
    ("where", "row", "block_node"),
    [("node 0", 1, 0), ("node 1", 0, 1), ("node 3", 2, 3), ("row 0", 0, 1), ("row 3", 1, 0), ("", 0, 1)],
)
def test_a_node_is_the_one_that_linux_has_and_a_row_is_a_row(
    hypervisor: str, where: str, row: int, block_node: int
) -> None:
    """The kernel takes the first list that is alike: row 3 repeats row 1."""
    simulation = Simulation(tree(lmbs(2, 2, 0, 8), lmbs(4, 4), rows=SHUFFLED), "6.1", hypervisor)
    assert simulation.run(f"plug 0x80000004 1 {where}").ok
    for expected in (f"drc 0x80000004 aa {row}", f"drc 0x80000004 node {block_node}", "consistent"):
        assert simulation.run(f"expect {expected}").ok, expected


@pytest.mark.parametrize("hypervisor", ["qemu", "powervm"])
@pytest.mark.parametrize("where", ["node 2", "node 256", "node 4", "row 5"])
def test_a_node_that_no_row_leads_to_is_refused(hypervisor: str, where: str) -> None:
    simulation = Simulation(tree(lmbs(2, 2, 0, 8), lmbs(4, 4), rows=SHUFFLED), "6.1", hypervisor)
    before = simulation.situation.machine
    result = simulation.run(f"plug 0x80000004 1 {where}")
    assert not result.ok
    assert ("leads to node" in result.note) == where.startswith("node")
    assert simulation.situation.machine == before


def test_the_rows_are_those_of_boot() -> None:
    simulation = partition("6.1")
    simulation.run_all([lists(1, 0), "plug 0x80000004 1 node 1"])
    # Firmware's list for node 1 at boot was <1>, which is the first of the new ones.
    assert simulation.run("expect drc 0x80000004 aa 0").ok


def test_without_numa_every_row_leads_to_node_0() -> None:
    # Without reference points Linux runs without NUMA.
    bare = tree(lmbs(2, 2, 1, 8), lmbs(4, 4)).with_property("/rtas", "ibm,associativity-reference-points", None)
    simulation = Simulation(bare, "6.1", "powervm")
    assert simulation.run("plug 0x80000004 1 node 0").ok
    assert not simulation.run("plug 0x80000005 1 node 1").ok


# Who agrees with whom.


@pytest.mark.parametrize(
    ("steps", "kernel", "words"),
    [
        ([], "5.10", "array, tree, connectors, memory blocks and the hypervisor agree"),
        ([], "arrayless", "tree, connectors, memory blocks and the hypervisor agree"),
        (["lpm moved"], "5.10", "tree, connectors and the hypervisor agree, array and memory blocks do not"),
        (
            ["lpm moved", ANY],
            "5.10",
            "array, tree, connectors and memory blocks agree with each other, not with the hypervisor",
        ),
        (["lpm moved", ANY], "6.1", "array, tree, connectors and the hypervisor agree, memory blocks do not"),
        (
            ["lpm moved", ANY, "kexec"],
            "5.10",
            "array, tree, connectors and memory blocks agree with each other, not with the hypervisor",
        ),
        (["lpm moved", ANY, "kexec"], "6.1", "array, tree, connectors, memory blocks and the hypervisor agree"),
        (
            ["rtas set-indicator 9003 0x80000004 1"],
            "6.1",
            "array, tree, memory blocks and the hypervisor agree, connectors do not",
        ),
    ],
)
def test_the_verdict_says_who_is_wrong(steps: list[str], kernel: str, words: str) -> None:
    simulation = done(steps, kernel)
    assert agreement_text(simulation.state, simulation.contradictions) == words


# In every order.


def test_an_exploration_finds_the_loss_that_no_order_avoids() -> None:
    made = answer(question("lpm after", ANY, kernel="5.10"), BY_NAME["kernel"])
    assert {verdict.rule for end in made.bad for verdict in end.verdicts} >= {"DRM088"}


def test_an_exploration_finds_the_loss_that_only_a_race_brings() -> None:
    """6.1 takes the migration's aa_index over, unless the notifier is told to pass over just then."""
    made = answer(question("lpm after", ANY, kernel="6.1"), BY_NAME["kernel"])
    assert "DRM088" in {verdict.rule for end in made.races for verdict in end.raced}
    alone = answer(question("lpm after", ANY, kernel="6.1"), BY_NAME["hotplug"])
    assert "DRM088" not in {verdict.rule for end in alone.bad for verdict in end.verdicts}


@pytest.mark.parametrize("hypervisor", ["qemu", "powervm"])
def test_worlds_tell_topologies_apart_by_what_they_say(hypervisor: str) -> None:
    first, second = (done(["plug 0x80000004 2 node 1"], "6.1", hypervisor) for _ in range(2))
    one, other = first.situation.machine.delivered, second.situation.machine.delivered
    assert one == other
    assert hash(one) == hash(other)
    assert replace(one, places=()) != one
    assert one != "a topology"


def test_a_tree_without_memory_to_add_has_a_topology_too() -> None:
    root = BEFORE.root
    bare = Tree(replace(root, children=tuple(child for child in root.children if f"/{child.name}" != NODE)))
    assert Simulation(bare, "6.1", "powervm").consistent


@pytest.mark.parametrize("arrays", ["-", "000000020000000100000000"])
@pytest.mark.parametrize("kernel", ["5.10", "6.1"])
def test_memory_whose_list_is_gone_stays_where_it_was(kernel: str, arrays: str) -> None:
    """The LMBs lead to no node, which is where the first online one stands for, and their blocks are on node 1."""
    simulation = Simulation(load(FIXTURES / "tutorial" / "lpar7-before.tar.xz"), kernel)
    simulation.run(f"firmware {NODE} {LOOKUP_ARRAYS} {arrays}")
    assert not simulation.consistent
    assert not simulation.run("expect consistent").ok
    (blocks,) = (finding for finding in simulation.findings if finding.rule == "DRM085")
    assert [(run.base, run.count) for run in blocks.lmbs] == [(0x40000000, 2)]
    assert "on node 1, where the aa_index leads to no node" in blocks.message
