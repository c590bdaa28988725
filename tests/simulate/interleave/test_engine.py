# SPDX-License-Identifier: MIT
"""A thread alone does what the simulator does; a schedule does the same each time it is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.errors import InputError
from drmemctl.simulate.interleave.answer import answer
from drmemctl.simulate.interleave.policy import BY_NAME, ThreadsError
from drmemctl.simulate.interleave.schedule import states_of
from drmemctl.simulate.interleave.trace import read_schedule, replay, rows, saved
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.step_words import StepError
from drmemctl.tree.node import Node, Property, Tree
from tests.simulate.interleave.cases import BEFORE, FILES, ends_of, explored, question

LMBS = st.integers(2, 8).map(lambda lmb: f"{0x80000000 + lmb:#x}")
REQUESTS = st.one_of(
    st.builds("dlpar memory {} count {}".format, st.sampled_from(["add", "remove"]), st.integers(0, 5)),
    st.builds("dlpar memory {} index {}".format, st.sampled_from(["add", "remove"]), LMBS),
    st.builds(
        "dlpar memory {} indexed-count {} {}".format, st.sampled_from(["add", "remove"]), st.integers(0, 4), LMBS
    ),
    st.builds(
        "firmware /ibm,dynamic-reconfiguration-memory ibm,dynamic-memory-v2 {}".format, st.sampled_from(["-"])
    ),
    st.just("prrn 2 0x80000002"),
)
HOTPLUG = st.one_of(
    st.builds(
        "{} {} {}{}".format,
        st.sampled_from(["plug", "attach"]),
        LMBS,
        st.integers(1, 3),
        st.sampled_from(["", " node 1", " node 9", " assoc 1"]),
    ),
    st.builds("{} {} {}".format, st.sampled_from(["unplug", "detach"]), LMBS, st.integers(1, 3)),
)


@pytest.mark.parametrize("hypervisor", ["powervm", "qemu"])
@pytest.mark.parametrize("kernel", ["4.15", "4.20", "5.10", "latest", "arrayless"])
@given(steps=st.lists(REQUESTS | HOTPLUG, min_size=1, max_size=4))
@settings(max_examples=25)
def test_one_thread_is_the_simulator(kernel: str, hypervisor: str, steps: list[str]) -> None:
    simulation = Simulation(BEFORE, kernel, hypervisor, files=FILES)
    printed = [line for step in steps for line in simulation.run(step).log]
    engine, graph = explored(question("; ".join(steps), kernel=kernel, hypervisor=hypervisor))
    assert len(graph.ends) == 1
    world = ends_of(graph)[0].partition
    assert world.kernel == simulation.state
    assert world.machine == simulation.situation.machine
    schedule = (0,) * (len(graph.edges) - 1)
    said = [line for row in rows(engine, schedule) for line in row.log]
    assert (said or [*engine.messages_before_first(0)]) == printed


def test_what_is_printed_before_the_first_action_is_told_with_it() -> None:
    refused = [*Simulation(BEFORE, "latest").run("dlpar nonsense").log]
    engine, graph = explored(question("dlpar nonsense; dlpar memory add count 1"))
    first, *following = rows(engine, (0,) * (len(graph.edges) - 1))
    assert [*first.log][: len(refused)] == refused
    assert not any(set(refused) & set(row.log) for row in following)


def test_a_guest_without_the_event_source_is_asked_for_any_lmb_as_in_the_simulator() -> None:
    # Of option vector 5 only DRCONF_MEMORY: a plug names no DRC index, and the guest takes the first free LMB.
    agreed = Property("ibm,architecture-vec-5", bytes((10, 0, 0x20)) + bytes(9))
    others = tuple(child for child in BEFORE.root.children if child.name != "chosen")
    base = Tree(replace(BEFORE.root, children=(*others, Node("chosen", (agreed,)))))
    simulation = Simulation(base, "latest", "powervm", files=FILES)
    simulation.run("plug 0x80000006 1")
    _, graph = explored(question("plug 0x80000006 1", base=base))
    (end,) = ends_of(graph)
    assert end.partition.kernel == simulation.state
    flags = {run.drc_index: run.flags for run in end.partition.kernel.table.runs}
    assert flags[0x80000004] == 8


def test_a_lock_keeps_requests_apart() -> None:
    threads = ("dlpar memory add count 1", "dlpar memory remove count 1")
    # One after the other, whoever comes first; without the lock each sees what the other has done so far.
    assert len(explored(question(*threads))[1].ends) == 2
    assert len(explored(question(*threads), "none")[1].ends) > 2


def test_the_work_queue_keeps_the_order_of_events() -> None:
    threads = ("plug 0x80000004 1", "plug 0x80000005 1")
    engine, graph = explored(question(*threads))
    for end in ends_of(graph):
        assert end.partition.queued == ()
    assert all(engine.outcomes(end) == (0, 0) for end in ends_of(graph))


@pytest.mark.parametrize(
    ("threads", "kernel"),
    [
        (("lpm after", "dlpar memory add count 1"), "latest"),
        (("lpm after", "prrn 2 0x80000002"), "4.20"),
        (("lpm after-v1", "dlpar memory add count 1"), "5.2"),
        (("dlpar memory remove count 1", "kdump"), "5.10"),
    ],
)
def test_a_saved_schedule_is_kept_exactly(threads: tuple[str, ...], kernel: str) -> None:
    asked = question(*threads, kernel=kernel)
    policy = BY_NAME["kernel"]
    ends = answer(asked, policy).bad
    assert ends
    for end in ends:
        text = saved(asked, policy, end.schedule).text()
        again = read_schedule(text, "file", question())
        assert again.text() == text
        kept = replay(again)
        assert kept.ended
        assert kept.outcomes == end.outcomes
        assert kept.verdicts == end.verdicts


def test_a_schedule_that_does_not_fit_is_refused() -> None:
    asked = question("lpm after", "dlpar memory add count 1")
    end = answer(asked, BY_NAME["kernel"]).bad[0]
    text = saved(asked, BY_NAME["kernel"], end.schedule).text()
    with pytest.raises(ThreadsError, match="action 1 is 'suspend', the schedule has 'drop'"):
        replay(read_schedule(text.replace("1 suspend", "1 drop"), "file", question()))
    with pytest.raises(ThreadsError, match="cannot be kept"):
        replay(read_schedule(text + "1 more\n", "file", question()))
    for wrong in (
        "",
        "schedule\n",
        text.replace("locking kernel", "locking some"),
        text.replace("1 suspend", "x"),
    ):
        with pytest.raises(InputError):
            read_schedule(wrong, "file", question())


def test_a_schedule_that_waits_for_a_lock_cannot_be_kept() -> None:
    engine, _ = explored(question("dlpar memory add count 1", "dlpar memory remove count 1"))
    with pytest.raises(ValueError, match="thread 2 cannot go on at action 2"):
        states_of(engine, (0, 1))


@pytest.mark.parametrize("text", ["expect ok", "reboot", "", "lpm", "nothing"])
def test_what_is_no_thread(text: str) -> None:
    with pytest.raises(StepError):
        explored(question(text))


def test_no_thread_at_all() -> None:
    with pytest.raises(ThreadsError, match="no thread"):
        explored(question())
