# SPDX-License-Identifier: MIT
"""Requests: what the parser takes, which LMBs go, what a failure leaves behind."""

from __future__ import annotations

import pytest

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.kernel.profiles import profile
from drmemctl.kernel.requests import NotSimulatedError, dlpar_store, write_dlpar
from drmemctl.kernel.task import run_alone
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from tests.kernel.partitions import (
    BOOT_MEMORY,
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

USUAL = (lmbs(2, 2, 1, 8), lmbs(4, 4))
COMPLAINT = "dlpar: Could not handle DLPAR request"


@pytest.mark.parametrize(
    ("request_text", "message"),
    [
        ("", "Invalid resource specified."),
        ("mem add count 1", "Invalid resource specified."),
        ("memory", None),
        ("memory ", "Invalid action specified."),
        ("memory  add count 1", "Invalid action specified."),
        ("memory frob count 1", "Invalid action specified."),
        ("memory add", None),
        ("memory add frob 1", "Invalid id_type specified."),
        ("memory add count", "No DRC count specified."),
        ("memory add count ", "Invalid DRC count specified."),
        ("memory add count xyz", "Invalid DRC count specified."),
        ("memory add count -1", "Invalid DRC count specified."),
        ("memory add count 0x100000000", "Invalid DRC count specified."),
        ("memory add count 08", "Invalid DRC count specified."),
        ("memory remove index", "No DRC Index specified."),
        ("memory remove index 8000zz", "Invalid DRC Index specified."),
        ("memory remove indexed-count", "No DRC count specified."),
        ("memory remove indexed-count 1", "No DRC Index specified."),
        ("memory remove indexed-count 1 0x", "Invalid DRC Index specified."),
    ],
)
def test_what_the_parser_refuses(request_text: str, message: str | None) -> None:

    simulation = partition(*USUAL)
    state, machine = simulation.state, simulation.situation.machine
    outcome = run_alone(state, machine, lambda job: dlpar_store(job, request_text + "\n"))
    said = [f"dlpar: {message}"] if message else []
    assert list(outcome.log) == [*said, f'{COMPLAINT} "{request_text}']
    assert outcome.rc == -22
    assert outcome.state == simulation.state


@pytest.mark.parametrize(
    ("request_text", "log"),
    [
        ("memory\n add\n count\n 1\n", []),
        ("memory remove count 1\n\n", ["Invalid DRC count specified."]),
        ("memory remove count 1\t\n", ["Invalid DRC count specified."]),
        ("memory remove count 1\r\n", ["Invalid DRC count specified."]),
        ("memory remove count 1#\n", ["Invalid DRC count specified."]),
        ("memory remove count #1\n", ["Invalid DRC count specified."]),
        ("memory\tremove count 1\n", ["Invalid resource specified."]),
        (" memory remove count 1\n", ["Invalid resource specified."]),
        ("\nmemory remove count 1\n", ["Invalid resource specified."]),
        ("memory  remove count 1\n", ["Invalid action specified."]),
        ("memory remove  count 1\n", ["Invalid id_type specified."]),
        ("memory remove count  1\n", ["Invalid DRC count specified."]),
        ("memory remove index 0x80000002 \n", []),
        ("memory remove count 1 # as much as will do\n", []),
        ("memory remove count 1\0 junk", []),
        ("memory remove count 1", []),
        ("memory remove count ++1", ["Invalid DRC count specified."]),
        ("memory remove count 0x", ["Invalid DRC count specified."]),
        ("memory remove count " + "9" * 5000, ["Invalid DRC count specified."]),
        ("memory remove count 0x" + "0" * 5000 + "1", []),
        ("", []),
    ],
)
def test_odd_texts_are_read_as_dlpar_store_reads_them(request_text: str, log: list[str]) -> None:
    # strsep at each blank, sysfs_streq and kstrtou32 pass over one line feed at the end of a word.
    simulation = partition(*USUAL)
    outcome = run_alone(simulation.state, simulation.situation.machine, lambda job: write_dlpar(job, request_text))
    refused = [line for line in outcome.log if line.startswith("dlpar: Invalid")]
    assert refused == [f"dlpar: {line}" for line in log]
    assert outcome.rc == (-22 if log else 0)


def test_a_request_is_quoted_as_the_log_has_it() -> None:
    def complaint(text: str, kernel: str = "latest") -> list[str]:
        simulation = partition(*USUAL, kernel=kernel)
        run = run_alone(simulation.state, simulation.situation.machine, lambda job: write_dlpar(job, text))
        return [line for line in run.log if line != "dlpar: Invalid resource specified."]

    # The quote that ends it stands alone in the last line, which is left out, or behind the text.
    assert complaint("x\n") == [f'{COMPLAINT} "x']
    assert complaint("x") == [f'{COMPLAINT} "x"']
    assert complaint("x\0y") == [f'{COMPLAINT} "x"']
    assert complaint("x\ny\n") == [f'{COMPLAINT} "x', "y"]
    # A record of the log holds so much (LOG_LINE_MAX, since 6.3 PRINTKRB_RECORD_MAX), with 2 bytes for its level.
    assert [len(complaint("x" * 2000, kernel)[0]) for kernel in ("6.2", "6.3")] == [989, 1021]


def test_what_is_longer_than_a_page_is_several_requests() -> None:
    simulation = partition(*USUAL)
    text = "memory remove count 1 ".ljust(1 << 16, "x")
    assert simulation.run(f"dlpar {text[:-1]}").ok  # with its line feed a page
    result = simulation.run(f"dlpar {text}")  # the line feed alone is the second request
    assert result.errno == "EINVAL"
    assert result.log[-2:] == ("dlpar: Invalid resource specified.", f'{COMPLAINT} "')
    assert assigned(simulation) == []


@pytest.mark.parametrize("number", ["2147483650", "0x80000002", "+0x80000002", "020000000002"])
def test_numbers_as_the_kernel_reads_them(number: str) -> None:
    simulation = partition(*USUAL)
    assert simulation.run(f"dlpar memory remove index {number}").ok
    assert assigned(simulation) == [3]


def test_what_follows_a_whole_request_is_ignored() -> None:
    simulation = partition(*USUAL)
    assert simulation.run("dlpar memory remove count 1 and more").ok
    assert assigned(simulation) == [3]


def test_requests_for_other_resources_are_not_simulated() -> None:
    simulation = partition(*USUAL)
    with pytest.raises(NotSimulatedError):
        run_alone(
            simulation.state,
            simulation.situation.machine,
            lambda job: dlpar_store(job, "dt add index 0x10000000\n"),
        )


def test_add_by_count_takes_the_first_free_lmbs() -> None:
    simulation = partition(*USUAL)
    assert simulation.run("dlpar memory add count 2").ok
    assert assigned(simulation) == [2, 3, 4, 5]
    assert nodes(simulation) == {0: 0, 1: 0, 2: 1, 3: 1, 4: 0, 5: 0}


def test_remove_by_count_takes_the_first_removable_lmbs() -> None:
    simulation = partition(lmbs(2, 1), lmbs(3, 3, 1, 8))
    simulation.run("unmovable 0x80000003")
    assert simulation.run("dlpar memory remove count 2").ok
    assert assigned(simulation) == [3]
    assert [aa_of(simulation, lmb) for lmb in (3, 4, 5)] == [1, UNSET, UNSET]


def test_a_removal_by_count_that_falls_short_puts_everything_back() -> None:
    simulation = partition(*USUAL)
    before = simulation.tree
    result = simulation.run_all(["unmovable 0x80000003", "dlpar memory remove count 2"])[-1]
    assert result.errno == "EINVAL"
    assert assigned(simulation) == [2, 3]
    assert simulation.tree is before  # a failed request does not write the array back
    assert simulation.consistent


def test_an_lmb_that_cannot_be_added_back_is_lost() -> None:
    # Removing the lookup arrays makes adding back fail: its connector is released in passing.
    simulation = partition(*USUAL)
    simulation.run(f"firmware {NODE} {LOOKUP_ARRAYS} -")
    result = simulation.run_all(["unmovable 0x80000003", "dlpar memory remove count 2"])[-1]
    assert "pseries-hotplug-mem: Failed to add LMB back, drc index 80000002" in result.log
    assert assigned(simulation) == [3]
    assert not simulation.consistent
    assert simulation.run("rtas get-sensor 9003 0x80000002").answer == (0, 2)


def test_a_failed_add_leaves_its_lookup_array_behind() -> None:
    simulation = partition(*USUAL)
    simulation.run_all(["attach 0x80000004 1 assoc 3", "attach 0x80000005 1 node 0"])
    simulation.run("rtas set-indicator 9003 0x80000005 1")  # so that the second one cannot be acquired
    result = simulation.run("dlpar memory add indexed-count 2 0x80000004")
    assert result.errno == "EINVAL"
    assert properties_of(simulation)[LOOKUP_ARRAYS] == encode_lookup_arrays([(0,), (1,), (3,)], 1)
    assert aa_of(simulation, 4) == UNSET
    assert assigned(simulation) == [2, 3]


def test_ranges_are_positions_in_the_array_and_not_drc_indexes() -> None:
    simulation = partition(lmbs(2, 1, 1, 8), lmbs(9, 1, 1, 8), lmbs(4, 2))
    assert simulation.run("dlpar memory remove indexed-count 2 0x80000002").ok
    assert assigned(simulation) == []


@pytest.mark.parametrize(("count", "ok"), [(4, True), (5, False)])
def test_a_range_ends_with_the_array(count: int, ok: bool) -> None:
    assert partition(*USUAL).run(f"dlpar memory remove indexed-count {count} 0x80000004").ok is ok


@pytest.mark.parametrize("request_text", ["add indexed-count 2 0x80000002", "remove indexed-count 2 0x80000004"])
def test_a_range_with_nothing_to_do_succeeds_and_is_written_back(request_text: str) -> None:
    # QEMU's two sets of equal LMBs become one: a request that does nothing still flushes.
    simulation = partition(lmbs(2, 1, 1, 8), lmbs(3, 1, 1, 8), lmbs(4, 2), lmbs(6, 2))
    assert simulation.run(f"dlpar memory {request_text}").ok
    assert properties_of(simulation)[V2][:4] == u32(3)


def test_the_first_lmb_with_a_drc_index_counts() -> None:
    simulation = partition(lmbs(2, 1, 1, 8), Run(9 * LMB, 1, DRC + 2, 1, 8), lmbs(4, 2))
    assert simulation.run("dlpar memory remove index 0x80000002").ok
    assert nodes(simulation) == {0: 0, 1: 0, 9: 1}


def test_adding_memory_that_is_there_already_fails() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), Run(2 * LMB, 1, DRC + 7, UNSET, 0))
    result = simulation.run("dlpar memory add index 0x80000007")
    assert result.errno == "EEXIST"
    assert "pseries-hotplug-mem: Failed to add LMB 0x80000007 to node 0" in result.log


