# SPDX-License-Identifier: MIT
"""What changed between two moments: by the run, against the same question asked LMB by LMB and block by block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.dynamic_memory import ASSIGNED
from drmemctl.kernel.blocks import BlockRun, Blocks
from drmemctl.kernel.capabilities import FLUSH_PER_LMB
from drmemctl.kernel.profiles import profile
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.state_changes import (
    LmbRangeChange,
    LmbState,
    changed_blocks,
    changed_in_array,
    changed_in_tree,
    compare_tables,
    merged_changes,
    next_flush,
)
from tests.simulate.records import record, record_names, tree_of

SIZE = 256 << 20
NODES = Associativity.from_tree(tree_of("captures/6.1-lpm"))
"""Two lists: index 0 is node 0, index 1 is node 1."""

attributes = st.tuples(st.integers(0, 3), st.sampled_from([0, 8, 0x10, 0x18]))
tables = st.lists(attributes, min_size=1, max_size=12)


def table(rows: Iterable[tuple[int, int]], first: int = 8) -> LmbTable:
    entries = (Run(n * SIZE, 1, 0x80000000 + n, aa, flags) for n, (aa, flags) in enumerate(rows, first))
    return LmbTable.of(entries, SIZE)


def side(aa_index: int, flags: int) -> LmbState:
    return LmbState(aa_index, flags, NODES.node_of(aa_index, flags))


def lmb_by_lmb(changes: Iterable[LmbRangeChange]) -> list[tuple[int, int, LmbState | None, LmbState | None]]:
    return [
        (change.base + n * SIZE, change.drc_index + n, change.old, change.new)
        for change in changes
        for n in range(change.count)
    ]


@given(tables, tables)
def test_the_changes_are_those_of_each_lmb(old: list[tuple[int, int]], new: list[tuple[int, int]]) -> None:
    both = min(len(old), len(new))
    expected: list[tuple[int, int, LmbState | None, LmbState | None]] = [
        (n * SIZE, 0x80000000 + n, side(*one), side(*other))
        for n, (one, other) in enumerate(zip(old, new, strict=False), 8)
        if one != other
    ]
    expected += [(n * SIZE, 0x80000000 + n, side(*one), None) for n, one in enumerate(old[both:], 8 + both)]
    expected += [(n * SIZE, 0x80000000 + n, None, side(*one)) for n, one in enumerate(new[both:], 8 + both)]
    assert lmb_by_lmb(compare_tables(table(old), NODES, table(new), NODES)) == expected


def test_lmbs_at_other_addresses_went_and_came() -> None:
    found = compare_tables(table([(0, ASSIGNED)]), NODES, table([(0, ASSIGNED)], first=9), NODES)
    assert [(one.base // SIZE, one.old is None, one.new is None) for one in found] == [
        (8, False, True),
        (9, True, False),
    ]


@given(tables, tables, tables)
def test_each_change_has_its_place(
    rows: list[tuple[int, int]], array: list[tuple[int, int]], tree: list[tuple[int, int]]
) -> None:
    count = min(map(len, (rows, array, tree)))
    start = table(rows[:count])
    ones, others = (compare_tables(start, NODES, table(after[:count]), NODES) for after in (array, tree))
    placed = merged_changes(ones, others)
    assert sorted(lmb_by_lmb(one for one in placed if one.in_array), key=str) == sorted(lmb_by_lmb(ones), key=str)
    assert sorted(lmb_by_lmb(one for one in placed if one.in_tree), key=str) == sorted(lmb_by_lmb(others), key=str)
    assert all(one.in_array or one.in_tree for one in placed)


def test_a_change_in_both_is_told_once() -> None:
    changes = compare_tables(table([(0, 0)] * 3), NODES, table([(0, 8)] * 3), NODES)
    assert merged_changes(changes, changes) == changes
    assert changes[0].in_array
    assert changes[0].in_tree
    (only,) = merged_changes(changes, [])
    assert only == replace(changes[0], in_tree=False)


blocks = st.dictionaries(st.integers(0, 15), st.integers(0, 2)).map(
    lambda held: Blocks.of(BlockRun(block, 1, node) for block, node in sorted(held.items()))
)


@given(blocks, blocks)
def test_blocks_that_changed(old: Blocks, new: Blocks) -> None:
    expected = {
        (block, old.node_of(block), new.node_of(block))
        for block in range(16)
        if old.node_of(block) != new.node_of(block)
    }
    found = changed_blocks(old, new)
    assert {(one.first + n, one.old, one.new) for one in found for n in range(one.count)} == expected
    assert all((a.old, a.new, a.first + a.count) != (b.old, b.new, b.first) for a, b in pairwise(found))


def test_the_next_flush_changes_what_it_is_said_to_change() -> None:
    for name in record_names("captures"):
        if profile(record(name)["kernel"]).has(FLUSH_PER_LMB):
            continue  # no request that does nothing writes the array back
        simulation = Simulation(tree_of(name), record(name)["kernel"], findings=False)
        for step in record(name)["steps"]:
            simulation.run(step["step"])
            before = simulation.situation
            said = next_flush(before.kernel, before.machine)
            # A request that does nothing, but succeeds: it only writes the array back.
            drc_index = next((run.drc_index for run in before.kernel.table.runs if run.flags & ASSIGNED), None)
            if before.kernel.dead or drc_index is None:
                continue
            done = simulation.run(f"dlpar memory add indexed-count 1 {drc_index:#x}")
            if done.ok:
                assert changed_in_tree(before.kernel, simulation.state) == said
                assert changed_in_array(before.kernel, simulation.state) == []
            simulation.situation = before


def test_one_change_among_very_many_runs_is_found_by_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    node_of = Associativity.node_of

    def counting(self: Associativity, aa_index: int, flags: int = 0) -> int | None:
        asked.append(aa_index)
        return node_of(self, aa_index, flags)

    rows = [(n % 2, 8) for n in range(1000)]
    changed = [*rows[:600], (1, 0), *rows[601:]]
    monkeypatch.setattr(Associativity, "node_of", counting)
    found = compare_tables(table(rows), NODES, table(changed), NODES)
    assert [(one.base, one.count) for one in found] == [((600 + 8) * SIZE, 1)]
    assert len(asked) == 2


def test_a_changed_lmb_leaves_the_runs_around_it_as_they_are() -> None:
    rows = [(0, 8), (0, 8), (1, 8), (1, 8), (1, 8), (0, 0)]
    for index, count in ((0, 1), (1, 1), (1, 2), (3, 1), (2, 3), (5, 1), (0, 6), (4, 9), (6, 1), (2, 0)):
        expected = [(3 if index <= n < index + count else aa, flags) for n, (aa, flags) in enumerate(rows)]
        assert table(rows).with_changed(index, count, aa_index=3) == table(expected)
