# SPDX-License-Identifier: MIT
"""The block size where no LMB size says it: what `pseries_memory_block_size` and its successor read from nodes."""

from __future__ import annotations

import pytest

from drmemctl.kernel.block_size import block_size_of
from drmemctl.kernel.profiles import profile
from drmemctl.tree.node import Node
from tests.kernel.partitions import LMB, memory_node, tree, u32

MIN = 1 << 24
SECOND, PROBED = "6.1", "latest"


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ([memory_node(0, 2 * LMB), memory_node(2 * LMB, LMB)], LMB),
        ([memory_node(0, 2 * LMB), memory_node(LMB, LMB)], MIN),
        ([memory_node(0, 2 * LMB)], MIN),
        ([memory_node(LMB, LMB)], MIN),
        ([memory_node(0, 0), memory_node(LMB, LMB)], MIN),
        # Of two nodes of one name the first is found.
        ([memory_node(0, LMB), memory_node(LMB, 2 * LMB), memory_node(LMB, LMB)], 2 * LMB),
    ],
)
def test_the_node_that_follows_the_first_one(memory: list[Node], expected: int) -> None:
    assert block_size_of(tree(memory=memory), profile(SECOND)) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], 1 << 30),
        ([1 << 31], 1 << 30),
        ([1 << 30], 1 << 28),
        ([1 << 28], 1 << 30),
        ([(1 << 30) + (1 << 28)], 1 << 26),
        ([1 << 30, 1 << 28], 1 << 26),
        # It goes no lower than a section, even where that bit is set as well.
        ([0x55000000], MIN),
        ([0x55000000, 0x1000000], MIN),
    ],
)
def test_one_bit_of_the_sizes(sizes: list[int], expected: int) -> None:
    """Linux 6.6 (4d15721177d5): down from 1 GiB by fours while the size of some memory node has that bit."""
    memory = [memory_node(number << 40, size) for number, size in enumerate(sizes)]
    assert block_size_of(tree(memory=memory), profile(PROBED)) == expected


def test_only_memory_nodes_count() -> None:
    base = tree(memory=[memory_node(0, 1 << 31)]).with_property(
        "/rtas", "reg", bytes(8) + (1 << 30).to_bytes(8, "big")
    )
    assert block_size_of(base, profile(PROBED)) == 1 << 30


def test_addresses_and_sizes_of_one_cell() -> None:
    base = tree(memory=[memory_node(0, 0), memory_node(LMB, 0)])
    for cells in ("#address-cells", "#size-cells"):
        base = base.with_property("/", cells, u32(1))
    for path, reg in (("/memory@0", u32(0, LMB)), (f"/memory@{LMB:x}", u32(LMB, 1 << 27))):
        base = base.with_property(path, "reg", reg)
    assert block_size_of(base, profile(SECOND)) == 1 << 27


@pytest.mark.parametrize(
    ("usable", "expected"),
    [
        (None, 0x10000000),  # 3 GiB: bit 30 is set, bit 28 is not
        ((0x18000000,), 0x40000000),
        ((0x18000000, 0x50000000), 0x4000000),
        ((), 0x40000000),
    ],
)
def test_usable_memory_counts_before_reg(usable: tuple[int, ...] | None, expected: int) -> None:
    """probe_memory_block_size since 6.6; with ranges of no bytes it looks at none."""
    base = tree(memory=[memory_node(0, 0xC0000000)])
    if usable is not None:
        data = b"".join(u32(0, 0, 0, size) for size in usable)
        base = base.with_property("/memory@0", "linux,usable-memory", data)
    assert block_size_of(base, profile("6.6")) == expected
    assert block_size_of(base, profile("6.5")) == 1 << 24
