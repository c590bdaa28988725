# SPDX-License-Identifier: MIT
"""Connectors by type and by version, what each hypervisor refuses, and connectors as runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.associativity import decode_associativity
from drmemctl.hypervisor.connectors import (
    LOPAR_LOGICAL,
    QEMU_LOGICAL,
    QEMU_PHYSICAL,
    Call,
    ConnectorRun,
    ConnectorState,
    ConnectorTable,
)
from drmemctl.hypervisor.firmware_tree import firmware_tree
from drmemctl.hypervisor.inventory import drc_intervals
from drmemctl.hypervisor.machine import Machine, RefusedError
from drmemctl.hypervisor.powervm import PowerVm
from drmemctl.hypervisor.qemu import Qemu
from drmemctl.kernel.firmware import Firmware
from drmemctl.model.drmem import Drmem
from drmemctl.tree.node import Node, Property
from tests.kernel.partitions import DRC, UNSET, lmbs, tree, u32
from tests.simulate.records import tree_of

CPU, PHB, PCI, PMEM = 0x10000001, 0x20000001, 0x40010018, 0x90000000

USUAL = (lmbs(2, 2, 1, 8), lmbs(4, 4))


def with_connectors(*drcs: int, present: tuple[int, ...] = ()) -> Qemu:
    """Return a machine with connectors of those indexes, and nodes for some of them."""
    nodes = [Node(f"dev@{drc:x}", (Property("ibm,my-drc-index", u32(drc)),)) for drc in present]
    listed = Node("bus", (Property("ibm,drc-indexes", u32(len(drcs), *drcs)),))
    return Qemu.from_tree(tree(*USUAL, more=[listed, *nodes]))


def do(machine: Machine, *calls: tuple[int, int, int]) -> list[int]:
    """Return the answers of set-indicator calls (indicator, DRC index, value), and the connector's last state."""
    answers = []
    for indicator, drc, value in calls:
        status, machine = machine.set_indicator(indicator, drc, value)
        answers.append(status)
    return answers


@pytest.mark.parametrize("table", [QEMU_LOGICAL, LOPAR_LOGICAL, QEMU_PHYSICAL])
def test_every_call_has_a_cell_for_every_state(table: dict[tuple[Call, ConnectorState], object]) -> None:
    states = {state for _, state in table}
    assert set(table) == {(call, state) for call in Call for state in states}


def test_machines_are_what_the_kernel_asks() -> None:
    machines: list[Firmware] = [Qemu.from_tree(tree(*USUAL)), PowerVm.from_tree(tree(*USUAL))]
    assert [machine.transfer_error for machine in machines] == [-95, 0]


@pytest.mark.parametrize("drc", [CPU, PHB, PMEM])
def test_logical_connectors_other_than_lmbs_may_be_given_back_unasked(drc: int) -> None:
    machine = with_connectors(drc, present=(drc,))
    assert machine.get_sensor(9003, drc)[0] == (0, 1)
    isolate, unusable, usable, unisolate = (9001, drc, 0), (9003, drc, 0), (9003, drc, 1), (9001, drc, 1)
    assert do(machine, isolate, unusable, usable, unisolate) == [0, 0, 0, 0]


def test_an_lmb_is_not_given_back_unasked() -> None:
    machine = Qemu.from_tree(tree(*USUAL))
    assert do(machine, (9001, DRC + 2, 0), (9003, DRC + 2, 0)) == [-1, -3]


@pytest.mark.parametrize("present", [True, False])
def test_slots(present: bool) -> None:
    machine = with_connectors(PCI, present=(PCI,) if present else ())
    assert machine.get_sensor(9003, PCI)[0] == (0, int(present))
    assert do(machine, (9003, PCI, 1), (9002, PCI, 2), (9002, PCI, 4)) == [-3, 0, -3]
    if present:
        assert do(machine, (9001, PCI, 0), (9001, PCI, 1), (9001, PCI, 0)) == [0, 0, -3]
        assert machine.configure_connector(PCI)[0].status == 0
    else:
        assert do(machine, (9001, PCI, 0), (9001, PCI, 1)) == [0, -3]
        assert machine.configure_connector(PCI)[0].status == -9003


@pytest.mark.parametrize("machine", [Qemu.from_tree(tree(*USUAL)), PowerVm.from_tree(tree(*USUAL))])
def test_what_there_is_not(machine: Machine) -> None:
    assert machine.get_sensor(9003, 0x80000099)[0] == (-3, 0)
    assert machine.get_sensor(9001, DRC + 2)[0] == (-3, 0)
    assert machine.configure_connector(0x80000099)[0].status == -3
    assert do(machine, (9003, 0x80000099, 1), (9002, DRC + 2, 1), (7, DRC + 2, 1), (9003, DRC + 2, 2)) == [-3] * 4


def test_lmbs_with_an_invalid_drc_have_no_connector() -> None:
    machine = Qemu.from_tree(tree_of("trees/v2-empty"))
    assert machine.connectors.find(0) is None
    assert machine.connectors.find(0x80000004) is not None


