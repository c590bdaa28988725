# SPDX-License-Identifier: MIT
"""The rules of the family blocks: for each a tree that breaks exactly it, and a near miss that does not."""

from __future__ import annotations

import pytest

from drmemctl.tree.node import Node, Property, Tree
from tests.check.mutations import (
    LMB,
    PLUGGED,
    Change,
    broken_anew,
    cases,
    fixture,
    messages,
    reg,
    rules_of,
    with_child,
    with_prop,
    without_node,
    words,
)


def both(first: Change, second: Change) -> Change:
    return lambda tree: second(first(tree))


def pmem(size: int) -> Change:
    region = Node(
        "ibm,pmemory@90000001",
        (
            Property("device_type", b"ibm,pmemory\0"),
            Property("reg", words(0x90000001)),
            Property("ibm,my-drc-index", words(0x90000001)),
            Property("ibm,unit-guid", b"00000000-0000-0000-0000-000000000001\0"),
            Property("ibm,block-size", (1 << 20).to_bytes(8, "big")),
            Property("ibm,number-of-blocks", (size >> 20).to_bytes(8, "big")),
        ),
    )
    return lambda tree: with_child(tree, "/ibm,persistent-memory", region)


def without_lmbs(tree: Tree) -> Tree:
    return without_node(tree, "/ibm,dynamic-reconfiguration-memory")


VECTOR = ("/chosen", "ibm,architecture-vec-5")
SPLIT = both(reg("/memory@0", 0, 0x18000000), reg("/memory@20000000", 0x18000000, 0x28000000))
LOW_HALF = reg("/memory@20000000", 0x20000000, 0x28000000)

BREAKS: dict[str, list[Change]] = {
    "DRM100": [SPLIT],
    "DRM102": [reg("/memory@20000000", 0x20000000, 0x1F800000), reg("/memory@20000000", 0x20100000, 0x1FF00000)],
    "DRM103": [pmem(128 << 20), pmem(384 << 20)],
    "DRM104": [without_lmbs],
}

MISSES: dict[str, list[Change]] = {
    "DRM100": [both(reg("/memory@0", 0, 0x18000000), reg("/memory@20000000", 0x20000000, 0x20000000)), LOW_HALF],
    "DRM102": [reg("/memory@20000000", 0x20000000, 0x1F000000)],
    "DRM103": [pmem(512 << 20)],
    "DRM104": [
        lambda tree: tree,
        both(without_lmbs, lambda tree: with_prop(tree, "/chosen", "ibm,architecture-vec-5", None)),
    ],
}


@pytest.mark.parametrize(("rule", "change"), cases(BREAKS))
def test_a_tree_breaks_this_rule_of_the_family(rule: str, change: Change) -> None:
    base = fixture(PLUGGED)
    found = {one for one in broken_anew(base, change(base)) if one.startswith("DRM10")}
    assert found == {rule}


@pytest.mark.parametrize(("rule", "change"), cases(MISSES))
def test_a_near_miss_does_not(rule: str, change: Change) -> None:
    base = fixture(PLUGGED)
    assert rule not in broken_anew(base, change(base))


def shifted(tree: Tree) -> Tree:
    """Return the tree with its assigned LMBs half an LMB higher, and the memory node before them as long."""
    from tests.check.mutations import entries, with_entries

    moved = [run._replace(base=run.base + (LMB // 2 if run.base >= 0x40000000 else 0)) for run in entries(tree)]
    return LOW_HALF(with_entries(tree, moved))


def test_a_block_of_a_memory_node_and_lmbs() -> None:
    base = fixture(PLUGGED)
    assert "DRM101" in broken_anew(base, shifted(base))
    (said,) = messages(shifted(base), "DRM101")
    assert said.startswith("memory block 4 holds memory of /memory@20000000 and the LMBs from 0x048000000 on:")
    assert "DRM101" not in broken_anew(base, LOW_HALF(base))


def test_every_rule_of_the_family_has_both() -> None:
    ids = rules_of("blocks")
    assert {*BREAKS, "DRM101"} == {*MISSES, "DRM101"} == ids


def test_messages() -> None:
    (said,) = messages(SPLIT(fixture(PLUGGED)), "DRM100")
    assert said.startswith("memory block 1 holds memory of /memory@0 and /memory@20000000, on nodes 0, 1: it can")
    assert messages(pmem(128 << 20)(fixture(PLUGGED)), "DRM103") == [
        "128 MiB are no multiple of 256 MiB: 128 MiB are lost as memory"
    ]
    assert messages(reg("/memory@20000000", 0x20000000, 0x1F800000)(fixture(PLUGGED)), "DRM102") == [
        "0x3f800000 is inside a section of 16 MiB: beside it goes no system memory, device memory at it"
    ]
