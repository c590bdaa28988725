# SPDX-License-Identifier: MIT
"""LMBs compared by the run: against one LMB at a time, on what real kernels held, and on sets of 2^32."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drmemctl.compare import matching
from drmemctl.compare.diff import diff
from drmemctl.compare.lmbs import LmbChange
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Tree
from tests.compare.naive import differing, expanded, lmbs_of, matched
from tests.compare.trees import LMB, after, fixture, partition, with_drmem
from tests.conftest import FIXTURES

ASSIGNED, DRC_INVALID, AI_INVALID, RESERVED, HOT = 0x8, 0x20, 0x40, 0x80, 0x100
UNSET = 0xFFFFFFFF
BASE, DRC = 1 << 31, 0x80000008


def kernel_array(name: str) -> dict[int, tuple[int, int, int]]:
    """Return what a running kernel's memory had: (aa_index, flags) by address, with the DRC index."""
    with gzip.open(FIXTURES / f"kernel-arrays/{name}.lmbs.json.gz") as stream:
        found = json.load(stream)
    lmbs = found["lmbs"] if isinstance(found, dict) else found
    return {base: (drc, aa, flags) for base, drc, aa, flags in lmbs}


SEQUENCES = [
    ("numa2-boot", "numa2-plug1"),
    ("numa2-plug1", "numa2-plug2"),
    ("numa2-plug2", "numa2-unplug1"),
    ("numa2-boot", "numa2-unplug1"),
    ("v1numa4-boot", "v1numa4-plug1"),
]


@pytest.mark.parametrize(("before", "later"), SEQUENCES)
def test_what_changed_is_what_changed_in_the_kernels_own_array(before: str, later: str) -> None:
    old, new = kernel_array(before), kernel_array(later)
    expected = {base: (old[base], new[base]) for base in old if old[base] != new[base]}
    assert old.keys() == new.keys()
    assert expected
    found = diff(fixture(f"kernel-arrays/{before}"), fixture(f"kernel-arrays/{later}"))
    changed = {}
    for change in found.lmbs.changes:
        assert change.old is not None
        assert change.new is not None
        for i in range(change.count):
            changed[change.old.base + i * LMB] = tuple(
                (one.drc_index + i, one.aa_index, one.flags) for one in (change.old, change.new)
            )
    assert changed == expected


def test_a_plugged_dimm_is_one_change_and_one_total() -> None:
    found = diff(fixture("kernel-arrays/numa2-plug1"), fixture("kernel-arrays/numa2-plug2"))
    (change,) = found.lmbs.changes
    assert (change.count, change.kinds) == (2, ("state",))
    assert change.new is not None
    assert change.new.affinity.node == 0
    assert [(total.node, total.old_bytes, total.new_bytes) for total in found.lmbs.totals] == [
        (0, 0, 2 * LMB),
        (1, 4 * LMB, 4 * LMB),
    ]


SETS = st.lists(
    st.builds(
        Run,
        st.integers(0, 8).map(lambda n: n * LMB),
        st.integers(0, 5),
        st.integers(0, 8),
        st.sampled_from([0, 1, 2, 9, UNSET]),
        st.sampled_from([0, ASSIGNED, ASSIGNED, RESERVED, RESERVED | DRC_INVALID, ASSIGNED | AI_INVALID, HOT]),
    ),
    max_size=5,
)
ODD_SETS = st.lists(
    st.builds(
        Run,
        st.one_of(st.integers(0, 3 * LMB), st.integers((1 << 64) - 3 * LMB, (1 << 64) - 1)),
        st.integers(0, 4),
        st.one_of(st.integers(0, 4), st.integers((1 << 32) - 4, (1 << 32) - 1)),
        st.integers(0, 2),
        st.sampled_from([0, ASSIGNED, DRC_INVALID]),
    ),
    max_size=4,
)


def agree(old: Tree, new: Tree, lmb_size: int = LMB) -> None:
    tables = Drmem.from_tree(old).table, Drmem.from_tree(new).table
    expected = differing(matched(lmbs_of(tables[0]), lmbs_of(tables[1])))
    assert expanded(diff(old, new).lmbs, lmb_size) == expected


