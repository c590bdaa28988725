# SPDX-License-Identifier: MIT
"""What holds whatever is requested, and that a large partition costs what a small one does."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from tests.kernel.partitions import DRC, LMB, lmbs, tree
from tests.wide import examples

KERNELS = ["4.16", "5.9", "5.10", "5.13", "5.14", "6.1", "latest", "arrayless"]

LMBS = st.integers(2, 10).map(lambda lmb: f"{DRC + lmb:#x}")
COUNTS = st.integers(0, 6)

REQUESTS = st.one_of(
    st.builds("dlpar memory {} count {}".format, st.sampled_from(["add", "remove"]), COUNTS),
    st.builds("dlpar memory {} index {}".format, st.sampled_from(["add", "remove"]), LMBS),
    st.builds("dlpar memory {} indexed-count {} {}".format, st.sampled_from(["add", "remove"]), COUNTS, LMBS),
    st.builds("unmovable {}".format, LMBS),
    st.builds("movable {}".format, LMBS),
    st.builds("attach {} {} node {}".format, LMBS, st.integers(1, 3), st.integers(0, 1)),
)
"""What an operator may ask for on a partition that keeps to the rules."""


def usual(kernel: str, hypervisor: str, *, v1: bool = False) -> Simulation:
    return Simulation(tree(lmbs(2, 3, 1, 8), lmbs(5, 2, 0, 8), lmbs(7, 4), v1=v1), kernel, hypervisor)


@pytest.mark.parametrize("kernel", KERNELS)
@given(steps=st.lists(REQUESTS, max_size=15), v1=st.booleans())
@settings(max_examples=25)
def test_array_connectors_and_blocks_agree_after_every_request(kernel: str, steps: list[str], v1: bool) -> None:
    simulation = usual(kernel, "powervm", v1=v1)
    written = True
    for step in steps:
        result = simulation.run(step)
        written = result.ok if step.startswith("dlpar") else written
        # Kernels before 5.10 put what they add on the first online node; what a failed request changed is written
        # back by the next one that succeeds.
        known = {"DRM085"} if kernel in ("4.16", "5.9") else set()
        known |= set() if written else {"DRM080", "DRM081", "DRM088"}
        contradictions = simulation.contradictions
        assert [one for one in contradictions if one.rule not in known] == [], step


@pytest.mark.parametrize("kernel", KERNELS)
@given(steps=st.lists(REQUESTS, max_size=12))
@settings(max_examples=25)
def test_a_refused_request_leaves_the_connectors_as_they_were(kernel: str, steps: list[str]) -> None:
    simulation = usual(kernel, "powervm")
    for step in steps:
        before = simulation.situation.machine.connectors
        blocks = [block for block, _ in simulation.state.blocks]
        result = simulation.run(step)
        # The kernel itself keeps an added LMB whose memory has become unmovable, and says so.
        if not result.ok and not any("Failed to remove LMB" in line for line in result.log):
            assert simulation.situation.machine.connectors == before, step
            assert [block for block, _ in simulation.state.blocks] == blocks, step


@given(steps=st.lists(REQUESTS, max_size=12), v1=st.booleans())
@settings(max_examples=50)
def test_the_property_decodes_to_the_array_after_a_successful_request(steps: list[str], v1: bool) -> None:
    simulation = usual("latest", "powervm", v1=v1)
    for step in steps:
        if simulation.run(step).ok and step.startswith("dlpar"):
            again = Simulation(simulation.tree, "latest", "powervm")
            assert again.state.table == simulation.state.table
            assert again.state.blocks == simulation.state.blocks


@given(
    steps=st.lists(
        st.one_of(
            REQUESTS,
            st.builds("plug {} {} node {}".format, LMBS, st.integers(1, 3), st.integers(0, 1)),
            st.builds("unplug {} {}".format, LMBS, st.integers(1, 3)),
            st.builds(
                "rtas set-indicator {} {} {}".format, st.sampled_from([9001, 9003]), LMBS, st.integers(0, 1)
            ),
            st.builds("rtas configure-connector {}".format, LMBS),
            st.sampled_from(["reboot", "kexec"]),
        ),
        max_size=15,
    )
)
@settings(max_examples=examples(100))
def test_nothing_that_can_be_asked_breaks_the_simulation(steps: list[str]) -> None:
    simulation = usual("latest", "qemu")
    for step in steps:
        result = simulation.run(step)
        assert result.to_json()["step"] == step
        machine = simulation.situation.machine
        for device in machine.devices:
            held = [run for run in machine.connectors.between(device.first, device.count) if run.device]
            assert {run.device for run in held} <= {device.number}
        assert "ABORT" in result.events or not machine.aborted or not result.ok
    again = usual("latest", "qemu")
    assert [again.run(step) for step in steps] == simulation.results


def many(count: int, *, v1: bool = False) -> Simulation:
    half = count // 2
    return Simulation(tree(lmbs(2, half, 1, 8), lmbs(2 + half, half), v1=v1), "latest", "powervm")


def seconds_for(simulation: Simulation, requests: int) -> float:
    start = time.process_time()
    for number in range(requests):
        drc = DRC + 2 + number * 7919 % 1000
        assert simulation.run(f"dlpar memory remove index {drc:#x}").ok
        assert simulation.run(f"dlpar memory add index {drc:#x}").ok
    return time.process_time() - start


@pytest.mark.one_python
def test_a_request_costs_the_same_in_a_partition_of_64_tib() -> None:
    small, large = many(4096), many(262_144)
    seconds_for(small, 20)
    fast, slow = (min(seconds_for(one, 50) for _ in range(3)) for one in (small, large))
    assert slow < 3 * fast
    assert large.state.table.n_lmbs == 2 + 262_144
    assert large.tree.get(NODE, V2) is not None
    assert large.tree.get(NODE, V1) is None


@pytest.mark.one_python
def test_a_migration_costs_by_the_run_that_it_moves() -> None:
    # 16 times the LMBs, none of which goes on from the one before: with the square of them it was 200 times.
    seconds = {number: min(migrated(number) for _ in range(3)) for number in (250, 4000)}
    assert seconds[4000] < 48 * seconds[250]


def migrated(number: int) -> float:
    """Return the seconds of an update that gives every other LMB another aa_index."""
    before, after = (
        tree(*(Run((2 + 2 * lmb) * LMB, 1, DRC + 2 * lmb, (lmb + shift) % 2, 8) for lmb in range(number)))
        for shift in (0, 1)
    )
    value = after.get(NODE, V2)
    assert value is not None
    simulation = Simulation(before, "6.1")
    start = time.process_time()
    assert simulation.run(f"firmware {NODE} {V2} {value.hex()}").ok
    assert simulation.state.table.runs[0].aa_index == 1
    return time.process_time() - start
