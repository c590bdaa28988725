# SPDX-License-Identifier: MIT
"""Keys tell partitions apart that any part of the kernel's state tells apart."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.hash_table import HashTable
from drmemctl.kernel.state import Cpu, CpuIds, KernelState
from drmemctl.kernel.task import Lock
from drmemctl.model.distances import Form1
from drmemctl.simulate.interleave.keys import SAME_IN_SEARCH, Keys
from drmemctl.simulate.partition import Partition
from drmemctl.simulate.simulation import Simulation
from tests.cases import each
from tests.simulate.interleave.cases import BEFORE, TREES, ends_of, explored, question

START: Partition = Simulation(BEFORE, "latest", "powervm").situation

CHANGED: dict[str, Any] = {
    "tree": TREES["moved"],
    "table": START.kernel.with_lmbs(0, 1, flags=0).table,
    "blocks": START.kernel.blocks.added(60, 0, 1),
    "topology": replace(START.kernel.topology, with_cpus=frozenset({7})),
    "cpus": (Cpu("/cpus/x", (64,), 0),),
    "cpu_ids": CpuIds(of_nodes=frozenset({(1, 1)})),
    "unmovable": frozenset({0x80000002}),
    "unbolted": frozenset({0x80000002}),
    "dead": "died",
    "updating": True,
    "topology_updates": False,
    "deaf": True,
    "staged": frozenset({"/cpus/x"}),
    "copies": 1,
    "hash_table": HashTable(30, 1),
    "distances": Form1((1,), {0: (5,)}),
}

CHANGED_OF_PARTITION: dict[str, Any] = {
    "kernel": replace(START.kernel, deaf=True),
    "machine": replace(START.machine, aborted=True),
    "faults": frozenset({Fault("code", "message", "function")}),
    "locks": frozenset({(Lock.HOTPLUG, 1)}),
    "queued": ((Lock.RTASD, 1),),
    "uevent": True,
    "crash_tree": TREES["moved"],
}

SAME_SINCE_BOOT = {"profile", "block_size", "kept", "listed"}
"""No action changes them: only kernel/boot.py makes them."""

OF_HISTORY = {"writer", "written"}
"""What names the last writer and spares work, which two equal kernels need not share."""


def test_each_field_is_here() -> None:
    """A field that is new must be told apart, or have a reason why not."""
    assert {part.name for part in fields(KernelState)} == {*CHANGED} | SAME_SINCE_BOOT | OF_HISTORY


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_field_is_another_key(name: str) -> None:
    """Two kernels that differ in a single field are two, and a change taken back is none."""
    assert getattr(START.kernel, name) != CHANGED[name]
    changed = replace(START, kernel=replace(START.kernel, **{name: CHANGED[name]}))
    keys = Keys(BEFORE)
    mark = keys.mark(START)
    assert keys.of(changed) != keys.of(START)
    assert keys.mark(changed) == keys.mark(changed, START, mark) != mark
    assert keys.mark(replace(changed, kernel=START.kernel), changed, keys.mark(changed)) == mark


def test_each_field_of_a_partition_is_in_the_key_or_the_same_in_a_search() -> None:
    assert {part.name for part in fields(Partition)} == {*CHANGED_OF_PARTITION, *SAME_IN_SEARCH}
    engine, graph = explored(question("plug 0x80000004 1", "dlpar memory remove count 1", "kdump", kernel="6.9"))
    for end in ends_of(graph):
        for name in SAME_IN_SEARCH:
            assert getattr(end.partition, name) is getattr(engine.first.partition, name)


@pytest.mark.parametrize("name", CHANGED_OF_PARTITION)
def test_a_changed_field_of_a_partition_is_another_key(name: str) -> None:
    changed = replace(START, **{name: CHANGED_OF_PARTITION[name]})
    keys = Keys(BEFORE)
    mark = keys.mark(START)
    assert keys.of(changed) != keys.of(START)
    assert keys.mark(changed) == keys.mark(changed, START, mark) != mark


@each(("path", "name"), [(NODE, "ibm,lmb-size"), (NODE, "ibm,dynamic-memory-v2"), ("/", "#size-cells")])
def test_a_crash_kernel_is_told_by_all_that_its_lmbs_are_read_from(path: str, name: str) -> None:
    keys = Keys(BEFORE)
    other = BEFORE.with_property(path, name, b"\0\0\0\1")
    assert keys.of(replace(START, crash_tree=other)) != keys.of(replace(START, crash_tree=BEFORE))
