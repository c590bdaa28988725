# SPDX-License-Identifier: MIT
"""The rules of the family associativity: for each a tree that breaks exactly it, and a near miss that does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drmemctl.check.bounds import MAX_VIOLATIONS
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Tree
from tests.cases import each
from tests.check.mutations import (
    LMB,
    PLUGGED,
    Change,
    broken_anew,
    cases,
    edited,
    findings,
    fixture,
    found,
    messages,
    rules_of,
    with_cut,
    with_entries,
    with_entry,
    with_prop,
    without_node,
    words,
)

FORM1 = "trees/numa4-form1-dist"
"""Four nodes with lists 0000, 0011, 0002, 0003; LMBs: 16 reserved, 4 on node 2, 4 on node 3, 40 free."""

FORM2 = "trees/numa4-form2-dist"
"""The same in form 2: lists 0, 1, 2, 3."""

ONE_NODE = "trees/v2-empty"
"""One node, list 0000, form 1, reference points 4 4 2; no LMB assigned."""

POINTS = "ibm,associativity-reference-points"
VEC5 = "ibm,architecture-vec-5"
ASSOCIATIVITY = "ibm,associativity"
FORM1_LISTS = (0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 2, 0, 0, 0, 3)
FORM0_VECTOR = "190020000000040000000000000000000000000000008040400040"


def lookup(*cells: int) -> Change:
    return lambda tree: with_prop(tree, NODE, LOOKUP_ARRAYS, words(*cells))


def rtas(name: str, *cells: int) -> Change:
    return lambda tree: with_prop(tree, "/rtas", name, words(*cells) if cells else None)


def own(path: str, *cells: int) -> Change:
    return lambda tree: with_prop(tree, path, ASSOCIATIVITY, words(*cells))


def entry(index: int, **changes: int) -> Change:
    return lambda tree: with_entry(tree, index, **changes)


def chain(*changes: Change) -> Change:
    def change(tree: Tree) -> Tree:
        for one in changes:
            tree = one(tree)
        return tree

    return change


def form0(tree: Tree) -> Tree:
    return with_prop(tree, "/chosen", VEC5, bytes.fromhex(FORM0_VECTOR))


BREAKS: dict[str, list[tuple[str, Change]]] = {
    "DRM030": [
        (FORM2, entry(1, aa=4)),
        (FORM2, entry(1, flags=0x148)),
        (FORM2, entry(1, aa=0xFFFFFFFF)),
        (FORM2, entry(3, split=20, aa=9, flags=0x108)),
        ("captures/7.2-v1-slack", entry(5, aa=2)),
    ],
    "DRM031": [
        (ONE_NODE, lookup(1, 4, 0, 0, 0)),
        (ONE_NODE, lookup(1)),
        (ONE_NODE, lookup(0x40000001, 4, 0, 0, 0, 0)),
    ],
    "DRM032": [
        (FORM2, lookup(4, 1, 0, 1, 2, 3, 4)),
        (FORM1, lookup(4, 4, *FORM1_LISTS, 0)),
    ],
    "DRM033": [
        (FORM2, own("/memory@0", 1, 0xFFFF)),
        (FORM2, own("/memory@0", 1, 256)),
        (FORM2, rtas(POINTS, 0)),
        ("trees/nomaxmem", own("/memory@0", 3, 0, 0, 0)),
    ],
    "DRM034": [
        (FORM2, rtas(POINTS)),
        (FORM2, rtas(POINTS, 0x80000000)),
        (FORM1, chain(form0, rtas(POINTS, 4))),
    ],
    "DRM035": [
        (FORM1, rtas(POINTS, 4, 3, 2, 9)),
        (FORM1, rtas(POINTS, 4, 0)),
        (FORM1, rtas(POINTS, 4, 3, 2, 1, 1)),
    ],
    "DRM036": [
        (FORM1, own("/memory@0", 5, 0, 0, 0, 0, 0)),
        (FORM1, own("/cpus/PowerPC,POWER9@0", 6, 0, 0, 0, 0, 0, 0)),
        (FORM1, own("/cpus/PowerPC,POWER9@0", 5, 0, 0, 0, 0)),
    ],
    "DRM037": [
        (FORM2, lookup(5, 1, 0, 1, 2, 3, 3)),
        (FORM1, lookup(5, 4, *FORM1_LISTS, 0, 0, 1, 1)),
    ],
    "DRM038": [
        (FORM1, lookup(5, 4, *FORM1_LISTS, 0, 1, 0, 2)),
        (FORM1, lookup(6, 4, *FORM1_LISTS, 0, 1, 0, 1, 0, 0, 1, 3)),
    ],
    "DRM039": [
        (FORM1, lookup(5, 4, *FORM1_LISTS, 0, 0, 0, 4)),
        (FORM1, lookup(5, 4, *FORM1_LISTS, 0, 0, 0, 0xFFFF)),
        ("trees/legacy-5.0", lookup(5, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9)),
    ],
}

NEAR_MISSES: dict[str, list[tuple[str, Change]]] = {
    "DRM030": [
        (FORM2, entry(1, aa=3)),
        (FORM2, entry(3, aa=9)),
        (FORM2, entry(1, aa=9, flags=0x188)),
        (FORM2, chain(rtas(POINTS), entry(1, aa=9))),
    ],
    "DRM031": [(ONE_NODE, lookup(0, 4)), (FORM2, lookup(5, 1, 0, 1, 2, 3, 4))],
    "DRM032": [(FORM2, lookup(5, 1, 0, 1, 2, 3, 4)), (FORM2, lookup(5, 1, 0, 1, 2, 3))],
    "DRM033": [
        (FORM2, own("/memory@0", 1, 3)),
        (FORM2, own("/cpus/PowerPC,POWER9@0", 1, 0xFFFF)),
        (FORM1, chain(form0, own("/memory@0", 3, 0, 0, 0))),
    ],
    "DRM034": [(ONE_NODE, rtas(POINTS)), (ONE_NODE, chain(form0, rtas(POINTS, 4))), (FORM1, rtas(POINTS, 4))],
    "DRM035": [(FORM1, rtas(POINTS, 4, 3, 2)), (FORM2, rtas(POINTS, 1, 9)), (FORM1, rtas(POINTS, 4, 4, 4, 4))],
    "DRM036": [(FORM1, own("/cpus/PowerPC,POWER9@0", 4, 0, 0, 0, 0)), (FORM1, own("/memory@0", 4, 0, 0, 0, 3))],
    "DRM037": [(FORM1, lookup(5, 4, *FORM1_LISTS, 0, 1, 0, 2))],
    "DRM038": [
        (FORM1, chain(lookup(5, 4, *FORM1_LISTS, 0, 1, 0, 2), entry(1, split=2, aa=4))),
        (FORM1, lookup(5, 4, *FORM1_LISTS, 0, 0, 0, 4)),
        (FORM1, lookup(5, 4, *FORM1_LISTS, 0, 0, 0, 3)),
        (FORM1, chain(form0, lookup(5, 4, *FORM1_LISTS, 0, 1, 0, 2))),
    ],
    "DRM039": [
        (FORM1, chain(lookup(5, 4, *FORM1_LISTS, 0, 0, 0, 4), rtas(MAX_DOMAINS, 4, 4, 4, 4, 5))),
        (FORM1, chain(lookup(5, 4, *FORM1_LISTS, 0, 0, 0, 4), own("/memory@0", 4, 0, 0, 0, 4))),
        (FORM1, chain(lookup(5, 4, *FORM1_LISTS, 0, 0, 0, 4), entry(1, split=3, aa=4))),
        (FORM1, rtas(MAX_DOMAINS)),
    ],
}


@each(("rule", "name", "change"), cases(BREAKS))
def test_a_tree_breaks_exactly_the_rule(rule: str, name: str, change: Change) -> None:
    base = fixture(name)
    assert broken_anew(base, change(base)) == {rule}


@pytest.mark.parametrize(("rule", "name", "change"), cases(NEAR_MISSES))
def test_a_near_miss_does_not_break_the_rule(rule: str, name: str, change: Change) -> None:
    assert rule not in found(change(fixture(name)))


def test_every_rule_of_the_family_has_both() -> None:
    assert {*BREAKS} == {*NEAR_MISSES} == rules_of("associativity")


@pytest.mark.parametrize(
    "cells",
    [(4, 1, 0, 1), (0xFFFFFFFF, 0), (0x80000001, 2, 0, 0), (), (4,), (0, 0), (4, 0)],
    ids=str,
)
def test_no_short_lookup_array_lets_assigned_lmbs_pass(cells: tuple[int, ...]) -> None:
    assert "DRM030" in found(lookup(*cells)(fixture(FORM2)))


def test_the_message_says_which_aa_indexes_there_are() -> None:
    tree = entry(2, aa=7)(entry(1, aa=4)(fixture(FORM2)))
    assert messages(tree, "DRM030") == [
        "8 LMBs are assigned, but with aa_index 4, 7, and there are 4 lookup arrays: the kernel dies at boot"
    ]


def test_the_lmbs_of_a_finding_are_those_without_a_node() -> None:
    tree = entry(1, split=3, aa=4)(fixture(FORM2))
    (finding,) = (item for item in findings(tree) if item.rule == "DRM030")
    assert [(run.base, run.lmbs) for run in finding.lmbs] == [(0x130000000, 1)]


def test_a_thousand_reasons_make_one_finding_with_a_thousand_runs() -> None:
    reserved = Run(0, 16, 0, 0xFFFFFFFF, 0xA0)
    new = [Run((16 + n) << 28, 1, 0x80000010 + n, 10 + n, 8) for n in range(3000)]
    tree = with_entries(fixture(FORM2), [reserved, *new])
    (finding,) = (item for item in findings(tree) if item.rule == "DRM030")
    assert len(finding.lmbs) == 1000
    assert finding.message.startswith("3,000 LMBs are assigned, but with aa_index 10, 11, 12, …, and")


@pytest.mark.parametrize("name", [FORM1, FORM2, "trees/form0", "captures/6.1-lpm"])
@pytest.mark.parametrize("gone", ["/rtas", "/chosen", "/cpus", "/memory@0", NODE])
def test_absent_nodes_are_not_absent_properties(name: str, gone: str) -> None:
    base = fixture(name)
    allowed = {"DRM046"} if gone == "/memory@0" else set()
    rules = {rule for rule in broken_anew(base, without_node(base, gone)) if "DRM030" <= rule <= "DRM059"}
    assert rules <= allowed


def only(*names: str) -> Callable[[Node], Node]:
    def edit(root: Node) -> Node:
        children = tuple(child for child in root.children if child.name in names)
        return Node("", root.properties, children)

    return edit


def test_the_drmem_node_alone_is_judged_by_what_it_shows() -> None:
    alone = edited(fixture(FORM2), "/", only(NODE[1:]))
    assert not {rule for rule in found(alone) if "DRM030" <= rule <= "DRM059"}
    assert "DRM030" in found(entry(1, aa=4)(alone))
    assert "DRM030" not in found(with_prop(alone, NODE, LOOKUP_ARRAYS, None))


def test_lookup_arrays_that_are_shown_in_part_are_not_short() -> None:
    cut = with_cut(fixture(FORM1), NODE, LOOKUP_ARRAYS, 40)
    assert not {rule for rule in found(cut) if "DRM030" <= rule <= "DRM059"}


def test_a_migratable_partition_counts_its_nodes_by_the_maximum() -> None:
    tree = with_prop(fixture(FORM1), "/", "ibm,migratable-partition", b"")
    more = chain(lookup(5, 4, *FORM1_LISTS, 0, 0, 0, 4), rtas(MAX_DOMAINS, 4, 8, 8, 8, 8))
    current = rtas(CURRENT_DOMAINS, 4, 4, 4, 4, 4)
    assert "DRM039" in found(current(more(fixture(FORM1))))
    assert "DRM039" not in found(current(more(tree)))


def test_of_many_reasons_why_lmbs_have_no_node_the_last_counts_what_is_left() -> None:
    domains = [1000 + number for number in range(40)]
    tree = lookup(40, 4, *(domain for domain in domains for _ in range(4)))(fixture(PLUGGED))
    tree = with_entries(
        tree, [Run(0x40000000 + index * LMB, 1, 0x80000004 + index, index, 8) for index in range(40)]
    )
    reasons = messages(tree, "DRM030")
    assert len(reasons) == MAX_VIOLATIONS
    assert "names domain 0x3e8, which is no node" in reasons[0]
    assert reasons[-1].startswith("21 LMBs in many other ways like these")