@given(SETS, SETS)
@example([Run(0, 1, 0, 0, 0), Run(0, 1, 1, 0, 8)], [Run(0, 1, 1, 0, 8), Run(0, 1, 0, 0, 0)])
@example([Run(0, 1, 1, 0, 0), Run(0, 1, 1, 0, 8)], [Run(0, 1, 1, 0, 8), Run(0, 1, 1, 0, 0)])
def test_by_the_run_as_one_by_one(old: list[Run], new: list[Run]) -> None:
    agree(partition(old), partition(new))


@given(ODD_SETS, ODD_SETS)
@example([Run(1, 2, 2, 0, 0)], [Run(0, 2, 2, 0, 8), Run((1 << 64) - LMB, 2, 2, 0, 8)])
def test_addresses_and_drc_indexes_that_wrap_or_do_not_line_up(old: list[Run], new: list[Run]) -> None:
    agree(partition(old), partition(new))


@given(SETS, SETS, SETS, SETS)
def test_what_both_begin_and_end_with_changes_nothing(
    head: list[Run], old: list[Run], new: list[Run], tail: list[Run]
) -> None:
    agree(partition([*head, *old, *tail]), partition([*head, *new, *tail]))


@given(SETS, SETS)
def test_the_diff_back_is_the_mirror(old: list[Run], new: list[Run]) -> None:
    one, other = partition(old), partition(new, arrays=((1,), (0,), (5,)))
    assert diff(other, one) == diff(one, other).mirrored()


@given(st.one_of(SETS, ODD_SETS), st.sampled_from([LMB, None, 3]))
def test_a_tree_is_the_same_as_itself(sets: list[Run], lmb_size: int | None) -> None:
    one, other = partition(sets, lmb_size=lmb_size), partition(sets, lmb_size=lmb_size)
    assert diff(one, other).same


def test_v1_and_v2_of_the_same_are_the_same() -> None:
    sets = [Run(BASE, 2, DRC, 1, ASSIGNED), Run(BASE + 2 * LMB, 3, DRC + 2, UNSET, 0)]
    singles = [Run(base + i * LMB, 1, drc + i, aa, flags) for base, n, drc, aa, flags in sets for i in range(n)]
    found = diff(partition(sets), partition(singles, form=V1))
    assert found.same
    assert (found.old.property, found.new.property) == (V2, V1)


def test_drc_indexes_that_do_not_count_are_not_compared() -> None:
    """QEMU's v2 counts DRC indexes up in boot memory, its v1 has 0 for all of them."""
    flags = RESERVED | DRC_INVALID
    v1 = [Run(i * LMB, 1, 0, UNSET, flags) for i in range(8)]
    assert diff(partition([Run(0, 8, 0, UNSET, flags)]), partition(v1, form=V1)).same


def only(old: list[Run], new: list[Run], **options: tuple[tuple[int, ...], ...]) -> LmbChange:
    found = diff(partition(old), partition(new, **options)).lmbs  # type: ignore[arg-type]
    (change,) = found.changes
    return change


WAS = Run(BASE, 4, DRC, 1, ASSIGNED)


@pytest.mark.parametrize(
    ("now", "kinds"),
    [
        (Run(BASE, 4, DRC, 2, ASSIGNED), ("node",)),
        (Run(BASE + 9 * LMB, 4, DRC, 1, ASSIGNED), ("address",)),
        (Run(BASE, 4, DRC + 9, 1, ASSIGNED), ("drc_index",)),
        (Run(BASE, 4, DRC, 1, ASSIGNED | HOT), ("flags",)),
        (Run(BASE, 4, DRC, UNSET, 0), ("state",)),
        (Run(BASE, 4, DRC, 1, RESERVED), ("state",)),
        (Run(BASE, 4, DRC, 2, RESERVED), ("state", "node")),
        (Run(BASE, 4, DRC, 7, ASSIGNED), ("node",)),
    ],
)
def test_kinds_of_changes(now: Run, kinds: tuple[str, ...]) -> None:
    change = only([WAS], [now])
    assert (change.count, change.kinds) == (4, kinds)


