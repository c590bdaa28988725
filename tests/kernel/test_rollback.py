# SPDX-License-Identifier: MIT
"""LMBs that went out and do not come in again: firmware does not configure a connector that is unusable."""

from __future__ import annotations

import pytest

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import NODE, V2, encode_entries
from drmemctl.kernel.job import Job
from drmemctl.kernel.profiles import profile
from drmemctl.kernel.requests import Request, dlpar_store, handle_event
from drmemctl.kernel.task import Task, run_alone
from drmemctl.kernel.trace import RtasCall, recorded
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from tests.kernel.partitions import DRC, LMB, UNSET, assigned, lmbs, partition, tree

RELEASED = ["rtas set-indicator 9001 0x80000002 0", "rtas set-indicator 9003 0x80000002 0"]
PREFIX = "pseries-hotplug-mem: "


def with_connector_of_2_released(kernel: str) -> Simulation:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 4), kernel=kernel)
    simulation.run_all([*RELEASED, "unmovable 0x80000003"])
    return simulation


@pytest.mark.parametrize(
    ("request_text", "messages"),
    [
        (
            "remove count 2",
            ["Memory hot-remove failed, adding LMB's back", "Failed to add LMB back, drc index 80000002"],
        ),
        (
            "remove indexed-count 2 0x80000002",
            [
                "Memory indexed-count-remove failed, adding any removed LMBs",
                "Failed to add LMB, drc index 80000002",
            ],
        ),
    ],
)
def test_an_lmb_that_cannot_be_added_back_is_named(request_text: str, messages: list[str]) -> None:
    simulation = with_connector_of_2_released("5.10")
    result = simulation.run(f"dlpar memory {request_text}")
    assert result.errno == "EINVAL"
    found = [line for line in result.log if "back" in line or "adding any" in line or "add LMB," in line]
    assert found == [PREFIX + message for message in messages]
    assert assigned(simulation) == [3]


@pytest.mark.parametrize(("counts", "left"), [(True, [4]), (False, [3, 4])])
def test_a_removal_that_fails_adds_back_what_is_marked(counts: bool, left: list[int]) -> None:
    """A kernel that counts its marks stops after as many as it set: at LMB 2, which came marked, not at LMB 3."""
    held = {"added": ["counted-marks"]} if counts else {"removed": ["counted-marks"]}
    entries = lmbs(2, 1, 1, 0x80000000), lmbs(3, 2, 1, 8)
    simulation = Simulation(tree(*entries), profile("6.1").changed(**held), "powervm")
    simulation.run("unmovable 0x80000004")
    result = simulation.run("dlpar memory remove count 2")
    assert result.errno == "EINVAL"
    assert f"{PREFIX}Failed to add LMB back, drc index 80000002" in result.log
    assert assigned(simulation) == left


@pytest.mark.parametrize(("kernel", "named"), [("5.4", True), ("latest", False)])
def test_only_older_kernels_say_which_memory_was_not_removed_by_index(kernel: str, named: bool) -> None:
    simulation = partition(lmbs(2, 2, 1, 8), kernel=kernel)
    simulation.run("unmovable 0x80000003")
    result = simulation.run("dlpar memory remove index 0x80000003")
    assert (f"{PREFIX}Failed to hot-remove memory at 30000000" in result.log) is named


def test_a_connector_is_released_once_more_if_an_update_fails() -> None:
    """dlpar_add_lmb releases what it cannot configure, and dlpar_memory_readd_by_index does so again."""
    simulation = with_connector_of_2_released("5.1")
    with recorded() as events:
        result = simulation.run("prrn 2 0x80000002")
    lines = [line for line in result.log if line.startswith(PREFIX)]
    assert lines[0] == f"{PREFIX}Attempting to update LMB, drc index 80000002"
    assert lines[-1] == f"{PREFIX}Failed to update memory at 20000000"
    calls = [event for event in events if isinstance(event, RtasCall) and "dlpar" in event.function]
    assert [(call.function, call.call, call.arguments) for call in calls] == [
        ("dlpar_configure_connector", "configure-connector", (DRC + 2,)),
        ("dlpar_release_drc", "get-sensor-state", (9003, DRC + 2)),
        ("dlpar_release_drc", "get-sensor-state", (9003, DRC + 2)),
    ]
    assert assigned(simulation) == [3]
    assert simulation.run("dlpar memory add index 0x80000002").ok


def test_a_negative_count_acts_on_no_lmb() -> None:
    """The count becomes an int, and a range of -1 LMBs ends before it begins."""
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 4))
    assert simulation.run("dlpar memory add indexed-count 0xffffffff 0x80000004").ok
    assert simulation.run("dlpar memory remove indexed-count 0xffffffff 0x80000003").ok
    assert assigned(simulation) == [2, 3]
    log = simulation.run("dlpar memory add count 0xffffffff").log
    assert log[0] == f"{PREFIX}Attempting to hot-add -1 LMB(s)"


def test_an_indexed_addition_leaves_marks_outside_of_its_range_alone() -> None:
    marked = lmbs(2, 1, 1, 0x80000008)
    simulation = partition(marked, lmbs(4, 1), Run(2 * LMB, 1, DRC + 5, UNSET, 0))
    assert simulation.run("dlpar memory add indexed-count 2 0x80000004").errno == "EINVAL"
    assert assigned(simulation) == [2]
    assert simulation.state.table.lmb(2).flags == marked[4]