def test_the_tree_lists_the_connectors() -> None:
    intervals = drc_intervals(tree_of("trees/v2-empty"))
    kinds = {first >> 28 for first, _ in intervals}
    assert kinds == {1, 2, 4, 8, 9}
    assert (0x80000004, 0x80000010) in intervals


@pytest.mark.parametrize(
    ("version", "unisolate", "configure"),
    [
        ((5, 2), (), ()),
        ((6, 0), (), ("MEM_UNPLUG_ERROR",)),
        ((6, 1), ("MEM_UNPLUG_ERROR",), ("MEM_UNPLUG_ERROR",)),
        (
            (7, 2),
            ("MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"),
            ("MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"),
        ),
        ((9, 1), ("DEVICE_UNPLUG_GUEST_ERROR",) * 2, ("DEVICE_UNPLUG_GUEST_ERROR",)),
    ],
)
def test_refusing_an_unplug_by_version(
    version: tuple[int, int], unisolate: tuple[str, ...], configure: tuple[str, ...]
) -> None:
    wanted = Qemu.from_tree(tree(*USUAL), version).detach(DRC + 2, 2)
    assert wanted.set_indicator(9001, DRC + 3, 1)[1].events == unisolate
    assert wanted.configure_connector(DRC + 3)[1].events == configure


def test_a_refused_unplug_can_be_asked_for_again() -> None:
    machine = Qemu.from_tree(tree(*USUAL)).detach(DRC + 2, 2)
    with pytest.raises(RefusedError):
        machine.detach(DRC + 2, 2)
    _, machine = machine.set_indicator(9001, DRC + 3, 1)
    assert do(machine, (9001, DRC + 2, 0)) == [-1]
    assert machine.detach(DRC + 2, 2).devices[0].pending == 2


def test_a_dimm_goes_with_its_last_lmb() -> None:
    machine: Machine = Qemu.from_tree(tree(*USUAL)).detach(DRC + 2, 2)
    events = []
    for drc in (DRC + 2, DRC + 3):
        for indicator in (9001, 9003):
            _, machine = machine.set_indicator(indicator, drc, 0)
        events.append(machine.events)
    assert events == [(), ("DEVICE_DELETED",)]
    assert machine.devices == ()


def test_a_cpu_that_refuses_its_unplug() -> None:
    machine = with_connectors(CPU, present=(CPU,))
    run = machine.connectors.find(CPU)
    assert run is not None
    asked = machine.unplug_requested(run)
    status, after = asked.set_indicator(9001, CPU, 1)
    assert (status, after.events) == (0, ("DEVICE_UNPLUG_GUEST_ERROR",))
    assert do(asked, (9001, CPU, 0), (9003, CPU, 0)) == [0, 0]


@pytest.mark.parametrize("drc", [CPU, PHB])
def test_a_refused_unplug_of_what_is_no_lmb_can_be_asked_for_again(drc: int) -> None:
    machine = with_connectors(drc).attach(drc, 1, ())
    for indicator in (9003, 9001):
        machine = machine.set_indicator(indicator, drc, 1)[1]
    machine = machine.configure_connector(drc)[1]
    machine = machine.detach(drc, 1).set_indicator(9001, drc, 1)[1].detach(drc, 1)
    assert do(machine, (9001, drc, 0), (9003, drc, 0), (9003, drc, 1)) == [0, 0, -3]


@pytest.mark.parametrize(
    ("drc", "refusal"),
    [
        (CPU, ""),
        (PHB, "PCI Host Bridge unplug already in progress for device dimm2"),
        (PCI, "PCI device unplug already in progress for device dimm2"),
        (DRC + 4, "Memory unplug already in progress for device dimm2"),
    ],
)
def test_asking_for_an_unplug_twice(drc: int, refusal: str) -> None:
    machine = with_connectors(CPU, PHB, PCI, *range(DRC + 2, DRC + 8)).attach(drc, 1, ())
    for indicator in (9003, 9001):
        machine = machine.set_indicator(indicator, drc, 1)[1]
    machine = machine.detach(drc, 1)
    if not refusal:
        assert machine.detach(drc, 1) == machine
        return
    with pytest.raises(RefusedError, match=refusal):
        machine.detach(drc, 1)


def test_an_nvdimm_cannot_be_unplugged() -> None:
    with pytest.raises(RefusedError, match="nvdimm device hot unplug is not supported yet"):
        with_connectors(PMEM).attach(PMEM, 1, ()).detach(PMEM, 1)


def test_a_slot_is_powered_on_while_something_is_put_in() -> None:
    machine = with_connectors(PCI).attach(PCI, 1, ())
    assert machine.get_sensor(9003, PCI)[0] == (0, 1)
    assert do(machine, (9001, PCI, 0), (9001, PCI, 1), (9002, PCI, 1)) == [0, 0, 0]
    # What the guest never took goes at once.
    assert machine.detach(PCI, 1).events == ("DEVICE_DELETED",)


