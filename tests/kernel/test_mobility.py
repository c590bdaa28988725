# SPDX-License-Identifier: MIT
"""Updates as a byte stream: what real kernels were seen to make of it, stream by stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.rtas_input import RecordedCall as Answered
from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE, encode_update_nodes
from drmemctl.formats.update_properties import HEADER_SIZE, Change, encode_update_properties
from drmemctl.kernel.errno import EFAULT
from drmemctl.kernel.firmware import Firmware
from drmemctl.kernel.mobility import handle_prrn_event, post_mobility_fixup
from drmemctl.kernel.task import run_alone
from drmemctl.model.run import Run
from drmemctl.simulate.files import Files
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.update_sources import RecordedUpdates
from drmemctl.tree.node import Node, Property
from tests.cases import each
from tests.kernel.partitions import DRC, LMB, aa_of, lmbs, memory_node, properties_of, tree, u32
from tests.kernel.streams import (
    CHOSEN,
    DRMEM,
    NEW_ARRAYS,
    NEW_V2,
    Answer,
    descriptor,
    migrated,
    nodes,
    properties,
    updates,
)

FLUSH = "dlpar memory add indexed-count 1 0x80000002"
KERNELS = ["5.10", "6.1", "6.12", "7.2"]


def flushed_aa(partition: Simulation) -> int:
    """Return the aa_index of LMB 2 in the property once the kernel has written its array back."""
    partition.run(FLUSH)
    return Simulation(partition.tree).state.table.lmb(2).aa_index


UPDATE_DRMEM = nodes(UPDATE | 1, DRMEM)
ARRAYS = descriptor(LOOKUP_ARRAYS, NEW_ARRAYS)
WHOLE = descriptor(V2, NEW_V2)

SEEN_TO_WORK: dict[str, Sequence[Answer]] = {
    "whole": [UPDATE_DRMEM, updates(properties(ARRAYS, WHOLE))],
    "v2 first": [UPDATE_DRMEM, updates(properties(WHOLE, ARRAYS))],
    "no path": [UPDATE_DRMEM, updates(properties(ARRAYS, WHOLE, path=False))],
    "continued": [UPDATE_DRMEM, updates(properties(ARRAYS), 1), updates(properties(WHOLE, path=False))],
    "two calls": [
        UPDATE_DRMEM,
        updates(properties(ARRAYS, descriptor(V2, NEW_V2[:40], -40 & 0xFFFFFFFF)), 1),
        updates(properties(descriptor(V2, NEW_V2[40:]), path=False)),
    ],
    "three calls": [
        UPDATE_DRMEM,
        updates(properties(ARRAYS, descriptor(V2, NEW_V2[:30], -30 & 0xFFFFFFFF)), 1),
        updates(properties(descriptor(V2, NEW_V2[30:50], -20 & 0xFFFFFFFF), path=False), 1),
        updates(properties(descriptor(V2, NEW_V2[50:]), path=False)),
    ],
    "another name": [
        UPDATE_DRMEM,
        updates(properties(ARRAYS, descriptor(V2, NEW_V2[:40], -40 & 0xFFFFFFFF)), 1),
        updates(properties(descriptor("something,else", NEW_V2[40:]), path=False)),
    ],
    "unknown phandle": [nodes(UPDATE | 2, 0xDEADBEEF, DRMEM), updates(properties(ARRAYS, WHOLE))],
    "unknown opcode": [nodes(0x07000002, CHOSEN, CHOSEN, UPDATE | 1, DRMEM), updates(properties(ARRAYS, WHOLE))],
    "name only": [UPDATE_DRMEM, updates(properties(descriptor("oracle,x", b""), ARRAYS, WHOLE))],
    "nodes continued": [
        nodes(UPDATE | 1, CHOSEN, status=1),
        updates(properties(descriptor("oracle,note", b"hello\0"), phandle=CHOSEN)),
        UPDATE_DRMEM,
        updates(properties(ARRAYS, WHOLE)),
    ],
    "ADD whose connector fails": [
        nodes(ADD | 1, DRMEM, 0x77, UPDATE | 1, DRMEM),
        updates(properties(ARRAYS, WHOLE)),
    ],
}


@pytest.mark.parametrize("kernel", KERNELS)
@each("stream", SEEN_TO_WORK, ids=str)
def test_streams_that_work(stream: str, kernel: str) -> None:
    partition, result = migrated(kernel, *SEEN_TO_WORK[stream])
    assert result.ok
    assert properties_of(partition)[V2] == NEW_V2
    assert properties_of(partition)[LOOKUP_ARRAYS] == NEW_ARRAYS
    # The array of a kernel before 5.15 knows nothing of it, and is written back.
    assert flushed_aa(partition) == (1 if kernel == "5.10" else 0)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "second", [descriptor(V2, NEW_V2[40:]), descriptor(V2, NEW_V2[40:60], -20 & 0xFFFFFFFF), WHOLE]
)
def test_a_chunk_that_is_not_last_oopses(second: bytes, kernel: str) -> None:
    partition, result = migrated(
        kernel, UPDATE_DRMEM, updates(properties(ARRAYS, descriptor(V2, NEW_V2[:40], -40 & 0xFFFFFFFF), second))
    )
    assert [fault.code for fault in result.faults] == ["oops"]
    assert not result.ok
    assert properties_of(partition)[LOOKUP_ARRAYS] == NEW_ARRAYS
    assert flushed_aa(partition) == 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_descriptors_at_all_oops(kernel: str) -> None:
    _, result = migrated(kernel, nodes(UPDATE | 2, CHOSEN, DRMEM), updates(u32(CHOSEN)))
    assert [fault.code for fault in result.faults] == ["oops"]


@pytest.mark.parametrize("kernel", ["5.10", "6.1"])
def test_a_deletion_between_two_chunks(kernel: str) -> None:
    partition, result = migrated(
        kernel,
        UPDATE_DRMEM,
        updates(properties(descriptor(V2, NEW_V2[:40], -40 & 0xFFFFFFFF)), 1),
        updates(
            properties(descriptor("oracle,x", b"", 0x80000000), descriptor(V2, NEW_V2[40:]), path=False),
        ),
    )
    assert properties_of(partition)[V2] == NEW_V2[40:]
    assert [fault.code for fault in result.faults] == ([] if kernel == "5.10" else ["over-read", "never-returns"])


@pytest.mark.parametrize("kernel", ["5.10", "7.2"])
@pytest.mark.parametrize(
    "second",
    [
        updates(properties(path=False), -1),
        updates(properties(descriptor(V2, b""), path=False)),
    ],
    ids=["an error", "an empty final chunk"],
)
def test_a_chunk_without_its_end_is_lost(second: Answer, kernel: str) -> None:
    partition, result = migrated(
        kernel,
        UPDATE_DRMEM,
        updates(properties(ARRAYS, descriptor(V2, NEW_V2[:40], -40 & 0xFFFFFFFF)), 1),
        second,
    )
    assert result.ok
    assert properties_of(partition)[LOOKUP_ARRAYS] == NEW_ARRAYS
    assert aa_of(partition, 2) == 1


@pytest.mark.parametrize("kernel", ["5.10", "7.2"])
@pytest.mark.parametrize("status", [-1, -2])
def test_an_error_of_update_properties_is_silent(status: int, kernel: str) -> None:
    partition, result = migrated(
        kernel,
        nodes(UPDATE | 2, CHOSEN, DRMEM),
        updates(properties(phandle=CHOSEN), status),
        updates(properties(ARRAYS, WHOLE)),
    )
    assert result.ok
    assert not [line for line in result.log if "failed" in line]
    assert properties_of(partition)[V2] == NEW_V2


@pytest.mark.parametrize("status", [-1, 9900])
def test_an_error_of_update_nodes_is_reported_and_the_migration_succeeds(status: int) -> None:
    _, result = migrated("6.1", ("update-nodes", bytes(16), status))
    assert result.ok
    assert f"mobility: device tree update failed: {status}" in result.log


@pytest.mark.parametrize(
    ("kernel", "updated"), [("5.10.0", True), ("5.10", False), ("6.1", False), ("7.2", False)]
)
def test_an_add_with_an_unknown_parent_loses_what_follows(kernel: str, updated: bool) -> None:
    partition, result = migrated(
        kernel, nodes(ADD | 1, 0xBADF00D, 0x80000004, UPDATE | 1, DRMEM), updates(properties(ARRAYS, WHOLE))
    )
    assert result.ok
    assert (properties_of(partition)[V2] == NEW_V2) is updated
    assert ("DRM095" in [fault.rule for fault in result.faults]) is not updated
    if not updated:
        lookups = [line for line in result.log if "Failed lookup" in line]
        assert lookups[:2] == [
            "mobility: Failed lookup: phandle 0xbadf00d for action 0x3000000",
            "mobility: Failed lookup: phandle 0x2000001 for action 0x80000000",
        ]


def test_a_list_that_leaves_its_work_area_is_said_to() -> None:
    _, result = migrated("6.1", nodes(ADD | 1, 0xBADF00D, 0x1E646C50, 5))
    assert [fault.code for fault in result.faults] == ["desync", "over-read"]
    assert result.ok


@pytest.mark.parametrize("kernel", ["5.10", "7.2"])
@pytest.mark.parametrize(
    "answers",
    [
        [nodes(DELETE | 1, DRMEM)],
        [UPDATE_DRMEM, updates(properties(descriptor(V2, b"", 0x80000000)))],
    ],
    ids=["node", "property"],
)
def test_without_its_property_the_array_cannot_be_written_back(answers: Sequence[Answer], kernel: str) -> None:
    partition, result = migrated(kernel, *answers)
    assert result.ok
    assert partition.run(FLUSH).errno == "EPERM"


@pytest.mark.parametrize(("kernel", "aa"), [("5.10", 1), ("6.1", 0)])
def test_from_v2_to_v1(kernel: str, aa: int) -> None:
    new = tree(lmbs(2, 2, 0, 8), lmbs(4, 2), v1=True).get(NODE, V1) or b""
    stream = properties(ARRAYS, descriptor(V2, b"", 0x80000000), descriptor(V1, new))
    partition, _ = migrated(kernel, UPDATE_DRMEM, updates(stream))
    assert V2 not in properties_of(partition)
    assert flushed_aa(partition) == aa


def test_a_deleted_memory_node_hits_a_bug() -> None:
    partition, result = migrated("6.1", nodes(DELETE | 1, 0x2000))
    assert [fault.function for fault in result.faults] == ["pseries_remove_mem_node"]
    assert partition.tree.find("/memory@0") is None
    assert not partition.run(FLUSH).ok


@pytest.mark.parametrize(("base", "faults"), [(2 * LMB, 1), (8 * LMB, 0), (None, 0)])
def test_the_memory_of_a_deleted_node_counts_where_its_reg_says(base: int | None, faults: int) -> None:
    """pseries_remove_mem_node reads the first address cells of reg, and does without a node that has none."""
    there = memory_node(3 * LMB, LMB)
    reg = () if base is None else (Property("reg", base.to_bytes(8, "big") + bytes(8)),)
    node = Node("memory@x", tuple(one for one in there.properties if one.name != "reg") + reg)
    partition, result = migrated("6.1", nodes(DELETE | 1, 0x2003), base=tree(lmbs(2, 2, 1, 8), more=[node]))
    assert [fault.function for fault in result.faults] == ["pseries_remove_mem_node"] * faults
    assert partition.tree.find("/memory@x") is None


def test_only_the_first_string_of_a_type_counts() -> None:
    """of_node_is_type compares a C string."""
    base = tree(lmbs(2, 2, 1, 8)).with_property("/memory@0", "device_type", b"memory\0other\0")
    _, result = migrated("6.1", nodes(DELETE | 1, 0x2000), base=base)
    assert [fault.function for fault in result.faults] == ["pseries_remove_mem_node"]


def test_a_block_of_one_section_is_a_bug_too_since_nobody_took_it_offline() -> None:
    section = 1 << 24
    partition, result = migrated(
        "6.1", nodes(DELETE | 1, 0x2000), base=tree(Run(2 * LMB, 2, DRC + 2, 1, 8), size=section)
    )
    assert partition.state.block_size == section
    assert [(fault.function, fault.message) for fault in result.faults] == [
        ("pseries_remove_mem_node", "memory at 0x0 is removed, but it is online")
    ]


@pytest.mark.parametrize("kernel", ["5.10", "7.2"])
def test_nothing_is_attached_for_a_connector_that_cannot_be_configured(kernel: str) -> None:
    partition, result = migrated(kernel, nodes(ADD | 1, CHOSEN, 0x77))
    assert result.ok
    assert any(line.startswith("Unexpected Error (") for line in result.log)
    assert partition.tree.node("/chosen").children == ()


@pytest.mark.parametrize("kernel", ["5.4", "7.2"])
def test_platform_facilities_are_neither_added_nor_deleted_by_newer_kernels(kernel: str) -> None:
    """Linux 5.16 (319fa1a52e43): drivers do not take part in their removal."""
    kind = Property("device_type", b"ibm,platform-facilities\0")
    facilities = Node(
        "ibm,platform-facilities",
        (kind, Property("phandle", u32(0x5000))),
        (Node("ibm,compression-v1", (Property("phandle", u32(0x5001)),)),),
    )
    added = Node("other", (kind, Property("ibm,my-drc-index", u32(0x10000008))))
    base = tree(
        lmbs(2, 2, 1, 8),
        more=[facilities, added, Node("bus", (Property("ibm,drc-indexes", u32(1, 0x10000008)),))],
    )
    operations = nodes(DELETE | 1, 0x5001, ADD | 1, CHOSEN, 0x10000008, DELETE | 1, 0x5000)
    partition, result = migrated(kernel, operations, base=base)
    assert result.ok
    kept = kernel == "7.2"
    assert (partition.tree.find("/ibm,platform-facilities") is not None) is kept
    assert (partition.tree.find("/chosen/other") is None) is kept
    assert [line for line in result.log if "ignoring" in line] == [
        "mobility: ignoring remove operation for /ibm,platform-facilities/ibm,compression-v1:20481",
        "mobility: ignoring add operation for /chosen/other",
        "mobility: ignoring remove operation for /ibm,platform-facilities:20480",
    ] * kept


def test_an_added_node_loses_its_children() -> None:
    child = Node("child", (Property("x", b"1"),))
    there = Node(
        "cpu@8", (Property("ibm,my-drc-index", u32(0x10000008)), Property("phandle", u32(0x99))), (child,)
    )
    base = tree(lmbs(2, 2, 1, 8), more=[there, Node("cpus2", (Property("ibm,drc-indexes", u32(1, 0x10000008)),))])
    partition, result = migrated("6.1", nodes(ADD | 1, CHOSEN, 0x10000008), base=base)
    assert result.ok
    added = partition.tree.find("/chosen/cpu@8")
    assert added is not None
    assert added.children == ()


def test_work_areas_that_were_made_are_those_that_are_understood() -> None:
    changes = [Change(LOOKUP_ARRAYS.encode(), NEW_ARRAYS), Change(V2.encode(), NEW_V2), Change(b"gone", None)]
    areas = encode_update_properties(DRMEM, NODE.encode(), changes)
    made = [updates(area, int(area is not areas[-1])) for area in areas]
    listed = encode_update_nodes([(UPDATE, [DRMEM])])
    partition, result = migrated("6.1", ("update-nodes", listed[0], 0), *made)
    assert result.ok
    assert properties_of(partition)[V2] == NEW_V2
    assert HEADER_SIZE == 20


@pytest.mark.parametrize(
    ("kernel", "log"),
    [
        ("4.19", []),
        ("4.20", ["numa: Stopping topology update", "numa: Starting topology update prrn_enabled"]),
        ("5.1", ["numa: Stopping topology update", "numa: Starting topology update prrn_enabled"]),
        ("5.2", []),
        ("6.1", []),
    ],
)
def test_topology_updates_are_stopped_around_a_migration(kernel: str, log: list[str]) -> None:
    """migration_store from 4.20 to 5.8: stop_topology_update() before the suspension, start_… as its last."""
    simulation = Simulation(tree(lmbs(2, 2, 1, 8)), kernel, "powervm", files=Files(file=lambda _: b"[]"))
    result = simulation.run("migrate answers")
    said = [line for line in result.log if "topology" in line]
    assert said == log
    assert not said or (result.log[0], result.log[-1]) == tuple(said)
    assert simulation.state.deaf == (kernel == "5.2")


def test_a_reassignment_may_oops_as_well() -> None:
    simulation = Simulation(tree(lmbs(2, 2, 1, 8)), "5.1", "powervm")
    answers = [Answered(*nodes(UPDATE | 1, CHOSEN)), Answered(*updates(u32(CHOSEN)))]
    updates_of = RecordedUpdates(answers)
    state, machine = simulation.state, simulation.situation.machine
    outcome = run_alone(state, machine, lambda job: handle_prrn_event(job, updates_of, 2))
    assert [(fault.code, fault.function) for fault in outcome.faults] == [("oops", "update_dt_node")]
    assert outcome.rc == EFAULT


def test_a_migration_that_oopses_has_no_end() -> None:
    simulation = Simulation(tree(lmbs(2, 2, 1, 8)), "6.1", "powervm")
    answers = [Answered(*nodes(UPDATE | 1, CHOSEN)), Answered(*updates(u32(CHOSEN)))]
    updates_of = RecordedUpdates(answers)
    state, machine = simulation.state, simulation.situation.machine
    outcome = run_alone(state, machine, lambda job: post_mobility_fixup(job, updates_of))
    assert outcome.rc == EFAULT
    assert not [line for line in outcome.log if "memory transfer" in line]


ROOM = 4096 - 20


@pytest.mark.parametrize(
    ("last", "faults", "values"),
    [
        # The length is the last word: it names the property, and says nothing of its value.
        (descriptor("a" * (ROOM - 5), b""), [], []),
        # What a value has beyond the work area comes as zeros here; the kernel reads on.
        (descriptor("a" * (ROOM - 9), b"1234", 10), [], [b"1234" + bytes(6)]),
        # The length itself lies beyond, in part.
        (descriptor("a" * (ROOM - 3), b""), ["oops"], []),
    ],
)
def test_a_descriptor_at_the_end_of_the_work_area(last: bytes, faults: list[str], values: list[bytes]) -> None:
    area = properties(last, path=False, phandle=CHOSEN)
    partition, result = migrated("6.1", nodes(UPDATE | 1, CHOSEN), updates(area))
    assert [fault.code for fault in result.faults] == faults
    chosen = partition.tree.node("/chosen")
    assert [one.value for one in chosen.properties if one.name.startswith("aaa")] == values


@dataclass
class Asked:
    """Firmware without updates that notes what it was asked for."""

    calls: list[tuple[str, int]] = field(default_factory=list)

    def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
        assert firmware.transfer_error == 0
        self.calls.append((name, scope))
        return bytes(len(work_area)), 0


def test_scopes() -> None:
    """LoPAR: 1 is the scope of a migration, that of a reassignment the negated number of its event."""
    simulation = Simulation(tree(lmbs(2, 2, 1, 8)), "5.1", "powervm")
    state, machine = simulation.state, simulation.situation.machine
    source = Asked()
    run_alone(state, machine, lambda job: post_mobility_fixup(job, source))
    run_alone(state, machine, lambda job: handle_prrn_event(job, source, 77))
    assert source.calls == [("update-nodes", 1), ("update-nodes", -77)]


def test_a_node_is_asked_for_by_its_phandle_in_an_area_of_zeros() -> None:
    """LoPAR: the state variable behind the phandle is 0 in the first call."""
    areas = []

    class Noting(RecordedUpdates):
        def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
            areas.append((name, work_area))
            return super().call(name, work_area, scope, firmware)

    simulation = Simulation(tree(lmbs(2, 2, 1, 8)), "6.1", "powervm")
    answers = [Answered(*nodes(UPDATE | 1, CHOSEN)), Answered(*updates(properties(phandle=CHOSEN)))]
    noting = Noting(answers)
    run_alone(simulation.state, simulation.situation.machine, lambda job: post_mobility_fixup(job, noting))
    assert areas == [("update-nodes", bytes(4096)), ("update-properties", u32(CHOSEN).ljust(4096, b"\0"))]
