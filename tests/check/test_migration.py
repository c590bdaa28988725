# SPDX-License-Identifier: MIT
"""The rules of the family migration: pairs of trees that break exactly one, near misses, and real migrations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Severity
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.memory_reg import REG, MemoryRange, encode_reg
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.kernel.profiles import profile
from drmemctl.model.conversion import convert
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree
from tests.check.mutations import (
    LMB,
    PLUGGED,
    Change,
    broken_anew,
    cases,
    entries,
    findings,
    fixture,
    messages,
    rules_of,
    table,
    unlisted,
    with_entries,
    with_entry,
    with_prop,
    without_node,
    words,
)
from tests.conftest import FIXTURES


def prop(path: str, name: str, value: bytes | None) -> Change:
    return lambda tree: with_prop(tree, path, name, value)


def swapped_byte(number: int) -> Change:
    def change(tree: Tree) -> Tree:
        data = bytearray(tree.get("/chosen", ARCHITECTURE_VEC5) or b"")
        data[number] ^= 1
        return with_prop(tree, "/chosen", ARCHITECTURE_VEC5, bytes(data))

    return change


def doubled_lmb_size(tree: Tree) -> Tree:
    """Return the tree with LMBs of twice the size at the same places, half as many."""
    halves = [run._replace(lmbs=run.lmbs // 2, flags=run.flags | 0x20) for run in entries(tree)]
    return with_entries(with_prop(tree, NODE, "ibm,lmb-size", words(0, 2 * LMB)), halves)


def shorter_v1(tree: Tree) -> Tree:
    return with_entries(convert(tree, "v1").tree, entries(convert(tree, "v1").tree)[:-1])


def reordered(*order: int) -> Change:
    return lambda tree: with_entries(tree, [entries(tree)[index] for index in order])


BREAKS: dict[str, list[tuple[Change, set[str]]]] = {
    "DRM070": [(doubled_lmb_size, {"DRM016", "DRM024", "DRM071", "DRM079", "DRM059", "DRM022"})],
    "DRM071": [
        (lambda tree: with_entries(tree, entries(tree)[:-1]), set()),
        (lambda tree: with_entries(tree, [*entries(tree), Run(0x200000000, 1, 0x80000020, 0xFFFFFFFF, 0)]), set()),
        (lambda tree: with_entry(tree, 3, base=0x90000000), {"DRM016", "DRM059"}),
    ],
    "DRM072": [
        (lambda tree: with_entry(tree, 1, aa=0xFFFFFFFF, flags=0x100), {"DRM076"}),
        (lambda tree: with_entry(tree, 3, split=3, aa=1, flags=8), set()),
        (lambda tree: with_entry(tree, 3, split=3, flags=0x80), {"DRM024"}),
    ],
    "DRM073": [(shorter_v1, {"DRM071", "DRM074", "DRM047"})],
    "DRM074": [(lambda tree: convert(tree, "v1").tree, {"DRM047"})],
    "DRM075": [
        (prop(NODE, LOOKUP_ARRAYS, words(2, 1, 1, 0)), set()),
        (lambda tree: with_entry(tree, 1, aa=0), {"DRM076", "DRM038"}),
    ],
    "DRM076": [
        # Renumbered: every LMB stays where it was.
        (
            lambda tree: with_entry(
                with_entry(with_prop(tree, NODE, LOOKUP_ARRAYS, words(2, 1, 1, 0)), 1, aa=0), 2, aa=1
            ),
            set(),
        ),
    ],
    "DRM077": [
        (prop("/rtas", REFERENCE_POINTS, words(1, 1)), {"DRM035"}),
        (swapped_byte(24), {"DRM047"}),
    ],
    "DRM078": [
        (prop("/memory@20000000", REG, encode_reg([MemoryRange(0x20000000, LMB)])), set()),
        (lambda tree: without_node(tree, "/memory@20000000"), set()),
    ],
    "DRM079": [
        (lambda tree: with_entry(tree, 1, flags=8), set()),
        (lambda tree: with_entry(tree, 3, flags=2), set()),
        (reordered(0, 2, 1, 3), {"DRM016"}),
    ],
}
"""Rule → changes that break it, each with the rules that such a change cannot but break too."""

MISSES: dict[str, list[Change]] = {
    "DRM070": [prop(NODE, "ibm,lmb-size", words(0, LMB, 0))],
    "DRM071": [lambda tree: with_entry(tree, 3, split=3), reordered(0, 2, 1, 3)],
    "DRM072": [lambda tree: with_entry(tree, 1, flags=8), lambda tree: with_entry(tree, 3, aa=1)],
    "DRM073": [lambda tree: convert(tree, "v1").tree, lambda tree: with_entries(tree, entries(tree)[:-1])],
    "DRM074": [prop(NODE, "ibm,memory-flags-mask", None)],
    "DRM075": [
        prop(NODE, LOOKUP_ARRAYS, words(3, 1, 0, 1, 2)),
        lambda tree: with_entry(with_prop(tree, NODE, LOOKUP_ARRAYS, words(3, 1, 0, 1, 1)), 1, aa=2),
        lambda tree: with_entry(tree, 3, aa=1),
    ],
    "DRM076": [lambda tree: with_entry(tree, 3, aa=1), prop(NODE, LOOKUP_ARRAYS, words(2, 1, 1, 0))],
    "DRM077": [swapped_byte(3), prop("/memory@0", "ibm,associativity", words(1, 1))],
    "DRM078": [prop("/memory@20000000", "ibm,associativity", words(1, 1))],
    "DRM079": [lambda tree: with_entry(tree, 1, aa=0), lambda tree: with_entry(tree, 3, split=3)],
}


@pytest.mark.parametrize(("rule", "change", "follows"), cases(BREAKS))
def test_a_pair_breaks_exactly_this_rule(rule: str, change: Change, follows: set[str]) -> None:
    base = unlisted()
    assert broken_anew(base, change(base), before=base) - follows == {rule}


@pytest.mark.parametrize(("rule", "change"), cases(MISSES))
def test_a_near_miss_does_not(rule: str, change: Change) -> None:
    base = unlisted()
    assert rule not in broken_anew(base, change(base), before=base)


def test_every_rule_of_the_family_has_both() -> None:
    assert {*BREAKS} == {*MISSES} == rules_of("migration")


def test_nothing_changed_breaks_nothing() -> None:
    for name in (PLUGGED, "trees/v1-nvdimm", "boot/no-lmb-size", "trees/precas", "captures/7.2-merge"):
        tree = fixture(name)
        assert broken_anew(tree, tree, before=tree) == set()


@cache
def capture(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / f"captures/{name}.json").read_text())
    return loaded


def with_properties(tree: Tree, properties: dict[str, str]) -> Tree:
    for name in (V1, V2, LOOKUP_ARRAYS):
        tree = with_prop(tree, NODE, name, bytes.fromhex(properties[name]) if name in properties else None)
    return tree


def migrations(name: str) -> Iterator[tuple[Tree, Tree, Tree]]:
    """Yield the trees before and after each migration of a capture, and after the next request."""
    run, tree = capture(name), fixture(f"captures/{name}")
    states = [run["boot"]["properties"], *(step["properties"] for step in run["steps"])]
    updates = [False, *(step["step"].startswith("firmware") for step in run["steps"]), False]
    for number, state in enumerate(states[:-1]):
        if updates[number] and not updates[number + 1]:
            first = max(index for index in range(number) if not updates[index])
            yield tuple(with_properties(tree, it) for it in (states[first], state, states[number + 1]))  # type: ignore[misc]


MIGRATED = [f"{kernel}-{walk}" for kernel in ("5.10", "6.1", "7.2") for walk in ("lpm", "form1-1", "form2-2")]


@pytest.mark.parametrize("name", MIGRATED)
def test_a_real_migration_is_no_error(name: str) -> None:
    """What these hypervisors sent is what LoPAR allows: lookup arrays and aa_indexes."""
    pairs = list(migrations(name))
    assert pairs
    for before, after, _ in pairs:
        said = [item for item in findings(after, before=before) if item.rule.startswith("DRM07")]
        assert [item.rule for item in said if item.severity is Severity.ERROR] == []


@pytest.mark.parametrize(("name", "expected"), [("5.10-lpm", True), ("6.1-lpm", False), ("7.2-lpm", False)])
def test_write_back_is_announced_where_it_happens(name: str, expected: bool) -> None:
    """5.10 wrote the aa_indexes of the source over those of the destination; 6.1 and 7.2 did not."""
    before, after, later = next(migrations(name))
    plan = Plan(kernel=profile(name.partition("-")[0]))
    said = [item for item in findings(after, before=before, plan=plan) if item.rule == "DRM076"]
    assert bool(said) is expected
    for item in said:
        for run in item.lmbs:
            held = [
                next(r.aa_index for r in table(tree).runs if r.position_of_drc(run.drc_index) is not None)
                for tree in (before, later)
            ]
            assert held[0] == held[1] != run.aa_index


def test_write_back_is_about_kernels_before_5_15() -> None:
    base = unlisted()
    after = BREAKS["DRM076"][0][0](base)
    for version, expected in (("4.15", 0), ("4.16", 1), ("5.10", 1), ("5.14.2", 1), ("5.15", 0), ("6.1", 0)):
        plan = Plan(kernel=profile(version))
        said = [item for item in findings(after, before=base, plan=plan) if item.rule == "DRM076"]
        assert len(said) == expected, version


def test_an_aa_index_without_a_list_after_the_write_back_is_deadly() -> None:
    base = unlisted()
    after = with_entry(with_prop(base, NODE, LOOKUP_ARRAYS, words(1, 1, 0)), 1, aa=0)
    (said,) = messages(after, "DRM076", before=base)
    assert "2 LMBs then have no node: a boot from that tree dies" in said


def test_without_numa_no_write_back_is_deadly_and_all_lmbs_are_on_node_0() -> None:
    """`setup_nonnuma` puts all memory on node 0 and looks at no list."""
    base = unlisted()
    without_numa = prop("/rtas", REFERENCE_POINTS, None)
    after = with_entry(with_prop(base, NODE, LOOKUP_ARRAYS, words(1, 1, 0)), 1, aa=0)
    (said,) = messages(without_numa(after), "DRM076", before=base)
    assert "no node" not in said
    (*_, said) = messages(base, "DRM075", before=without_numa(base))
    assert "2 LMBs from node 0 to 1, by" in said


def test_how_lmbs_moved_is_said() -> None:
    base = unlisted()
    (by_rows, other) = messages(with_prop(base, NODE, LOOKUP_ARRAYS, words(2, 1, 1, 0)), "DRM075", before=base)
    assert "from node 1 to 0, by other lookup arrays under the same aa_index" in by_rows
    assert "from node 0 to 1" in other
    (by_index,) = messages(with_entry(base, 1, aa=0), "DRM075", before=base)
    assert "2 LMBs from node 1 to 0, by another aa_index, first 0x040000000 (DRC 0x80000004)" in by_index


def test_both_properties_of_one_tree_are_enough_to_see_the_overrun() -> None:
    tree = unlisted()
    both = with_prop(tree, NODE, V1, shorter_v1(tree).get(NODE, V1))
    assert "Linux will write 772 for the 32 LMBs" in messages(both, "DRM073")[0]


def test_sets_of_all_indexes_are_compared_at_once() -> None:
    base = unlisted()
    before = with_entries(base, [Run(0, (1 << 32) - 1, 0, 0, 8)])
    after = with_entries(base, [Run(0, 1 << 31, 0, 1, 8), Run(0x800000000000000, 1 << 31, 1 << 31, 0, 0)])
    assert {"DRM071", "DRM072", "DRM075"} <= broken_anew(before, after, before=before)


def test_trees_without_lmbs_are_no_pair() -> None:
    tree = fixture(PLUGGED)
    assert "DRM071" not in broken_anew(tree, tree, before=without_node(tree, NODE))
    assert "DRM075" not in broken_anew(tree, without_node(tree, NODE), before=tree)
