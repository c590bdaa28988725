# SPDX-License-Identifier: MIT
"""Which hypervisor a tree names, and what follows where nobody names one."""

from __future__ import annotations

import pytest

from drmemctl.hypervisor.inference import inferred_hypervisor, qemu_version
from drmemctl.kernel.profiles import ProfileError
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.conftest import fixture_trees
from tests.kernel.partitions import lmbs, tree


def with_root(**properties: bytes) -> Tree:
    """Return a tree that says nothing but this; `hypertas` is the property of /rtas."""
    hypertas = properties.pop("hypertas", None)
    rtas = () if hypertas is None else (Node("rtas", (Property("ibm,hypertas-functions", hypertas),)),)
    named = {name.replace("_", ","): value for name, value in properties.items()}
    return Tree(Node("", tuple(Property(name, value) for name, value in named.items()), rtas))


def test_the_trees_that_qemu_made_say_so() -> None:
    """fixtures/: made by QEMU 7.2, whose machine calls itself so (hw/ppc/spapr.c)."""
    for path in fixture_trees():
        from drmemctl.tree.source import load

        found = load(path)
        if found.root.get("model") is not None:
            assert inferred_hypervisor(found).name == "qemu", path


@each(
    ("root", "name", "why"),
    [
        ({"model": b"IBM pSeries (emulated by qemu)\0"}, "qemu", "model"),
        ({"compatible": b"qemu,pseries\0"}, "qemu", "compatible"),
        # Machine types as IBM sells them: Power E1080, S822L, p5 570.
        ({"model": b"IBM,9080-HEX\0", "compatible": b"IBM,9080-HEX\0"}, "powervm", "model"),
        ({"model": b"IBM,8247-22L\0"}, "powervm", "model"),
        ({"compatible": b"IBM,9117-570\0"}, "powervm", "compatible"),
        # A KVM guest names its host's model elsewhere, and stays QEMU's.
        ({"model": b"IBM pSeries (emulated by qemu)\0", "host-model": b"8335-GTH\0"}, "qemu", "model"),
        ({"hypertas": b"hcall-pft\0hcall-memop1\0"}, "qemu", "ibm,hypertas-functions"),
        ({"hypertas": b"hcall-pft\0hcall-lLAN\0hcall-crq\0"}, "powervm", "ibm,hypertas-functions"),
        ({"vm_uuid": b"00000000-0000-0000-0000-000000000000\0"}, "qemu", "vm,uuid"),
        # Nothing, and what names neither.
        ({}, "qemu", ""),
        ({"model": b"", "compatible": b""}, "qemu", ""),
        ({"model": b"\xff\x1b[31m", "compatible": b"\xff"}, "qemu", ""),
        ({"model": b"IBM,9080\0"}, "qemu", ""),
        ({"hypertas": b"hcall-pft\0hcall-vphn\0"}, "qemu", ""),
    ],
)
def test_what_a_tree_says(root: dict[str, bytes], name: str, why: str) -> None:
    assert inferred_hypervisor(with_root(**root)) == (name, why)


def powervm_tree() -> Tree:
    made = tree(lmbs(2, 2, 1, 8), lmbs(4, 4))
    root = made.root.with_property("model", b"IBM,9080-HEX\0")
    return Tree(root)


def test_a_simulation_takes_the_hypervisor_that_the_tree_names() -> None:
    """On PowerVM every unassigned LMB can be had (LoPAR 2.9, DR); on QEMU only what was plugged."""
    found = Simulation(powervm_tree())
    assert found.hypervisor == "powervm"
    assert found.run("dlpar memory add count 1").ok
    assert found.to_json()["hypervisor"] == "powervm"
    asked = Simulation(powervm_tree(), hypervisor="qemu")
    assert not asked.run("dlpar memory add count 1").ok
    assert "hypervisor" not in asked.to_json()


@pytest.mark.parametrize(
    ("request_", "lmbs_"),
    [("count 2", "2 LMBs"), ("index 0x80000004", "1 LMB"), ("indexed-count 3 0x80000005", "3 LMBs")],
)
def test_a_request_that_lacks_a_connector_names_the_hypervisor(request_: str, lmbs_: str) -> None:
    simulation = Simulation(tree(lmbs(2, 2, 1, 8), lmbs(4, 4)))
    result = simulation.run(f"dlpar memory add {request_}")
    assert result.hypervisor.startswith(f"the hypervisor is taken to be qemu, which gives 0 of {lmbs_}: ")
    assert result.to_json()["hypervisor"] == result.hypervisor
    simulation.run("attach 0x80000004 4 row 0")
    assert simulation.run(f"dlpar memory add {request_}").hypervisor == ""


def test_other_refusals_are_nobody_s_lack_of_a_connector() -> None:
    simulation = Simulation(tree(lmbs(2, 2, 1, 8), lmbs(4, 4)))
    for step in (
        "dlpar memory add count 5",
        "dlpar memory add index 0x80000fff",
        "dlpar memory add index 0x80000002",
        "dlpar memory add index nothing",
        "dlpar memory remove index 0x80000fff",
    ):
        assert simulation.run(step).hypervisor == "", step
    assert simulation.run("plug 0x80000fff 1 row 0").hypervisor == "the hypervisor is taken to be qemu"


@pytest.mark.parametrize(("name", "version"), [("qemu", None), ("powervm", None), ("qemu-6.0", (6, 0))])
def test_names_of_hypervisors(name: str, version: tuple[int, int] | None) -> None:
    assert qemu_version(name) == version


@pytest.mark.parametrize("name", ["xen", "qemu-", "qemu-6", "QEMU", "powervm-1.0", ""])
def test_names_of_none(name: str) -> None:
    with pytest.raises(ProfileError, match="write qemu, qemu-VERSION or powervm"):
        qemu_version(name)
