# SPDX-License-Identifier: MIT
"""The rules of the family drmem: for each a tree that breaks exactly it, and a near miss that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drmemctl.check.subject import Running
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.lrdr_capacity import LRDR_CAPACITY
from drmemctl.formats.memory_reg import REG, MemoryRange, decode_reg, encode_reg
from drmemctl.kernel.boot import boot
from drmemctl.kernel.profiles import profile
from drmemctl.model.conversion import convert
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree
from tests.cases import each
from tests.check.mutations import (
    LMB,
    PLUGGED,
    Change,
    broken_anew,
    cases,
    entries,
    findings,
    fixture,
    found,
    messages,
    rules_of,
    table,
    unlisted,
    with_cut,
    with_entries,
    with_entry,
    with_prop,
    without_node,
    words,
)
from tests.encoders import encode_lrdr_capacity


def sets(*new: Run) -> Change:
    """Return the change that puts sets behind the reserved ones, in place of all others."""
    return lambda tree: with_entries(tree, [entries(tree)[0], *new])


def prop(name: str, value: bytes | None) -> Change:
    return lambda tree: with_prop(tree, NODE, name, value)


def one_size_cell(tree: Tree) -> Tree:
    """Return the tree with 1 for the root's #size-cells, and everything else written to match."""
    tree = with_prop(with_prop(tree, "/", "#size-cells", words(1)), NODE, "ibm,lmb-size", words(LMB))
    for node in tree.root.children:
        if node.base_name == "memory":
            reg = decode_reg(node.get(REG) or b"").ranges
            tree = with_prop(tree, "/" + node.name, REG, encode_reg(reg, 2, 1))
    return tree


def reordered(tree: Tree, *order: int) -> Tree:
    return with_entries(tree, [entries(tree)[index] for index in order])


def with_lmb_size(size: int) -> Change:
    """Return the change to another LMB size, with LMBs and boot memory to match."""

    def change(tree: Tree) -> Tree:
        tree = with_prop(tree, NODE, "ibm,lmb-size", size.to_bytes(8, "big"))
        tree = with_prop(tree, "/memory@0", REG, encode_reg([MemoryRange(0, size)]))
        tree = without_node(tree, "/memory@20000000")
        return with_entries(tree, [Run(size, 15, 0x80000001, FREE, 0)])

    return change


def both(edit: Change = lambda tree: tree) -> Change:
    """Return the change that adds v1 beside v2: what `edit` makes of the same LMBs."""

    def change(tree: Tree) -> Tree:
        v1 = edit(convert(tree, "v1").tree).get(NODE, V1)
        return with_prop(tree, NODE, V1, v1)

    return change


FREE = 0xFFFFFFFF
CAPACITY = encode_lrdr_capacity(0x200000000, LMB, 1)
ASSIGNED_SET = Run(0x40000000, 2, 0x80000004, 1, 8)

