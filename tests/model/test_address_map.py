# SPDX-License-Identifier: MIT
"""The map and its picture: against running kernels' memory blocks, and against painting every unit by hand."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.model.address_map import ASSIGNED as TAKEN
from drmemctl.model.address_map import BOOT, FREE, HOLE, AddressMap, Content, Segment
from drmemctl.model.address_map import RESERVED as KEPT
from drmemctl.model.memory import Memory
from drmemctl.model.picture import Gap, MapLine, Picture
from drmemctl.tree.node import Tree
from tests.cases import each
from tests.model.partitions import (
    ASSIGNED,
    CAPTURES,
    KERNEL_ARRAYS,
    LMB,
    RESERVED,
    capture,
    drmem,
    fixture_tree,
    memory,
    partition,
    sysfs,
)


def map_of(tree: Tree) -> AddressMap:
    return AddressMap.of(Memory.from_tree(tree))


def blocks_of(tree: Tree, size: int) -> dict[int, int | None]:
    """Return the node of each memory block that holds memory."""
    return {
        block: segment.content.node
        for segment in map_of(tree)
        if segment.content.kind in (BOOT, TAKEN)
        for block in range(segment.start // size, segment.last // size + 1)
    }


@pytest.mark.parametrize("name", KERNEL_ARRAYS)
def test_memory_is_where_the_running_kernel_has_it(name: str) -> None:
    kernel = sysfs(name)
    expected = {block: int(node) for node, found in kernel["nodes"].items() for block in found["memory_blocks"]}
    assert blocks_of(fixture_tree(f"kernel-arrays/{name}"), int(kernel["block_size"], 16)) == expected


# A crash kernel takes only a part of the tree's memory, and so does one with mem= on its command line.
@each("name", sorted({*CAPTURES} - {"7.2-kdump", "7.2-mem-limit"}))
def test_memory_is_where_every_recorded_boot_had_it(name: str) -> None:
    run = capture(name)
    expected = {block["block"]: block["node"] for block in run["boot"]["blocks"]}
    assert blocks_of(fixture_tree(f"captures/{name}"), int(str(run["block_size"]), 0)) == expected


def test_reserved_lmbs_at_boot_memory_are_no_overlap_and_hidden_by_it() -> None:
    found = map_of(fixture_tree("trees/v2-gap"))
    # QEMU: 1280 MiB of RAM, reserved LMBs up to the next GiB, a DIMM of 256 MiB there, the rest is free.
    assert [(one.start // LMB, one.size // LMB, one.content) for one in found] == [
        (0, 5, Content(BOOT, 0)),
        (5, 3, Content(KEPT)),
        (8, 1, Content(TAKEN, 0)),
        (9, 10, Content(FREE)),
    ]


class Claim(NamedTuple):
    """Some units claimed by a memory node (kind 0 is that), or by LMBs."""

    start: int
    lmbs: int
    kind: str


claims = st.lists(
    st.builds(Claim, st.integers(0, 30), st.integers(1, 8), st.sampled_from([BOOT, TAKEN, FREE, KEPT])), max_size=7
)
FLAGS = {TAKEN: ASSIGNED, FREE: 0, KEPT: RESERVED | ASSIGNED}
RANKED = (TAKEN, BOOT, FREE, KEPT)


def tree_of(found: list[Claim]) -> Tree:
    places = [memory(one.start * LMB, one.lmbs * LMB, (1,)) for one in found if one.kind == BOOT]
    sets = [
        (one.lmbs, one.start * LMB, 0x1000 * position, 0, FLAGS[one.kind])
        for position, one in enumerate(found)
        if one.kind != BOOT
    ]
    return partition(*places, drmem(sets, ((2,),)))


def painted(found: list[Claim], unit: int) -> Content:
    """Return what is at a unit, by looking at every claim."""
    here = [one.kind for one in found if one.start <= unit < one.start + one.lmbs]
    if not here:
        return Content(HOLE)
    kind = next(kind for kind in RANKED if kind in here)
    lmbs = len(here) - here.count(BOOT)
    overlap = lmbs > 1 or here.count(BOOT) > 1 or (BOOT in here and (TAKEN in here or FREE in here))
    return Content(kind, {BOOT: 1, TAKEN: 2}.get(kind), overlap)


@given(claims)
def test_the_map_is_what_painting_each_unit_gives(found: list[Claim]) -> None:
    segments = list(map_of(tree_of(found)).with_holes())
    assert [one.start for one in segments] == [0, *(one.last + 1 for one in segments)][: len(segments)]
    units = [one.content for one in segments for _ in range(one.size // LMB)]
    assert units == [painted(found, unit) for unit in range(len(units))]
    assert all(painted(found, unit) == Content(HOLE) for unit in range(len(units), 40))


@given(claims, st.sampled_from([8, 12, 16]), st.integers(3, 6))
def test_a_picture_shows_every_unit_once_and_the_largest_share_of_each_cell(
    found: list[Claim], columns: int, lines: int
) -> None:
    picture = Picture.of(map_of(tree_of(found)), columns, lines)
    assert len(picture.lines) <= lines
    per_cell = picture.cell // LMB
    seen: set[int] = set()
    for line in picture.lines:
        if isinstance(line, Gap):
            continue
        assert len(line.cells) == columns
        for column, cell in enumerate(line.cells):
            first = line.address // LMB + column * per_cell
            units = [painted(found, unit) for unit in range(first, first + per_cell)]
            seen.update(range(first, first + per_cell))
            assert cell.mixed == (len(set(units)) > 1)
            full = [unit for unit in units if unit.kind != HOLE]
            assert (cell.content in full) if full else cell.content.kind == HOLE
            if full and not any(unit.overlap for unit in full):
                assert full.count(cell.content) == max(map(full.count, full))
            assert cell.content.overlap == any(unit.overlap for unit in full)
    assert {unit for unit in range(40) if painted(found, unit).kind != HOLE} <= seen


def holes(*bases: int) -> Picture:
    places = [memory(base * LMB, LMB, (0,)) for base in bases]
    return Picture.of(map_of(partition(*places, drmem())), 16, 16)


def test_a_gap_has_the_size_of_the_hole_and_not_of_the_lines_left_out() -> None:
    assert [line if isinstance(line, Gap) else line.address // LMB for line in holes(3, 70).lines] == [
        0,
        Gap(66 * LMB),
        64,
    ]


def test_a_hole_below_the_first_memory_is_a_gap_too() -> None:
    first, line = holes(1 << 20).lines
    assert first == Gap(LMB << 20)
    assert isinstance(line, MapLine)
    assert line.address == LMB << 20


def test_a_hole_that_does_not_empty_a_line_is_drawn() -> None:
    assert not any(isinstance(line, Gap) for line in holes(0, 17).lines)


def test_2_to_the_32_lmbs_cost_no_more_than_four() -> None:
    found = map_of(partition(drmem([(0xFFFFFFFF, 0, 0, 0, ASSIGNED), (1, 0xFFFFFFFF * LMB, 1, 1, 0)], ((0,),))))
    assert [one.size // LMB for one in found] == [0xFFFFFFFF, 1]
    picture = Picture.of(found, 64, 16)
    assert picture.cell == LMB << 22
    assert len(picture.lines) == 16


@pytest.mark.parametrize("lmb_size", [1, 3, 1 << 63, (1 << 64) - 1])
def test_any_lmb_size_makes_a_picture(lmb_size: int) -> None:
    sets = [(1, 0, 0, 0, ASSIGNED), (1, 1 << 40, 5, 0, 0), (7, (1 << 64) - 7, 9, 0, 0)]
    picture = Picture.of(map_of(partition(drmem(sets, ((0,),), lmb_size))), 64, 16)
    assert 0 < len(picture.lines) <= 16


def test_lmbs_without_a_size_are_not_in_the_map() -> None:
    found = map_of(partition(memory(0, LMB, (0,)), drmem([(4, LMB, 0, 0, ASSIGNED)], ((0,),), None)))
    assert list(found) == [Segment(0, LMB - 1, Content(BOOT, 0))]
    assert found.lmb_size is None


def test_what_goes_beyond_the_last_address_is_cut_there_and_counted() -> None:
    found = map_of(partition(drmem([(4, (1 << 64) - LMB, 0, 0, ASSIGNED)], ((0,),))))
    assert list(found) == [Segment((1 << 64) - LMB, (1 << 64) - 1, Content(TAKEN, 0))]
    assert found.clipped == 1


def test_an_empty_partition_makes_an_empty_picture() -> None:
    found = map_of(partition(drmem()))
    assert len(found) == 0
    assert list(found.with_holes()) == []
    assert Picture.of(found, 64, 16).lines == ()


def test_memory_for_which_linux_finds_no_node_is_marked() -> None:
    found = map_of(partition(memory(0, LMB, (0xFFFF,)), drmem([(1, LMB, 0, 9, ASSIGNED)], ((0,),))))
    assert [one.content for one in found] == [Content(BOOT, -1), Content(TAKEN, -1)]
