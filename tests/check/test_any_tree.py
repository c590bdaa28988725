# SPDX-License-Identifier: MIT
"""Whatever is in a tree, rules judge it without an error and say little."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.check.bounds import MAX_RUNS, MAX_VIOLATIONS
from drmemctl.check.engine import Judge, Plan, all_rules
from drmemctl.check.rule import Rule
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.formats.rows import pack_words
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Property, Tree
from tests.check.mutations import edited, fixture, with_entries, with_prop, words
from tests.wide import examples

BASES = [
    "trees/numa4-form2-dist",
    "trees/numa4-form1-dist",
    "trees/v1-nvdimm",
    "trees/precas",
    "captures/7.2-kdump",
]

PLACES = [
    (NODE, "ibm,dynamic-memory"),
    (NODE, "ibm,dynamic-memory-v2"),
    (NODE, LOOKUP_ARRAYS),
    (NODE, "ibm,lmb-size"),
    ("/rtas", "ibm,associativity-reference-points"),
    ("/rtas", "ibm,max-associativity-domains"),
    ("/rtas", "ibm,current-associativity-domains"),
    ("/rtas", "ibm,numa-lookup-index-table"),
    ("/rtas", "ibm,numa-distance-table"),
    ("/rtas", "ibm,lrdr-capacity"),
    ("/chosen", "ibm,architecture-vec-5"),
    ("/memory@0", "ibm,associativity"),
    ("/memory@0", "reg"),
    ("/memory@0", "device_type"),
    ("/cpus/PowerPC,POWER9@0", "ibm,associativity"),
    ("/cpus/PowerPC,POWER9@0", "ibm,my-drc-index"),
    ("/", "ibm,drc-indexes"),
    ("/", "ibm,drc-names"),
    ("/", "ibm,drc-types"),
    ("/", "ibm,drc-power-domains"),
    ("/", "ibm,drc-info"),
    ("/", "ibm,migratable-partition"),
    ("/", "#address-cells"),
    ("/", "#size-cells"),
]

word = st.sampled_from([0, 1, 2, 3, 4, 5, 8, 0xA0, 0x108, 255, 256, 0xFFFF, 1 << 28, 1 << 31, 0xFFFFFFFF])
values = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.lists(word | st.integers(0, 0xFFFFFFFF), max_size=24).map(pack_words),
)
changes = st.lists(st.tuples(st.sampled_from(PLACES), values, st.integers(0, 3)), min_size=1, max_size=6)


def changed(tree: Tree, place: tuple[str, str], value: bytes | None, kind: int) -> Tree:
    """Return the tree with a value replaced, cut short, continued or said to be longer than it is."""
    path, name = place
    if tree.find(path) is None:
        return tree
    old = tree.get(path, name) or b""
    if kind == 0 or value is None:
        return with_prop(tree, path, name, value)
    if kind == 1:
        return with_prop(tree, path, name, old[: len(value)])
    if kind == 2:
        return with_prop(tree, path, name, value + old[len(value) :])

    def cut(node: Node) -> Node:
        new = Property(name, old[: len(value)], len(old))
        return replace(node, properties=tuple(new if prop.name == name else prop for prop in node.properties))

    return edited(tree, path, cut)


def judge_all(tree: Tree) -> None:
    subject = Subject(tree)
    for rule in all_rules().values():
        check(rule, subject)


def check(rule: Rule, subject: Subject) -> None:
    found = list(rule.violations(subject)) if rule.applies(subject, None) else []
    assert len(found) <= 4 * MAX_VIOLATIONS
    for finding in found:
        assert finding.message
        assert not finding.message.endswith(".")
        assert len(finding.message) < 1000
        assert len(finding.lmbs) <= MAX_RUNS + 1


@settings(max_examples=examples(150))
@given(st.sampled_from(BASES), changes)
def test_no_change_of_a_tree_stops_a_rule(
    name: str, several: list[tuple[tuple[str, str], bytes | None, int]]
) -> None:
    tree = fixture(name)
    for place, value, kind in several:
        tree = changed(tree, place, value, kind)
    judge_all(tree)


@settings(max_examples=30)
@given(st.sampled_from(BASES), st.sets(st.integers(0, 40), max_size=12))
def test_no_missing_node_stops_a_rule(name: str, gone: set[int]) -> None:
    root = fixture(name).root
    children = tuple(child for position, child in enumerate(root.children) if position not in gone)
    judge_all(replace(fixture(name), root=replace(root, children=children)))


def test_a_tree_that_shows_nothing_breaks_no_rule_about_affinity_and_connectors() -> None:
    about = ("associativity", "numa", "connectors")
    found = [item.rule for item in Judge(Plan(select=about)).violations(Subject(Tree(Node(""))))]
    assert not found


@pytest.mark.parametrize(
    "cells",
    [(0xFFFFFFFF, 0), (0x80000001, 2), (0xFFFFFFFF, 0xFFFFFFFF), (100_000, 1, *range(100_000))],
    ids=["no domains", "wraps", "huge", "many"],
)
def test_hostile_lookup_arrays_are_judged_by_what_is_there(cells: tuple[int, ...]) -> None:
    judge_all(with_prop(fixture("trees/numa4-form1-dist"), NODE, LOOKUP_ARRAYS, words(*cells)))


def test_hostile_sets_are_judged_by_the_set() -> None:
    sets = [Run(n << 33, 0xFFFFFFFF, n * 77_777_777 & 0xFFFFFFFF, n, 8) for n in range(20_000)]
    judge_all(with_entries(fixture("trees/numa4-form2-dist"), sets))
