# SPDX-License-Identifier: MIT
"""Requests for CPUs: nodes, connectors, numbers, messages. What 6.1 and 7.2 do by index is replayed from records.

Expected values are those of Linux arch/powerpc/platforms/pseries/hotplug-cpu.c.
"""

from __future__ import annotations

import pytest

from drmemctl.hypervisor.connectors import ConnectorState
from drmemctl.tree.node import Property
from tests.kernel.cpu_trees import FIRST, cpu_partition, drc_info, names, numbers
from tests.kernel.partitions import u32

PREFIX = "pseries-hotplug-cpu: "


def refused(request: str) -> str:
    return f'dlpar: Could not handle DLPAR request "{request}'


def test_a_core_goes_and_comes_back_in_front() -> None:
    simulation = cpu_partition()
    result = simulation.run("dlpar cpu remove index 0x10000001")
    assert (result.ok, result.log) == (True, ())
    assert names(simulation) == ["@0", "@2"]
    run = simulation.situation.machine.connectors.find(FIRST + 1)
    assert run is not None
    assert run.state is ConnectorState.UNUSABLE
    (change,) = result.cpus
    assert (change.path, change.before, change.node) == ("/cpus/PowerPC,POWER9@1", 0, None)
    result = simulation.run("dlpar cpu add index 0x10000001")
    assert names(simulation) == ["@1", "@0", "@2"]
    (change,) = result.cpus
    assert (change.before, change.node, change.in_tree, change.why) == (None, 0, 0, "")
    assert numbers(simulation) == {"0": ([0], 0), "1": ([1], 0), "2": ([2], 1)}
    assert simulation.run("expect consistent").ok


def test_a_connector_without_a_core_at_boot_gets_one_like_the_others() -> None:
    simulation = cpu_partition(threads=4)
    simulation.run("attach 0x10000003 1 node 1")
    assert simulation.run("dlpar cpu add index 0x10000003").ok
    node = simulation.tree.node("/cpus/PowerPC,POWER9@c")
    assert node.get("ibm,ppc-interrupt-server#s") == u32(12, 13, 14, 15)
    assert node.get("ibm,associativity") == u32(2, 1, 12)
    assert node.get("ibm,my-drc-index") == u32(0x10000003)
    assert numbers(simulation)["c"] == ([12, 13, 14, 15], 1)


def test_a_core_that_was_placed_elsewhere_comes_back_there() -> None:
    simulation = cpu_partition()
    simulation.run_all(["dlpar cpu remove index 0x10000001", "attach 0x10000001 1 node 1"])
    assert simulation.run("dlpar cpu add index 0x10000001").ok
    assert simulation.tree.get("/cpus/PowerPC,POWER9@1", "ibm,associativity") == u32(2, 1, 1)
    # All numbers that were never on node 0 are free: of those, the first.
    assert numbers(simulation)["1"] == ([3], 1)


@pytest.mark.parametrize(
    ("kernel", "log"),
    [
        (
            "6.1",
            [
                f"{PREFIX}Unable to remove last online CPU PowerPC,POWER9",
                f"{PREFIX}Failed to offline CPU PowerPC,POWER9, rc: -16",
            ],
        ),
        (
            "5.12",
            [
                *(f"cpu {i} (hwid {i}) Ready to die..." for i in range(3)),
                f"{PREFIX}Failed to offline CPU PowerPC,POWER9, rc: -16",
            ],
        ),
    ],
)
def test_the_last_core_keeps_one_thread_online(kernel: str, log: list[str]) -> None:
    simulation = cpu_partition([0], kernel, threads=4)
    request = "cpu remove index 0x10000000"
    result = simulation.run(f"dlpar {request}")
    assert (result.errno, list(result.log)) == ("EINVAL", [*log, refused(request)])
    assert numbers(simulation) == {"0": ([3], 0)}
    (change,) = result.cpus
    assert (change.before, change.node, change.offline) == (0, 0, 3)
    assert result.to_json()["cpus"][0]["offline"] == 3


def test_by_count_the_first_cores_of_the_tree_go_and_the_first_free_connectors_come() -> None:
    simulation = cpu_partition(kernel="5.15", connectors=5)
    assert simulation.run("dlpar cpu remove count 2").ok
    assert names(simulation) == ["@2"]
    assert simulation.run("dlpar cpu add count 3").ok
    assert names(simulation) == ["@3", "@1", "@0", "@2"]
    assert simulation.run("dlpar cpu remove count 0").ok
    assert simulation.run("dlpar cpu add count 0").ok