@pytest.mark.parametrize("kernel", ["5.4", "latest"])
def test_only_the_flags_that_the_kernel_knows_make_an_lmb_unavailable(kernel: str) -> None:
    simulation = partition(lmbs(2, 1, 1, 8), lmbs(3, 1, 1, 0x101), lmbs(4, 1, 1, 1), kernel=kernel)
    assert simulation.run("dlpar memory add count 2").ok
    assert assigned(simulation) == [2, 3, 4]


@pytest.mark.parametrize("by", ["user", "interrupt"])
def test_a_request_that_oopses_leaves_the_lock_held(by: str) -> None:
    """From 4.16 to 5.6 an array without LMBs is walked through a null pointer."""
    simulation = Simulation(tree(), "5.4.0", "powervm")
    state, machine = simulation.state, simulation.situation.machine

    def make(job: Job) -> Task[int]:
        if by == "user":
            return dlpar_store(job, "memory remove count 1")
        return handle_event(job, Request("remove", "count", 1))

    outcome = run_alone(state, machine, make)
    assert [fault.function for fault in outcome.faults] == ["for_each_drmem_lmb"]
    assert outcome.state.dead == "the hotplug lock is held"


def test_before_5_14_reserved_lmbs_count_as_available_and_are_tried() -> None:
    """Two of the boot memory and two with other flags, of which only these can be acquired."""
    simulation = partition(lmbs(2, 1, 1, 8), lmbs(3, 1, 1, 0x101), lmbs(4, 1, 1, 1), kernel="5.4")
    result = simulation.run("dlpar memory add count 3")
    assert f"{PREFIX}Memory hot-add failed, removing any added LMBs" in result.log
    assert assigned(simulation) == [2]


def test_too_many_marks_are_said_how_to_get_rid_of() -> None:
    huge = encode_entries(V2, [Run(4 * LMB, 1 << 30, DRC + 4, 0, 0x80000008)])
    simulation = Simulation(tree(lmbs(2, 1)).with_property(NODE, V2, huge), "latest", "powervm")
    with pytest.raises(LimitError) as caught:
        simulation.run("dlpar memory remove count 1")
    assert caught.value.hint == "clear bit 31 of the flags in the tree: firmware does not set it"


POOL = lmbs(2, 4)
"""Four LMBs that a partition on PowerVM could have."""


@pytest.mark.parametrize(
    ("status", "errno"),
    [("", "EINVAL"), (" -3", "EINVAL"), (" -1", "EIO"), (" -9002", "ENODEV"), (" -7", "ERANGE")],
)
def test_a_pool_that_refuses_an_lmb_says_so_in_its_own_way(status: str, errno: str) -> None:
    # rtas_error_rc makes the error number of set-indicator's status.
    simulation = partition(POOL)
    simulation.run(f"withhold 0x80000003 1{status}")
    assert simulation.run("dlpar memory add index 0x80000003").errno == errno
    assert simulation.run("rtas set-indicator 9003 0x80000003 1").answer == (int(status or "-3"),)
    assert simulation.run("provide 0x80000003 1").ok
    assert simulation.run("dlpar memory add index 0x80000003").ok


def test_an_add_that_the_pool_ends_is_rolled_back() -> None:
    simulation = partition(POOL)
    before = simulation.tree
    simulation.run("withhold 0x80000004 1")
    result = simulation.run("dlpar memory add indexed-count 4 0x80000002")
    assert result.errno == "EINVAL"
    assert result.log[1] == f"{PREFIX}Memory indexed-count-add failed, removing any added LMBs"
    assert assigned(simulation) == []
    assert simulation.tree is before
    assert simulation.consistent
    # By count the kernel goes on with the next, and gives all back only where there are not enough.
    result = simulation.run("dlpar memory add count 4")
    assert result.errno == "EINVAL"
    assert result.log[1] == f"{PREFIX}Memory hot-add failed, removing any added LMBs"
    assert assigned(simulation) == []
    assert simulation.run("dlpar memory add count 3").ok
    assert assigned(simulation) == [2, 3, 5]


def test_an_lmb_that_is_taken_back_can_be_unmovable() -> None:
    simulation = partition(POOL)
    simulation.run_all(["withhold 0x80000003 2", "unmovable 0x80000002"])
    result = simulation.run("dlpar memory add indexed-count 2 0x80000002")
    assert f"{PREFIX}Failed to remove LMB, drc index 80000002" in result.log
    assert assigned(simulation) == [2]


def test_what_a_partition_has_stays_its_own() -> None:
    simulation = partition(lmbs(2, 4, 1, 8))
    assert simulation.run("withhold 0x80000002 4").ok
    assert simulation.consistent
    assert simulation.run("dlpar memory remove count 1").ok
    assert not simulation.run("dlpar memory add index 0x80000002").ok


def test_only_a_pool_can_refuse() -> None:
    result = partition(POOL, hypervisor="qemu").run("withhold 0x80000002 1")
    assert (result.ok, result.note) == (
        False,
        "qemu has no pool that could refuse LMBs: it gives what is attached",
    )
    result = partition(POOL).run("withhold 0x80000020 1")
    assert (result.ok, result.note) == (False, "there is no connector 0x80000020")
