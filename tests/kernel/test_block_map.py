# SPDX-License-Identifier: MIT
"""Which memory block each range falls in, against a plain count block by block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.kernel.block_map import BlockMap, Owner, owners_of
from drmemctl.kernel.blocks import BlockRun, Blocks
from drmemctl.kernel.boot import boot
from drmemctl.kernel.profiles import profile
from drmemctl.model.memory import Memory
from drmemctl.model.run import Run
from tests.kernel.partitions import BOOT_MEMORY, DRC, LMB, UNSET, lmbs, memory_node, tree
from tests.simulate.records import record, record_names, tree_of

SIZE = 10
RANGE = st.tuples(st.integers(0, 90), st.integers(0, 25))


@given(st.lists(RANGE, max_size=6), st.sets(st.integers(0, 9)))
def test_it_is_what_it_would_be_block_by_block(ranges: list[tuple[int, int]], there: set[int]) -> None:
    owners = [Owner("memory", "assigned", base, size, f"/m{i}") for i, (base, size) in enumerate(ranges)]
    blocks = Blocks.of(BlockRun(block, 1, 0) for block in sorted(there))
    found = {}
    for span in BlockMap(owners, None, SIZE, blocks).spans():
        for block in range(span.first, span.first + span.count):
            assert block not in found
            found[block] = {owner.path for owner in span.owners}
            assert (span.node is not None) == (block in there)
    plain: dict[int, set[str]] = {block: set() for block in there}
    for owner in owners:
        for block in {at // SIZE for at in range(owner.base, owner.end)}:
            plain.setdefault(block, set()).add(owner.path)
    assert found == plain


def spans(*entries: Run, **more: object) -> list[tuple[int, int, int, bool, str]]:
    base = tree(*entries, **more)  # type: ignore[arg-type]
    memory, state = Memory.from_tree(base), boot(base, profile())[0]
    owners = owners_of(memory.boot, memory.table)
    found = BlockMap(owners, memory.table.lmb_size, state.block_size, state.blocks).spans()
    return [(one.first, one.count, one.n_owners, one.aligned, one.meets) for one in found]


def test_what_adding_memory_meets() -> None:
    assert spans(lmbs(2, 2, 1, 8), lmbs(4, 4), lmbs(8, 1, 1, 0x80)) == [
        (0, 2, 1, True, "EEXIST"),
        (2, 2, 1, True, "EEXIST"),
        (4, 4, 1, True, "possible"),
        (8, 1, 1, True, "refused"),
    ]


def test_misaligned_lmbs_are_no_whole_blocks() -> None:
    found = spans(Run(4 * LMB + LMB // 2, 2, DRC + 4, 0, 0))
    assert found[-1] == (4, 3, 1, False, "EINVAL")


def test_reserved_lmbs_in_a_memory_node_are_no_owner_of_their_own() -> None:
    assert spans(BOOT_MEMORY)[0] == (0, 2, 1, True, "EEXIST")


def test_an_owner_of_which_part_is_listed_again_as_reserved_is_one_span() -> None:
    assert spans(lmbs(1, 1, UNSET, 0xA0))[0] == (0, 2, 1, True, "EEXIST")


def test_spans_of_other_lengths_are_put_together() -> None:
    found = spans(lmbs(5, 1), memory=[memory_node(0, 5 * LMB)])
    assert found == [(0, 5, 1, True, "EEXIST"), (5, 1, 1, True, "possible")]


def test_whose_memory_it_is() -> None:
    memory = Memory.from_tree(tree(lmbs(2, 2, 1, 8), lmbs(4, 3)))
    table = memory.table
    reserved, assigned, free = table.runs
    assert owners_of(memory.boot, table) == [
        Owner("memory", "assigned", 0, 2 * LMB, "/memory@0"),
        Owner("lmb", "reserved", 0, 2 * LMB, run=reserved),
        Owner("lmb", "assigned", 2 * LMB, 2 * LMB, run=assigned),
        Owner("lmb", "free", 4 * LMB, 3 * LMB, run=free),
    ]


@pytest.mark.parametrize(
    ("kind", "base", "size", "fits"),
    [
        ("memory", 20, 20, True),
        ("memory", 25, 15, False),
        ("memory", 20, 15, False),
        # LMBs of another size than a block are added by the block nowhere.
        ("lmb", 20, 20, False),
    ],
)
def test_what_blocks_of_10_fit(kind: str, base: int, size: int, fits: bool) -> None:
    (span,) = BlockMap([Owner(kind, "free", base, size)], 5, SIZE, Blocks()).spans()
    assert (span.first, span.count, span.aligned) == (2, 2, fits)
    assert not span.shared


def test_two_owners_share_a_block() -> None:
    owners = [Owner("memory", "assigned", 0, 15, "/a"), Owner("memory", "assigned", 15, 5, "/b")]
    assert [one.shared for one in BlockMap(owners, None, SIZE, Blocks()).spans()] == [False, True]


def test_blocks_of_every_recorded_boot_have_an_owner() -> None:
    for name in record_names("captures"):
        base = tree_of(name)
        memory, (state, _) = Memory.from_tree(base), boot(base, profile(record(name)["kernel"]))
        owners = owners_of(memory.boot, memory.table)
        found = list(BlockMap(owners, memory.table.lmb_size, state.block_size, state.blocks).spans())
        there = {at for one in found if one.node is not None for at in range(one.first, one.first + one.count)}
        assert there == {block["block"] for block in record(name)["boot"]["blocks"]}
        assert all(one.owners and (one.aligned or name == "captures/7.2-kdump") for one in found)
