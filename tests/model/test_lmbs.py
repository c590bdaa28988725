# SPDX-License-Identifier: MIT
"""Runs of LMBs against the kernel's own array and against a plain list of LMBs."""

from __future__ import annotations

import json
import time
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import V1, V2, decode_entries
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Lmb, Run, has_state, state_of
from drmemctl.model.runs import Runs
from drmemctl.tree.fdt_reader import read_fdt
from tests.conftest import FIXTURES, blob, gunzip

ARRAYS = sorted(path.name.removesuffix(".lmbs.json.gz") for path in FIXTURES.rglob("*.lmbs.json.gz"))
LMB_SIZE = 0x10000000


def kernel_array(name: str) -> Any:
    """Return `drmem_info` and `drmem_lmb[]` as they stood in a running kernel's memory."""
    return json.loads(gunzip(FIXTURES / "kernel-arrays" / f"{name}.lmbs.json.gz"))


def rows(table: LmbTable) -> list[list[int | None]]:
    return [[lmb.base, lmb.drc_index, lmb.aa_index, lmb.flags] for lmb in table.lmbs(1 << 20)]


@pytest.mark.parametrize("name", ARRAYS)
def test_the_lmbs_are_the_array_of_the_running_kernel(name: str) -> None:
    kernel = kernel_array(name)
    table = LmbTable.from_tree(read_fdt(blob(f"kernel-arrays/{name}")))
    assert rows(table) == kernel["lmbs"]
    assert (table.n_lmbs, table.lmb_size) == (kernel["n_lmbs"], kernel["lmb_size"])


def test_the_bundled_arrays_are_of_both_versions() -> None:
    names = {LmbTable.from_tree(read_fdt(blob(f"kernel-arrays/{name}"))).property_name for name in ARRAYS}
    assert names == {V1, V2}
    assert len(ARRAYS) == 7


# Three sets: 2 LMBs from 0x40000000, 2 from 0x100000000, 1 unassigned at 0x200000000.
SETS = bytes.fromhex(
    "00000003"
    "00000002 0000000040000000 80000010 00000001 00000008"
    "00000002 0000000100000000 80000040 00000001 00000008"
    "00000001 0000000200000000 80000080 ffffffff 00000000"
)
CELLS = bytes.fromhex(
    "00000005"
    "0000000040000000 80000010 00000000 00000001 00000008"
    "0000000050000000 80000011 00000000 00000001 00000008"
    "0000000100000000 80000040 00000000 00000001 00000008"
    "0000000110000000 80000041 00000000 00000001 00000008"
    "0000000200000000 80000080 00000000 ffffffff 00000000"
)
RUNS = [
    Run(0x40000000, 2, 0x80000010, 1, 8),
    Run(0x100000000, 2, 0x80000040, 1, 8),
    Run(0x200000000, 1, 0x80000080, 0xFFFFFFFF, 0),
]


def table_of(property: str, data: bytes, lmb_size: int | None = LMB_SIZE) -> LmbTable:
    return LmbTable.of_property(decode_entries(property, data), lmb_size)


@pytest.mark.parametrize(("property", "data"), [(V1, CELLS), (V2, SETS)])
def test_cells_and_sets_of_one_content_give_the_same_runs(property: str, data: bytes) -> None:
    assert list(table_of(property, data).runs) == RUNS


def test_tables_of_one_content_are_equal_whichever_property_they_are_from() -> None:
    assert table_of(V1, CELLS) == table_of(V2, SETS)
    assert hash(table_of(V1, CELLS).runs) == hash(table_of(V2, SETS).runs)


def test_a_single_cell_is_one_lmb() -> None:
    data = bytes.fromhex("00000001 0000000010000000 80000001 00000000 00000000 00000008")
    assert rows(table_of(V1, data)) == [[0x10000000, 0x80000001, 0, 8]]


def test_a_difference_in_any_field_makes_tables_unequal() -> None:
    whole = Run(0x40000000, 2, 0x80000010, 1, 8)
    table = LmbTable.of([whole], LMB_SIZE)
    for field in range(5):
        values = list(whole)
        values[field] += 1
        assert LmbTable.of([Run(*values)], LMB_SIZE) != table
    assert LmbTable.of([whole], 2 * LMB_SIZE) != table


