# SPDX-License-Identifier: MIT
"""The rules of the family connectors: for each a tree that breaks exactly it, and a near miss that does not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats import drc
from drmemctl.formats.drc import Connector, decode_connectors
from drmemctl.formats.drc_info import DRC_INFO_PROPERTY, DrcInfoEntry
from drmemctl.model.intervals import IndexSet, stretches
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree
from tests.cases import each
from tests.check.mutations import (
    broken_anew,
    cases,
    entries,
    findings,
    fixture,
    found,
    messages,
    rules_of,
    with_cut,
    with_entries,
    with_entry,
    with_prop,
    words,
)
from tests.encoders import encode_drc_info, encode_drc_strings, encode_drc_words

TREE = "trees/numa4-form2-dist"
"""16 LMBs reserved, 4 on node 2, 4 on node 3, 40 free from 0x180000000 (DRC 0x80000018) on; 48 LMB connectors."""

NVDIMM = "trees/v1-nvdimm"
REGION = "/ibm,persistent-memory/ibm,pmemory@90000001"
CPU = "/cpus/PowerPC,POWER9@0"
ARRAYS = (drc.INDEXES, drc.NAMES, drc.TYPES, drc.POWER_DOMAINS)

Change = Callable[[Tree], Tree]
Edit = Callable[[list[Connector]], Iterable[Connector]]


def listed(tree: Tree) -> list[Connector]:
    """Return the root's connectors."""
    values = [tree.get("/", name) for name in ARRAYS]
    assert values[0] is not None
    return list(decode_connectors(values[0], *values[1:]))


def with_listed(tree: Tree, connectors: Iterable[Connector]) -> Tree:
    """Return the tree with other connectors in the four arrays of the root."""
    all_of = list(connectors)
    tree = with_prop(tree, "/", drc.INDEXES, encode_drc_words(drc.INDEXES, [one.index for one in all_of]))
    tree = with_prop(tree, "/", drc.NAMES, encode_drc_strings(drc.NAMES, [one.name or "" for one in all_of]))
    tree = with_prop(tree, "/", drc.TYPES, encode_drc_strings(drc.TYPES, [one.type or "" for one in all_of]))
    domains = [one.power_domain or 0 for one in all_of]
    return with_prop(tree, "/", drc.POWER_DOMAINS, encode_drc_words(drc.POWER_DOMAINS, domains))


def connectors(edit: Edit) -> Change:
    return lambda tree: with_listed(tree, edit(listed(tree)))


def without(*indexes: int) -> Change:
    return connectors(lambda all_of: (one for one in all_of if one.index not in indexes))


def plus(*more: Connector) -> Change:
    return connectors(lambda all_of: [*all_of, *more])


def changed(index: int, **fields: str) -> Change:
    def change(tree: Tree) -> Tree:
        edited = (
            replace(one, name=fields.get("name", one.name), type=fields.get("type", one.type))
            if one.index == index
            else one
            for one in listed(tree)
        )
        return with_listed(tree, edited)

    return change


def shifted_names(by: int) -> Change:
    def change(tree: Tree) -> Tree:
        new = (
            replace(one, name=f"LMB {(one.index & 0xFFFFFFF) + by}") if one.type == "MEM" else one
            for one in listed(tree)
        )
        return with_listed(tree, new)

    return change


def sequences(tree: Tree) -> list[DrcInfoEntry]:
    """Return the root's connectors as ibm,drc-info has them."""
    result = []
    ordered = sorted(listed(tree), key=lambda one: one.index)
    for _, group in groupby(enumerate(ordered), lambda pair: (pair[1].type, pair[1].index - pair[0])):
        members = [one for _, one in group]
        kind = members[0].type or ""
        prefix = {"MEM": "LMB "}.get(kind, kind + " ")
        low = members[0].index & 0xFFFFFFF
        result.append(DrcInfoEntry(kind, prefix, members[0].index, low, len(members), 1, 0xFFFFFFFF))
    return result


