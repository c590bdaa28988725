# SPDX-License-Identifier: MIT
"""Requests by the run: the same as LMB by LMB, whatever the partition, and no more work for more LMBs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.hypervisor.connectors import ConnectorTable
from drmemctl.kernel import walk
from drmemctl.kernel.blocks import BlockRun, Blocks
from drmemctl.kernel.job import LmbMessage
from drmemctl.kernel.trace import recorded
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from tests.kernel.partitions import DRC, LMB, UNSET, lmbs, memory_node, tree
from tests.wide import examples, pairs

KERNELS = ["4.15", "4.16", "4.20", "5.4", "5.9", "5.10", "5.13", "5.14", "6.1", "latest", "arrayless"]
HYPERVISORS = ["powervm", "qemu", "qemu-5.2", "qemu-6.0"]

_ATTRIBUTES = st.sampled_from(
    [(UNSET, 0), (UNSET, 0), (1, 8), (0, 8), (1, 8), (9, 8), (UNSET, 0x80), (0, 0x80000000)]
)


@st.composite
def arrays(draw: st.DrawFn) -> list[Run]:
    """LMBs in runs, now and then with a gap, or where others are already."""
    entries, lmb = [], 2
    for _ in range(draw(st.integers(1, 4))):
        count, (aa, flags) = draw(st.integers(1, 6)), draw(_ATTRIBUTES)
        shift = draw(st.sampled_from([0, 0, 0, 1, -2]))
        entries.append(Run((lmb + shift) * LMB, count, DRC + lmb, aa, flags))
        lmb += count + draw(st.sampled_from([0, 0, 2]))
    return entries


_LMB = st.integers(2, 16).map(lambda lmb: f"{DRC + lmb:#x}")
_COUNT = st.integers(1, 12)
_DO = st.sampled_from(["add", "remove"])
STEPS = st.one_of(
    st.builds("dlpar memory {} count {}".format, _DO, _COUNT),
    st.builds("dlpar memory {} indexed-count {} {}".format, _DO, _COUNT, _LMB),
    st.builds("unmovable {}".format, _LMB),
    st.builds(
        "{} {} {}{}".format, st.sampled_from(["plug", "attach"]), _LMB, _COUNT, st.sampled_from(["", " assoc 1"])
    ),
    st.builds("{} {} {}".format, st.sampled_from(["unplug", "detach"]), _LMB, _COUNT),
    st.builds("rtas set-indicator 9003 {} {}".format, _LMB, st.integers(0, 1)),
    st.builds(
        "firmware {} {} {}".format,
        st.just(NODE),
        st.just(LOOKUP_ARRAYS),
        st.sampled_from(["-", "0000000200000002", f"{1:08x}{1:08x}{0:08x}"]),
    ),
)


@pytest.mark.parametrize(("kernel", "hypervisor"), pairs(KERNELS, HYPERVISORS, 2))
@given(entries=arrays(), steps=st.lists(STEPS, min_size=1, max_size=6), v1=st.booleans(), hole=st.booleans())
@settings(max_examples=examples(20))
def test_a_run_of_lmbs_at_once_is_one_after_the_other(
    kernel: str, hypervisor: str, entries: list[Run], steps: list[str], v1: bool, hole: bool
) -> None:
    end = 2 * LMB + (LMB // 2 if hole else 0)
    start = tree(*entries, v1=v1, memory=[memory_node(0, end)])
    at_once, traced, one_by_one = (Simulation(start, kernel, hypervisor) for _ in range(3))
    for step in steps:
        result = at_once.run(step)
        with recorded() as events:
            traced_result = traced.run(step)
        with recorded() as expected_events, nothing_alike():
            expected = one_by_one.run(step)
        assert result == traced_result == expected
        assert at_once.situation == traced.situation == one_by_one.situation
        assert list(events) == list(expected_events)


@contextmanager
def nothing_alike() -> Iterator[None]:
    """Have the kernel act on one LMB after the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "n_alike", lambda *_: 1)
        yield


