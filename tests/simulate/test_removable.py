# SPDX-License-Identifier: MIT
"""Which LMBs can leave and why not: each reason alone, and that what is said can leave does in the simulation."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time

import pytest

from drmemctl.kernel.cmdline import with_command_line
from drmemctl.kernel.removability import Removability
from drmemctl.simulate.removable import Removable
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from drmemctl.tree.source import load
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, fixture_trees, tree_name
from tests.kernel.partitions import DRC, LMB, drmem_node, lmbs, memory_node, tree, u32
from tests.live_roots import make_root, states, write

TREES = [path for path in fixture_trees() if "vmcores" not in str(path)]


def removable(made: Tree, *steps: str, kernel: str = "latest", cmdline: str = "") -> Removable:
    simulation = Simulation(with_command_line(made, cmdline) if cmdline else made, kernel, "powervm")
    simulation.run_all(steps)
    return Removable.of(simulation)


def said(found: Removable) -> list[tuple[int, int, str, str]]:
    """Return (first LMB, how many, whether they leave, first reason)."""
    return [
        (part.run.drc_index - DRC, part.run.lmbs, part.leaves.value, (part.reasons or ("",))[0])
        for part in found.parts
    ]


NORMAL = "in no movable zone: memory of the kernel's own may be in it"


def test_memory_outside_the_movable_zone_may_leave() -> None:
    assert said(removable(tree(lmbs(2, 4, 0, 8)))) == [(2, 4, "perhaps", NORMAL)]


def test_memory_in_the_movable_zone_leaves() -> None:
    """find_zone_movable_pfns_for_nodes: movable_node takes what is marked as hot-removable."""
    found = removable(tree(lmbs(2, 2, 0, 8), lmbs(4, 2, 1, 0x108)), cmdline="movable_node")
    assert said(found) == [(2, 2, "perhaps", NORMAL), (4, 2, "yes", "")]


@pytest.mark.parametrize(
    ("cmdline", "kernel", "leaves"),
    [
        ("movablecore=1G crashkernel=64M,cma", "6.18", "yes"),
        ("movablecore=1G crashkernel=64M,cma", "6.19", "perhaps"),
        ("movablecore=1G crashkernel=64M", "6.19", "yes"),
        ("movable_node crashkernel=64M,cma", "6.19", "yes"),
    ],
)
def test_movable_memory_may_be_lent_by_the_crash_kernel(cmdline: str, kernel: str, leaves: str) -> None:
    """has_unmovable_pages of 7.2 returns a page of CMA before it asks for ZONE_MOVABLE."""
    (part,) = removable(tree(lmbs(2, 4, 0, 0x108)), kernel=kernel, cmdline=cmdline).parts
    assert (part.zone, part.leaves.value) == ("Movable", leaves)
    assert any("crashkernel=SIZE,cma" in reason for reason in part.reasons) == (leaves == "perhaps")


@pytest.mark.parametrize(
    ("cmdline", "zone"),
    [("memhp_default_state=online_movable", "Movable"), ("movable_node", "Movable"), ("quiet", "Normal")],
)
def test_the_zone_of_memory_that_was_added(cmdline: str, zone: str) -> None:
    found = removable(tree(lmbs(2, 2, 0, 8), lmbs(4, 2)), "dlpar memory add index 0x80000004", cmdline=cmdline)
    assert [part.zone for part in found.parts if part.run.position_of_drc(DRC + 4) is not None] == [zone]


def test_what_is_reserved_does_not_leave() -> None:
    made = tree(lmbs(2, 8, 0, 8)).with_property("/rtas", "linux,rtas-base", u32(5 * LMB))
    made = made.with_property("/rtas", "rtas-size", u32(0x1000))
    found = removable(made, cmdline="crashkernel=300M@768M")
    assert said(found) == [
        (2, 1, "perhaps", NORMAL),
        (3, 2, "no", "memory of crashkernel= is in it"),
        (5, 1, "no", "memory of RTAS is in it"),
        (6, 4, "perhaps", NORMAL),
    ]


@pytest.mark.parametrize("kernel", ["5.4", "latest"])
def test_the_first_lmb_holds_the_kernel(kernel: str) -> None:
    """early_init_devtree reserves the image at PHYSICAL_START; reserve_kdump_trampoline what is below another."""
    partition = tree(memory=[memory_node(0, LMB)], more=[drmem_node([lmbs(0, 4, 0, 8)])])
    assert said(removable(partition, kernel=kernel)) == [
        (0, 1, "no", "memory of the kernel is in it"),
        (1, 3, "perhaps", NORMAL),
    ]
    simulation = Simulation(partition, kernel, "powervm")
    assert not simulation.run("offline 0").ok
    assert not simulation.run("dlpar memory remove index 0x80000000").ok
    assert not simulation.run("dlpar memory remove count 4").ok
    assert simulation.run("dlpar memory remove count 3").ok


def test_what_a_dump_needs_does_not_leave() -> None:
    found = removable(tree(lmbs(2, 6, 1, 8)), cmdline="fadump=on")
    assert said(found) == [(2, 1, "no", "kept for a firmware-assisted dump"), (3, 5, "perhaps", NORMAL)]


def test_a_block_that_is_not_all_system_ram_does_not_go_offline(tmp_path: Path) -> None:
    """offline_pages counts pages of System RAM: a block with a part of another kind has holes, EINVAL."""
    root = make_root(tmp_path, "captures/6.1-memblock", states("captures/6.1-memblock")[0])
    lines = ("0-57ffffff : System RAM", "58000000-5fffffff : Persistent Memory", "60000000-9fffffff : System RAM")
    write(root / "proc/iomem", "".join(f"{line}\n" for line in lines))
    simulation = Simulation(load(str(root)))
    found = Removable.of(simulation)
    assert {first: reason for first, _, leaves, reason in said(found) if leaves == "no"} == {
        5: "its memory block has persistent memory, too"
    }
    result = simulation.run("offline 5")
    assert (result.ok, result.errno) == (False, "EINVAL")
    assert simulation.run("dlpar memory remove index 0x80000005").errno == "EINVAL"
    assert simulation.run("dlpar memory remove index 0x80000006").ok


def test_what_cannot_be_moved_does_not_leave_unless_it_is_offline() -> None:
    made = tree(lmbs(2, 4, 0, 8))
    assert said(removable(made, "offline 4", "unmovable 0x80000003 0x80000004")) == [
        (2, 1, "perhaps", NORMAL),
        (3, 1, "no", "memory in it cannot be moved"),
        (4, 1, "yes", ""),
        (5, 1, "perhaps", NORMAL),
    ]


@pytest.mark.parametrize(("kernel", "leaves"), [("5.4", "no"), ("5.10", "yes")])
def test_older_kernels_ask_whether_memory_can_be_moved_that_is_offline(kernel: str, leaves: str) -> None:
    """lmb_is_removable up to 5.7: is_mem_section_removable is asked of each LMB, in whichever state."""
    steps = ("offline 4", "unmovable 0x80000004")
    made = tree(lmbs(2, 4, 0, 8))
    assert said(removable(made, *steps, kernel=kernel))[1][:3] == (4, 1, leaves)
    simulation = Simulation(made, kernel, "powervm")
    result = simulation.run_all([*steps, "dlpar memory remove index 0x80000004"])[-1]
    assert result.ok == (leaves == "yes")


@pytest.mark.parametrize("kernel", ["4.14", "4.15", "5.4", "5.5"])
def test_pages_of_an_offline_block_are_reserved_in_some_kernels(kernel: str) -> None:
    """__offline_isolated_pages marks them, has_unmovable_pages refuses them: both read in 4.19.78 and 5.4.59."""
    made = tree(lmbs(2, 4, 0, 8), v1=kernel in ("4.14", "4.15"))
    is_refused = kernel in ("4.15", "5.4")
    found = removable(made, "offline 4", kernel=kernel)
    assert [leaves for first, _, leaves, _ in said(found) if first == 4] == ["no" if is_refused else "yes"]
    for request in ("index 0x80000004", "indexed-count 2 0x80000004", "count 4"):
        simulation = Simulation(made, kernel, "powervm")
        simulation.run("offline 4")
        assert simulation.run(f"dlpar memory remove {request}").ok != is_refused, request
        if is_refused:
            assert simulation.run("online 4").ok
            assert simulation.run(f"dlpar memory remove {request}").ok, request


@pytest.mark.parametrize("kernel", ["5.4", "5.10", "latest"])
@pytest.mark.parametrize("size", [LMB, LMB // 2])
def test_that_a_memory_node_has_it_as_well_keeps_nothing(size: int, kernel: str) -> None:
    """lmb_is_removable, offline_pages and try_remove_memory of 5.10 and 7.2 do not ask where memory came from."""
    partition = tree(lmbs(2, 4, 0, 8), memory=[memory_node(0, 2 * LMB), memory_node(3 * LMB, size)])
    assert said(removable(partition, kernel=kernel)) == [(2, 4, "perhaps", NORMAL)]
    simulation = Simulation(partition, kernel, "powervm")
    assert simulation.run("dlpar memory remove index 0x80000003").ok


def test_lmbs_without_memory_blocks_do_not_leave() -> None:
    found = removable(tree(lmbs(2, 4, 0, 8)), cmdline="mem=1G")
    assert said(found)[-1] == (4, 2, "no", "no memory block: there is nothing to take offline")
    assert found.nodes[-1].node is None


def test_how_much_of_each_node_and_by_which_request() -> None:
    found = removable(tree(lmbs(2, 3, 0, 8), lmbs(5, 2, 1, 8)), "unmovable 0x80000003")
    assert [(tally.node, tally.yes, tally.perhaps, tally.no) for tally in found.nodes] == [
        (0, 0, 2, 1),
        (1, 0, 2, 0),
    ]
    assert [(request.text, request.node, request.works) for request in found.requests] == [
        ("memory remove count 4", None, True),
        ("memory remove index 0x80000002", 0, True),
        ("memory remove index 0x80000004", 0, True),
        ("memory remove indexed-count 2 0x80000005", 1, True),
    ]


@each("path", TREES, ids=[tree_name(path) for path in TREES])
def test_what_leaves_does_and_what_does_not_does_not(path: str) -> None:
    simulation = Simulation(load(str(path)), findings=False)
    found = Removable.of(simulation)
    assert all(request.works is not False for request in found.requests)
    start = simulation.situation
    for part in found.parts:
        if part.leaves is not Removability.NO:
            continue
        result = simulation.run(f"dlpar memory remove index {part.run.drc_index:#x}")
        assert not result.ok or result.kernel_faults
        simulation.situation = start


def test_the_command() -> None:
    path = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
    shown = run("removable", path)
    assert shown.code == 0
    assert "node 1: at most 2 LMBs (512 MiB), 0 for sure; 0 cannot leave" in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    found = json.loads(run("removable", path, "unmovable 0x80000004", "--format", "json").out)
    assert [(part["drc_index"], part["leaves"]) for part in found["lmbs"]] == [
        (0x80000004, "no"),
        (0x80000005, "perhaps"),
    ]
    assert run("removable", path, "offline 99").code == 1
    assert run("removable", path, "frobnicate").code == 2


def test_many_runs_are_not_tried_all_at_once() -> None:
    """That request alone took minutes of 20,000 runs; the others are tried."""
    simulation = Simulation(tree(*(lmbs(2 + 2 * at, 1, at % 2, 8) for at in range(2001))), "latest", "powervm")
    before = process_time()
    found = Removable.of(simulation)
    assert process_time() - before < 5
    assert [request.works for request in found.requests[:3]] == [None, True, True]
    assert found.requests[0].lmbs == 2001