def test_lists_decide_and_not_indexes() -> None:
    renumbered = only([WAS], [Run(BASE, 4, DRC, 2, ASSIGNED)], arrays=((0,), (2,), (1,)))
    assert renumbered.kinds == ("renumbered",)
    moved = only([WAS], [WAS], arrays=((0,), (2,), (1,)))
    assert moved.kinds == ("node",)


def test_another_list_for_the_same_node() -> None:
    old = partition([WAS], arrays=((0, 0), (1, 5)))
    new = partition([WAS], arrays=((0, 0), (1, 6)))
    (change,) = diff(old, new).lmbs.changes
    assert change.kinds == ("associativity",)


def test_another_order_is_a_difference() -> None:
    first, second = Run(0, 1, 0, 1, 0), Run(LMB, 1, 5, 1, 0)
    found = diff(partition([first, second]), partition([second, first]))
    assert found.lmbs.changes == ()
    assert found.lmbs.reordered
    assert not found.same


def test_sets_of_two_to_the_32() -> None:
    most = (1 << 32) - 1
    old = partition([Run(0, most, 0, 1, ASSIGNED), Run(1 << 63, most, 0, 1, ASSIGNED)])
    rest = Run((1 << 63) + 1000 * LMB, most - 1000, 1000, 1, ASSIGNED)
    new = partition([Run(0, most, 0, 1, ASSIGNED), Run(1 << 63, 1000, 0, 2, ASSIGNED), rest])
    begin = time.process_time()
    (change,) = diff(old, new).lmbs.changes
    assert time.process_time() - begin < 1
    assert (change.count, change.kinds) == (1000, ("node",))
    assert diff(old, partition([])).lmbs.changes[0].count >= most


def test_sets_on_top_of_one_another_cost_by_the_set() -> None:
    old = partition([Run(i * LMB, 1 << 20, i, i % 3, ASSIGNED) for i in range(4000)])
    new = partition([Run(i * LMB, 1 << 20, i, i % 3, 0) for i in range(4000)])
    begin = time.process_time()
    assert diff(old, old).same
    assert not diff(old, new).same
    assert time.process_time() - begin < 10


def test_another_lmb_size_makes_other_lmbs() -> None:
    found = diff(partition([WAS]), partition([WAS], lmb_size=2 * LMB))
    assert [change.kinds for change in found.lmbs.changes] == [("vanished",), ("added",)]
    assert found.mirrored() == diff(partition([WAS], lmb_size=2 * LMB), partition([WAS]))


def test_an_unknown_lmb_size_is_taken_for_the_others() -> None:
    sets = [Run(BASE, 1, DRC, 1, ASSIGNED), Run(BASE + LMB, 1, DRC + 1, 1, ASSIGNED)]
    found = diff(partition(sets, form=V1), partition(sets, form=V1, lmb_size=None))
    assert found.lmbs.same
    assert [fact.quantity for fact in found.numa] == ["lmb_size"]


def without_drmem(tree: Tree) -> Tree:
    children = tuple(child for child in tree.root.children if child.name != NODE[1:])
    return replace(tree, root=replace(tree.root, children=children))


def test_trees_without_dynamic_memory() -> None:
    tree = partition([WAS])
    found = diff(tree, without_drmem(tree))
    assert [change.kinds for change in found.lmbs.changes] == [("vanished",)]
    assert found.lookup.old_lists == 3
    assert found.lookup.new_lists is None
    assert diff(without_drmem(tree), without_drmem(tree)).same
    assert diff(without_drmem(tree), tree) == found.mirrored()


def test_before_client_architecture_support() -> None:
    found = diff(fixture("trees/precas"), fixture("trees/v2-empty"))
    assert not found.same
    assert diff(fixture("trees/precas"), fixture("trees/precas")).same


