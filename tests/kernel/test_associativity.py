# SPDX-License-Identifier: MIT
"""Finding an LMB's list in the lookup arrays, appending it, and the odd cases of both."""

from __future__ import annotations

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.kernel.associativity import find_aa_index
from drmemctl.kernel.job import Job, OopsError
from drmemctl.kernel.task import run
from drmemctl.kernel.trace import TreeWrite, recorded
from tests.kernel.partitions import lmbs, partition, properties_of, u32


def job() -> Job:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    return Job(simulation.state, simulation.situation.machine)


def arrays_of(done: Job) -> bytes:
    return done.state.tree.get(NODE, LOOKUP_ARRAYS) or b""


TWO = u32(2, 1, 0, 1)


@pytest.mark.parametrize(
    ("arrays", "domains", "index", "after"),
    [
        (TWO, u32(1, 1), 1, TWO),
        (TWO, u32(1, 9), 2, u32(3, 1, 0, 1, 9)),
        # Of two equal lists the first.
        (u32(3, 1, 7, 7, 7), u32(1, 7), 0, TWO),
        # The length cell is not looked at.
        (TWO, u32(99, 1), 1, TWO),
        # What follows the counted lists stays behind the new one, which takes the place of its beginning.
        (u32(1, 1, 0, 0xAA, 0xBB), u32(1, 9), 1, u32(2, 1, 0, 9, 0xBB, 0)),
        (u32(1, 2, 0, 1), u32(2, 0, 1), 0, TWO),
        (u32(0, 1), u32(1, 4), 0, u32(1, 1, 4)),
    ],
)
def test_find_aa_index(arrays: bytes, domains: bytes, index: int, after: bytes) -> None:
    done = job()
    assert run(done, find_aa_index(done, arrays, domains)) == index
    assert arrays_of(done) == after
    assert done.faults == []


def test_lists_of_no_domains_are_all_equal() -> None:
    done = job()
    assert run(done, find_aa_index(done, u32(2, 0), u32(1, 4))) == 0


def test_a_list_shorter_than_the_arrays_want_is_read_beyond() -> None:
    done = job()
    assert run(done, find_aa_index(done, u32(1, 2, 4, 0), u32(1, 4))) == 0
    assert [fault.code for fault in done.faults] == ["over-read"]


@pytest.mark.parametrize("arrays", [u32(9, 1, 0, 1), u32(2), b""])
def test_a_property_that_is_too_short_is_read_beyond(arrays: bytes) -> None:
    done = job()
    run(done, find_aa_index(done, arrays, u32(1, 5)))
    assert "over-read" in [fault.code for fault in done.faults]


def test_a_list_that_is_appended_beyond_the_end_leaves_its_beginning_in_the_property() -> None:
    """The clone is zeroed, with room for one list more; memcpy writes to where the counted lists would end."""
    done = job()
    assert run(done, find_aa_index(done, u32(2, 2, 5, 6, 7), u32(2, 8, 9))) == 2
    assert arrays_of(done) == u32(3, 2, 5, 6, 7, 0, 8)
    done = job()
    run(done, find_aa_index(done, u32(9, 1, 0, 1), u32(1, 5)))
    assert arrays_of(done) == u32(10, 1, 0, 1, 0)


def test_the_function_that_appends_is_named() -> None:
    with recorded() as events:
        done = job()
        run(done, find_aa_index(done, TWO, u32(1, 9)))
    assert events == [TreeWrite("find_aa_index", 0, NODE, LOOKUP_ARRAYS, 20)]


def test_lists_of_four_billion_domains_oops() -> None:
    with pytest.raises(OopsError):
        run(job(), find_aa_index(job(), u32(0xFFFFFFFF, 0xFFFFFFFF, 1), u32(1, 5)))


def test_four_billion_lists_cost_nothing() -> None:
    done = job()
    assert run(done, find_aa_index(done, u32(0xFFFFFFFF, 1, 1), u32(1, 5))) == 0xFFFFFFFF
    assert done.faults


@pytest.mark.parametrize(
    ("change", "errno"),
    [(f"firmware {NODE} {LOOKUP_ARRAYS} -", "ENODEV"), ("rtas get-sensor 9003 0x80000004", None)],
)
def test_what_an_add_returns(change: str, errno: str | None) -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    simulation.run(change)
    assert simulation.run("dlpar memory add index 0x80000004").errno == errno


def test_the_list_that_was_appended_is_used_the_next_time() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    simulation.run_all(["attach 0x80000004 2 assoc 3", "dlpar memory add count 2"])
    assert properties_of(simulation)[LOOKUP_ARRAYS] == u32(3, 1, 0, 1, 3)