def test_adding_memory_that_is_not_aligned_fails() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), Run(0x58000000, 1, DRC + 7, UNSET, 0))
    result = simulation.run("dlpar memory add index 0x80000007")
    assert result.errno == "EINVAL"
    assert result.log[1] == "Block size [0x10000000] unaligned hotplug range: start 0x58000000, size 0x10000000"


def test_removing_memory_that_is_not_aligned_is_a_bug() -> None:
    # Of three LMBs in the middle of blocks the last lies in a block that is there in part only, which cannot go
    # offline; the others lie in blocks that can.
    steps = [f"dlpar memory remove index {DRC + lmb:#x}" for lmb in (7, 8)]
    simulation = partition(Run(0x58000000, 3, DRC + 7, 1, 8))
    assert simulation.run(steps[0]).errno == "EINVAL"
    result = simulation.run(steps[1])
    assert [fault.function for fault in result.findings if fault.function] == ["try_remove_memory"]
    assert result.log == ("Block size [0x10000000] unaligned hotplug range: start 0x68000000, size 0x10000000",)
    assert not simulation.run("dlpar memory add count 1").ok


def test_before_5_3_an_lmb_without_a_node_is_on_node_0() -> None:
    # The first online node is another one: neither memory nor CPUs are on node 0.
    nowhere = tree(
        lmbs(2, 1, 1, 8), lmbs(3, 1, UNSET, 0x40), memory=[memory_node(0, 2 * LMB, 1)], cpu_node=1, v1=True
    )
    found = {}
    for kernel in ("4.15", "5.10"):
        simulation = Simulation(nowhere, kernel, "powervm")
        assert simulation.run("dlpar memory add count 1").ok
        found[kernel] = nodes(simulation)[3]
    assert found == {"4.15": 0, "5.10": 1}