@pytest.mark.parametrize(
    ("request_text", "log"),
    [
        ("cpu remove count 3", ["Cannot remove all CPUs"]),
        ("cpu remove count 7", ["Failed to find enough CPUs (3 of 7) to remove"]),
        ("cpu add count 2", ["Failed to find enough CPUs (1 of 2) to add"]),
        ("cpu add count 0x80000001", []),
        ("cpu remove count 4194305", []),
        ("cpu add index 0x10000002", ["CPU with drc index 10000002 already exists"]),
        ("cpu add index 0x10000009", ["Cannot find CPU (drc index 10000009) to add."]),
        ("cpu add indexed-count 1 0x10000003", []),
    ],
)
def test_refusals(request_text: str, log: list[str]) -> None:
    result = cpu_partition(kernel="5.15").run(f"dlpar {request_text}")
    assert result.errno == "EINVAL"
    assert list(result.log) == [*(PREFIX + line for line in log), refused(request_text)]


def test_a_removal_that_fails_half_way_is_taken_back() -> None:
    """A core without a DRC index counts as -1 of the CPUs found, which is more than were asked for."""
    simulation = cpu_partition(kernel="5.15")
    simulation.run("firmware /cpus/PowerPC,POWER9@1 ibm,my-drc-index -")
    result = simulation.run("dlpar cpu remove count 2")
    assert list(result.log) == [
        f"{PREFIX}Error occurred getting drc-index for PowerPC,POWER9",
        f"{PREFIX}Cannot find CPU (drc index 0) to remove",
        f"{PREFIX}CPU hot-remove failed, adding back removed CPUs",
        refused("cpu remove count 2"),
    ]
    assert names(simulation) == ["@0", "@1", "@2"]


def test_an_addition_that_fails_half_way_is_taken_back() -> None:
    simulation = cpu_partition(kernel="5.15", hypervisor="qemu", connectors=5)
    simulation.run("attach 0x10000003 1 node 0")
    result = simulation.run("dlpar cpu add count 2")
    assert list(result.log) == [
        f"{PREFIX}Failed to acquire DRC, rc: -22, drc index: 10000004",
        f"{PREFIX}CPU hot-add failed, removing any added CPUs",
        refused("cpu add count 2"),
    ]
    assert names(simulation) == ["@0", "@1", "@2"]


def test_connectors_come_from_drc_info() -> None:
    info = drc_info((FIRST, 3, 1), (FIRST + 8, 2, 4))
    simulation = cpu_partition(info=info, max_cores=5)
    assert simulation.run("dlpar cpu add index 0x1000000c").ok
    assert simulation.run("dlpar cpu add index 0x10000009").errno == "EINVAL"
    simulation = cpu_partition(kernel="5.15", info=info, max_cores=5)
    # The search does not get past a connector that has a CPU.
    simulation.run("dlpar cpu remove index 0x10000001")
    result = simulation.run("dlpar cpu add count 3")
    assert result.log[0] == f"{PREFIX}Failed to find enough CPUs (2 of 3) to add"
    result = simulation.run("dlpar cpu add count 0")
    assert [fault.code for fault in result.faults] == ["oops"]
    assert simulation.state.dead


def test_kernels_before_drc_info_know_drc_indexes_only() -> None:
    simulation = cpu_partition(kernel="5.4", info=drc_info((FIRST, 5, 1)))
    assert simulation.run("dlpar cpu add index 0x10000003").errno == "EINVAL"


def test_numbers_of_another_node_are_used_where_there_are_no_more() -> None:
    simulation = cpu_partition(connectors=3)
    simulation.run_all(["dlpar cpu remove index 0x10000001", "attach 0x10000001 1 node 1"])
    result = simulation.run("dlpar cpu add index 0x10000001")
    assert list(result.log) == [f"{PREFIX}Reusing free CPU ids 1-1 from another node"]
    assert numbers(simulation) == {"0": ([0], 0), "1": ([1], 1), "2": ([2], 1)}


def test_more_connectors_than_numbers() -> None:
    request = "cpu add index 0x10000003"
    old = cpu_partition(kernel="5.13", max_cores=3)
    result = old.run(f"dlpar {request}")
    # The node is there, and no CPU: nobody asks what the notifier said.
    supports = "this system configuration supports 3 logical cpus."
    assert (result.ok, list(result.log)) == (
        True,
        [
            f"Cannot add cpu /cpus/PowerPC,POWER9@3; {supports}",
            "Could not find cpu to online with physical id 0x3",
        ],
    )
    assert names(old) == ["@3", "@0", "@1", "@2"]
    assert "3" not in numbers(old)
    result = cpu_partition(max_cores=3).run(f"dlpar {request}")
    assert (result.errno, list(result.log)) == (
        "ENOSPC",
        [
            f"{PREFIX}Cannot add cpu /cpus/PowerPC,POWER9@3; {supports}",
            "OF: changeset notifier error @/cpus/PowerPC,POWER9@3",
            f"{PREFIX}Failed to attach node PowerPC,POWER9, rc: -28, drc index: 10000003",
            refused(request),
        ],
    )


def test_a_core_of_several_threads_needs_numbers_in_a_row() -> None:
    simulation = cpu_partition([0], kernel="5.13", threads=4, max_cores=1)
    base = simulation.tree.with_property("/cpus/PowerPC,POWER9@0", "ibm,ppc-interrupt-server#s", u32(0, 1))
    base = base.with_property("/rtas", "ibm,lrdr-capacity", u32(1, 0, 0, 0x10000000, 3))
    simulation = type(simulation)(base, "5.13", "powervm")
    assert simulation.state.cpu_ids.possible == 6


