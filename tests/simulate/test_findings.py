# SPDX-License-Identifier: MIT
"""What the rules say after each step: of what is new, of the kernel's own faults, and at what price."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.check.engine import all_rules
from drmemctl.check.finding import NEXT_FLUSH, NOW, Finding
from drmemctl.check.kernel.codes import RULE_OF
from drmemctl.check.subject import Running, Subject
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.profiles import profile
from drmemctl.model.run import Run
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import finding_of_fault
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from tests.cases import each
from tests.kernel.partitions import BOOT_MEMORY, DRC, LMB, UNSET, lmbs, partition, tree, u32
from tests.simulate.records import record, record_names, replay, tree_of

USUAL = (lmbs(2, 2, 1, 8), lmbs(4, 4))
SWAPPED = encode_lookup_arrays([(1,), (0,)], 1).hex()
STATE = {rule.id for rule in all_rules().values() if rule.family == "state"}


def rules(found: Iterable[Finding]) -> list[str]:
    return [one.rule for one in found]


def of_state(result: StepResult) -> set[str]:
    return {one.rule for one in result.findings} & STATE


def v2(*entries: Run) -> str:
    """Return the hex of a v2 property with the boot memory and these LMBs."""
    return encode_entries(V2, [BOOT_MEMORY, *entries]).hex()


# What is new.


def test_what_was_wrong_before_is_not_said_again() -> None:
    simulation = partition(*USUAL)
    first = simulation.run("rtas set-indicator 9003 0x80000004 1")
    assert rules(first.findings) == ["DRM083"]
    assert simulation.run("dlpar memory remove index 0x80000003").findings == ()
    assert simulation.run("expect finding DRM083").ok
    assert "DRM083" in rules(simulation.findings)


def test_the_same_rule_speaks_again_of_other_lmbs() -> None:
    simulation = partition(*USUAL)
    simulation.run("rtas set-indicator 9003 0x80000004 1")
    again = simulation.run("rtas set-indicator 9003 0x80000007 1")
    assert [one.message.split(" ")[0] for one in again.findings] == ["2"]
    assert [(run.drc_index, run.count) for run in again.findings[0].lmbs] == [(DRC + 4, 1), (DRC + 7, 1)]


def test_less_of_the_same_is_nothing_new() -> None:
    simulation = partition(*USUAL)
    simulation.run_all([f"rtas set-indicator 9003 {drc:#x} 1" for drc in (DRC + 4, DRC + 5)])
    assert simulation.run("rtas set-indicator 9003 0x80000005 0").findings == ()


def test_what_is_mended_and_broken_again_is_new() -> None:
    simulation = partition(*USUAL)
    steps = [f"rtas set-indicator 9003 0x80000004 {value}" for value in (1, 0, 1)]
    assert [rules(result.findings) for result in simulation.run_all(steps)] == [["DRM083"], [], ["DRM083"]]


def test_what_the_tree_had_at_boot_is_no_finding_of_a_step() -> None:
    simulation = partition(lmbs(2, 2, 9, 8), lmbs(4, 4), kernel="5.2")
    assert "DRM030" in rules(simulation.findings)
    assert "DRM030" not in rules(simulation.run("dlpar memory add count 1").findings)


def test_the_tree_is_judged_when_it_changes() -> None:
    result = partition(*USUAL).run(f"firmware {NODE} {V2} {v2(lmbs(2, 2, 7, 8), lmbs(4, 4))}")
    assert "DRM030" in rules(result.findings)


# What contradicts what.


def test_a_stale_array_is_found_before_the_flush_and_the_loss_after_it() -> None:
    simulation = partition(*USUAL, kernel="5.10")
    moved = simulation.run(f"firmware {NODE} {V2} {v2(lmbs(2, 2, 0, 8), lmbs(4, 4))}")
    pending = [one for one in moved.findings if one.rule == "DRM081"]
    assert [one.when for one in pending] == [NEXT_FLUSH]
    assert [(run.drc_index, run.count) for run in pending[0].lmbs] == [(DRC + 2, 2)]
    assert not simulation.consistent
    flushed = simulation.run("dlpar memory add indexed-count 1 0x80000002")
    lost = [one for one in flushed.findings if one.rule == "DRM088"]
    assert of_state(flushed) == {"DRM088"}
    assert [(run.drc_index, run.count) for one in lost for run in one.lmbs] == [(DRC + 2, 2)]
    assert "drmem_update_dt_v2 wrote that in 'dlpar memory add indexed-count 1 0x80000002'" in lost[0].message
    assert not simulation.consistent


@pytest.mark.parametrize(("kernel", "expected"), [("5.14", {"DRM076", "DRM081"}), ("5.15", {"DRM085"})])
def test_a_migration_is_judged_for_this_kernel(kernel: str, expected: set[str]) -> None:
    result = partition(*USUAL, kernel=kernel).run(f"firmware {NODE} {V2} {v2(lmbs(2, 2, 0, 8), lmbs(4, 4))}")
    assert {"DRM075", *expected} == {*rules(result.findings)} - {"DRM027", "DRM038"}


@pytest.mark.parametrize(("has", "expected"), [(True, set()), (False, {"DRM076"})])
def test_a_capability_counts_and_not_the_release(has: bool, expected: set[str]) -> None:
    kernel = profile("5.10" if has else "6.1", ["aa-sync"] if has else [], [] if has else ["aa-sync"])
    result = Simulation(tree(*USUAL), kernel, "powervm").run(
        f"firmware {NODE} {V2} {v2(lmbs(2, 2, 0, 8), lmbs(4, 4))}"
    )
    assert {*rules(result.findings)} & {"DRM076"} == expected


def test_without_an_array_no_rule_speaks_of_one() -> None:
    simulation = partition(*USUAL, kernel="arrayless")
    result = simulation.run(f"firmware {NODE} {V2} {v2(lmbs(2, 1, 0, 8), lmbs(6, 2, 0, 8))}")
    assert not {*rules(result.findings)} & {"DRM015", "DRM076", "DRM080", "DRM081", "DRM082"}


def test_other_lookup_arrays_leave_memory_on_another_node() -> None:
    result = partition(*USUAL, kernel="6.1").run(f"firmware {NODE} {LOOKUP_ARRAYS} {SWAPPED}")
    assert {"DRM075", "DRM085"} <= {*rules(result.findings)}
    shown = next(one for one in result.findings if one.rule == "DRM085")
    assert (shown.severity, shown.when, shown.path, shown.property) == ("error", NOW, NODE, V2)


def test_a_hot_add_to_the_wrong_node() -> None:
    source = tree(*USUAL)
    old, new = (Simulation(source, kernel, "powervm") for kernel in ("5.9", "5.10"))
    steps = ["attach 0x80000004 1 node 1", "dlpar memory add index 0x80000004"]
    assert of_state(old.run_all(steps)[-1]) == {"DRM085"}
    assert of_state(new.run_all(steps)[-1]) == set()


def test_with_numa_off_no_memory_is_on_a_wrong_node() -> None:
    simulation = Simulation(tree(*USUAL, bootargs="numa=off"), "6.1", "powervm")
    assert simulation.consistent


def test_reference_points_are_those_of_boot() -> None:
    simulation = partition(*USUAL)
    result = simulation.run("firmware /rtas ibm,associativity-reference-points 00000002")
    assert "DRM077" in rules(result.findings)
    assert of_state(result) == set()


def test_an_array_that_merges_is_found_when_it_comes_to_be() -> None:
    simulation = partition(lmbs(2, 1, 1, 8), lmbs(4, 1), lmbs(6, 1, 1, 8), hypervisor="powervm")
    result = simulation.run_all(["attach 0x80000004 1 node 1", "dlpar memory add index 0x80000004"])[-1]
    merged = [one for one in result.findings if one.rule == "DRM082"]
    assert [one.when for one in merged] == [NEXT_FLUSH]
    assert "DRM080" in rules(result.findings)


def test_a_property_that_is_gone() -> None:
    simulation = partition(*USUAL)
    assert "DRM080" in rules(simulation.run(f"firmware {NODE} {V2} -").findings)
    assert not simulation.consistent


def test_an_array_too_long_for_its_property_is_found_before_it_is_written() -> None:
    simulation = Simulation(tree(*USUAL, v1=True), "6.1", "powervm")
    short = encode_entries(V1, [Run(LMB * n, 1, DRC + n, UNSET, 0xA0) for n in range(2)]).hex()
    result = simulation.run(f"firmware {NODE} {V1} {short}")
    assert [one.when for one in result.findings if one.rule == "DRM073"] == [NEXT_FLUSH]
    written = simulation.run("dlpar memory add indexed-count 1 0x80000002")
    assert rules(written.faults) == ["DRM093"]


# The kernel's own faults.


def test_every_code_of_a_fault_has_a_rule() -> None:
    for code, rule in RULE_OF.items():
        assert rule in all_rules()
        fault = Fault(code, "it is so", "some_function", NODE, V2)
        shown = finding_of_fault(fault)
        assert (shown.rule, shown.code, shown.function) == (rule, code, "some_function")
        if all_rules()[rule].family == "kernel":
            subject = Subject(tree(*USUAL), running=Running(faults=(fault,)))
            found = list(all_rules()[rule].violations(subject))
            assert [(one.rule, one.path, one.message) for one in found] == [
                (rule, NODE, "some_function: it is so")
            ]


def test_rules_of_the_kernel_are_silent_about_a_tree() -> None:
    subject = Subject(tree(*USUAL))
    assert not [
        rule.id for rule in all_rules().values() if rule.family == "kernel" and rule.applies(subject, None)
    ]


def test_faults_at_boot() -> None:
    short = tree(*USUAL).with_property(NODE, V2, u32(9))
    simulation = Simulation(short, "latest", "powervm")
    assert rules(simulation.boot_faults) == ["DRM092"]
    assert simulation.run("expect finding DRM092").ok
    assert simulation.run("expect finding over-read").ok


def test_a_kernel_that_did_not_come_up_contradicts_nothing() -> None:
    simulation = Simulation(tree(lmbs(2, 2, 9, 8)), "6.1", "powervm")
    assert simulation.state.dead
    assert not {*rules(simulation.findings)} & STATE
    assert not simulation.consistent


def test_json_is_that_of_check() -> None:
    simulation = partition(*USUAL)
    record = simulation.run(f"firmware {NODE} {LOOKUP_ARRAYS} {SWAPPED}").to_json()["findings"][0]
    assert list(record) == ["rule", "severity", "message", "path", "property", "offset", "lmbs", "when"]
    assert record["lmbs"][0] == {
        "base": 2 * LMB, "count": 2, "drc_index": DRC + 2, "aa_index": 1, "flags": 8, "flag_names": ["assigned"],
        "node": 0,
    }  # fmt: skip


# Real kernels.

RECORDED = [*record_names("captures"), *record_names("mobility")]


@each("name", RECORDED)
def test_a_real_kernel_contradicts_nothing_when_it_has_booted(name: str) -> None:
    assert Simulation(tree_of(name), record(name)["kernel"]).consistent


@each("name", RECORDED)
def test_each_finding_of_a_real_run_is_whole(name: str) -> None:
    for step in replay(name).steps:
        for found in step.result.findings:
            assert found.rule in all_rules()
            assert found.message
            assert found.severity == all_rules()[found.rule].severity


def states(name: str) -> list[set[str]]:
    return [of_state(step.result) for step in replay(f"captures/{name}").steps]


def test_what_real_migrations_leave_behind() -> None:
    """5.10 has the array of the source, and writes it back; 6.1 and 7.2 have that of the destination.

    Memory stays where it was.

    The LMB that is removed at the end is one that QEMU did not ask for: it keeps the connector.
    """
    assert states("5.10-lpm") == [set(), set(), {"DRM081"}, {"DRM088"}, {"DRM083"}]
    for name in ("6.1-lpm", "7.2-lpm"):
        assert states(name) == [set(), set(), {"DRM085"}, set(), {"DRM083"}]


@pytest.mark.parametrize("name", ["6.1-merge", "7.2-merge"])
def test_a_real_corruption(name: str) -> None:
    assert states(name)[1] == {"DRM080", "DRM082"}


# What it costs.


def without_findings(base: Tree) -> Simulation:
    return Simulation(base, "latest", "powervm", findings=False)


def test_rules_can_be_left_out() -> None:
    simulation = without_findings(tree(*USUAL))
    assert simulation.run("rtas set-indicator 9003 0x80000004 1").findings == ()
    assert not simulation.consistent
    assert simulation.run("expect finding DRM083").ok
    over_read = simulation.run(f"firmware {NODE} {V2} 80000004")
    assert rules(over_read.findings) == ["DRM092", "DRM094"]


def seconds_for(count: int, requests: int) -> float:
    half = count // 2
    listed = u32(count, *range(DRC + 2, DRC + 2 + count))
    base = tree(lmbs(2, half, 1, 8), lmbs(2 + half, half)).with_property("/", "ibm,drc-indexes", listed)
    simulation = Simulation(base, "latest", "powervm")
    simulation.run_all([f"dlpar memory {word} index {DRC + 2:#x}" for word in ("remove", "add")])
    start = time.process_time()
    for number in range(requests):
        drc = DRC + 3 + number * 7919 % 1000
        assert simulation.run(f"dlpar memory remove index {drc:#x}").findings == ()
        assert simulation.run(f"dlpar memory add index {drc:#x}").findings == ()
    return time.process_time() - start


@pytest.mark.one_python
def test_rules_cost_the_same_in_a_partition_of_64_tib() -> None:
    fast, slow = (min(seconds_for(count, 30) for _ in range(2)) for count in (4096, 262_144))
    assert slow < 3 * fast


REQUESTS = st.one_of(
    st.builds("dlpar memory {} count {}".format, st.sampled_from(["add", "remove"]), st.integers(0, 6)),
    st.builds("unmovable {}".format, st.integers(DRC + 2, DRC + 9).map(hex)),
    st.sampled_from(
        [
            f"firmware {NODE} {LOOKUP_ARRAYS} {SWAPPED}",
            f"firmware {NODE} {V2} {v2(lmbs(2, 2, 0, 8), lmbs(4, 4))}",
            "rtas set-indicator 9003 0x80000006 1",
            "reboot",
            "kexec",
        ]
    ),
)


@given(steps=st.lists(REQUESTS, max_size=10), kernel=st.sampled_from(["4.15", "5.10", "6.1", "arrayless"]))
@settings(max_examples=60)
def test_what_was_not_asked_again_is_what_would_have_been_answered(steps: list[str], kernel: str) -> None:
    """A simulation that comes to a state step by step has the findings of one that is asked about it at once."""
    simulation = Simulation(tree(*USUAL), kernel, "powervm")
    late = Simulation(tree(*USUAL), kernel, "powervm", findings=False)
    for step in steps:
        simulation.run(step)
        late.run(step)
    assert {(one.rule, one.path, one.property) for one in simulation.findings} == {
        (one.rule, one.path, one.property) for one in late.findings
    }
    assert simulation.consistent == late.consistent


def test_undoing_a_step_brings_back_what_the_rules_said() -> None:
    simulation = partition(*USUAL)
    before = simulation.situation
    simulation.run("rtas set-indicator 9003 0x80000004 1")
    simulation.situation = before
    assert simulation.consistent
    assert rules(simulation.run("rtas set-indicator 9003 0x80000004 1").findings) == ["DRM083"]


def test_a_migration_to_a_tree() -> None:
    destination = tree(lmbs(2, 2, 0, 8), lmbs(4, 4), rows=((1,), (0,)))
    simulation = Simulation(tree(*USUAL), "6.1", "powervm", files=Files(tree=lambda _: destination))
    result = simulation.run("lpm there")
    assert of_state(result) == set()
    assert simulation.consistent