def test_connectors_after_a_reset() -> None:
    machine = Qemu.from_tree(tree(*USUAL)).attach(DRC + 4, 1, (1,)).detach(DRC + 2, 2).reset()
    states = [machine.get_sensor(9003, DRC + lmb)[0][1] for lmb in range(2, 8)]
    assert states == [2, 2, 1, 2, 2, 2]
    assert machine.events == ("DEVICE_DELETED",)


def test_users_know_better_where_a_dimm_ends() -> None:
    # Two DIMMs of the tree are one to the user, or one is two.
    machine = Qemu.from_tree(tree(lmbs(2, 1, 1, 8), lmbs(3, 2, 1, 8), lmbs(5, 4)))
    assert machine.detach(DRC + 2, 3).device(3) is not None
    cut = machine.detach(DRC + 4, 1)
    assert sorted((device.first - DRC, device.count) for device in cut.devices) == [(2, 1), (3, 1), (4, 1)]


def test_powervm_takes_what_is_given_and_gives_what_is_asked() -> None:
    machine: Machine = PowerVm.from_tree(tree(*USUAL))
    assert do(machine, (9001, DRC + 2, 0), (9003, DRC + 2, 0), (9003, DRC + 2, 0)) == [0, 0, -3]
    assert do(machine, (9001, DRC + 4, 0), (9003, DRC + 4, 1), (9001, DRC + 4, 1)) == [-3, 0, 0]
    _, machine = machine.set_indicator(9003, DRC + 4, 1)
    assert machine.configure_connector(DRC + 4)[0].status == 0


@pytest.mark.parametrize("machine", [Qemu.from_tree(tree(*USUAL)), PowerVm.from_tree(tree(*USUAL))])
def test_an_lmbs_node(machine: Machine) -> None:
    connector, _ = machine.configure_connector(DRC + 2)
    assert connector.node is not None
    # QEMU since 4.0 takes the whole DRC index for the LMB's number.
    assert connector.node.name == f"memory@{(DRC + 2) << 28:x}"
    assert decode_associativity(connector.node.get("ibm,associativity") or b"").domains == (1,)


@pytest.mark.parametrize("name", ["trees/many-dimms", "trees/v1-dimm", "trees/nomaxmem", "captures/5.10-v1"])
def test_untouched_firmware_hands_out_its_tree(name: str) -> None:
    for machine in (Qemu.from_tree(tree_of(name)), PowerVm.from_tree(tree_of(name))):
        made = firmware_tree(machine)
        path = "/ibm,dynamic-reconfiguration-memory"
        assert made.get(path, "ibm,dynamic-memory") == machine.tree.get(path, "ibm,dynamic-memory")


@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("kind", [Qemu, PowerVm])
def test_what_was_free_stays_as_firmware_had_it(kind: type[Qemu | PowerVm], v1: bool) -> None:
    """Firmware that names a list for an LMB without memory names it at the next boot, and after a migration."""
    odd = 0x100 if kind is PowerVm else 0  # of QEMU's it tells of a DIMM that was given back
    flags = [0, 0x8, 0x20, 0x28, 0x40, 0x48, 0x80, 0x88, 0xA0, 0xA8, 0x200, 0x208, 0x108, odd, odd | 0x80]
    sets = [(aa, flag) for aa in (0, 1, UNSET) for flag in flags]
    source = tree(*(lmbs(2 + 2 * at, 2, *one) for at, one in enumerate(sets)), v1=v1)
    made = Drmem.from_tree(firmware_tree(kind.from_tree(source)))
    assert list(made.table) == list(Drmem.from_tree(source).table)


def test_refused_passes_over_a_run_at_once() -> None:
    machine = Qemu.from_tree(tree(*USUAL))
    assert machine.refused(DRC + 2, 6) == 6
    assert machine.attach(DRC + 6, 1, (0,)).refused(DRC + 2, 6) == 4
    assert machine.refused(0x70000000, 5) == 5
    assert PowerVm.from_tree(tree(*USUAL)).refused(DRC + 2, 6) == 2


STATES = st.sampled_from([ConnectorState.UNUSABLE, ConnectorState.CONFIGURED])


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(1, 6), STATES, st.integers(0, 1)), max_size=20))
def test_connectors_against_a_plain_list(changes: list[tuple[int, int, ConnectorState, int]]) -> None:
    plain = [(ConnectorState.UNUSABLE, 0)] * 25
    connectors = ConnectorTable.of(
        [ConnectorRun(0, 10, ConnectorState.UNUSABLE), ConnectorRun(10, 15, ConnectorState.UNUSABLE)]
    )
    for first, count, state, device in changes:
        plain[first : first + count] = [(state, device)] * count
        connectors = connectors.with_run(ConnectorRun(first, count, state, device))
    found = [connectors.find(drc) for drc in range(25)]
    assert [(run.state, run.device) for run in found if run is not None] == plain
    assert connectors.find(25) is None
    assert all(not one.goes_on(other) for one, other in zip(connectors.runs, connectors.runs[1:], strict=False))
    assert sum(run.count for run in connectors.between(3, 9)) == 9
