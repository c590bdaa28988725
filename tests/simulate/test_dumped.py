# SPDX-License-Identifier: MIT
"""The connectors that a dumped kernel had taken, against those of the same history done step by step."""

from __future__ import annotations

import struct
from dataclasses import replace

from drmemctl import load
from drmemctl.hypervisor.inventory import lmb_entries
from drmemctl.memory.lmb_array import LmbArray
from drmemctl.model.dumped import at_boot
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from tests.cases import each
from tests.conftest import FIXTURES

NODE = "/ibm,dynamic-reconfiguration-memory"
V2 = "ibm,dynamic-memory-v2"
STALE = FIXTURES / "vmcores" / "6.1-radix64k-stale.core.xz"
PLUGS = {
    "qemu": ["plug 0x80000004 1 node 1", "plug 0x80000005 2 node 0"],
    "powervm": [f"dlpar memory add index 0x8000000{number}" for number in (4, 5, 6)],
}


def connectors(simulation: Simulation) -> dict[int, str]:
    runs = simulation.situation.machine.connectors.runs
    return {run.first + n: run.state.name for run in runs for n in range(run.count) if run.first >> 28 == 8}


@each("hypervisor", ["qemu", "powervm"])
def test_connectors_are_those_of_the_requests_whatever_firmware_delivered_since(hypervisor: str) -> None:
    tree = load(STALE)
    delivered = tree.get(NODE, V2)
    assert delivered is not None
    again = Simulation(replace(at_boot(tree, NODE), dump=None, beside=None), "6.1", hypervisor)
    again.run_all([*PLUGS[hypervisor], f"firmware {NODE} {V2} {delivered.hex()}"])
    dumped = Simulation(tree, "6.1", hypervisor)
    assert connectors(dumped) == connectors(again)
    assert connectors(dumped)[0x80000007] == "UNUSABLE"  # assigned in the tree alone
    assert {violation.rule for violation in dumped.contradictions} == {"DRM080", "DRM085"}


def with_array(tree: Tree, *lmbs: tuple[int, int, int, int]) -> Tree:
    assert tree.dump is not None
    data = b"".join(struct.pack(">QIII", *lmb) for lmb in lmbs)
    return replace(tree, dump=replace(tree.dump, array=LmbArray(0, 1 << 28, len(lmbs), data)))


def test_what_a_request_had_marked_is_not_given_back_yet() -> None:
    tree = with_array(
        load(STALE),
        (0x40000000, 0x80000004, 1, 8),
        (0x50000000, 0x80000005, 1, 0x80000000),  # removed, its connector to be given back at the end
        (0x80000000, 0x80000008, 0, 0x80000008),  # added
    )
    # 0x80000006 and 0x80000007 are assigned in the tree, and the array has nothing of them.
    assigned = {run.drc_index + n for run in lmb_entries(tree) if run.flags & 8 for n in range(run.lmbs)}
    assert assigned == {0x80000004, 0x80000005, 0x80000006, 0x80000007, 0x80000008}
    assert all(run.base == 0x40000000 + (run.drc_index - 0x80000004) * (1 << 28) for run in lmb_entries(tree))
