# SPDX-License-Identifier: MIT
"""The rules of the family numa: for each a tree that breaks exactly it, and a near miss that does not."""

from __future__ import annotations

from itertools import pairwise

import pytest

from drmemctl.check.engine import Plan
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V2
from drmemctl.formats.numa_tables import DISTANCE_TABLE, LOOKUP_INDEX_TABLE
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.kernel.profiles import profile
from drmemctl.model.conversion import convert
from drmemctl.model.numa import NumaLayout
from drmemctl.tree.node import Tree
from drmemctl.tree.source import load
from tests.cases import each
from tests.check.mutations import (
    Change,
    broken_anew,
    cases,
    findings,
    fixture,
    found,
    messages,
    rules_of,
    with_cut,
    with_prop,
    words,
)
from tests.conftest import FIXTURES

FORM1 = "trees/numa4-form1-dist"
FORM2 = "trees/numa4-form2-dist"
VECTOR = bytes.fromhex("1900200000a0040000000000000000000000000000008040400040")
GOLDEN = "00000010 0a281428 280a5028 14500a14 2828140a"
"""Of -numa dist 10 40 20 40, 40 10 80 40, 20 80 10 20, 40 40 20 10."""


def rtas(name: str, value: bytes | None) -> Change:
    return lambda tree: with_prop(tree, "/rtas", name, value)


def ids(*cells: int) -> Change:
    return rtas(LOOKUP_INDEX_TABLE, words(len(cells), *cells))


def distances(*rows: bytes) -> Change:
    table = b"".join(rows)
    return rtas(DISTANCE_TABLE, words(len(table)) + table)


def lookup(*cells: int) -> Change:
    return lambda tree: with_prop(tree, NODE, LOOKUP_ARRAYS, words(*cells))


def vector(**changes: int) -> Change:
    """Return the change of option bytes: `b5=0` is byte 5."""

    def change(tree: Tree) -> Tree:
        data = bytearray(tree.get("/chosen", ARCHITECTURE_VEC5) or b"")
        for name, value in changes.items():
            data[int(name[1:])] = value
        return with_prop(tree, "/chosen", ARCHITECTURE_VEC5, bytes(data))

    return change


def chain(*changes: Change) -> Change:
    def change(tree: Tree) -> Tree:
        for one in changes:
            tree = one(tree)
        return tree

    return change


def even(n: int, remote: int = 20) -> bytes:
    """Return the distances of n nodes that are all as far apart."""
    return b"".join(bytes(10 if i == j else remote for j in range(n)) for i in range(n))


NO_TABLES = chain(rtas(LOOKUP_INDEX_TABLE, None), rtas(DISTANCE_TABLE, None))
TRAILING = bytes.fromhex(GOLDEN) + b"\0"

BREAKS: dict[str, list[tuple[str, Change]]] = {
    "DRM040": [
        (FORM2, rtas(MAX_DOMAINS, words(1, 257))),
        (FORM2, rtas(MAX_DOMAINS, words(1, 0xFFFFFFFF))),
        (FORM1, rtas(MAX_DOMAINS, words(3, 4, 4, 4))),
        (FORM2, rtas(MAX_DOMAINS, words(0))),
    ],
    "DRM041": [
        (FORM2, rtas(CURRENT_DOMAINS, words(1, 5))),
        (FORM2, rtas(CURRENT_DOMAINS, words(2, 4, 4))),
        (FORM2, rtas(MAX_DOMAINS, words(2, 4))),
        (FORM1, rtas(MAX_DOMAINS, words(4, 4, 4, 4, 4, 4))),
    ],
    "DRM042": [(FORM2, rtas(DISTANCE_TABLE, None)), (FORM2, rtas(LOOKUP_INDEX_TABLE, None)), (FORM2, NO_TABLES)],
    "DRM043": [
        (FORM2, distances(even(4)[:15])),
        (FORM2, rtas(DISTANCE_TABLE, words(16) + even(4)[:15])),
        (FORM2, rtas(LOOKUP_INDEX_TABLE, words(4, 0, 1, 2))),
        (FORM2, rtas(DISTANCE_TABLE, b"")),
    ],
    "DRM044": [
        (FORM2, chain(ids(0, 1, 2, 3, 256), distances(even(5)))),
        (FORM2, chain(ids(0, 1, 2, 3, 0xFFFFFFFF), distances(even(5)))),
    ],
    "DRM045": [
        (FORM2, distances(b"\x0b" + even(4)[1:])),
        (FORM2, distances(even(4, 10))),
        (FORM2, distances(even(4)[:1] + b"\x1e" + even(4)[2:])),
        (FORM2, rtas(DISTANCE_TABLE, TRAILING)),
        (FORM2, chain(ids(0, 1, 2, 3, 3), distances(even(5)))),
    ],
    "DRM046": [
        (FORM2, chain(ids(0, 1, 2), distances(even(3)))),
        (FORM2, chain(ids(1, 2, 3), distances(even(3)))),
    ],
    "DRM047": [
        (FORM2, vector(b22=0x40)),
        (FORM2, vector(b2=0)),
        (FORM2, lambda tree: convert(tree, "v1").tree),
        (FORM2, vector(b5=0x80)),
        (FORM1, vector(b5=0)),
        ("captures/6.1-form1-1", vector(b5=0)),
    ],
    "DRM048": [
        (FORM2, vector(b0=0x1A)),
        (FORM2, vector(b0=0x18)),
        (FORM2, lambda tree: with_prop(tree, "/chosen", ARCHITECTURE_VEC5, VECTOR + b"\0")),
    ],
    "DRM049": [
        (FORM1, lookup(4, 4, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 2, 0, 0, 0, 3)),
        ("captures/6.1-form1-1", lookup(3, 4, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2)),
    ],
    "DRM130": [
        (FORM1, rtas(REFERENCE_POINTS, words(4, 4))),
        (FORM1, rtas(REFERENCE_POINTS, words(4, 4, 2))),
        (FORM1, rtas(REFERENCE_POINTS, words(4, 3, 2, 3))),
    ],
}

