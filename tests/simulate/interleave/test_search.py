# SPDX-License-Identifier: MIT
"""Reduction loses no end, against every order of everything; bounds say that they were met."""

from __future__ import annotations

import random

import pytest

from drmemctl.simulate.interleave.answer import answer
from drmemctl.simulate.interleave.policy import BY_NAME
from drmemctl.simulate.interleave.search import Bounds
from tests.cases import each
from tests.simulate.interleave.cases import end_keys, explored, question
from tests.wide import seeds

STEPS = (
    "dlpar memory add count 1",
    "dlpar memory remove count 1",
    "dlpar memory add index 0x80000004",
    "dlpar memory remove index 0x80000002",
    "dlpar memory add indexed-count 1 0x80000005",
    "dlpar memory remove indexed-count 2 0x80000002",
    "dlpar memory add count 9",
    "lpm after",
    "lpm after-v1",
    "lpm moved",
    "prrn reassigned",
    "prrn 2 0x80000002",
    "unplug 0x80000003 1",
    "plug 0x80000006 1 node 1",
    "firmware /ibm,dynamic-reconfiguration-memory ibm,dynamic-memory-v2 -",
    "kdump",
)
KERNELS = ("4.15", "4.16", "4.20", "5.2", "5.4", "5.10", "5.14", "6.1", "latest", "arrayless")
POLICIES = ("kernel", "none", "mutex", "drain", "both", "hotplug")


@each("seed", seeds(240))
def test_reduction_loses_no_end(seed: int) -> None:
    chance = random.Random(seed)
    threads = chance.sample(STEPS, 2)
    asked = question(*threads, kernel=chance.choice(KERNELS))
    locking = chance.choice(POLICIES)
    reduced, brute = (explored(asked, locking, reduce=reduce) for reduce in (True, False))
    assert end_keys(*reduced) == end_keys(*brute), threads
    assert len(reduced[1].edges) <= len(brute[1].edges)
    assert reduced[1].schedules() <= brute[1].schedules()


@pytest.mark.parametrize("seed", range(6))
def test_reduction_loses_no_end_of_three_threads(seed: int) -> None:
    chance = random.Random(seed)
    threads = ["lpm after", *chance.sample(STEPS[3:6], 1), "prrn 2 0x80000002"]
    asked = question(*threads, kernel=chance.choice(["4.20", "5.10", "latest"]))
    reduced, brute = (explored(asked, "kernel", reduce=reduce) for reduce in (True, False))
    assert end_keys(*reduced) == end_keys(*brute)
    assert reduced[1].schedules() < brute[1].schedules()


def test_the_size_of_lmbs_is_no_other_property_to_a_crash_kernel() -> None:
    size = "firmware /ibm,dynamic-reconfiguration-memory ibm,lmb-size 0000000020000000"
    asked = question("plug 0x80000004 1", size, "kdump", kernel="6.9")
    reduced, brute = (explored(asked, "kernel", reduce=reduce) for reduce in (True, False))
    assert end_keys(*reduced) == end_keys(*brute)
    assert len(reduced[1].ends) == 4


def test_threads_that_share_nothing_have_one_schedule() -> None:
    _, graph = explored(question("firmware /chosen a 00", "dlpar memory add count 1", kernel="5.10"))
    assert graph.schedules() == 1
    assert len(graph.ends) == 1
    assert explored(question("firmware /chosen a 00", "dlpar memory add count 1"), reduce=False)[1].schedules() > 1


@pytest.mark.parametrize(
    ("bounds", "why"),
    [(Bounds(states=50), "50 states were looked at"), (Bounds(seconds=1e-9), "1e-09 s were over")],
)
def test_a_bound_that_was_met_is_told(bounds: Bounds, why: str) -> None:
    found = answer(question("lpm after", "dlpar memory add count 1", bounds=bounds), BY_NAME["kernel"])
    assert not found.complete
    assert found.why == why


def test_until_stops_at_the_first_end_of_a_kind() -> None:
    whole = question("lpm after", "dlpar memory add count 1")
    first = question("lpm after", "dlpar memory add count 1", until="DRM081")
    found = answer(first, BY_NAME["kernel"])
    assert not found.complete
    assert any(verdict.rule == "DRM081" for end in found.bad for verdict in end.verdicts)
    assert found.states < answer(whole, BY_NAME["kernel"]).states