def test_the_renumbering_of_a_real_migration_moves_what_it_moved() -> None:
    """The destination lists the same nodes in another order, and LMBs keep theirs."""
    old, new = after("6.1-lpm", 0), after("6.1-lpm", 2)
    rows = {"old": (0, 1), "new": (2, 1, 0)}
    found = diff(old, new)
    assert [change.kind for change in found.lookup.changes] == ["added", "renumbered"]
    assert found.lookup.changes[1].old == (rows["old"][0],)
    expected = differing(matched(*(lmbs_of(LmbTable.from_tree(tree)) for tree in (old, new))))
    assert expanded(found.lmbs, LMB) == expected
    for change in found.lmbs.changes:
        assert change.old is not None
        assert change.new is not None
        if "renumbered" in change.kinds:
            assert rows["old"][change.old.aa_index] == rows["new"][change.new.aa_index]


def test_lookup_arrays_that_nobody_uses_move_nothing() -> None:
    old, new = after("6.1-lpm", 0), after("6.1-lpm", 1)
    assert old.get(NODE, V2) == new.get(NODE, V2)
    assert old.get(NODE, LOOKUP_ARRAYS) != new.get(NODE, LOOKUP_ARRAYS)
    found = diff(old, new)
    assert found.lmbs.same
    assert not found.lookup.same


@pytest.mark.parametrize("name", ["5.10-v2-to-v1", "7.2-v2-to-v1"])
def test_v1_that_replaces_v2_in_a_migration(name: str) -> None:
    before = after(name, -1)
    both = {V1, V2}
    later = next(tree for i in range(9) if (tree := after(name, i)).get(NODE, V1) is not None)
    found = diff(before, later)
    assert found.old.property == V2
    assert found.new.property == V1
    assert not any(change.name in both and change.change == "removed" for change in found.properties)
    assert any(finding.rule == "DRM074" for finding in found.findings)


def test_lmbs_beyond_what_a_source_shows_are_not_gone() -> None:
    tree = fixture("kernel-arrays/numa2-plug2")
    value = tree.get(NODE, V2) or b""
    prop = replace(tree.node(NODE).find(V2) or pytest.fail("no v2"), value=value[:52], total=len(value))

    def cut(node: Node) -> Node:
        properties = tuple(prop if one.name == V2 else one for one in node.properties)
        return replace(node, properties=properties)

    children = tuple(cut(child) if child.name == NODE[1:] else child for child in tree.root.children)
    part = replace(tree, root=replace(tree.root, children=children))
    assert diff(tree, part).same
    assert diff(part, tree).same
    assert diff(part, tree).old.is_cut


def test_a_dump_of_the_drmem_node_alone_says_nothing_of_nodes() -> None:
    tree = fixture("kernel-arrays/numa2-plug2")
    node = tree.node(NODE)
    part = replace(tree, root=replace(tree.root, children=(node,)))
    found = diff(tree, part)
    assert found.lmbs.same
    assert not found.new.shows_nodes
    assert not found.numa


def test_totals_are_assigned_memory_of_each_node() -> None:
    old = after("6.1-lpm", -1)
    found = diff(old, with_drmem(old, {V2: "00000000"}))
    gone = sum(total.old_lmbs for total in found.lmbs.totals)
    table = LmbTable.from_tree(old)
    assert gone == sum(run.lmbs for run in table.runs if run.assigned)


def test_sets_on_top_of_one_another_are_cut_only_where_the_other_tree_has_something() -> None:
    """LMBs are matched by DRC index: 50 sets lie in the long one, and the other tree has the first LMB only."""
    long = Run(BASE, 1000, DRC, 0, ASSIGNED)
    inside = [Run(BASE + (2000 + n) * LMB, 1, DRC + 10 * n + 5, 0, ASSIGNED) for n in range(50)]
    elsewhere = Run(BASE + 5000 * LMB, 1, DRC, 0, ASSIGNED)
    same, rest = matching.matched(
        matching.pieces_of([long, *inside], LMB), matching.pieces_of([elsewhere], LMB), LMB
    )
    assert same == []
    counts = sorted((one.run.lmbs, other is not None) for one, other in rest if one is not None)
    assert counts == [*[(1, False)] * 50, (1, True), (999, False)]
