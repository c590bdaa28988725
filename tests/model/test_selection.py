# SPDX-License-Identifier: MIT
"""Choosing LMBs, against the same choice from a plain list."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.lookup_arrays import LookupArrays
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Lmb, Run
from drmemctl.model.selection import AddressRange, Selection

SIZE = 0x1000
# Rows of one domain each: aa_index 0 is on node 0, 1 on node 3; every other has none.
NODES = Associativity(1, (1,), 1, LookupArrays(2, 1, array("I", [0, 3]), 16))

TABLE = LmbTable.of(
    [
        Run(0, 4, 0, 0xFFFFFFFF, 0xA0),
        Run(4 * SIZE, 4, 0x80000004, 0, 0x8),
        Run(8 * SIZE, 4, 0x80000008, 1, 0x108),
        Run(12 * SIZE, 1, 0, 1, 0x8),
        Run(16 * SIZE, 3, 0x80000010, 0xFFFFFFFF, 0),
    ],
    SIZE,
    "ibm,dynamic-memory-v2",
)


def selected(
    node: int | None = None, drc_index: int | None = None, address: int | None = None, state: str | None = None
) -> Selection:
    return Selection(
        () if node is None else (node,),
        () if drc_index is None else (drc_index,),
        () if address is None else (AddressRange(address, address + 1),),
        () if state is None else (state,),
    )


def chosen(**conditions: Any) -> list[Run]:
    return list(selected(**conditions).of(TABLE, NODES).runs)


def test_no_condition_is_the_table_itself() -> None:
    assert Selection().of(TABLE, NODES) is TABLE


def test_a_choice_is_a_table_of_the_same_property() -> None:
    table = selected(node=3).of(TABLE, NODES)
    assert (table.lmb_size, table.property_name) == (SIZE, "ibm,dynamic-memory-v2")


def test_by_node() -> None:
    assert chosen(node=3) == [TABLE.runs[2], TABLE.runs[3]]
    assert chosen(node=0) == [TABLE.runs[1]]
    assert chosen(node=1) == []


def test_minus_one_is_no_node() -> None:
    assert chosen(node=-1) == [TABLE.runs[0], TABLE.runs[4]]


def test_by_drc_index_it_is_one_lmb_of_its_run() -> None:
    assert chosen(drc_index=0x80000006) == [Run(6 * SIZE, 1, 0x80000006, 0, 0x8)]


def test_a_drc_index_that_several_have_gives_all_of_them() -> None:
    assert chosen(drc_index=0) == [Run(0, 1, 0, 0xFFFFFFFF, 0xA0), TABLE.runs[3]]


@pytest.mark.parametrize("address", [9 * SIZE, 9 * SIZE + 1, 10 * SIZE - 1])
def test_by_any_address_inside(address: int) -> None:
    assert chosen(address=address) == [Run(9 * SIZE, 1, 0x80000009, 1, 0x108)]


@pytest.mark.parametrize("address", [13 * SIZE, 15 * SIZE, 19 * SIZE, 2**64 - 1])
def test_an_address_in_a_hole_gives_nothing(address: int) -> None:
    assert chosen(address=address) == []


@pytest.mark.parametrize(
    ("state", "positions"), [("assigned", [1, 2, 3]), ("free", [4]), ("reserved", [0]), ("hot-removable", [2])]
)
def test_by_state(state: str, positions: list[int]) -> None:
    assert chosen(state=state) == [TABLE.runs[position] for position in positions]


def test_several_conditions_must_all_hold() -> None:
    assert chosen(node=3, state="hot-removable", drc_index=0x80000009, address=9 * SIZE) == [
        Run(9 * SIZE, 1, 0x80000009, 1, 0x108)
    ]
    assert chosen(drc_index=0x80000009, address=10 * SIZE) == []
    assert chosen(drc_index=0x80000009, address=4 * SIZE) == []
    assert chosen(node=0, drc_index=0x80000009) == []
    assert chosen(state="free", address=9 * SIZE) == []


def wanted(lmb: Lmb, selection: Selection) -> bool:
    """Say whether one LMB is chosen, from its four fields alone."""
    node = None if lmb.flags & 0x40 else {0: 0, 1: 3}.get(lmb.aa_index)
    assigned, reserved = bool(lmb.flags & 0x8), bool(lmb.flags & 0x80)
    states = {
        "reserved": reserved,
        "assigned": assigned and not reserved,
        "free": not assigned and not reserved,
        "hot-removable": bool(lmb.flags & 0x100),
    }
    first = lmb.base or 0
    ranges = selection.addresses
    return (
        (not selection.nodes or (-1 if node is None else node) in selection.nodes)
        and (not selection.drc_indexes or lmb.drc_index in selection.drc_indexes)
        and (not ranges or any((r.first - first) % 2**64 < SIZE or r.first <= first < r.end for r in ranges))
        and (not selection.states or any(states[state] for state in selection.states))
    )


ENTRIES = st.lists(
    st.builds(
        Run,
        st.integers(0, 12).map(lambda n: n * SIZE) | st.just(2**64 - SIZE),
        st.integers(0, 4),
        st.integers(0, 12) | st.just(2**32 - 1),
        st.sampled_from([0, 1, 2, 0xFFFFFFFF]),
        st.sampled_from([0, 0x8, 0x48, 0x80, 0x88, 0x108]),
    ),
    max_size=8,
)
RANGES = st.builds(
    lambda first, size: AddressRange(first, first + size),
    st.integers(0, 14 * SIZE),
    st.just(1) | st.integers(1, 5 * SIZE),
)
SELECTIONS = st.builds(
    Selection,
    st.lists(st.sampled_from([-1, 0, 3, 5]), max_size=2).map(tuple),
    st.lists(st.integers(0, 14), max_size=3).map(tuple),
    st.lists(RANGES, max_size=2).map(tuple),
    st.lists(st.sampled_from(["assigned", "free", "reserved", "hot-removable"]), max_size=2).map(tuple),
)


@given(ENTRIES, SELECTIONS)
def test_a_choice_is_that_from_a_list(entries: list[Run], selection: Selection) -> None:
    table = LmbTable.of(entries, SIZE)
    expected = [lmb for lmb in table.lmbs(99) if wanted(lmb, selection)]
    assert list(selection.of(table, NODES).lmbs(99)) == expected


def test_a_choice_from_four_billion_lmbs_costs_nothing() -> None:
    table = LmbTable.of([Run(0, 0xFFFFFFFF, 0, 0, 8)], SIZE)
    assert list(selected(drc_index=0xFFFFFFFE).of(table, NODES).runs) == [
        Run(0xFFFFFFFE * SIZE, 1, 0xFFFFFFFE, 0, 8)
    ]