def info(*more: DrcInfoEntry, arrays: bool = True, first: int | None = None) -> Change:
    """Return the change that lists the root's connectors in the other form, with some more or but the `first`."""

    def change(tree: Tree) -> Tree:
        value = encode_drc_info([*sequences(tree)[:first], *more])
        if not arrays:
            for name in ARRAYS:
                tree = with_prop(tree, "/", name, None)
        return with_prop(tree, "/", DRC_INFO_PROPERTY, value)

    return change


def agreed_on_info(tree: Tree) -> Tree:
    data = bytearray(tree.get("/chosen", "ibm,architecture-vec-5") or b"")
    data[22] |= 0x40
    return with_prop(tree, "/chosen", "ibm,architecture-vec-5", bytes(data))


def chain(*changes: Change) -> Change:
    def change(tree: Tree) -> Tree:
        for one in changes:
            tree = one(tree)
        return tree

    return change


def prop(path: str, name: str, value: bytes | None) -> Change:
    return lambda tree: with_prop(tree, path, name, value)


def moved_indexes(by: int) -> Change:
    """Return the change of the DRC index of every LMB that has one, in its set and at the root."""

    def change(tree: Tree) -> Tree:
        tree = with_entries(
            tree, [Run(base, n, index and index + by, aa, fl) for base, n, index, aa, fl in entries(tree)]
        )
        new = (
            replace(one, index=one.index + by, name=f"LMB {(one.index + by) & 0xFFFFFFF}")
            if one.type == "MEM"
            else one
            for one in listed(tree)
        )
        return with_listed(tree, new)

    return change


def sequence(start: int, count: int, increment: int = 1, kind: str = "MEM") -> DrcInfoEntry:
    return DrcInfoEntry(kind, "LMB ", start, start & 0xFFFFFFF, count, increment, 0xFFFFFFFF)


SPARE = Connector(0x90000100, "PMEM 256", "PMEM", 0xFFFFFFFF)
DOMAINS = drc.POWER_DOMAINS

BREAKS: dict[str, list[tuple[str, Change]]] = {
    "DRM050": [
        (TREE, without(0x80000020)),
        (TREE, without(*range(0x80000000, 0x80001000))),
        (TREE, chain(agreed_on_info, info(sequence(0x80000010, 47), arrays=False, first=1))),
    ],
    "DRM051": [
        (TREE, plus(Connector(0x80000020, "LMB 32", "MEM", 0xFFFFFFFF))),
        (TREE, prop("/cpus", drc.INDEXES, words(16, *range(0x10000000, 0x1000000F), 0x10000000))),
    ],
    "DRM052": [
        (TREE, prop("/", DOMAINS, words(1, 0xFFFFFFFF))),
        (TREE, prop("/", drc.INDEXES, words(88, 0x80000010))),
        (TREE, prop("/", drc.TYPES, encode_drc_strings(drc.TYPES, ["MEM"]))),
        (TREE, chain(agreed_on_info, prop("/cpus", DRC_INFO_PROPERTY, words(1) + b"CPU\0CPU \0" + words(1, 2)))),
        (TREE, prop("/cpus", DOMAINS, words(16, *[0xFFFFFFFF] * 17))),
    ],
    "DRM053": [(TREE, changed(0x80000020, type="PHB")), (TREE, changed(0x80000010, type="PMEM"))],
    "DRM054": [
        (TREE, changed(0x80000020, name="LMB 032")),
        (TREE, changed(0x80000020, name="LMB 33")),
        (TREE, changed(0x80000020, name="memory 32")),
        (TREE, chain(agreed_on_info, info(replace(sequence(0x80000000, 8), suffix_start=9), arrays=False))),
    ],
    "DRM055": [
        (TREE, info(first=-1)),
        (TREE, chain(agreed_on_info, info(sequence(0x80001000, 4)))),
        (TREE, info(arrays=False)),
    ],
    "DRM056": [
        (TREE, info(sequence(0x80000020, 4))),
        (TREE, info(sequence(0x80000020, 4, 2))),
        (TREE, info(sequence(0x80000020, 4, 0))),
        (TREE, chain(agreed_on_info, info(sequence(0xFFFFFFF0, 32, kind="SLOT"), arrays=False))),
    ],
    "DRM057": [
        (TREE, prop(CPU, drc.MY_DRC_INDEX, words(0x10000020))),
        (NVDIMM, prop(REGION, drc.MY_DRC_INDEX, words(0x90000100))),
    ],
    "DRM058": [
        (NVDIMM, prop(REGION, "ibm,block-size", None)),
        (NVDIMM, prop(REGION, "ibm,block-size", words(0x10000000))),
        (NVDIMM, prop(REGION, "ibm,unit-guid", None)),
        (NVDIMM, prop(REGION, drc.MY_DRC_INDEX, None)),
    ],
    "DRM059": [(TREE, moved_indexes(0x100)), (TREE, moved_indexes(1))],
}

