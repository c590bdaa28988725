# SPDX-License-Identifier: MIT
"""Steps are left out until none can be, and none that is needed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.simulate.shrink import shrunk


@given(count=st.integers(0, 40), needed=st.sets(st.integers(0, 39), max_size=5))
@settings(max_examples=50)
def test_what_is_needed_stays_and_nothing_else(count: int, needed: set[int]) -> None:
    needed = {number for number in needed if number < count}
    asked: list[tuple[int, ...]] = []

    def shows(steps: Sequence[int]) -> bool:
        asked.append(tuple(steps))
        return needed <= set(steps)

    assert shrunk(range(count), shows) == tuple(sorted(needed))
    assert len(asked) == len(set(asked))


def test_none_can_be_left_out_where_steps_depend_on_one_another() -> None:
    # A number of steps that has to stay odd: one is enough, whichever.
    assert len(shrunk(range(9), lambda steps: len(steps) % 2 == 1)) == 1
    # Two different ones of the same kind.
    kept = shrunk("aabbcc", lambda steps: steps.count("a") >= 2 or {"b", "c"} <= set(steps))
    assert kept in {("a", "a"), ("b", "c")}


@pytest.mark.parametrize(("needed", "length"), [({3}, 40), ({3, 17}, 40), ({0, 39}, 40), ({5, 6, 7}, 8), ({0}, 1)])
def test_the_fewest_steps_are_those_that_it_takes(needed: set[int], length: int) -> None:
    steps = [str(number) for number in range(length)]
    fewest = shrunk(steps, lambda some: {str(number) for number in needed} <= set(some), 1000)
    assert list(fewest) == [str(number) for number in sorted(needed)]


def test_no_more_tries_than_allowed() -> None:
    tries: list[Sequence[str]] = []

    def fails(steps: Sequence[str]) -> bool:
        tries.append(steps)
        return False

    shrunk([str(number) for number in range(100)], fails, 7)
    assert len(tries) == 7
    assert shrunk(["a", "b"], lambda _: True, 0) == ("a", "b")
