# SPDX-License-Identifier: MIT
"""Which records of a long property are taken many at a time, and which one by one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drmemctl.formats.progressions import progressions
from drmemctl.formats.rows import Rows

ROWS = Rows(base=64, drc=32, aa=32, flags=32)
STEPS = {"base": 16, "drc": 1}
LEAD = b"\xff" * 4
"""What comes before the records."""


def found(
    records: list[tuple[int, int, int, int]], steps: dict[str, int] | None = None
) -> list[tuple[int, int, list[int]]]:
    data = LEAD + ROWS.pack(records) + LEAD
    blocks = progressions(ROWS, data, len(LEAD), len(records), steps or STEPS)
    return [(first, count, list(begins)) for first, count, begins in blocks]


def line(count: int, base: int = 0, flags: int = 9) -> list[tuple[int, int, int, int]]:
    """Return records that go on regularly; the lowest bit of each is set."""
    return [(base + 16 * at, 0x80000000 + at, 3, flags) for at in range(count)]


def alike(count: int) -> list[tuple[int, int, int, int]]:
    """Return records none of which goes on from the one before."""
    return [(5, 0x80000000, 3, 9)] * count


def alone(first: int, count: int) -> tuple[int, int, list[int]]:
    """Return a block in which each record is taken for itself."""
    return (first, count, list(range(first, first + count)))


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], []),
        (line(1), [(0, 1, [0])]),
        (line(2), [(0, 2, [0])]),
        (line(3), [(0, 3, [0])]),
        (line(1024), [(0, 1024, [0])]),
        (line(2500), [(0, 1024, [0]), (1024, 1024, [1024]), (2048, 452, [2048])]),
        (alike(2), [alone(0, 2)]),
        (alike(2500), [alone(0, 1024), alone(1024, 1024), alone(2048, 452)]),
        (line(32) + line(32), [(0, 64, [0, 32])]),
        (line(33) + line(1) + line(60), [(0, 94, [0, 33, 34])]),
        (line(64) + alike(3), [(0, 67, [0, 64, 65, 66])]),
        # Where hardly any goes on from the one before, or none of four pairs does, all are taken for themselves.
        (line(2) + alike(126), [alone(0, 128)]),
        (line(4) + line(4) + line(4), [(0, 12, [0, 4, 8])]),
        (line(4) + line(3) + line(4), [alone(0, 11)]),
        (alike(1) + line(1) + line(125), [(0, 127, [0, 1, 2])]),
        (alike(8) + line(20) + alike(100), [alone(0, 128)]),
        (line(150, flags=8) + line(200, flags=9)[150:], [(0, 200, [0, 150])]),
    ],
)
def test_blocks(records: list[tuple[int, int, int, int]], expected: list[tuple[int, int, list[int]]]) -> None:
    assert found(records) == expected


def test_a_record_between_that_is_another_is_one_for_itself() -> None:
    records = line(12)
    records[5] = (0, 0, 0, 0)
    assert found(records) == [(0, 12, [0, 5, 6])]


def test_no_carry_makes_up_for_a_step() -> None:
    # 2^32 - 1 plus 1 is 0 and a carry: as long integers each is the one before plus the step.
    records = [(0, 0xFFFFFFFF, 3, 9), (17, 0, 3, 9)]
    assert found(records) == [alone(0, 2)]
    # The carry out of an address goes into the flags of the record before.
    wraps = [((1 << 64) - 32, 4, 3, 7), ((1 << 64) - 16, 5, 3, 8), (0, 6, 3, 9)]
    assert found([*wraps, *line(9)]) == [alone(0, 12)]


def test_fields_without_a_step_stay_as_they_are() -> None:
    assert found([(at, 7, 3, 9) for at in range(100)], {"base": 1}) == [(0, 100, [0])]
    assert found([(7, 7, 3, at) for at in range(100)], {"flags": 1}) == [(0, 100, [0])]
    assert found([(7, 7, at, at) for at in range(64)], {"flags": 1}) == [alone(0, 64)]


def test_many_lengths_and_steps_in_turn() -> None:
    for count in range(2, 40):
        assert found([(at * count, at, 3, 9) for at in range(count)], {"base": count, "drc": 1}) == [
            (0, count, [0])
        ]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 40),
            st.sampled_from([0, 5, (1 << 64) - 16 * 9, (1 << 64) - 1]),
            st.sampled_from([0, 9, (1 << 32) - 7]),
            st.sampled_from([3, (1 << 32) - 1]),
            st.sampled_from([8, 9, (1 << 32) - 1]),
        ),
        min_size=1,
        max_size=9,
    )
)
@example([(9, (1 << 64) - 16 * 9, 0, 3, 8), (3, 0, 0, 3, 8)])
def test_whatever_goes_on_is_what_a_loop_says(parts: list[tuple[int, int, int, int, int]]) -> None:
    records = [
        ((base + 16 * at) % (1 << 64), (drc + at) % (1 << 32), aa, flags)
        for count, base, drc, aa, flags in parts
        for at in range(count)
    ]
    expected = [0]
    for at in range(1, len(records)):
        base, drc, aa, flags = records[at - 1]
        if records[at] != (base + 16, drc + 1, aa, flags):
            expected.append(at)
    ((first, count, begins),) = found(records)
    assert (first, count) == (0, len(records))
    assert begins in (expected, list(range(count)))
