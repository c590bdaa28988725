# SPDX-License-Identifier: MIT
"""The rules of the family boot: for each a tree that breaks exactly it, and a near miss that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drmemctl.check.boot.limits import memory_end
from drmemctl.check.engine import Plan
from drmemctl.check.report import report_tree
from drmemctl.check.subject import Running, Subject
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.lrdr_capacity import LRDR_CAPACITY
from drmemctl.formats.memory_reg import REG, MemoryRange, encode_reg
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY, encode_usable_memory
from drmemctl.kernel.profiles import profile
from drmemctl.tree.node import Node, Property, Tree
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
    reg,
    rules_of,
    with_child,
    with_entries,
    with_entry,
    with_prop,
    without_node,
)
from tests.encoders import encode_lrdr_capacity


def memory(base: int, size: int, device_type: bytes = b"memory\0", **more: bytes) -> Node:
    properties = [Property("device_type", device_type), Property(REG, encode_reg([MemoryRange(base, size)]))]
    return Node(f"memory@{base:x}", (*properties, *(Property(name, value) for name, value in more.items())))


def with_memory(node: Node) -> Change:
    return lambda tree: with_child(tree, "/", node)


def bootargs(text: bytes) -> Change:
    return lambda tree: with_prop(tree, "/chosen", "bootargs", text + b"\0")


def capacity(address: int, size: int = LMB) -> Change:
    return lambda tree: with_prop(tree, "/rtas", LRDR_CAPACITY, encode_lrdr_capacity(address, size, 1))


def usable(*records: list[MemoryRange]) -> Change:
    return lambda tree: with_prop(tree, NODE, DRCONF_USABLE_MEMORY, encode_usable_memory(records))


def all_assigned(tree: Tree) -> Tree:
    """Return the tree with only the four assigned LMBs, where both ways of counting are the same."""
    return with_entries(tree, entries(tree)[1:3])


NOTHING: list[MemoryRange] = []
LOW = [MemoryRange(0, LMB)]
IN_FIRST = [MemoryRange(0x40000000, 0x1000), MemoryRange(0x40010000, 0x1000)]
IN_FOURTH = [MemoryRange(0x70000000, LMB)]

BREAKS: dict[str, list[Change]] = {
    "DRM060": [with_memory(memory(0x40000000, LMB)), with_memory(memory(0x60000000, 2 * LMB))],
    "DRM061": [with_memory(memory(0x90000000, LMB))],
    "DRM062": [reg("/memory@20000000", 0x10000000, 0x20000000), reg("/memory@20000000", 0, LMB)],
    "DRM063": [
        lambda tree: with_prop(tree, "/memory@20000000", "device_type", None),
        lambda tree: with_prop(tree, "/memory@20000000", REG, None),
        with_memory(memory(0x0800000040000000, LMB)),
        lambda tree: without_node(without_node(tree, "/memory@0"), "/memory@20000000"),
    ],
    "DRM064": [
        usable(LOW, *[NOTHING] * 31),
        usable(NOTHING, NOTHING, NOTHING, NOTHING, IN_FIRST, *[NOTHING] * 27),
        usable(NOTHING, NOTHING),
        lambda tree: usable(NOTHING, IN_FIRST, NOTHING, NOTHING)(all_assigned(tree)),
    ],
    "DRM065": [bootargs(b"mem=1536M"), bootargs(b"quiet mem=64K mem=0x70000000 debug"), bootargs(b"mem=1g")],
    "DRM066": [
        lambda tree: with_entry(
            reg("/memory@20000000", 0x80000000, 2 * LMB)(with_entry(tree, 3, base=0xA0000000)), 0
        )
    ],
    "DRM067": [capacity(0x1FFFFFFFF), capacity(0), capacity(0x200000000, 2 * LMB)],
    "DRM068": [lambda tree: without_node(capacity(0)(tree), NODE)],
    "DRM069": [reg("/memory@20000000", 0x20000000, 0x18000000), reg("/memory@20000000", 0x28000000, LMB)],
}

MISSES: dict[str, list[Change]] = {
    "DRM060": [with_memory(memory(0x80000000, LMB)), with_memory(memory(0x40000000, LMB, status=b"disabled\0"))],
    "DRM061": [with_memory(memory(0x30000000, LMB)), with_memory(memory(0x200000000, LMB))],
    "DRM062": [reg("/memory@20000000", 0x20000000, LMB), with_memory(memory(0, LMB, b"other\0"))],
    "DRM063": [
        reg("/memory@20000000", (1 << 51) - LMB, LMB),
        with_memory(Node("memory-controller", ())),
        lambda tree: without_node(tree, "/memory@20000000"),
    ],
    "DRM064": [
        usable(*[NOTHING] * 32),
        usable(IN_FIRST, NOTHING, NOTHING, IN_FOURTH),
        lambda tree: usable(IN_FIRST, NOTHING, NOTHING, IN_FOURTH)(all_assigned(tree)),
        # The free LMBs come last: both count the same up to there.
        lambda tree: usable(IN_FIRST, *[NOTHING] * 27)(with_entries(tree, entries(tree)[1:])),
    ],
    "DRM065": [bootargs(b"mem=2G"), bootargs(b"xmem=1536M"), bootargs(b"mem=1M"), bootargs(b"memblock=1536M")],
    "DRM066": [reg("/memory@20000000", 0x30000000, LMB)],
    "DRM067": [
        capacity(0x200000000),
        capacity(1 << 40),
        lambda tree: with_prop(tree, "/rtas", LRDR_CAPACITY, None),
    ],
    "DRM068": [lambda tree: without_node(tree, NODE)],
    "DRM069": [reg("/memory@20000000", 0x20000000, LMB)],
}


FOLLOWS = {
    "DRM066": {"DRM016", "DRM059", "DRM067"},
    "DRM068": {"DRM047", "DRM104"},
    "DRM060": {"DRM066"},
    "DRM061": {"DRM066"},
}
"""What cannot but come with it: an LMB that moved has an unusual DRC index, for one."""


@pytest.mark.parametrize(("rule", "change"), cases(BREAKS))
def test_a_tree_breaks_exactly_this_rule(rule: str, change: Change) -> None:
    base = fixture(PLUGGED)
    assert broken_anew(base, change(base)) - FOLLOWS.get(rule, set()) == {rule}


@pytest.mark.parametrize(("rule", "change"), cases(MISSES))
def test_a_near_miss_does_not(rule: str, change: Change) -> None:
    base = fixture(PLUGGED)
    assert rule not in broken_anew(base, change(base))


def test_every_rule_of_the_family_has_both() -> None:
    # Those about the next kernel need steps: tests/simulate/test_next_kernel.py.
    assert {*BREAKS} == {*MISSES} == rules_of("boot") - {"DRM160", "DRM161"}


def test_a_crash_kernel_gets_low_memory_on_the_node_of_an_lmb() -> None:
    """In this run blocks 0 and 1 came up on node 1, which is that of the LMB at 0x40000000."""
    first, second = messages(fixture("captures/7.2-kdump"), "DRM064")
    assert (
        "counter 0 for the LMB at 0x040000000 (DRC 0x80000004), but its first range is 0x000000000 with 256 MiB"
        in first
    )
    assert "comes up on the node of this LMB" in first
    assert "counter 1 for the LMB at 0x050000000" in second


def test_memory_that_was_meant_and_is_not_taken_is_named() -> None:
    tree = usable(NOTHING, NOTHING, NOTHING, NOTHING, IN_FIRST, *[NOTHING] * 27)(fixture(PLUGGED))
    said = messages(tree, "DRM064")
    assert any("1 LMB meant to be used, first 0x040000000 (DRC 0x80000004)" in text for text in said)


def test_a_truncated_stream_of_counters_is_an_error() -> None:
    tree = usable(NOTHING, NOTHING)(fixture(PLUGGED))
    assert "2 counters for 4 assigned LMBs" in messages(tree, "DRM064")[0]


def test_mem_counts_memory_and_not_addresses() -> None:
    """mem=1G of 512 MiB at 0, 512 MiB at 1 GiB and more ends at 0x60000000."""
    tree = without_node(bootargs(b"mem=1G")(fixture(PLUGGED)), "/memory@20000000")
    (item,) = [item for item in findings(tree) if item.rule == "DRM065"]
    assert [(run.base, run.lmbs) for run in item.lmbs] == [(0x60000000, 2)]


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (b"mem=1536M", 0x60000000, 0x60000000),
        (b"mem=0x5fff8001", 0x60000000, 0x5F000000),
        (b"mem=1G\tmem=0x58000001", 0x58010000, 0x58000000),
        (b"mem=", None, None),
        (b"mem=1536M mem=banana", None, None),
        (b"\xff\xfe mem", None, None),
        (b"mem=15M", 0xF00000, None),
    ],
)
def test_mem_is_rounded_as_the_kernel_rounds_it(text: bytes, old: int | None, new: int | None) -> None:
    """A page up before 6.10, 16 MiB down since; with 6.1 `mem=1000001K` made memory end at 0x3d0a0000."""
    tree = bootargs(text)(fixture(PLUGGED))
    for kernel, expected in (("6.1", old), ("6.10", new)):
        assert memory_end(Subject(tree, running=Running(profile=profile(kernel)))) == expected


def test_the_kernel_that_is_asked_about_rounds() -> None:
    tree = bootargs(b"mem=0x5fff8001")(fixture(PLUGGED))
    for version, end in (("6.1", "0x060000000"), ("6.12", "0x05f000000"), (None, "0x05f000000")):
        plan = Plan(select=("DRM065",), kernel=None if version is None else profile(version))
        (finding,) = report_tree(tree, plan).findings
        assert f"above {end}" in finding.message


def test_an_lmb_in_two_memory_nodes_is_counted_once() -> None:
    tree = fixture(PLUGGED)
    for base in (0x40000000, 0x48000000):
        tree = with_child(tree, "/", memory(base, LMB // 2))
    (item,) = [item for item in findings(tree) if item.rule == "DRM060"]
    assert [(run.base, run.lmbs) for run in item.lmbs] == [(0x40000000, 1)]


def test_qemus_address_of_a_connector_is_explained() -> None:
    tree = with_memory(memory(0x0800000040000000, LMB))(fixture(PLUGGED))
    assert "QEMU means 0x40000000" in messages(tree, "DRM063")[0]


def test_ten_thousand_memory_nodes() -> None:
    tree = fixture(PLUGGED)
    many = tuple(memory(0x100000000 + n * LMB, 2 * LMB) for n in range(10_000))
    tree = replace(tree, root=replace(tree.root, children=(*tree.root.children, *many)))
    assert messages(tree, "DRM062")[-1].startswith("9,9")


def test_whole_trees_are_judged_alike_whatever_holds_them() -> None:
    bare = with_prop(fixture(PLUGGED), "/", "#size-cells", None)
    for path in ("/memory@0", "/memory@20000000"):
        bare = without_node(bare, path)
    judged = {
        kind: {"DRM013", "DRM063"} & {item.rule for item in findings(replace(bare, kind=kind))}
        for kind in ("fdt", "directory", "archive", "dts")
    }
    assert judged.pop("dts") == set(), "a part may be missing"
    assert list(judged.values()) == [{"DRM013", "DRM063"}] * 3
