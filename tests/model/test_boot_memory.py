# SPDX-License-Identifier: MIT
"""memory@ nodes: which Linux takes, and what of each."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from drmemctl.formats.memory_reg import MemoryRange
from drmemctl.model.associativity import Associativity
from drmemctl.model.boot_memory import BootMemory, memory_nodes
from drmemctl.tree.node import Node
from tests.cases import each
from tests.conftest import Tool, fixture_trees, tree_name
from tests.model.partitions import fixture_tree, memory, node, partition
from tests.wide import share

GIB = 1 << 30


def boot(*nodes: Node) -> BootMemory:
    tree = partition(*nodes)
    return BootMemory.from_tree(tree, Associativity.from_tree(tree))


def pairs(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}Q", *numbers)


@each("name", share([tree_name(path) for path in fixture_trees()], 1, 3))
def test_ranges_of_every_bundled_tree_are_what_fdtget_reads(
    name: str, fdtget: Tool, dtb_file: Callable[[str], Path]
) -> None:
    tree = fixture_tree(name)
    found = BootMemory.from_tree(tree, Associativity.from_tree(tree)).nodes
    assert found
    for one in found:
        words = [int(word, 16) for word in fdtget("-tx", dtb_file(name), one.path, "reg").stdout.split()]
        base, size = words[0] << 32 | words[1], words[2] << 32 | words[3]
        assert one.reg == (MemoryRange(base, size),)


def test_usable_memory_stands_in_for_reg_even_if_it_is_nothing() -> None:
    found = boot(
        memory(0, GIB, linux__usable_memory=pairs(4096, 8192, 0, 0)), memory(GIB, GIB, linux__usable_memory=b"")
    )
    first, second = found.nodes
    assert first.ranges == (MemoryRange(4096, 8192),)
    assert first.reg == (MemoryRange(0, GIB),)
    assert second.ranges == ()
    assert found.size == 8192


def test_other_device_types_and_disabled_nodes_are_no_memory() -> None:
    typeless = node("memory@0", reg=pairs(0, GIB))
    found = boot(typeless, memory(GIB, GIB, status=b"disabled\0"), memory(2 * GIB, GIB, status=b"okay\0"))
    assert [(one.path, one.size) for one in found.nodes] == [("/memory@40000000", 0), ("/memory@80000000", GIB)]
    tree = partition(typeless)
    (untyped,) = memory_nodes(tree, Associativity.from_tree(tree), [])
    assert (untyped.reg, untyped.ranges) == ((MemoryRange(0, GIB),), ())


def test_hotpluggable_counts_by_being_there() -> None:
    assert [one.hotpluggable for one in boot(memory(0, GIB, hotpluggable=b""), memory(GIB, GIB)).nodes] == [
        True,
        False,
    ]


def test_a_broken_reg_is_a_defect_with_its_place_and_the_rest_is_used() -> None:
    found = boot(node("memory@0", device_type=b"memory\0", reg=pairs(0, GIB) + b"\0" * 4))
    assert found.size == GIB
    assert [(one.path, one.property, one.offset) for one in found.defects] == [("/memory@0", "reg", 16)]