def entry(count: int = 1, base: int = 0, drc: int = 0, aa: int = 0, flags: int = 8) -> Run:
    return Run(base, count, drc, aa, flags)


JOINED = [
    ("next", entry(2, 2 * LMB_SIZE, 2), 1),
    ("gap-in-address", entry(2, 3 * LMB_SIZE, 2), 2),
    ("gap-in-drc", entry(2, 2 * LMB_SIZE, 3), 2),
    ("drc-again", entry(2, 2 * LMB_SIZE, 0), 2),
    ("other-aa", entry(2, 2 * LMB_SIZE, 2, aa=1), 2),
    ("other-flags", entry(2, 2 * LMB_SIZE, 2, flags=0), 2),
    ("downwards", entry(1, 2**64 - LMB_SIZE, 2**32 - 1), 2),
]


@pytest.mark.parametrize(("second", "n_runs"), [case[1:] for case in JOINED], ids=[case[0] for case in JOINED])
def test_runs_are_joined_only_where_all_goes_on(second: Run, n_runs: int) -> None:
    assert len(Runs([entry(2), second], LMB_SIZE)) == n_runs


def test_sets_of_no_lmbs_are_nothing_and_divide_nothing() -> None:
    entries = [entry(0, 7, 7, 7, 7), entry(2), entry(0, 9, 9, 9, 9), entry(2, 2 * LMB_SIZE, 2), entry(0)]
    assert list(Runs(entries, LMB_SIZE)) == [Run(0, 4, 0, 0, 8)]


def test_a_set_of_none_before_the_last_address_joins_nothing() -> None:
    entries = [entry(0), entry(1, 2**64 - 1, 2**32 - 1, 0, 0)]
    assert list(Runs(entries, LMB_SIZE)) == [Run(2**64 - 1, 1, 2**32 - 1, 0, 0)]


def test_addresses_wrap_at_64_bits_and_drc_indexes_at_32() -> None:
    table = LmbTable.of([entry(3, 2**64 - LMB_SIZE, 2**32 - 2)], LMB_SIZE)
    assert [(lmb.base, lmb.drc_index) for lmb in table.lmbs(3)] == [
        (2**64 - LMB_SIZE, 2**32 - 2),
        (0, 2**32 - 1),
        (LMB_SIZE, 0),
    ]
    assert table.index_of_drc(0) == 2
    assert index_of_address(table, LMB_SIZE - 1) == 1


def test_a_run_goes_on_across_the_wrap() -> None:
    entries = [entry(1, 2**64 - LMB_SIZE, 2**32 - 1), entry(1, 0, 0)]
    assert list(Runs(entries, LMB_SIZE)) == [Run(2**64 - LMB_SIZE, 2, 2**32 - 1, 0, 8)]


def index_of_address(table: LmbTable, address: int) -> int | None:
    """Return the array index of the first LMB that holds an address."""
    first = 0
    for run in table.runs:
        position = run.position_of_address(address, table.lmb_size)
        if position is not None:
            return first + position
        first += run.lmbs
    return None


HUGE = 0xFFFFFFFF