def test_a_node_that_is_not_possible_becomes_the_first_online_one() -> None:
    simulation = partition(*USUAL)
    simulation.run_all(["attach 0x80000004 1 assoc 77", "dlpar memory add index 0x80000004"])
    assert nodes(simulation)[4] == 0
    assert aa_of(simulation, 4) == 2


def test_without_the_drmem_node_hardware_has_changed_and_eperm_is_returned() -> None:
    simulation = partition(*USUAL)
    simulation.run(f"firmware {NODE} {V2} -")
    result = simulation.run("dlpar memory remove index 0x80000003")
    assert result.errno == "EPERM"
    assert 3 not in nodes(simulation)


@pytest.mark.parametrize("v1", [False, True], ids=["v2", "v1"])
@pytest.mark.parametrize("kernel", ["4.15", "4.16", "5.4", "5.10", "6.1", "latest", "arrayless"])
def test_out_and_in_again(kernel: str, v1: bool) -> None:
    if kernel == "4.15" and not v1:
        pytest.skip("this kernel knows no v2")
    simulation = partition(*USUAL, kernel=kernel, v1=v1)
    for step in ("remove index 0x80000003", "add index 0x80000003", "remove count 1", "add count 1"):
        assert simulation.run(f"dlpar memory {step}").ok, step
    name = V1 if v1 else V2
    expected = tree(lmbs(2, 1, 1, 8), lmbs(3, 1, 1, 8), lmbs(4, 4), v1=v1).get(NODE, name)
    again = Simulation(tree(*USUAL, v1=v1).with_property(NODE, name, properties_of(simulation)[name]))
    assert again.state.table == Simulation(tree(*USUAL, v1=v1)).state.table
    assert len(properties_of(simulation)[name]) <= len(expected or b"")