NEAR_MISSES: dict[str, list[tuple[str, Change]]] = {
    "DRM040": [
        (FORM2, rtas(MAX_DOMAINS, words(1, 256))),
        (FORM1, rtas(MAX_DOMAINS, words(3, 4, 4, 4, 4))),
        (FORM2, rtas(MAX_DOMAINS, None)),
        (FORM2, chain(rtas(CURRENT_DOMAINS, words(1, 4)), rtas(MAX_DOMAINS, words(1, 4096)))),
    ],
    "DRM041": [(FORM2, rtas(CURRENT_DOMAINS, words(1, 4))), (FORM2, rtas(MAX_DOMAINS, words(1, 8)))],
    "DRM042": [
        (FORM2, chain(NO_TABLES, vector(b5=0x80))),
        (FORM1, NO_TABLES),
        (FORM2, chain(NO_TABLES, lambda tree: with_prop(tree, "/chosen", ARCHITECTURE_VEC5, b"\0\0"))),
    ],
    "DRM043": [(FORM2, rtas(DISTANCE_TABLE, TRAILING)), (FORM2, chain(ids(*range(256)), distances(even(256))))],
    "DRM044": [(FORM2, chain(ids(0, 1, 2, 3, 255), distances(even(5))))],
    "DRM045": [(FORM2, distances(even(4, 11))), (FORM2, distances(even(4, 255)))],
    "DRM046": [(FORM2, chain(ids(3, 2, 1, 0, 9), distances(even(5)))), (FORM2, lookup(1, 1, 0xFFFF))],
    "DRM047": [
        (FORM2, vector(b6=0)),
        ("trees/nomaxmem", vector(b5=0x80)),
        ("trees/form0", lookup(2, 4, 0, 0, 0, 0, 0, 1, 0, 0)),
        ("trees/legacy-5.0", vector(b5=0)),
    ],
    "DRM048": [(FORM2, lambda tree: with_prop(tree, "/chosen", ARCHITECTURE_VEC5, b"\x1a" + VECTOR[1:] + b"\0"))],
    "DRM049": [
        (FORM1, lookup(4, 4, 0, 0, 0, 0, 0, 1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3)),
        ("trees/legacy-5.0", lookup(2, 4, 0, 0, 0, 0, 1, 1, 1, 1)),
    ],
    "DRM130": [
        (FORM1, rtas(REFERENCE_POINTS, words(4, 3))),
        (FORM1, rtas(REFERENCE_POINTS, words(4, 3, 2, 1, 4))),
        (FORM1, chain(rtas(REFERENCE_POINTS, words(4, 4)), vector(b5=0))),
        (FORM2, rtas(REFERENCE_POINTS, words(1, 1))),
        ("trees/nomaxmem", lambda tree: tree),
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
    assert {*BREAKS} == {*NEAR_MISSES} == rules_of("numa")


def test_the_golden_distances_of_form2_break_nothing() -> None:
    tree = fixture(FORM2)
    assert tree.get("/rtas", DISTANCE_TABLE) == bytes.fromhex(GOLDEN)
    assert not found(tree)


def test_the_golden_lists_of_form1_share_a_domain() -> None:
    """QEMU's own rows for 10 40 20 40, 40 10 80 40, …: 0000, 0011, 0002, 0003."""
    tree = fixture(FORM1)
    assert tree.get(NODE, LOOKUP_ARRAYS) == words(4, 4, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 2, 0, 0, 0, 3)
    assert not found(tree)


def test_a_distance_of_11_on_qemu_is_told_as_160() -> None:
    """QEMU's rows for two nodes at -numa dist 11, which it takes for the farthest level."""
    tree = lookup(2, 4, 0, 0, 0, 0, 1, 1, 1, 1)(fixture("captures/6.1-form1-3"))
    assert messages(tree, "DRM049") == [
        "1 pair of nodes shares no domain at any reference point (0 and 1): Linux puts them 160 apart"
    ]


@each(
    ("points", "reach"),
    [((4, 4), "is 40"), ((4, 4, 4), "is 80"), ((4, 4, 2), "is at least 40"), ((4, 4, 2, 4), "is at least 40")],
)
def test_what_a_repeated_reference_point_does_to_distances(points: tuple[int, ...], reach: str) -> None:
    tree = rtas(REFERENCE_POINTS, words(*points))(load(FIXTURES / "cases" / "reference-points-4-4.dts"))
    (message,) = messages(tree, "DRM130")
    assert message.endswith(f"counts as often: the distance of any two of nodes 0 and 1 {reach}")
    distances_of = NumaLayout.from_tree(tree).distances.rows
    assert reach.endswith(f" {distances_of[0][1]}")


def test_asymmetric_distances_are_told_with_both_directions() -> None:
    table = bytearray(even(4))
    table[4 * 1 + 3] = 40
    assert messages(distances(bytes(table))(fixture(FORM2)), "DRM045") == [
        "1 of 16 distances differ by direction: 1 to 3: 40 (back: 20)"
    ]


def test_form1_content_read_as_form0_is_told_by_its_nodes() -> None:
    assert messages(vector(b5=0)(fixture(FORM1)), "DRM047") == [
        "form 0 was agreed on, and the lists are of form 1: of 4 nodes Linux makes 2"
    ]


def test_every_distance_of_a_full_table_may_be_wrong() -> None:
    tree = chain(ids(*range(256)), distances(bytes(65536)))(fixture(FORM2))
    assert [message.partition(":")[0] for message in messages(tree, "DRM045")] == [
        "256 of 65,536 distances to themselves are not 10",
        "65,280 of 65,536 distances to others are not above 10",
    ]


def test_rules_about_form2_hold_for_kernels_that_know_it() -> None:
    tree = rtas(DISTANCE_TABLE, None)(fixture(FORM2))
    for version, told in (("5.14", False), ("5.15", True)):
        rules = {finding.rule for finding in findings(tree, plan=Plan(kernel=profile(version)))}
        assert ("DRM042" in rules) is told


@pytest.mark.parametrize("name", [MAX_DOMAINS, LOOKUP_INDEX_TABLE, DISTANCE_TABLE, REFERENCE_POINTS])
def test_a_value_that_is_shown_in_part_is_not_short(name: str) -> None:
    assert not found(with_cut(fixture(FORM2), "/rtas", name, 2)).keys() & {f"DRM{n:03}" for n in range(30, 60)}


def test_a_vector_that_is_shown_in_part_is_not_short() -> None:
    cut = with_cut(fixture(FORM2), "/chosen", ARCHITECTURE_VEC5, 24)
    assert "DRM048" not in found(cut)


def test_v2_without_the_bit_says_which_property_it_is_about() -> None:
    (finding,) = (item for item in findings(vector(b22=0)(fixture(FORM2))) if item.rule == "DRM047")
    assert (finding.path, finding.property) == (NODE, V2)


def test_findings_come_with_the_worst_first() -> None:
    tree = chain(distances(b"\x0b" + even(4)[1:]), ids(0, 1, 2, 256))(fixture(FORM2))
    ranks = [finding.severity.rank for finding in findings(tree)]
    assert all(first <= second for first, second in pairwise(ranks))
