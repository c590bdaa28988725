# SPDX-License-Identifier: MIT
"""Which part of all pairs is taken: it leaves out no input and no command, and `WIDE=1` leaves out no pair."""

from __future__ import annotations

import itertools

import pytest

from tests import wide

INPUTS, ITEMS = range(8), "abcdefg"


@pytest.mark.parametrize("of", [1, 2, 3, 5])
def test_every_input_and_every_item_is_met(of: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "WIDE", False)
    part = wide.pairs(INPUTS, ITEMS, of)
    assert {number for number, _ in part} == set(INPUTS)
    assert {item for _, item in part} == set(ITEMS)
    assert len(part) <= len(INPUTS) * -(-len(ITEMS) // of)
    monkeypatch.setattr(wide, "WIDE", True)
    assert wide.pairs(INPUTS, ITEMS, of) == list(itertools.product(INPUTS, ITEMS))
