# SPDX-License-Identifier: MIT
"""Memory blocks as runs, against a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drmemctl.kernel.blocks import BlockRun, Blocks
from drmemctl.kernel.blocks_at_boot import blocks_of
from drmemctl.kernel.memblock import MemblockRegion as Region

SMALL = st.integers(0, 30)


@given(st.lists(st.tuples(SMALL, st.integers(0, 2), st.booleans()), max_size=60))
def test_adding_and_removing(changes: list[tuple[int, int, bool]]) -> None:
    plain: dict[int, int] = {}
    blocks = Blocks()
    for block, node, add in changes:
        if add and block not in plain:
            plain[block] = node
            blocks = blocks.added(block, node)
        elif not add and block in plain:
            del plain[block]
            blocks = blocks.removed(block)
    assert dict(blocks) == plain
    assert len(blocks) == len(plain)
    assert blocks.nodes() == frozenset(plain.values())
    assert [blocks.node_of(block) for block in range(32)] == [plain.get(block) for block in range(32)]
    assert blocks == Blocks.of(BlockRun(block, 1, node) for block, node in sorted(plain.items()))


@given(st.sets(SMALL), SMALL, st.integers(0, 40))
def test_missing_blocks(there: set[int], block: int, count: int) -> None:
    blocks = Blocks.of(BlockRun(one, 1, 0) for one in sorted(there))
    expected = next((n for n in range(count) if block + n in there), count)
    assert blocks.missing(block, count) == expected


def test_a_block_with_a_hole_is_there_all_the_same() -> None:
    blocks = blocks_of([Region(0, 30, 1), Region(35, 40, 0), Region(40, 60, 2)], 20)
    assert list(blocks) == [(0, 1), (1, 0), (2, 2)]
    assert blocks.holed == {1}


def test_a_hole_stays_until_its_block_goes() -> None:
    blocks = blocks_of([Region(0, 30, 1), Region(35, 60, 1)], 20)
    assert blocks.added(5, 0).removed(0).holed == {1}
    assert blocks.removed(1).holed == frozenset()


def test_a_block_of_several_regions() -> None:
    """The lowest node wins, both are online, and memory that ends within a block leaves a hole.

    A block on two nodes cannot be taken offline (`nodes/6.12-no-lmbs`).
    """
    blocks = blocks_of([Region(0, 30, 1), Region(30, 60, 2)], 20)
    assert list(blocks) == [(0, 1), (1, 1), (2, 2)]
    assert blocks.holed == {1}
    assert blocks_of([Region(0, 30, 1), Region(30, 40, 2)], 20).nodes() == {1, 2}
    assert blocks_of([Region(0, 30, 1), Region(30, 60, 1)], 20).holed == frozenset()
    assert blocks_of([Region(0, 19, 0)], 20).holed == {0}
    assert list(blocks_of([Region(0, 41)], 20)) == [(0, 0), (1, 0), (2, 0)]