def test_caches_go_with_the_last_core_that_has_them_and_come_with_the_first() -> None:
    simulation = cpu_partition(caches=(0x71, 0x72, 0x71))
    simulation.run("dlpar cpu remove index 0x10000001")
    assert names(simulation) == ["@0", "@2", "l2-cache@2000"]
    simulation.run("dlpar cpu remove index 0x10000000")
    assert names(simulation) == ["@2", "l2-cache@2000"]
    simulation.run("dlpar cpu add index 0x10000001")
    assert sorted(names(simulation)) == ["@1", "@2", "l2-cache@2000", "l2-cache@2001"]
    before = cpu_partition(kernel="5.15.0", caches=(0x71, 0x72, 0x71))
    before.run("dlpar cpu remove index 0x10000001")
    assert names(before) == ["@0", "@2", "l2-cache@2000", "l2-cache@2001"]


def test_a_core_without_threads() -> None:
    simulation = cpu_partition()
    base = simulation.tree.with_property("/cpus/PowerPC,POWER9@1", "ibm,ppc-interrupt-server#s", None)
    simulation = type(simulation)(base, "latest", "powervm")
    result = simulation.run("dlpar cpu remove index 0x10000001")
    assert result.log[0] == f"{PREFIX}Failed to offline CPU PowerPC,POWER9, rc: -22"


def test_a_node_stays_online_without_its_last_core_as_long_as_it_has_no_memory() -> None:
    simulation = cpu_partition((0, 1, 2))
    simulation.run("dlpar cpu remove index 0x10000002")
    assert simulation.state.online == {0, 1, 2}
    simulation.run("dlpar cpu remove index 0x10000001")
    simulation.run("dlpar memory remove count 2")
    assert simulation.state.online == {0, 2}


def test_the_hypervisor_plugs_and_unplugs_cores() -> None:
    simulation = cpu_partition(hypervisor="qemu")
    assert simulation.run("plug 0x10000003 1 node 1").ok
    assert numbers(simulation)["3"] == ([3], 1)
    refusal = simulation.run("plug 0x10000003 1")
    assert (refusal.ok, refusal.note) == (False, "address range conflicts with memory device id='dimm2'")
    assert not simulation.run("plug 0x10000003 2").ok
    result = simulation.run("unplug 0x10000003 1")
    assert (result.ok, result.events) == (True, ("DEVICE_DELETED",))
    assert not simulation.run("unplug 0x10000001 1").ok
    assert simulation.run("dlpar cpu add index 0x10000003").errno == "EINVAL"


def test_the_next_boot_has_the_cores_that_are_attached() -> None:
    simulation = cpu_partition(hypervisor="qemu")
    simulation.run_all(["plug 0x10000003 1 node 1", "dlpar cpu remove index 0x10000001", "reboot"])
    assert sorted(names(simulation)) == ["@0", "@1", "@2", "@3"]
    simulation = cpu_partition()
    simulation.run_all(["dlpar cpu remove index 0x10000001", "reboot"])
    assert names(simulation) == ["@0", "@2"]


def test_a_tree_without_cpus() -> None:
    simulation = cpu_partition(kernel="5.15")
    result = simulation.run("firmware / model 00")
    root = simulation.tree.root
    children = tuple(child for child in root.children if child.name != "cpus")
    bare = type(simulation)(
        simulation.tree.with_root(type(root)("", root.properties, children)), "5.15", "powervm"
    )
    result = bare.run("dlpar cpu add index 0x10000001")
    assert (result.errno, result.log[0]) == ("ENODEV", f'{PREFIX}Failed to find CPU root node "/cpus"')
    result = bare.run("dlpar cpu add count 1")
    assert (result.errno, result.log[0]) == ("EPERM", f"{PREFIX}Could not find CPU root node in device tree")
    assert bare.run("dlpar cpu remove index 0x10000001").errno == "ENODEV"


def test_a_list_of_connectors_without_end_costs_nothing() -> None:
    simulation = cpu_partition(kernel="5.15", info=drc_info((FIRST + 100, 0xFFFFFFFF, 1)))
    assert simulation.run("dlpar cpu add count 1").ok
    simulation = cpu_partition(kernel="5.15", info=drc_info((FIRST, 0xFFFFFFFF, 0)))
    assert not simulation.run("dlpar cpu add count 4000000").ok


def test_a_property_of_the_wrong_size() -> None:
    simulation = cpu_partition()
    node = simulation.tree.node("/cpus")
    assert node.find("ibm,drc-indexes") == Property("ibm,drc-indexes", u32(4, *range(FIRST, FIRST + 4)))
    simulation.run("firmware /cpus ibm,drc-indexes 0000000110")
    assert simulation.run("dlpar cpu add index 0x10000003").errno == "EINVAL"
