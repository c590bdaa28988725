# SPDX-License-Identifier: MIT
"""Claims against a dictionary of single numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drmemctl.model.intervals import Claims

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12), st.integers(0, 3)), max_size=12)


@given(ranges=RANGES, start=st.integers(0, 50), count=st.integers(1, 20))
def test_each_number_belongs_to_the_first_that_claims_it(
    ranges: list[tuple[int, int, int]], start: int, count: int
) -> None:
    claims = Claims()
    owners: dict[int, int] = {}
    for begin, length, owner in ranges:
        claims.add(begin, begin + length, owner)
        for number in range(begin, begin + length):
            owners.setdefault(number, owner)
    assert {number: owner for begin, end, owner in claims.parts for number in range(begin, end)} == owners
    assert claims.parts == sorted(claims.parts)
    assert all(before[1] <= after[0] for before, after in zip(claims.parts, claims.parts[1:], strict=False))
    wanted = range(start, start + count)
    assert claims.meeting(start, start + count) == [
        part for part in claims.parts if any(part[0] <= number < part[1] for number in wanted)
    ]