def test_a_kernel_without_an_array_takes_a_new_property_at_its_word() -> None:
    simulation = partition(*USUAL, kernel="arrayless")
    simulation.run(f"firmware {NODE} {V2} {(tree(lmbs(2, 1, 0, 8), lmbs(3, 5)).get(NODE, V2) or b'').hex()}")
    assert assigned(simulation) == [2]
    assert simulation.run("dlpar memory remove index 0x80000003").errno == "EINVAL"


def test_memory_limited_at_boot_counts_as_available_and_cannot_be_removed() -> None:
    simulation = Simulation(tree(lmbs(2, 4, 1, 8), bootargs="mem=768M"), hypervisor="powervm")
    assert (
        simulation.run("dlpar memory remove count 2")
        .log[1]
        .endswith("Memory hot-remove failed, adding LMB's back")
    )
    assert simulation.run("dlpar memory remove index 0x80000005").errno == "EINVAL"
    assert simulation.run("dlpar memory remove count 5").log[1].endswith("(4 of 5) to satisfy request")


def test_an_old_kernel_prints_the_address_of_an_lmb_behind_the_array() -> None:
    result = partition(*USUAL, kernel="5.4").run("dlpar memory remove index 0xdeadbeef")
    assert [(fault.code, fault.function) for fault in result.faults] == [
        ("over-read", "dlpar_memory_remove_by_index")
    ]
    assert result.log[:2] == (
        "pseries-hotplug-mem: Attempting to hot-remove LMB, drc index deadbeef",
        "pseries-hotplug-mem: Failed to hot-remove memory at 0",
    )


def test_an_lmb_that_cannot_be_taken_back_is_named() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 1), Run(2 * LMB, 1, DRC + 5, UNSET, 0))
    simulation.run("unmovable 0x80000004")
    result = simulation.run("dlpar memory add indexed-count 2 0x80000004")
    assert result.errno == "EINVAL"
    assert result.log[-3:] == (
        "pseries-hotplug-mem: Memory indexed-count-add failed, removing any added LMBs",
        "pseries-hotplug-mem: Failed to remove LMB, drc index 80000004",
        'dlpar: Could not handle DLPAR request "memory add indexed-count 2 0x80000004',
    )
    assert assigned(simulation) == [2, 3, 4]