BREAKS: dict[str, list[Change]] = {
    "DRM010": [prop("ibm,lmb-size", None), prop("ibm,lmb-size", words(LMB)), prop(V2, None)],
    "DRM011": [with_lmb_size(0x18000000), with_lmb_size(0x800000), prop("ibm,lmb-size", bytes(8))],
    "DRM012": [with_lmb_size(1 << 32), with_lmb_size(1 << 33)],
    "DRM013": [one_size_cell],
    "DRM014": [
        lambda tree: with_prop(tree, NODE, V2, (tree.get(NODE, V2) or b"")[:-1]),
        lambda tree: with_prop(tree, NODE, V2, words(5) + (tree.get(NODE, V2) or b"")[4:]),
        prop(V2, b"\0\0"),
    ],
    "DRM015": [
        sets(ASSIGNED_SET, Run(0x70000000, 2, 0x80000007, 1, 8)),
        sets(ASSIGNED_SET, Run(0x60000000, 2, 0x80000016, 1, 8)),
    ],
    "DRM016": [
        sets(ASSIGNED_SET, Run(0x70000000, 2, 0x80000007, FREE, 0)),
        sets(ASSIGNED_SET, Run(0x70000000, 2, 0x80000007, 0, 8)),
    ],
    "DRM017": [
        lambda tree: sets(Run(0x40000000, 0x80000000, 0, FREE, 0xA0))(with_prop(tree, "/", "compatible", None)),
        sets(Run((1 << 64) - LMB, 2, 0x8FFFFFFF, FREE, 0)),
        sets(Run(1 << 51, 1, 0x80800000, 1, 8)),
    ],
    "DRM018": [sets(Run(0x48000000, 1, 0x80000004, 1, 8)), sets(Run(0x48000000, 1, 0x80000004, FREE, 0))],
    "DRM019": [
        sets(Run(0x50000000, 2, 0x80000005, 1, 8), Run(0x60000000, 2, 0x90000006, 0, 0x108)),
        sets(ASSIGNED_SET, Run(0x40000000, 1, 0x90000004, FREE, 0x100)),
    ],
    "DRM020": [
        sets(ASSIGNED_SET, Run(0x1040000000, 1, 0x80000004, FREE, 0x100)),
    ],
    "DRM021": [
        lambda tree: with_entry(tree, 1, flags=0x80000108),
        lambda tree: with_entry(tree, 3, flags=0x80000000),
    ],
    "DRM022": [lambda tree: with_entry(tree, 1, flags=0x188)],
    "DRM023": [both(), both(lambda tree: with_entry(tree, 4, flags=0x8))],
    "DRM024": [
        lambda tree: with_entry(tree, 3, flags=0x20),
        lambda tree: with_entry(tree, 3, flags=0x80),
        lambda tree: with_entry(tree, 1, flags=0x128),
    ],
    "DRM025": [lambda tree: reordered(tree, 0, 3, 1, 2)],
    "DRM026": [
        lambda tree: with_entry(tree, 1, flags=0x1108),
        lambda tree: with_prop(tree, NODE, "ibm,memory-flags-mask", words(0xF7)),
    ],
    "DRM027": [lambda tree: with_entry(tree, 3, split=4, aa=1)],
    "DRM028": [lambda tree: with_entry(tree, 3, split=4, flags=0x40)],
    "DRM029": [
        lambda tree: with_prop(tree, NODE, V2, (tree.get(NODE, V2) or b"") + bytes(3)),
        lambda tree: with_entries(tree, [*entries(tree), Run(0x40000000, 0, 0x80000004, 1, 8)]),
        prop("ibm,memory-flags-mask", b"\xff"),
        prop("ibm,lmb-size", words(0, LMB, 0)),
    ],
}

