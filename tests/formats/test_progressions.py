# SPDX-License-Identifier: MIT
"""Which records of a long property are taken many at a time, and which one by one."""

from __future__ import annotations

import pytest

from drmemctl.formats.progressions import progressions
from drmemctl.formats.rows import Rows

ROWS = Rows(base=64, drc=32, aa=32, flags=32)
STEPS = {"base": 16, "drc": 1}
LEAD = b"\xff" * 4
"""What comes before the records."""


def found(
    records: list[tuple[int, int, int, int]], steps: dict[str, int] | None = None
) -> list[tuple[int, int, bool]]:
    data = LEAD + ROWS.pack(records)
    return list(progressions(ROWS, data, len(LEAD), len(records), steps or STEPS))


def line(count: int, base: int = 0, flags: int = 9) -> list[tuple[int, int, int, int]]:
    """Return records that go on regularly; the lowest bit of each is set."""
    return [(base + 16 * at, 0x80000000 + at, 3, flags) for at in range(count)]


def alike(count: int) -> list[tuple[int, int, int, int]]:
    """Return records none of which goes on from the one before."""
    return [(5, 0x80000000, 3, 9)] * count


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], []),
        (line(1), [(0, 1, False)]),
        (line(2), [(0, 2, True)]),
        (line(3), [(0, 3, True)]),
        (line(1024), [(0, 1024, True)]),
        (line(2500), [(0, 1024, True), (1024, 1024, True), (2048, 452, True)]),
        (alike(2), [(0, 2, False)]),
        (alike(2500), [(0, 1024, False), (1024, 1024, False), (2048, 452, False)]),
        # An irregular block is halved where one of four pairs in it goes on, and has more than 64 records.
        (line(32) + line(32), [(0, 64, False)]),
        (line(33) + line(32), [(0, 32, True), (32, 33, False)]),
        (line(64) + line(64), [(0, 64, True), (64, 64, True)]),
        (line(2) + alike(126), [(0, 64, False), (64, 64, False)]),
        (alike(32) + line(2) + alike(94), [(0, 64, False), (64, 64, False)]),
        (alike(64) + line(2) + alike(62), [(0, 64, False), (64, 64, False)]),
        (alike(126) + line(2), [(0, 64, False), (64, 64, False)]),
        (alike(1) + line(2) + alike(125), [(0, 128, False)]),
        (alike(125) + line(2) + alike(1), [(0, 128, False)]),
        (line(200, flags=8)[:150] + line(200, flags=9)[150:], [(0, 100, True), (100, 50, True), (150, 50, True)]),
    ],
)
def test_blocks(records: list[tuple[int, int, int, int]], expected: list[tuple[int, int, bool]]) -> None:
    assert found(records) == expected


def test_ends_that_fit_are_not_enough() -> None:
    records = line(10)
    records[5] = (0, 0, 0, 0)
    assert found(records) == [(0, 10, False)]


def test_no_carry_makes_up_for_a_step() -> None:
    # 2^32 - 1 plus 1 is 0 and a carry: as long integers each is the one before plus the step.
    records = [(0, 0xFFFFFFFF, 3, 9), (17, 0, 3, 9)]
    assert found(records) == [(0, 2, False)]


def test_fields_without_a_step_stay_as_they_are() -> None:
    assert found([(at, 7, 3, 9) for at in range(100)], {"base": 1}) == [(0, 100, True)]
    assert found([(7, 7, 3, at) for at in range(100)], {"flags": 1}) == [(0, 100, True)]
    assert found([(7, 7, at, at) for at in range(64)], {"flags": 1}) == [(0, 64, False)]


def test_many_lengths_and_steps_in_turn() -> None:
    for count in range(2, 40):
        assert found([(at * count, at, 3, 9) for at in range(count)], {"base": count, "drc": 1}) == [
            (0, count, True)
        ]