@pytest.mark.parametrize("stuck", [False, True])
def test_an_lmb_is_updated_by_taking_it_away_and_adding_it_again(stuck: bool) -> None:
    """What a reassignment leads to in older kernels: dlpar_memory_readd_by_index logs both ends."""
    simulation = partition(*USUAL, kernel="5.1")
    if stuck:
        simulation.run("unmovable 0x80000003")
    result = simulation.run("prrn 2 0x80000003")
    end = "Failed to update memory at 30000000" if stuck else "Memory at 30000000 was updated"
    assert [line for line in result.log if "pseries-hotplug-mem" in line] == [
        "pseries-hotplug-mem: Attempting to update LMB, drc index 80000003",
        f"pseries-hotplug-mem: {end}",
    ]
    assert assigned(simulation) == [2, 3]


@pytest.mark.parametrize(("other", "node"), [(True, 1), (False, 0)])
def test_before_5_10_memory_goes_where_an_assigned_lmb_of_that_address_belongs(other: bool, node: int) -> None:
    """hot_add_drconf_scn_to_nid looks through the assigned LMBs, which the one to be added is not yet."""
    twice = [Run(8 * LMB, 2, DRC + 8, 1, 8 if other else 0)]
    base = tree(lmbs(2, 1, 0, 8), *twice, Run(9 * LMB, 1, DRC + 16, UNSET, 0), bootargs="mem=768M")
    simulation = Simulation(base, "5.4", "powervm")
    assert simulation.run("dlpar memory add index 0x80000010").ok
    assert nodes(simulation) == {0: 0, 1: 0, 2: 0, 9: node}


@pytest.mark.parametrize("counts", [True, False])
def test_a_kernel_that_counts_its_marks_stops_at_one_that_came_with_the_tree(counts: bool) -> None:
    """drmem_lmb_reserved() is asked of all LMBs from the first on, `lmbs_reserved` says after how many to stop."""
    mark = 0x80000000
    held = {"added": ["counted-marks"]} if counts else {"removed": ["counted-marks"]}
    simulation = Simulation(tree(lmbs(2, 1, 1, 8 | mark), lmbs(3, 2)), profile("6.1").changed(**held), "powervm")
    assert simulation.run("dlpar memory add count 1").ok
    assert [lmb.flags & mark for lmb in simulation.state.table.lmbs(9)][2:] == [0, mark if counts else 0, 0]


def test_lmbs_whose_connectors_are_empty_are_passed_over_one_stretch_after_the_other() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(6, 4), lmbs(10, 6, UNSET, 0x100), hypervisor="qemu")
    simulation.run_all(["attach 0x8000000c 1", "attach 0x8000000d 1", "attach 0x8000000f 1"])
    assert simulation.run("dlpar memory add count 3").ok
    assert assigned(simulation) == [2, 3, 12, 13, 15]


@pytest.mark.parametrize(("counts", "left"), [(True, [4]), (False, [])])
def test_an_addition_that_fails_takes_back_what_is_marked(counts: bool, left: list[int]) -> None:
    """With LMB 2, which came marked, a kernel that counts takes back one too early, and leaves LMB 4."""
    held = {"added": ["counted-marks"]} if counts else {"removed": ["counted-marks"]}
    entries = lmbs(2, 1, 1, 0x80000008), lmbs(4, 1), Run(2 * LMB, 1, DRC + 5, UNSET, 0)
    simulation = Simulation(tree(*entries), profile("6.1").changed(**held), "powervm")
    result = simulation.run("dlpar memory add count 2")
    assert result.errno == "EINVAL"
    assert result.log[-2:] == (
        "pseries-hotplug-mem: Memory hot-add failed, removing any added LMBs",
        'dlpar: Could not handle DLPAR request "memory add count 2',
    )
    assert assigned(simulation) == left