NEAR_MISSES: dict[str, list[tuple[str, Change]]] = {
    "DRM050": [
        (TREE, without(0x90000000)),
        (TREE, chain(without(0x80000020), lambda tree: with_entry(tree, 3, flags=0xA0))),
        (TREE, chain(*(prop("/", name, None) for name in ARRAYS))),
    ],
    "DRM051": [(TREE, plus(SPARE))],
    "DRM052": [(TREE, plus(SPARE)), (TREE, prop("/", DOMAINS, None))],
    "DRM053": [
        (TREE, changed(0x80000020, type="MEM-1")),
        (TREE, changed(0x90000000, type="PHB")),
        (TREE, prop("/", drc.TYPES, None)),
    ],
    "DRM054": [
        (TREE, shifted_names(1)),
        (TREE, changed(0x90000000, name="x")),
        (TREE, changed(0x80000020, name="LMB32")),
    ],
    "DRM055": [(TREE, info()), (TREE, chain(agreed_on_info, info(arrays=False)))],
    "DRM056": [(TREE, info()), (TREE, info(sequence(0x80000040, 1))), (TREE, info(sequence(0, 0, 0)))],
    "DRM057": [
        (TREE, prop(CPU, drc.MY_DRC_INDEX, words(0x10000001))),
        (TREE, chain(*(prop("/cpus", name, None) for name in ARRAYS), prop(CPU, drc.MY_DRC_INDEX, words(7)))),
    ],
    "DRM058": [(NVDIMM, prop(REGION, "ibm,metadata-size", None)), (NVDIMM, prop(REGION, "reg", None))],
    "DRM059": [(TREE, lambda tree: with_entry(tree, 1, split=3, aa=1)), (TREE, moved_indexes(0))],
}


@each(("rule", "name", "change"), cases(BREAKS))
def test_a_tree_breaks_exactly_the_rule(rule: str, name: str, change: Change) -> None:
    base = fixture(name)
    assert broken_anew(base, change(base)) == {rule}


@pytest.mark.parametrize(("rule", "name", "change"), cases(NEAR_MISSES))
def test_a_near_miss_does_not_break_the_rule(rule: str, name: str, change: Change) -> None:
    assert rule not in found(change(fixture(name)))


def test_every_rule_of_the_family_has_both() -> None:
    assert {*BREAKS} == {*NEAR_MISSES} == rules_of("connectors")


def test_the_lmbs_that_are_not_listed_are_given_as_ranges() -> None:
    tree = without(0x80000020, 0x80000021, 0x80000030)(fixture(TREE))
    (finding,) = (item for item in findings(tree) if item.rule == "DRM050")
    assert [(run.base, run.lmbs) for run in finding.lmbs] == [(0x200000000, 2), (0x300000000, 1)]
    assert finding.message == (
        "3 LMBs have a DRC index that the root does not list, the first at 0x200000000 (DRC 0x80000020): "
        "once removed it may not come back"
    )


