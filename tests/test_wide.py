# SPDX-License-Identifier: MIT
"""Which part of all pairs is taken: it leaves out no input and no command; `WIDE=1` and all parts, no pair."""

from __future__ import annotations

import inspect
import itertools
import re

import pytest

from tests import wide
from tests.conftest import COUNTED, NOT_COUNTED, ROOT

INPUTS, ITEMS = range(8), "abcdefg"


@pytest.mark.parametrize(("part", "half"), [(0, True), (0, False), (1, False), (2, False)])
@pytest.mark.parametrize("of", [1, 2, 3])
def test_every_input_and_every_item_is_met(
    of: int, part: int, half: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wide, "WIDE", False)
    monkeypatch.setattr(wide, "HALF", half)
    monkeypatch.setattr(wide, "PART", part)
    taken = wide.pairs(INPUTS, ITEMS, of)
    assert {number for number, _ in taken} == set(INPUTS)
    assert {item for _, item in taken} == set(ITEMS)
    assert len(taken) <= len(INPUTS) * -(-len(ITEMS) // of)
    monkeypatch.setattr(wide, "WIDE", True)
    assert wide.pairs(INPUTS, ITEMS, of) == list(itertools.product(INPUTS, ITEMS))


@pytest.mark.parametrize("of", [1, 2, 3])
def test_three_parts_are_all_pairs(of: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "WIDE", False)
    monkeypatch.setattr(wide, "HALF", False)
    taken = set()
    for part in range(3):
        monkeypatch.setattr(wide, "PART", part)
        taken |= set(wide.pairs(INPUTS, ITEMS, of))
    assert taken == set(itertools.product(INPUTS, ITEMS))


def test_what_one_python_has_is_not_divided(request: pytest.FixtureRequest) -> None:
    """Else the pairs of the other two parts would be met by none."""
    marked = {
        inspect.unwrap(item.function)
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.get_closest_marker("one_python")
    }
    sources = {function: inspect.getsource(function) for function in marked}
    divided = re.compile(r"(?<![.\w])(share|pairs|seeds|examples)\(|\bPART\b")
    assert [
        function.__name__
        for function, source in sources.items()
        if divided.search(source) and "FULL_SIZE" not in source
    ] == []


def test_what_is_counted_or_not_is_there() -> None:
    names = [path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    for start in (*COUNTED, *NOT_COUNTED):
        assert any(name.startswith(start) for name in names), start
    assert [start for start in NOT_COUNTED if not start.startswith(COUNTED)] == []


def test_three_parts_have_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "WIDE", False)
    monkeypatch.setattr(wide, "HALF", True)
    assert wide.once(INPUTS) == list(INPUTS)
    monkeypatch.setattr(wide, "HALF", False)
    taken = []
    for part in range(3):
        monkeypatch.setattr(wide, "PART", part)
        taken += wide.once(INPUTS)
    assert sorted(taken) == list(INPUTS)
    monkeypatch.setattr(wide, "WIDE", True)
    assert wide.once(INPUTS) == list(INPUTS)


@pytest.mark.parametrize(("part", "half"), [(0, True), (0, False), (1, False), (2, False)])
@pytest.mark.parametrize("of", [1, 2, 3])
@pytest.mark.parametrize("by_turns", ["ab", "abc"])
def test_what_comes_by_turns_is_met_whole(
    by_turns: str, of: int, part: int, half: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wide, "WIDE", False)
    monkeypatch.setattr(wide, "HALF", half)
    monkeypatch.setattr(wide, "PART", part)
    items = list(itertools.product(range(20), by_turns))
    for number in INPUTS:
        assert {item for _, item in wide.share(items, number, of)} == set(by_turns)