@dataclass
class Work:
    """How often the array, the memory blocks and the connectors were changed."""

    changes: int = 0


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    work = Work()

    def counting(kind: type, name: str) -> None:
        method = getattr(kind, name)

        def counted_method(*args: object, **kwargs: object) -> object:
            work.changes += 1
            return method(*args, **kwargs)

        patch.setattr(kind, name, counted_method)

    with monkeypatch.context() as patch:
        for kind, name in (
            (LmbTable, "with_changed"),
            (Blocks, "added"),
            (Blocks, "removed"),
            (ConnectorTable, "with_run"),
        ):
            counting(kind, name)
        yield work


REQUESTS = {
    "powervm": (
        "add count {n}",
        "remove count {n}",
        "add indexed-count {n} {free}",
        "remove indexed-count {n} {free}",
    ),
    "qemu": (
        "plug {free} {n} row 1",
        "unplug {free} {n}",
        "attach {free} {n}",
        "add count {n}",
        "remove indexed-count {n} {free}",
    ),
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("hypervisor", REQUESTS)
@pytest.mark.parametrize("v1", [False, True], ids=["v2", "v1"])
def test_more_lmbs_are_no_more_work(
    kernel: str, hypervisor: str, v1: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not v1 and kernel == "4.15":
        pytest.skip("this kernel knows no v2")
    numbers = {}
    for n in (10, 1000):
        entries = (lmbs(2, n, 1, 8), lmbs(2 + n, n))
        simulation = Simulation(tree(*entries, v1=v1), kernel, hypervisor)
        with counted(monkeypatch) as work:
            for request in REQUESTS[hypervisor]:
                step = request.format(n=n, free=f"{DRC + 2 + n:#x}")
                step = step if step.startswith(("plug", "unplug", "attach")) else f"dlpar memory {step}"
                result = simulation.run(step)
                assert result.ok or hypervisor == "qemu", step
        numbers[n] = work.changes
    assert numbers[10] == numbers[1000]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("hypervisor", REQUESTS)
def test_more_lmbs_are_no_more_work_where_somebody_looks_on(
    kernel: str, hypervisor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {}
    for n in (10, 1000):
        simulation = Simulation(tree(lmbs(2, n, 1, 8), lmbs(2 + n, n), v1=True), kernel, hypervisor)
        with counted(monkeypatch) as work:
            for request in REQUESTS[hypervisor]:
                step = request.format(n=n, free=f"{DRC + 2 + n:#x}")
                with recorded() as events:
                    simulation.run(
                        step if step.startswith(("plug", "unplug", "attach")) else f"dlpar memory {step}"
                    )
                if "add count" in step:
                    assert len(events) > n
        numbers[n] = work.changes
    assert numbers[10] == numbers[1000]


def test_requests_that_fail_are_no_more_work_either(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {}
    for n in (10, 1000):
        simulation = Simulation(tree(lmbs(2, n)), "latest", "powervm")
        simulation.run(f"firmware {NODE} {LOOKUP_ARRAYS} -")  # no LMB finds its list: each fails
        with counted(monkeypatch) as work:
            result = simulation.run(f"dlpar memory add count {n - 1}")
        assert not result.ok
        failed = [line for line in result.log if "Failed to configure LMB" in line]
        assert failed == [f"pseries-hotplug-mem: Failed to configure LMB {DRC + 2 + i:#x}" for i in range(n)]
        numbers[n] = work.changes
    assert numbers[10] == numbers[1000]


def test_a_message_names_the_lmbs_that_follow() -> None:
    message = LmbMessage("Memory at {base:x} (drc index {drc:x})", 0x80000000, 0x80000008)
    assert message == "Memory at 80000000 (drc index 80000008)"
    assert message.of_following(2, 0x10000000) == "Memory at a0000000 (drc index 8000000a)"


def test_blocks_alike() -> None:
    blocks = Blocks((BlockRun(2, 4, 0), BlockRun(8, 2, 1)), frozenset({4}))
    assert [blocks.n_alike(block, 10) for block in range(11)] == [2, 1, 2, 1, 1, 1, 2, 1, 2, 1, 10]