def test_a_set_of_four_thousand_million_lmbs_is_judged_by_its_range() -> None:
    tree = with_entries(fixture(TREE), [Run(0, 0xFFFFFFFF, 0x80000000, 0, 8)])
    assert messages(tree, "DRM050")[0].startswith(
        "4,294,967,208 LMBs have a DRC index that the root does not list"
    )
    assert messages(tree, "DRM053")[0].startswith("39 LMBs have the DRC index of another device")


def test_a_hundred_thousand_shuffled_connectors_break_nothing() -> None:
    indexes = [0x80000000 + n for n in range(100_000)]
    random.Random(1).shuffle(indexes)
    others = [one for one in listed(fixture(TREE)) if one.type != "MEM"]
    memory = (Connector(index, f"LMB {index & 0xFFFFFFF}", "MEM", 0xFFFFFFFF) for index in indexes)
    tree = with_listed(fixture(TREE), [*memory, *others])
    assert not {rule for rule in found(tree) if rule.startswith("DRM05")}


def test_lmbs_whose_drc_indexes_wrap_are_looked_for_at_the_bottom_too() -> None:
    tree = with_entries(fixture(TREE), [Run(0, 4, 0xFFFFFFFE, 0, 8)])
    tree = with_listed(tree, [Connector(index, "LMB 1", "MEM", 0) for index in (0xFFFFFFFE, 0xFFFFFFFF)])
    assert messages(tree, "DRM050")[0].startswith("2 LMBs have a DRC index that the root does not list")


@pytest.mark.parametrize("others", [True, False])
def test_one_odd_name_is_found_among_those_of_lmbs_alone_and_of_others_too(others: bool) -> None:
    base = fixture(TREE)
    kept = [one for one in listed(base) if others or one.type == "MEM"]
    assert not messages(with_listed(base, kept), "DRM054")
    kept[-1] = replace(kept[-1], name="LMB 07", type="MEM")
    assert "1 of 4" in messages(with_listed(base, kept), "DRM054")[0]


@pytest.mark.parametrize("name", ARRAYS)
def test_a_list_that_is_shown_in_part_is_not_short(name: str) -> None:
    cut = with_cut(fixture(TREE), "/", name, 128)
    assert not {rule for rule in found(cut) if rule.startswith("DRM05")}


def test_a_region_that_is_shown_in_part_is_not_unusable() -> None:
    cut = with_cut(fixture(NVDIMM), REGION, "ibm,block-size", 4)
    assert "DRM058" not in found(cut)


@pytest.mark.parametrize("count", [1 << 16, 0xFFFFFFFF])
def test_scattered_sequences_are_not_expanded_beyond_a_bound(count: int) -> None:
    tree = chain(agreed_on_info, info(sequence(0x70000000, count, 3), arrays=False))(fixture(TREE))
    assert "DRM050" not in found(tree)


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=12)
start_and_count = st.tuples(st.integers(0, 70), st.integers(1, 40))


@given(spans, start_and_count)
def test_ranges_are_a_set(pairs: list[tuple[int, int]], wanted: tuple[int, int]) -> None:
    members = {index for start, count in pairs for index in range(start, start + count)}
    ranges = IndexSet((start, start + count) for start, count in pairs)
    asked = set(range(wanted[0], wanted[0] + wanted[1]))
    assert {index for start, end in ranges for index in range(start, end)} == members
    assert ranges.number_in(*wanted) == len(asked & members)
    for inside, expected in ((True, asked & members), (False, asked - members)):
        parts = list(ranges.parts(*wanted, inside=inside))
        assert {index for start, count in parts for index in range(start, start + count)} == expected
        assert sum(count for _, count in parts) == len(expected)
    assert ranges == IndexSet(stretches(sorted(members)))
    assert all((index in ranges) == (index in members) for index in range(80))


def test_consecutive_indexes_wrap_in_32_bits() -> None:
    ranges = IndexSet([(0, 4), (0xFFFFFFFE, 1 << 32)])
    assert ranges.number_in(0xFFFFFFFC, 8) == 6
    assert list(ranges.parts(0xFFFFFFFC, 8, inside=False)) == [(0xFFFFFFFC, 2)]
    assert ranges.number_in(0, 1 << 40) == 6