MISSES: dict[str, list[Change]] = {
    "DRM010": [prop("ibm,lmb-size", words(0, LMB, 0))],
    "DRM011": [with_lmb_size(16 << 20), with_lmb_size(1 << 33)],
    "DRM012": [with_lmb_size(1 << 31)],
    "DRM013": [
        prop(LOOKUP_ARRAYS, words(2, 1, 0, 1)),
        lambda tree: with_prop(tree, "/", "#address-cells", words(2)),
    ],
    "DRM014": [lambda tree: with_prop(tree, NODE, V2, words(3) + (tree.get(NODE, V2) or b"")[4:])],
    "DRM015": [
        sets(ASSIGNED_SET, Run(0x60000000, 2, 0x80000006, 1, 8)),
        sets(ASSIGNED_SET, Run(0x70000000, 2, 0x80000007, 0, 8)),
        sets(Run(0x40000000, 2, 0, FREE, 0xA0), Run(0x60000000, 2, 0, FREE, 0xA0)),
        lambda tree: convert(sets(ASSIGNED_SET, Run(0x70000000, 2, 0x80000007, 1, 8))(tree), "v1").tree,
    ],
    "DRM016": [
        sets(ASSIGNED_SET, Run(0x60000000, 2, 0x80000006, FREE, 0)),
        sets(ASSIGNED_SET, Run(0x60000000, 1, 0, FREE, 0xA0), Run(0x70000000, 2, 0x80000007, FREE, 0)),
    ],
    "DRM017": [
        sets(Run((1 << 64) - 2 * LMB, 2, 0x8FFFFFFE, FREE, 0)),
        sets(Run((1 << 51) - LMB, 1, 0x807FFFFF, 1, 8)),
    ],
    "DRM018": [sets(Run(0x40000000, 1, 0x80000004, 1, 8)), sets(Run(0x48000000, 1, 0x80000004, FREE, 0xA0))],
    "DRM019": [
        sets(Run(0x50000000, 1, 0x80000005, 1, 8), Run(0x60000000, 2, 0x80000006, 0, 8)),
        sets(ASSIGNED_SET, Run(0x40000000, 1, 0x80000004, FREE, 0xA0)),
    ],
    "DRM020": [
        sets(ASSIGNED_SET, Run(0x60000000, 1, 0x80000006, FREE, 0x100)),
        sets(ASSIGNED_SET, Run(0x60000000, 1, 0x80000004, FREE, 0xA0)),
    ],
    "DRM021": [lambda tree: with_entry(tree, 1, flags=0x40000108)],
    "DRM022": [lambda tree: with_entry(tree, 1, flags=0xA0)],
    "DRM023": [lambda tree: convert(tree, "v1").tree],
    "DRM024": [lambda tree: with_entry(tree, 3, flags=0xA0), lambda tree: with_entry(tree, 1, flags=0x188)],
    "DRM025": [
        lambda tree: reordered(tree, 0, 2, 1, 3),
        lambda tree: with_prop(reordered(tree, 0, 3, 1, 2), "/rtas", LRDR_CAPACITY, CAPACITY),
    ],
    "DRM026": [prop("ibm,memory-flags-mask", None), prop("ibm,memory-flags-mask", words(0xA8))],
    "DRM027": [lambda tree: with_entry(tree, 3, split=4, flags=0x100)],
    "DRM028": [lambda tree: with_entry(tree, 3, split=4, flags=0xE0)],
    "DRM029": [prop("ibm,memory-flags-mask", None)],
}


FOLLOWS = {"DRM059", "DRM102"}
"""An LMB where another one would be usual has a DRC index that is not the usual one."""


@each(("rule", "change"), cases(BREAKS))
def test_a_tree_breaks_exactly_this_rule(rule: str, change: Change) -> None:
    base = unlisted()
    assert broken_anew(base, change(base)) - FOLLOWS == {rule}


@each(("rule", "change"), cases(MISSES))
def test_a_near_miss_does_not(rule: str, change: Change) -> None:
    base = unlisted()
    assert rule not in broken_anew(base, change(base))


def test_every_rule_of_the_family_has_both() -> None:
    rules = rules_of("drmem")
    assert {*BREAKS} == {*MISSES} == rules


@pytest.mark.parametrize("name", ["captures/6.1-merge", "captures/7.2-merge"])
def test_merged_sets_come_out_as_the_kernel_wrote_them(name: str) -> None:
    """In these runs 7.2 and 6.1 wrote 4 LMBs from 0x40000000 on, and kdump saw 0x60000000 for 0x80000000."""
    first, second = messages(fixture(name), "DRM015")
    assert "0x080000000 (DRC 0x80000008) as 0x060000000 (DRC 0x80000006)" in first
    assert "0x1c0000000 (DRC 0x8000001c) as 0x190000000 (DRC 0x80000019)" in second
    assert "corrupts the property" in first
    lmbs = next(item.lmbs for item in findings(fixture(name)) if item.rule == "DRM015")
    assert [(run.base, run.lmbs) for run in lmbs] == [(0x80000000, 2)]


def test_bit_31_does_not_keep_sets_apart() -> None:
    """Linux leaves the bit out before it compares."""
    tree = sets(ASSIGNED_SET, Run(0x70000000, 2, 0x80000007, 1, 0x80000008))(unlisted())
    assert {"DRM015", "DRM021"} <= {*found(tree)}


def test_a_set_of_all_indexes_is_judged_at_once() -> None:
    tree = with_entries(unlisted(), [Run(0, (1 << 32) - 1, 0, 1, 8)] * 3)
    assert {"DRM017", "DRM019", "DRM020"} <= {*found(tree)}


