# SPDX-License-Identifier: MIT
"""Every event of some work, in the order of the kernel's own functions (dlpar.c, hotplug-memory.c, mobility.c)."""

from __future__ import annotations

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE
from drmemctl.kernel.job import Job
from drmemctl.kernel.notifier import remove_property, set_property
from drmemctl.kernel.task import run
from drmemctl.kernel.trace import ArrayWrite, BlockWrite, RtasCall, TraceEvent, TreeWrite, recorded
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Property
from tests.kernel import streams
from tests.kernel.partitions import BOOT_MEMORY, DRC, LMB, UNSET, aa_of, lmbs, partition, tree, u32

ALLOCATION, ISOLATION = 9003, 9001
USABLE, UNUSABLE = 1, 0
UNISOLATE, ISOLATE = 1, 0
PRESENT, UNUSABLE_SENSED = 1, 2
TOUCHED = 1 << 31
V2_OF_3_SETS = 4 + 3 * 24
V2_OF_4_SETS = 4 + 4 * 24


def events_of(step: str, kernel: str = "latest") -> list[TraceEvent]:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2), kernel=kernel)
    with recorded() as events:
        simulation.run(step)
    return list(events)


def released(lmb: int, messages: int) -> list[TraceEvent]:
    return [
        RtasCall("dlpar_release_drc", messages, "get-sensor-state", (9003, DRC + lmb), (0, PRESENT)),
        RtasCall("dlpar_release_drc", messages, "set-indicator", (ISOLATION, DRC + lmb, ISOLATE), (0,)),
        RtasCall("dlpar_release_drc", messages, "set-indicator", (ALLOCATION, DRC + lmb, UNUSABLE), (0,)),
    ]


def test_an_addition() -> None:
    assert events_of("dlpar memory add index 0x80000004") == [
        RtasCall("dlpar_acquire_drc", 1, "get-sensor-state", (9003, DRC + 4), (0, UNUSABLE_SENSED)),
        RtasCall("dlpar_acquire_drc", 1, "set-indicator", (ALLOCATION, DRC + 4, USABLE), (0,)),
        RtasCall("dlpar_acquire_drc", 1, "set-indicator", (ISOLATION, DRC + 4, UNISOLATE), (0,)),
        RtasCall("dlpar_configure_connector", 1, "configure-connector", (DRC + 4,), (0,)),
        ArrayWrite("update_lmb_associativity_index", 1, 4, 1, DRC + 4, aa_index=0),
        BlockWrite("__add_memory", 1, 4, 0),
        ArrayWrite("dlpar_add_lmb", 1, 4, 1, DRC + 4, flags=8),
        TreeWrite("drmem_update_dt_v2", 2, NODE, V2, V2_OF_4_SETS),
    ]


def test_an_addition_where_there_is_memory_already() -> None:
    """dlpar_add_lmb forgets the list again if __add_memory fails."""
    simulation = partition(lmbs(2, 2, 1, 8), Run(2 * LMB, 1, DRC + 5, UNSET, 0))
    with recorded() as events:
        assert simulation.run("dlpar memory add index 0x80000005").errno == "EEXIST"
    assert [event for event in events if isinstance(event, ArrayWrite)] == [
        ArrayWrite("update_lmb_associativity_index", 1, 4, 1, DRC + 5, aa_index=0),
        ArrayWrite("invalidate_lmb_associativity_index", 2, 4, 1, DRC + 5, aa_index=UNSET),
    ]
    assert aa_of(simulation, 5) == UNSET


def test_a_kernel_without_an_array_writes_each_lmb_through() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2), kernel="4.15", v1=True)
    with recorded() as events:
        assert simulation.run("dlpar memory remove index 0x80000002").ok
    size = 4 + 6 * 24
    written = [event for event in events if isinstance(event, TreeWrite)]
    assert written == [TreeWrite("dlpar_update_device_tree_lmb", written[0].messages, NODE, V1, size)]