def test_four_billion_lmbs_cost_nothing() -> None:
    tracemalloc.start()
    begin = time.process_time()
    table = LmbTable.of([entry(HUGE, 0, 0)] * 3, LMB_SIZE)
    assert table.n_lmbs == 3 * HUGE
    assert table.lmb(HUGE - 1).drc_index == HUGE - 1
    assert index_of_address(table, LMB_SIZE * (HUGE - 1)) == HUGE - 1
    changed = table.with_changed(HUGE // 2, 7, flags=0)
    assert changed.n_lmbs == 3 * HUGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - begin < 1
    assert peak < 1 << 20


def test_four_billion_lmbs_are_not_expanded() -> None:
    table = LmbTable.of([entry(HUGE)], LMB_SIZE)
    with pytest.raises(LimitError, match="4,294,967,295 LMBs, more than the limit of 4,194,304"):
        table.lmbs(4_194_304)


def test_the_limit_itself_may_be_expanded() -> None:
    table = LmbTable.of([entry(10)], LMB_SIZE)
    assert len(list(table.lmbs(10))) == 10
    with pytest.raises(LimitError):
        table.lmbs(9)


def test_without_an_lmb_size_only_the_first_address_of_a_set_is_known() -> None:
    table = LmbTable.of([entry(2, 4096, 5), entry(1, 8192, 7)], None)
    assert list(table.lmbs(9)) == [Lmb(4096, 5, 0, 8), Lmb(None, 6, 0, 8), Lmb(8192, 7, 0, 8)]
    assert len(table.runs) == 2
    assert index_of_address(table, 8192) == 2
    assert index_of_address(table, 4097) is None
    assert table.index_of_drc(6) == 1


def test_with_an_lmb_size_of_0_all_lmbs_of_a_set_have_one_address() -> None:
    table = LmbTable.of([entry(3, 4096, 5)], 0)
    assert [lmb.base for lmb in table.lmbs(9)] == [4096] * 3
    assert index_of_address(table, 4096) == 0
    assert index_of_address(table, 4097) is None


def test_an_index_past_the_end_is_an_error() -> None:
    table = LmbTable.of([entry(2)], LMB_SIZE)
    with pytest.raises(IndexError):
        table.lmb(2)


def test_a_run_has_its_fields_by_name_and_in_order() -> None:
    run = Run(base=0x40000000, lmbs=2, drc_index=0x80000004, aa_index=1, flags=8)
    assert run == (0x40000000, 2, 0x80000004, 1, 8)
    assert run.count == run.lmbs == 2
    assert run._replace(aa_index=3) == Run(0x40000000, 2, 0x80000004, 3, 8)


def test_runs_are_a_sequence() -> None:
    runs = Runs([entry(1, 7), entry(1, 0), entry(2, 9)], LMB_SIZE)
    assert runs[-1] == Run(9, 2, 0, 0, 8)
    assert runs[:2] == [Run(7, 1, 0, 0, 8), Run(0, 1, 0, 0, 8)]
    assert list(runs) == [entry(1, 7), entry(1, 0), entry(2, 9)]
    assert (len(runs), runs.n_lmbs) == (3, 4)
    with pytest.raises(IndexError):
        runs[3]


# Small numbers meet often, those at the ends wrap.
BASES = st.integers(0, 12).map(lambda n: n * 16) | st.integers(2**64 - 40, 2**64 - 1) | st.integers(0, 2**64 - 1)
DRCS = st.integers(0, 12) | st.integers(2**32 - 4, 2**32 - 1)
SMALL = st.sampled_from([0, 8])
ENTRIES = st.lists(st.builds(Run, BASES, st.integers(0, 4), DRCS, st.sampled_from([0, 1]), SMALL), max_size=8)
SIZES = st.sampled_from([0, 1, 16, 24])


def naive(entries: list[Run], lmb_size: int) -> list[Lmb]:
    """Return every LMB, as the kernel's loop over the cells makes them."""
    return [
        Lmb((base + j * lmb_size) % 2**64, (drc + j) % 2**32, aa, flags)
        for base, count, drc, aa, flags in entries
        for j in range(count)
    ]


@given(ENTRIES, SIZES)
def test_runs_hold_the_same_lmbs_as_a_list(entries: list[Run], lmb_size: int) -> None:
    table = LmbTable.of(entries, lmb_size)
    expected = naive(entries, lmb_size)
    assert list(table.lmbs(99)) == expected
    assert [table.lmb(index) for index in range(table.n_lmbs)] == expected


@given(ENTRIES, SIZES)
def test_runs_are_as_long_as_can_be(entries: list[Run], lmb_size: int) -> None:
    lmbs = naive(entries, lmb_size)
    seams = sum(second != following(first, lmb_size) for first, second in pairwise(lmbs))
    assert len(LmbTable.of(entries, lmb_size).runs) == (seams + 1 if lmbs else 0)


def following(lmb: Lmb, lmb_size: int) -> Lmb:
    assert lmb.base is not None
    base, drc_index = (lmb.base + lmb_size) % 2**64, (lmb.drc_index + 1) % 2**32
    return Lmb(base, drc_index, lmb.aa_index, lmb.flags)


@given(ENTRIES, SIZES)
def test_equal_lists_of_lmbs_are_equal_tables(entries: list[Run], lmb_size: int) -> None:
    one_by_one: list[Run] = [
        Run(lmb.base or 0, 1, lmb.drc_index, lmb.aa_index, lmb.flags) for lmb in naive(entries, lmb_size)
    ]
    assert LmbTable.of(one_by_one, lmb_size) == LmbTable.of(entries, lmb_size)


@given(ENTRIES, SIZES, DRCS)
def test_a_drc_index_is_found_where_a_list_has_it_first(entries: list[Run], lmb_size: int, drc: int) -> None:
    expected = next((i for i, lmb in enumerate(naive(entries, lmb_size)) if lmb.drc_index == drc), None)
    assert LmbTable.of(entries, lmb_size).index_of_drc(drc) == expected


@given(ENTRIES, st.sampled_from([1, 16, 24]), BASES)
def test_an_address_is_found_where_a_list_has_it_first(entries: list[Run], lmb_size: int, address: int) -> None:
    lmbs = enumerate(naive(entries, lmb_size))
    expected = next((i for i, lmb in lmbs if (address - (lmb.base or 0)) % 2**64 < lmb_size), None)
    assert index_of_address(LmbTable.of(entries, lmb_size), address) == expected


@given(ENTRIES, SIZES, st.integers(0, 30), st.integers(0, 30))
def test_a_part_is_the_slice_of_a_list(entries: list[Run], lmb_size: int, first: int, count: int) -> None:
    part = LmbTable.of(entries, lmb_size).part(first, count)
    assert naive(part, lmb_size) == naive(entries, lmb_size)[first : first + count]


@given(
    ENTRIES,
    SIZES,
    st.integers(0, 30),
    st.integers(0, 30),
    st.none() | st.just(1),
    st.none() | st.sampled_from([8, 0]),
)
def test_a_change_is_that_of_a_list(
    entries: list[Run], lmb_size: int, first: int, count: int, aa: int | None, flags: int | None
) -> None:
    expected = naive(entries, lmb_size)
    for index in range(first, min(first + count, len(expected))):
        lmb = expected[index]
        new_aa = lmb.aa_index if aa is None else aa
        expected[index] = Lmb(lmb.base, lmb.drc_index, new_aa, lmb.flags if flags is None else flags)
    table = LmbTable.of(entries, lmb_size, "p")
    changed = table.with_changed(first, count, aa_index=aa, flags=flags)
    assert list(changed.lmbs(99)) == expected
    assert changed.property_name == "p"
    assert list(table.lmbs(99)) == naive(entries, lmb_size)


def test_a_change_in_the_middle_splits_a_run_and_the_change_back_joins_it() -> None:
    table = LmbTable.of([entry(10)], LMB_SIZE)
    changed = table.with_changed(3, 2, flags=0)
    assert list(changed.runs) == [
        Run(0, 3, 0, 0, 8),
        Run(3 * LMB_SIZE, 2, 3, 0, 0),
        Run(5 * LMB_SIZE, 5, 5, 0, 8),
    ]
    assert changed.with_changed(3, 2, flags=8) == table


STATES = [
    (0x8, "assigned"),
    (0x108, "assigned"),
    (0x0, "free"),
    (0x20, "free"),
    (0x80, "reserved"),
    (0x88, "reserved"),
    (0xA0, "reserved"),
]


@pytest.mark.parametrize(("flags", "state"), STATES)
def test_reserved_wins_over_assigned(flags: int, state: str) -> None:
    assert state_of(flags) == state
    assert Run(0, 1, 0, 0, flags).assigned == (state == "assigned")
    assert [name for name in ("assigned", "free", "reserved") if has_state(flags, name)] == [state]
    assert has_state(flags, "hot-removable") == bool(flags & 0x100)
