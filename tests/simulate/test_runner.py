# SPDX-License-Identifier: MIT
"""Steps on a simulated partition: their results, what they change, and what they leave alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drmemctl.errors import InputError, LimitError
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.kernel.profiles import ProfileError
from drmemctl.model.run import Run
from drmemctl.simulate.files import Files
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.step_words import StepError
from drmemctl.tree.limits import Limits
from drmemctl.tree.node import Node, Property, Tree
from drmemctl.tree.source import load
from tests.conftest import FIXTURES
from tests.kernel.partitions import (
    DRC,
    LMB,
    UNSET,
    aa_of,
    assigned,
    lmbs,
    memory_node,
    nodes,
    partition,
    properties_of,
    tree,
    u32,
)
from tests.simulate.records import tree_of

USUAL = (lmbs(2, 2, 1, 8), lmbs(4, 4))


def qemu(*entries: Any, kernel: str = "latest", version: str = "qemu") -> Simulation:
    return Simulation(tree(*(entries or USUAL)), kernel, version)


def to_destination(destination: Tree, *, kernel: str = "latest", source: Tree | None = None) -> Simulation:
    """Return a partition for which `lpm there` and `prrn there` lead to a tree."""
    return Simulation(source or tree(*USUAL), kernel, "powervm", files=Files(tree=lambda _: destination))


# The JSON of a step.


def test_json_of_a_step_is_as_agreed() -> None:
    simulation = partition(*USUAL)
    simulation.run("dlpar memory remove index 0x80000003")
    found = simulation.to_json()
    assert list(found) == ["schema", "kernel", "consistent", "steps", "blocks"]
    assert (found["schema"], found["kernel"], found["consistent"]) == ("drmemctl.simulate/1", "latest", True)
    assert found["blocks"] == [{"block": 0, "node": 0}, {"block": 1, "node": 0}, {"block": 2, "node": 1}]
    step = found["steps"][0]
    assert list(step) == ["step", "ok", "errno", "log", "events", "changed", "findings", "lmbs", "memory_blocks"]
    assert step["changed"] == {f"{NODE}:{V2}": properties_of(simulation)[V2].hex()}
    json.dumps(found)


def test_json_says_which_lmbs_and_memory_blocks_changed() -> None:
    # The kernel takes the LMB's aa_index and its assignment away, in its array and in the tree (dlpar_remove_lmb).
    simulation = partition(*USUAL)
    step = simulation.run("dlpar memory remove index 0x80000003").to_json()
    before = {"aa_index": 1, "flags": 8, "flag_names": ["assigned"], "state": "assigned", "node": 1}
    after = {"aa_index": 0xFFFFFFFF, "flags": 0, "flag_names": [], "state": "free", "node": None}
    place = {"base": 3 * LMB, "count": 1, "drc_index": 0x80000003}
    assert step["lmbs"] == [{**place, "before": before, "after": after, "in_array": True, "in_tree": True}]
    assert step["memory_blocks"] == [{"first": 3, "count": 1, "before": 1, "after": None}]
    # Of a property that firmware writes, the array takes over the aa_index alone (drmem_update_lmbs).
    update = partition(*USUAL).run(f"firmware {NODE} {V2} {properties_of(simulation)[V2].hex()}").to_json()
    in_array = {**before, "aa_index": 0xFFFFFFFF, "node": None}
    assert update["lmbs"] == [
        {**place, "before": before, "after": in_array, "in_array": True, "in_tree": False},
        {**place, "before": before, "after": after, "in_array": False, "in_tree": True},
    ]
    assert "memory_blocks" not in update
    assert not {"lmbs", "memory_blocks"} & set(simulation.run("expect ok").to_json())


def test_a_removed_property_is_null_in_json() -> None:
    result = partition(*USUAL).run(f"firmware {NODE} {V2} -")
    assert result.to_json()["changed"] == {f"{NODE}:{V2}": None}


def test_an_rtas_step_has_an_answer() -> None:
    result = partition(*USUAL).run("rtas get-sensor 9003 0x80000002")
    assert result.to_json()["answer"] == [0, 1]


def test_a_fault_of_the_kernel_has_a_rule_a_code_and_its_function() -> None:
    found = partition(*USUAL).run(f"firmware {NODE} {V2} 80000004").to_json()["findings"][0]
    assert (found["rule"], found["severity"], found["code"]) == ("DRM092", "error", "over-read")
    assert found["function"] == "walk_drmem_lmbs"


# Plugging and unplugging.


def test_plug_and_unplug_on_qemu() -> None:
    simulation = qemu()
    assert simulation.run("plug 0x80000004 2 node 1").ok
    assert nodes(simulation) == {0: 0, 1: 0, 2: 1, 3: 1, 4: 1, 5: 1}
    assert simulation.consistent
    result = simulation.run("unplug 0x80000004 2")
    assert (result.ok, result.events) == (True, ("DEVICE_DELETED",))
    assert assigned(simulation) == [2, 3]


@pytest.mark.parametrize(
    ("steps", "note"),
    [
        (["plug 0x80000002 1"], "address range conflicts with memory device id='dimm1'"),
        (["plug 0x80000007 9"], "there are no 9 connectors from 0x80000007 on"),
        (["plug 0x80000004 0"], "there are no 0 connectors from 0x80000004 on"),
        (["plug 0x80000004 1 row 7"], "the lookup arrays had no row 7 at boot, but 2"),
        (
            ["plug 0x80000004 1 node 7"],
            "no row of the lookup arrays at boot leads to node 7, but to 0, 1: see `row N`",
        ),
        (["unplug 0x80000004 1"], "no device has 1 LMB from 0x80000004 on"),
        (["unplug 0x80000004 0"], "no device has 0 LMBs from 0x80000004 on"),
        (["attach 0x80000004 2", "unplug 0x80000005 0"], "no device has 0 LMBs from 0x80000005 on"),
        (["attach 0x80000004 2", "unplug 0x80000004 1"], "1 LMB from 0x80000004 on: not the whole of dimm2"),
    ],
)
def test_what_qemu_refuses(steps: list[str], note: str) -> None:
    simulation = qemu()
    before = simulation.state
    result = simulation.run_all(steps)[-1]
    assert (result.ok, result.note, result.log) == (False, note, ())
    assert simulation.state == before


def test_an_unplug_that_waits_is_not_asked_for_again() -> None:
    simulation = qemu()
    simulation.run_all(["unmovable 0x80000002", "unplug 0x80000002 2"])
    result = simulation.run("unplug 0x80000002 2")
    assert (result.ok, result.note) == (False, "Memory unplug already in progress for device dimm1")


def test_a_stuck_unplug_is_completed_by_a_reboot() -> None:
    simulation = qemu()
    simulation.run_all(["unmovable 0x80000002", "unplug 0x80000002 2"])
    assert assigned(simulation) == [2, 3]
    result = simulation.run("reboot")
    assert (result.ok, result.events) == (True, ("DEVICE_DELETED",))
    assert assigned(simulation) == []
    assert nodes(simulation) == {0: 0, 1: 0}


WITHOUT_EVENTS = b"\x19" + bytes(4) + b"\xa0\x01" + bytes(19)
"""A vector 5 that agrees on much, but not on HP_EVT."""


def with_vector(vector: bytes | None, hypervisor: str = "qemu") -> Simulation:
    return Simulation(tree(*USUAL).with_property("/chosen", "ibm,architecture-vec-5", vector), None, hypervisor)


def test_without_hotplug_events_the_kernel_leaves_a_plug_to_user_space() -> None:
    # captures/6.1-legacy: ras_epow_interrupt logs the event, and nothing acts on it.
    simulation = with_vector(WITHOUT_EVENTS)
    result = simulation.run("plug 0x80000004 2 node 1")
    assert (result.ok, result.log) == (True, ())
    assert "user space has to act" in result.note
    assert assigned(simulation) == [2, 3]
    assert simulation.run("dlpar memory add count 2").ok
    assert nodes(simulation)[4] == 1


def test_without_hotplug_events_qemu_refuses_to_unplug() -> None:
    simulation = with_vector(WITHOUT_EVENTS)
    for step in ("unplug 0x80000002 2", "detach 0x80000002 2"):
        result = simulation.run(step)
        assert (result.ok, result.note) == (False, "Memory hot unplug not supported for this guest")
    assert assigned(simulation) == [2, 3]
    assert simulation.run("reboot").events == ()


@pytest.mark.parametrize("vector", [None, bytes(2), b""])
def test_a_tree_that_does_not_tell_of_events_does_not_forbid_unplugs(vector: bytes | None) -> None:
    assert with_vector(vector).run("detach 0x80000002 2").ok


def test_on_powervm_it_is_the_partition_that_is_asked() -> None:
    simulation = with_vector(WITHOUT_EVENTS, "powervm")
    result = simulation.run("plug 0x80000004 2 node 1")
    assert result.log == ("pseries-hotplug-mem: Attempting to hot-add 2 LMB(s)",)
    assert assigned(simulation) == [2, 3, 4, 5]
    assert simulation.run("unplug 0x80000002 2").ok


@pytest.mark.parametrize("kind", ["index {}", "indexed-count 1 {}"])
@pytest.mark.parametrize("digits", ["80000005", "800003fe"])
def test_a_request_that_failed_for_a_drc_index_as_the_kernel_prints_it_says_so(kind: str, digits: str) -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    result = simulation.run(f"dlpar memory add {kind.format(digits)}")
    assert result.errno == "EINVAL"
    assert result.note.endswith(f"did you mean 0x{digits}?")
    assert not simulation.run(f"dlpar memory add {kind.format('0x800003fe')}").note


def test_on_qemu_only_what_was_attached_can_be_added() -> None:
    simulation = qemu()
    assert simulation.run("dlpar memory add count 1").errno == "EINVAL"
    simulation.run("attach 0x80000006 1 node 1")
    assert simulation.run("dlpar memory add count 1").ok
    assert assigned(simulation) == [2, 3, 6]


def test_on_powervm_every_unassigned_lmb_can_be_added() -> None:
    simulation = partition(*USUAL)
    assert simulation.run("dlpar memory add count 4").ok
    assert assigned(simulation) == [2, 3, 4, 5, 6, 7]


def test_lmbs_of_powervm_get_the_list_they_were_given_last() -> None:
    simulation = partition(*USUAL)
    simulation.run_all(["attach 0x80000004 2 node 1", "attach 0x80000005 1 assoc 2", "dlpar memory add count 3"])
    assert [nodes(simulation)[block] for block in (4, 5, 6)] == [1, 2, 0]


def test_memory_given_up_on_kvm_is_lost_until_a_reboot() -> None:
    simulation = qemu()
    simulation.run("dlpar memory remove index 0x80000003")
    assert simulation.run("rtas get-sensor 9003 0x80000003").answer == (0, 1)
    assert simulation.run("dlpar memory add index 0x80000003").errno == "EPERM"
    assert not simulation.consistent
    simulation.run("reboot")
    assert assigned(simulation) == [2, 3]
    assert simulation.consistent


# Boots.


def test_a_boot_from_what_the_last_one_had_finds_nothing_out_again() -> None:
    simulation = qemu()
    simulation.run("reboot")
    booted = simulation.state.tree
    simulation.run("reboot")
    assert simulation.state.tree is booted
    simulation.run_all(["unplug 0x80000002 2", "reboot"])
    assert simulation.state.tree != booted
    assert assigned(simulation) == []


def test_a_reboot_gives_what_firmware_has() -> None:
    simulation = qemu()
    simulation.run_all(["plug 0x80000005 2 node 0", "reboot"])
    expected = tree(lmbs(2, 2, 1, 8), lmbs(4, 1), lmbs(5, 2, 0, 0x108), lmbs(7, 1)).get(NODE, V2)
    assert properties_of(simulation)[V2] == expected
    assert nodes(simulation) == {0: 0, 1: 0, 2: 1, 3: 1, 5: 0, 6: 0}


def test_a_reboot_of_a_v1_guest() -> None:
    simulation = Simulation(tree(*USUAL, v1=True))
    simulation.run_all(["plug 0x80000005 2 node 0", "reboot"])
    assert properties_of(simulation)[V1] == tree(
        lmbs(2, 2, 1, 8), lmbs(4, 1), lmbs(5, 2, 0, 8), lmbs(7, 1), v1=True
    ).get(NODE, V1)


def test_powervm_keeps_the_lmbs_that_it_gave() -> None:
    simulation = partition(*USUAL)
    simulation.run_all(["dlpar memory remove index 0x80000003", "dlpar memory add index 0x80000006", "reboot"])
    assert assigned(simulation) == [2, 6]
    assert simulation.consistent


def test_a_new_list_has_a_new_row_after_a_reboot() -> None:
    simulation = partition(*USUAL)
    simulation.run_all(["attach 0x80000004 1 assoc 3", "dlpar memory add index 0x80000004", "reboot"])
    assert properties_of(simulation)[LOOKUP_ARRAYS] == u32(3, 1, 0, 1, 3)
    assert nodes(simulation)[4] == 3


def test_kexec_boots_from_the_kernels_own_tree() -> None:
    # What merging did to the property becomes the truth of the next kernel.
    simulation = partition(lmbs(2, 1, 1, 8), Run(9 << 28, 1, DRC + 9, 1, 8), lmbs(4, 2))
    simulation.run_all(["dlpar memory add indexed-count 1 0x80000002", "kexec"])
    assert nodes(simulation) == {0: 0, 1: 0, 2: 1, 3: 1}


@pytest.mark.parametrize("step", ["reboot", "kexec"])
def test_a_boot_that_fails_is_a_finding(step: str) -> None:
    broken = tree(lmbs(2, 2, 9, 8), lmbs(4, 4))
    simulation = to_destination(broken)
    simulation.run("lpm there")
    result = simulation.run(step)
    assert not result.ok
    assert [fault.code for fault in result.faults] == ["oops"]
    assert not simulation.run("dlpar memory add count 1").ok


@pytest.mark.parametrize("name", ["trees/v2-dimm-hole", "trees/many-dimms", "trees/v2-gap", "captures/6.1-dimms"])
def test_an_untouched_machine_hands_out_the_same_tree_again(name: str) -> None:
    simulation = Simulation(tree_of(name), "6.1")
    before = properties_of(simulation)
    assert simulation.run("reboot").ok
    assert properties_of(simulation) == before


# Migrations and reassignments.


def test_lpm_delivers_what_differs() -> None:
    destination = tree(lmbs(2, 2, 2, 8), lmbs(4, 4), rows=((0,), (3,), (1,)), memory=[memory_node(0, 2 << 28, 3)])
    simulation = to_destination(destination)
    result = simulation.run("lpm there")
    assert result.ok
    assert set(result.changed) == {
        f"{NODE}:{LOOKUP_ARRAYS}",
        f"{NODE}:{V2}",
        "/memory@0:ibm,associativity",
    }
    assert [(one.rule, one.path) for one in result.findings if one.severity == "warning"] == [
        ("DRM075", "/memory@0")
    ]
    assert simulation.tree.root == destination.root
    assert aa_of(simulation, 2) == 2


@pytest.mark.parametrize(("kernel", "aa"), [("5.10", 1), ("5.14", 1), ("5.15", 0), ("6.1", 0), ("arrayless", 0)])
def test_lpm_and_a_flush(kernel: str, aa: int) -> None:
    simulation = to_destination(tree(lmbs(2, 2, 0, 8), lmbs(4, 4)), kernel=kernel)
    simulation.run_all(["lpm there", "dlpar memory add index 0x80000004"])
    again = Simulation(simulation.tree, "6.1")
    assert aa_of(again, 2) == aa


def test_lpm_of_a_property_larger_than_a_work_area() -> None:
    many = [lmbs(2 + i, 1, i % 2, 8) for i in range(300)]
    other = [lmbs(2 + i, 1, 1 - i % 2, 8) for i in range(300)]
    simulation = to_destination(tree(*other), source=tree(*many))
    assert simulation.run("lpm there").ok
    assert simulation.tree.root == tree(*other).root
    assert [aa_of(simulation, 2 + i) for i in range(300)] == [1 - i % 2 for i in range(300)]


def test_lpm_says_what_lopar_does_not_allow() -> None:
    new = Node("new", (Property("phandle", u32(77)),))
    gone = Node("gone", (Property("phandle", u32(78)),))
    silent = Node("silent", (Property("x", b"1"),))
    destination = tree(*USUAL, more=[new, Node("silent", (Property("x", b"2"),))]).with_property(
        "/chosen", "bootargs", b"x\0"
    )
    simulation = to_destination(destination, source=tree(*USUAL, more=[gone, silent]))
    result = simulation.run("lpm there")
    assert {fault.message for fault in result.faults} == {
        "/chosen:bootargs may not change in a migration",
        "/new is new, but has no parent's phandle or no DRC index to be added by",
        "/silent:x may not change in a migration",
        "/silent has no phandle to tell of its changes by",
    }
    assert simulation.tree.find("/gone") is None


def test_prrn_says_what_a_reassignment_may_not_change() -> None:
    core, memory = "/cpus/PowerPC,POWER9@0", "/memory@0"
    new = Node("new", (Property("phandle", u32(77)), Property("ibm,my-drc-index", u32(0x10000008))))
    gone = Node("gone", (Property("phandle", u32(78)),))
    destination = tree(lmbs(2, 2, 0, 8), lmbs(4, 4), rows=((0,), (1,), (2,)), more=[new])
    destination = destination.with_property(core, "ibm,associativity", u32(2, 1, 0))
    destination = destination.with_property(memory, "ibm,associativity", u32(1, 1))
    simulation = to_destination(destination, kernel="5.1", source=tree(*USUAL, more=[gone]))
    result = simulation.run("prrn there")
    assert {fault.message for fault in result.faults} == {
        f"{NODE}:{LOOKUP_ARRAYS} may not change in a reassignment",
        "/new is new, and a reassignment brings no nodes",
        "/gone is gone, and a reassignment takes no nodes",
    }
    assert {fault.rule for fault in result.faults} == {"DRM096"}
    assert {f"{core}:ibm,associativity", f"{memory}:ibm,associativity", f"{NODE}:{V2}"} <= set(result.changed)


def test_requests_for_nodes_are_read_and_not_carried_out() -> None:
    simulation = partition(*USUAL)
    before = simulation.situation.kernel
    result = simulation.run("dlpar dt add index 0x10000000")
    assert (result.ok, result.errno, result.log) == (False, None, ())
    assert result.note.startswith("a request for dt is read as the kernel reads it")
    assert simulation.situation.kernel is before
    assert simulation.run("dlpar dt add index nothing").errno == "EINVAL"


@pytest.mark.parametrize(
    ("kernel", "log"),
    [
        ("6.1", ("Platform resource reassignment ignored.",)),
        ("5.9", ("Platform resource reassignment ignored.",)),
        ("5.4", ()),
        (
            "5.1",
            (
                "pseries-hotplug-mem: Attempting to update LMB, drc index 80000002",
                "pseries-hotplug-mem: Memory at 20000000 was updated",
            ),
        ),
    ],
)
def test_prrn_by_release(kernel: str, log: tuple[str, ...]) -> None:
    assert partition(*USUAL, kernel=kernel).run("prrn 2 0x80000002").log == log


def test_prrn_of_an_unknown_lmb() -> None:
    result = partition(*USUAL, kernel="5.1").run("prrn 2 0xdeadbeef")
    assert result.log == (
        "pseries-hotplug-mem: Attempting to update LMB, drc index deadbeef",
        "pseries-hotplug-mem: Failed to update memory at 0",
    )


def test_prrn_of_a_tree_updates_but_neither_adds_nor_deletes() -> None:
    destination = tree(lmbs(2, 2, 0, 8), lmbs(4, 4), more=[Node("new", (Property("phandle", u32(77)),))])
    simulation = to_destination(destination, kernel="5.1")
    simulation.run("prrn there")
    assert properties_of(simulation)[V2] == destination.get(NODE, V2)
    assert simulation.tree.find("/new") is None


def test_answers_that_are_not_recorded_are_errors() -> None:
    simulation = Simulation(tree(*USUAL), files=Files(file=lambda _: b"[]"))
    result = simulation.run("migrate none")
    assert "mobility: device tree update failed: -1" in result.log
    assert [fault.code for fault in result.faults] == ["no-answer"]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'[{"call": "x"}]', b'[{"call":"x","answer":"z","status":0}]']
)
def test_files_that_hold_no_answers(content: bytes) -> None:
    simulation = Simulation(tree(*USUAL), files=Files(file=lambda _: content))
    with pytest.raises(InputError) as caught:
        simulation.run("migrate here.json")
    assert str(caught.value).startswith("here.json: no list of RTAS answers")


# Firmware updates, expectations, errors.


def test_a_value_may_come_from_a_file() -> None:
    simulation = Simulation(tree(*USUAL), files=Files(file=lambda name: name.encode()))
    simulation.run("firmware /chosen note @abc")
    assert simulation.tree.get("/chosen", "note") == b"abc"


def test_an_update_of_no_node() -> None:
    result = partition(*USUAL).run("firmware /nowhere x 00")
    assert (result.ok, result.errno, result.note) == (False, "ENODEV", "no node /nowhere")


@pytest.mark.parametrize(
    ("step", "note"),
    [
        ("expect ok", "expected ok, is EPERM"),
        ("expect EPERM", ""),
        ("expect EINVAL", "expected EINVAL, is EPERM"),
        ("expect consistent", ""),
        ("expect finding DRM001", "expected finding DRM001, is DRM047, DRM048"),
        ("expect drc 0x80000002 aa 1", ""),
        ("expect drc 0x80000002 aa 0", "expected aa 0, is aa 1"),
        ("expect drc 0x70000002 aa 0", "expected aa 0, is not in the array"),
        ("expect drc 0x80000002 node 1", ""),
        ("expect drc 0x80000004 node 1", "expected node 1, is no memory block"),
        ("expect blocks 4", ""),
        ("expect blocks 5", "expected 5 blocks, is 4 blocks"),
    ],
)
def test_expectations(step: str, note: str) -> None:
    simulation = partition(*USUAL)
    assert simulation.run("dlpar memory add index 0x80000002").errno == "EPERM"
    result = simulation.run(step)
    assert (result.ok, result.note) == (not note, note)


def test_an_expectation_is_about_the_last_step_that_did_something() -> None:
    simulation = partition(*USUAL)
    results = simulation.run_all(["expect ok", "dlpar memory remove count 9", "expect EINVAL", "expect EINVAL"])
    assert [result.ok for result in results] == [True, False, True, True]


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (
            [f"firmware {NODE} {V2} -"],
            "DRM080: 8 LMBs are in the array, and the tree has none: requests fail at their end, with EPERM",
        ),
        (
            ["rtas set-indicator 9003 0x80000004 1"],
            "DRM083: 1 LMB is free, but the connector is present: that memory is lost until the next boot",
        ),
    ],
)
def test_what_does_not_agree(steps: list[str], reason: str) -> None:
    simulation = partition(*USUAL)
    simulation.run_all(steps)
    assert simulation.run("expect consistent").note.startswith(f"expected consistent, is not: {reason}")


def test_wrong_steps_change_nothing() -> None:
    simulation = partition(*USUAL)
    with pytest.raises(StepError):
        simulation.run("dlpr memory add count 1")
    assert simulation.results == []


@pytest.mark.parametrize(("kernel", "hypervisor"), [("six", "qemu"), ("6.1", "xen"), ("6.1", "qemu-x")])
def test_unknown_kernels_and_hypervisors(kernel: str, hypervisor: str) -> None:
    with pytest.raises(ProfileError):
        Simulation(tree(*USUAL), kernel, hypervisor)


def test_results_and_situations_are_values() -> None:
    simulation = partition(*USUAL)
    before = simulation.situation
    simulation.run("dlpar memory remove count 1")
    assert before.kernel.table.lmb(2).aa_index == 1
    assert simulation.state.table.lmb(2).aa_index == UNSET
    with pytest.raises(AttributeError):
        simulation.results[0].ok = False  # type: ignore[misc]


@pytest.mark.parametrize("step", ["reboot", "kexec", "firmware / model 00", "lpm TREE"])
def test_steps_that_cost_by_the_tree_are_bounded(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = load(FIXTURES / "mobility/basic-6.1.dtb.gz")
    size = sum(1 + len(node.properties) for _, node in tree.walk())
    monkeypatch.setattr("drmemctl.simulate.simulation.LIMITS", Limits(max_rebuilt=3 * size + 2))
    simulation = Simulation(tree, files=Files(tree=lambda _name: tree))
    simulation.run_all([step, "dlpar memory add count 1", step, "prrn 2 0x5", step])
    with pytest.raises(LimitError, match="all the steps that look at a whole tree"):
        simulation.run(step)


COLD = (lmbs(2, 2, 1, 0x108), lmbs(4, 4))
"""A DIMM of two LMBs that was there at boot, as QEMU tells of it since 5.1, and room for more."""


def after_removal(hypervisor: str | None = None) -> Simulation:
    """Return a simulation on the tree of a guest that removed LMB 2 by itself."""
    before = Simulation(tree(*COLD), "6.1", hypervisor)
    assert before.run("dlpar memory remove index 0x80000002").ok
    return Simulation(before.tree, "6.1", hypervisor)


def test_a_tree_tells_of_an_lmb_that_was_given_back_while_its_dimm_stayed() -> None:
    # QEMU keeps the connector configured: in 4.19-errors an add right behind a removal is EPERM.
    request = "dlpar memory add index 0x80000002"
    before = Simulation(tree(*COLD), "6.1")
    before.run("dlpar memory remove index 0x80000002")
    as_it_was = before.run(request)
    result = after_removal().run(request)
    assert (result.errno, result.log) == (as_it_was.errno, as_it_was.log)
    assert result.errno == "EPERM"
    assert "QEMU still has a DIMM for 1 LMB from 0x80000002 on" in result.hypervisor
    count = after_removal().run("dlpar memory add count 1")
    assert (count.errno, "QEMU still has a DIMM" in count.hypervisor) == ("EINVAL", True)


def test_a_dimm_that_was_given_back_returns_with_a_reboot() -> None:
    simulation = after_removal()
    assert assigned(simulation) == [3]
    assert simulation.run("reboot").ok
    assert assigned(simulation) == [2, 3]


def test_a_dimm_that_was_given_back_can_be_unplugged_with_its_other_lmb() -> None:
    simulation = after_removal()
    result = simulation.run("unplug 0x80000002 2")
    assert result.log[0] == "pseries-hotplug-mem: Attempting to hot-remove 2 LMB(s) at 80000002"
    assert assigned(simulation) == []
    # The kernel passes over the LMB that it does not have: QEMU waits for that until the reset.
    assert simulation.run("reboot").events == ("DEVICE_DELETED",)
    assert assigned(simulation) == []


def test_who_plugs_a_dimm_knows_that_there_is_none() -> None:
    simulation = after_removal()
    assert simulation.run("plug 0x80000002 1 node 1").ok
    assert assigned(simulation) == [2, 3]
    assert not simulation.run("plug 0x80000002 1").ok


@pytest.mark.parametrize("flags", [0x0, 0x180, 0x120])
def test_what_tells_of_no_dimm(flags: int) -> None:
    simulation = Simulation(tree(lmbs(2, 1, 1, flags), lmbs(3, 2)), "6.1")
    assert not any(device.given_back for device in simulation.situation.machine.devices)


def test_powervm_gives_what_was_given_back() -> None:
    assert after_removal("powervm").run("dlpar memory add index 0x80000002").ok