def test_a_range_of_one_lmb_is_removed_and_named() -> None:
    simulation = partition(*USUAL)
    result = simulation.run("dlpar memory remove indexed-count 1 0x80000003")
    assert result.ok
    assert result.log == (
        "pseries-hotplug-mem: Attempting to hot-remove 1 LMB(s) at 80000003",
        "pseries-hotplug-mem: Memory at 30000000 (drc index 80000003) was hot-removed",
    )


@pytest.mark.parametrize(("kernel", "named"), [("5.4", True), ("latest", False)])
def test_only_older_kernels_name_each_lmb_that_was_added_by_count(kernel: str, named: bool) -> None:
    result = partition(*USUAL, kernel=kernel).run("dlpar memory add count 1")
    assert result.ok
    line = "pseries-hotplug-mem: Memory at 40000000 (drc index 80000004) was hot-added"
    assert result.log == ("pseries-hotplug-mem: Attempting to hot-add 1 LMB(s)", line)[: 1 + named]


@pytest.mark.parametrize(("kernel", "available"), [("5.4", 1), ("latest", 3)])
def test_older_kernels_do_not_count_memory_that_cannot_move_as_available(kernel: str, available: int) -> None:
    simulation = partition(lmbs(2, 3, 1, 8), lmbs(5, 1), kernel=kernel)
    simulation.run("unmovable 0x80000003 0x80000004 0x80000005")
    result = simulation.run("dlpar memory remove count 4")
    assert result.errno == "EINVAL"
    assert result.log[1] == (
        f"pseries-hotplug-mem: Not enough LMBs available ({available} of 4) to satisfy request"
    )


@pytest.mark.parametrize("stuck", [False, True])
def test_an_indexed_removal_leaves_marks_outside_of_its_range_alone(stuck: bool) -> None:
    mark = 0x80000000
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 1, 1, 8 | mark))
    if stuck:
        simulation.run("unmovable 0x80000003")
    result = simulation.run("dlpar memory remove indexed-count 2 0x80000002")
    assert result.ok is not stuck
    failed = "pseries-hotplug-mem: Memory indexed-count-remove failed, adding any removed LMBs"
    assert (failed in result.log) is stuck
    assert assigned(simulation) == ([2, 3, 4] if stuck else [4])
    assert [lmb.flags & mark for lmb in simulation.state.table.lmbs(9)] == [0, 0, 0, 0, mark]


@pytest.mark.parametrize(
    ("drc_index", "end"),
    [
        (DRC + 4, "Memory at 40000000 (drc index 80000004) was hot-added"),
        (DRC + 3, "Failed to hot-add memory, drc index 80000003"),
        (DRC + 99, "Failed to hot-add memory, drc index 80000063"),
    ],
)
def test_what_is_said_of_an_addition_by_index(drc_index: int, end: str) -> None:
    log = partition(*USUAL).run(f"dlpar memory add index {drc_index:#x}").log
    assert log[0] == f"pseries-hotplug-mem: Attempting to hot-add LMB, drc index {drc_index:x}"
    assert [line for line in log[1:] if "hot-add" in line] == [f"pseries-hotplug-mem: {end}"]


@pytest.mark.parametrize("kernel", ["4.18", "5.2", "6.1", "latest"])
def test_billions_of_marks_that_came_with_the_tree_are_refused(kernel: str) -> None:
    """Found by fuzzing: kernels that take back all marked LMBs would be at it for days."""
    many = Run(4 * LMB, 0x7FFFFF00, DRC + 4, 0, 0x80000008)
    huge = encode_entries(V2, [BOOT_MEMORY, many])
    simulation = Simulation(tree(lmbs(2, 1)).with_property(NODE, V2, huge), kernel, "powervm")
    with pytest.raises(LimitError, match="2,147,483,392 LMBs have the kernel's own mark"):
        simulation.run("dlpar memory remove count 1")


def test_billions_of_memory_blocks_are_counted_but_not_listed() -> None:
    """Found by fuzzing: a list of them was made before the first was written."""
    huge = encode_entries(V2, [BOOT_MEMORY, Run(4 * LMB, 0x7FFFFF00, DRC + 4, 0, 8)])
    simulation = Simulation(tree(lmbs(2, 1)).with_property(NODE, V2, huge), "6.1", "powervm")
    with pytest.raises(LimitError, match="more than the 1,048,576 that are listed"):
        simulation.to_json()