@each(("kernel", "bits"), [("4.19.78", 47), ("5.0", 51), ("7.2", 51)])
def test_memory_is_skipped_where_the_boot_of_that_kernel_skips_it(kernel: str, bits: int) -> None:
    for base in ((1 << bits) - LMB, 1 << bits):
        tree = with_prop(sets(Run(base, 1, 0x80000004, 1, 8))(unlisted()), "/memory@20000000", REG, pair(base))
        running = Running(profile=profile(kernel))
        beyond = base >> bits
        assert ("DRM017" in found(tree, running=running)) == bool(beyond)
        about_nodes = [message for message in messages(tree, "DRM063", running=running) if "beyond" in message]
        assert [f"ends beyond 2^{bits}" in message for message in about_nodes] == [True] * beyond
        blocks = boot(tree, profile(kernel))[0].blocks
        assert (blocks.node_of(base // LMB) is None) == bool(beyond)


def pair(base: int) -> bytes:
    return encode_reg([MemoryRange(base, LMB)])


def test_no_lmb_size_leaves_rules_about_addresses_alone() -> None:
    tree = prop("ibm,lmb-size", None)(fixture("captures/7.2-merge"))
    assert "DRM015" not in found(tree)
    assert "none of the LMBs becomes memory" in messages(tree, "DRM010")[0]


def test_a_cut_value_is_not_called_short() -> None:
    tree = with_cut(fixture("trees/many-dimms"), NODE, V2, 128)
    assert not {"DRM014", "DRM029"} & {*found(tree)}


def test_root_without_cells_is_read_with_1_by_linux() -> None:
    tree = with_prop(fixture(PLUGGED), "/", "#size-cells", None)
    assert messages(tree, "DRM013")
    assert messages(replace(tree, kind="lsprop"), "DRM013") == []


def test_one_address_cell_breaks_what_linux_writes() -> None:
    tree = with_prop(fixture(PLUGGED), "/", "#address-cells", words(1))
    assert "corrupts the property" in messages(tree, "DRM013")[0]


def test_block_size_without_a_drmem_node_is_that_of_the_second_memory_node() -> None:
    tree = fixture("trees/nomaxmem")
    assert found(tree)["DRM011"] == 0
    first = with_prop(tree, "/memory@0", REG, words(0, 0, 0, 0x40000000))
    node = first.node("/memory@0")
    second = replace(node.with_property(REG, words(0, 0x40000000, 0, 0x30000000)), name="memory@40000000")
    grown = replace(first, root=replace(first.root, children=(*first.root.children, second)))
    assert broken_anew(tree, grown) == {"DRM011"}
    assert "5.4 to 6.5" in messages(grown, "DRM011")[0]


def test_both_properties_say_whether_they_agree() -> None:
    assert "the same LMBs" in messages(both()(unlisted()), "DRM023")[0]
    assert "different LMBs" in messages(both(lambda tree: with_entry(tree, 9, flags=8))(unlisted()), "DRM023")[0]


def test_many_violations_are_counted_not_listed() -> None:
    many = [Run(0x40000000, 1, 0x80000004, number, 8) for number in range(3000)]
    tree = with_entries(unlisted(), many)
    said = [item for item in findings(tree) if item.rule == "DRM020"]
    assert len(said) == 20
    assert "2,980 more pairs of runs" in said[-1].message
    flagged = with_entries(unlisted(), [Run(LMB * 2 * n, 1, 0x80000000 + 2 * n, 1, 0x88) for n in range(3000)])
    (item,) = [item for item in findings(flagged) if item.rule == "DRM022"]
    assert len(item.lmbs) == 1000
    assert "3,000 LMBs" in item.message
    assert "of 3,000 runs the first 1,000 are listed" in item.message


def test_v1_and_v2_of_the_same_lmbs_get_the_same_findings() -> None:
    for name in (PLUGGED, "captures/7.2-bit31", "captures/5.10-vectors-1", "captures/7.2-reserved-assigned"):
        tree = fixture(name)
        other = convert(tree, "v1").tree
        assert table(other) == table(tree)
        only_v2 = {"DRM015", "DRM016", "DRM029", "DRM047"}
        assert {*found(other)} - only_v2 == {*found(tree)} - only_v2