def test_a_counted_removal_with_its_mark() -> None:
    assert events_of("dlpar memory remove count 1", "5.4") == [
        BlockWrite("__remove_memory", 1, 2, None),
        ArrayWrite("dlpar_remove_lmb", 1, 2, 1, DRC + 2, aa_index=UNSET, flags=0),
        ArrayWrite("drmem_mark_lmb_reserved", 1, 2, 1, DRC + 2, flags=TOUCHED),
        *released(2, 1),
        ArrayWrite("drmem_remove_lmb_reservation", 2, 2, 1, DRC + 2, flags=0),
        TreeWrite("drmem_update_dt_v2", 2, NODE, V2, V2_OF_4_SETS),
    ]


def test_a_property_that_firmware_changes() -> None:
    new = encode_entries(V2, [BOOT_MEMORY, lmbs(2, 2, 0, 8), lmbs(4, 2, 1)]).hex()
    assert events_of(f"firmware {NODE} {V2} {new}") == [
        TreeWrite("of_update_property", 0, NODE, V2, V2_OF_3_SETS),
        ArrayWrite("drmem_update_lmbs", 0, 0, 2, DRC, UNSET),
        ArrayWrite("drmem_update_lmbs", 0, 2, 2, DRC + 2, 0),
        ArrayWrite("drmem_update_lmbs", 0, 4, 2, DRC + 4, 1),
    ]
    assert events_of(f"firmware {NODE} {V2} -") == [TreeWrite("of_remove_property", 0, NODE, V2, None)]


def test_a_migration() -> None:
    """LoPAR: the scope of a migration is 1, and ibm,update-properties has a node's phandle beside it."""
    there = Node("cpu@8", (Property("ibm,my-drc-index", u32(0x10000008)), Property("x", b"1")))
    goes = Node("goes", (Property("phandle", u32(0x5000)),))
    connectors = Node("connectors", (Property("ibm,drc-indexes", u32(1, 0x10000008)), Property("phandle", u32(7))))
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 2), more=[there, goes, connectors])
    arrays = streams.descriptor(LOOKUP_ARRAYS, streams.NEW_ARRAYS)
    gone = streams.descriptor(V2, b"", 0x80000000)
    with recorded() as events:
        partition, result = streams.migrated(
            "6.1",
            streams.nodes(DELETE | 1, 0x5000, UPDATE | 1, streams.DRMEM, ADD | 2, 7, 0x10000008, 7, 0x77),
            streams.updates(streams.properties(arrays, gone)),
            base=base,
        )
    assert result.ok
    update = "pseries_devicetree_update"
    assert events == [
        RtasCall(update, 2, "update-nodes", (1,), (0,)),
        TreeWrite("delete_dt_node", 2, "/goes", "", None),
        RtasCall("update_dt_node", 2, "update-properties", (streams.DRMEM, 1), (0,)),
        TreeWrite("update_dt_property", 2, NODE, LOOKUP_ARRAYS, len(streams.NEW_ARRAYS)),
        TreeWrite("of_remove_property", 2, NODE, V2, None),
        RtasCall("dlpar_configure_connector", 2, "configure-connector", (0x10000008,), (0,)),
        TreeWrite("add_dt_node", 2, "/connectors/cpu@8", "", 0),
        RtasCall("dlpar_configure_connector", 2, "configure-connector", (0x77,), (-3,)),
    ]
    added = partition.tree.node("/connectors/cpu@8")
    assert added.get("x") == b"1"


@pytest.mark.parametrize("path", ["/nowhere", "/chosen"])
def test_what_is_not_there_is_not_taken_away(path: str) -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    with recorded() as events:
        job = Job(simulation.state, simulation.situation.machine)
        run(job, remove_property(job, path, "x"))
    assert events == []


@pytest.mark.parametrize("kernel", ["4.15", "latest"])
def test_a_property_of_a_node_that_was_detached_is_written_for_nobody(kernel: str) -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2), kernel=kernel, v1=True)
    before = simulation.state.table
    without, _ = streams.migrated(kernel, streams.nodes(DELETE | 1, streams.DRMEM), base=simulation.tree)
    with recorded() as events:
        job = Job(without.state, without.situation.machine)
        run(job, set_property(job, NODE, V2, encode_entries(V2, [])))
    assert [event for event in events if isinstance(event, TreeWrite)] == []
    assert job.state.table == before
