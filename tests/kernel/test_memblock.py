# SPDX-License-Identifier: MIT
"""memblock against a plain dictionary of addresses, and against what a real kernel printed of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.memory_reg import HOTPLUGGABLE
from drmemctl.kernel.boot import boot
from drmemctl.kernel.boot_notes import boot_notes
from drmemctl.kernel.boot_regions import boot_regions, driver_memory
from drmemctl.kernel.cmdline import memory_size, with_command_line
from drmemctl.kernel.memblock import HOTPLUG, Memblock, MemblockRegion
from drmemctl.kernel.profiles import profile
from drmemctl.model.associativity import Associativity
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Property
from tests.cases import each
from tests.kernel.partitions import BOOT_MEMORY, LMB, lmbs, memory_node, tree, u32
from tests.kernel.printed import printed, simulated, zones
from tests.simulate.records import record, record_names, tree_of

SMALL = st.integers(0, 30)
LOGGED = [
    name
    for name in (*record_names("captures"), *record_names("memblock"))
    if "memblock_log" in record(name)["boot"]
]
NOT_WORKED_OUT = {"memblock/6.1-crashkernel-no-base"}
"""Boots of which drmemctl says itself that it does not know."""


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "mark", "node", "keep", "remove", "plug", "clear"]),
            SMALL,
            st.integers(0, 9),
            st.integers(0, 2),
        )
    )
)
def test_it_is_what_it_would_be_address_by_address(changes: list[tuple[str, int, int, int]]) -> None:
    plain: dict[int, tuple[int | None, int]] = {}
    memory = Memblock()
    for what, base, size, node in changes:
        inside = range(base, base + size)
        if what == "add":
            memory.add(base, size)
            plain = dict.fromkeys(inside, (None, 0)) | plain
        elif what == "mark":
            memory.mark_hotplug(base, size)
            plain = {at: (old, flags | HOTPLUG * (at in inside)) for at, (old, flags) in plain.items()}
        elif what == "node":
            memory.set_node(base, size, node)
            plain = {at: (node if at in inside else old, flags) for at, (old, flags) in plain.items()}
        elif what == "remove":
            memory.remove(base, size)
            plain = {at: known for at, known in plain.items() if at not in inside}
        elif what == "clear":
            memory.clear_hotplug()
            plain = {at: (old, flags & ~HOTPLUG) for at, (old, flags) in plain.items()}
        elif what == "plug":
            memory.add(base, size, node, HOTPLUG)
            plain = dict.fromkeys(inside, (node, HOTPLUG)) | plain
        else:
            memory.keep_lowest(base)
            plain = {at: plain[at] for at in sorted(plain)[:base]}
    assert {at: (one.node, one.flags) for one in memory for at in range(one.base, one.end)} == plain
    regions = list(memory)
    assert not any(after.continues(before) for before, after in pairwise(regions))
    assert memory.size == len(plain)


@each("name", [name for name in LOGGED if name not in NOT_WORKED_OUT])
def test_regions_are_those_that_the_kernel_printed(name: str) -> None:
    kernel = record(name)["kernel"]
    assert boot_regions(tree_of(name), profile(kernel))[1] == ()
    assert simulated(tree_of(name), kernel) == printed(record(name)) != []


@pytest.mark.parametrize("name", sorted(NOT_WORKED_OUT))
def test_what_is_not_worked_out_is_said(name: str) -> None:
    kernel = record(name)["kernel"]
    assert simulated(tree_of(name), kernel) != printed(record(name))
    assert any("worked out" in note for note in boot_notes(tree_of(name), profile(kernel)))


@each("name", record_names("memblock"))
def test_zones_are_those_of_the_running_kernel(name: str) -> None:
    found = record(name)
    assert zones(tree_of(name), found) == [block["zone"] for block in found["boot"]["blocks"]]


@each("name", record_names("memblock"))
def test_a_simulated_boot_has_the_blocks_of_the_real_one(name: str) -> None:
    if name not in NOT_WORKED_OUT:
        found = record(name)
        state, _ = boot(tree_of(name), profile(found["kernel"]))
        assert list(state.blocks) == [(block["block"], block["node"]) for block in found["boot"]["blocks"]]


@each("name", record_names("captures"))
def test_blocks_of_every_recorded_boot_lie_in_its_regions(name: str) -> None:
    found = record(name)
    regions, _ = boot_regions(tree_of(name), profile(found["kernel"]))
    size = found["block_size"]
    for block in found["boot"]["blocks"]:
        at = block["block"] * size
        nodes = {one.region.node for one in regions if one.region.base < at + size and one.region.end > at}
        assert nodes == {block["node"]}
    covered = {at for one in regions for at in range(one.region.base // size, -(-one.region.end // size))}
    assert covered == {block["block"] for block in found["boot"]["blocks"]}


def shown(*entries: Run, cmdline: str = "", kernel: str = "latest", **more: object) -> list[str]:
    """Return regions in short: first LMB-LMB after the last, node, H for hotplug, zone."""
    base = with_command_line(tree(*entries, **more), cmdline)  # type: ignore[arg-type]
    return [
        f"{one.region.base / LMB:g}-{one.region.end / LMB:g} {one.region.node}{'H' * one.region.is_hotplug} "
        f"{one.consequences.zone}"
        for one in boot_regions(base, profile(kernel))[0]
    ]


@pytest.mark.parametrize(
    ("cmdline", "kernel", "expected"),
    [
        ("", "latest", ["0-2 0 Normal", "2-4 0H Normal", "4-5 0 Normal", "5-6 1 Normal"]),
        ("movable_node", "latest", ["0-2 0 Normal", "2-4 0H Movable", "4-5 0 Movable", "5-6 1 Normal"]),
        ("movable_node", "5.7", ["0-5 0 Normal", "5-6 1 Normal"]),
        ("mem=800M", "latest", ["0-2 0 Normal", "2-3.125 0H Normal"]),
        ("mem=801M", "latest", ["0-2 0 Normal", "2-3.125 0H Normal"]),
        ("mem=801M", "6.1", ["0-2 0 Normal", "2-3.12891 0H Normal"]),
        ("mem=900G", "latest", ["0-2 0 Normal", "2-4 0H Normal", "4-5 0 Normal", "5-6 1 Normal"]),
        ("numa=off", "latest", ["0-2 0 Normal", "2-4 0H Normal", "4-6 0 Normal"]),
    ],
)
def test_command_line(cmdline: str, kernel: str, expected: list[str]) -> None:
    entries = (lmbs(2, 2, 0, 0x108), lmbs(4, 1, 0, 8), lmbs(5, 1, 1, 8), lmbs(6, 1, 1, 0), lmbs(7, 1, 1, 0x88))
    assert shown(*entries, cmdline=cmdline, kernel=kernel) == expected


def test_a_memory_node_may_be_hotpluggable_or_not_there() -> None:
    plug = memory_node(2 * LMB, LMB).with_property(HOTPLUGGABLE, b"")
    gone = memory_node(4 * LMB, LMB).with_property("status", b"disabled\0")
    assert shown(BOOT_MEMORY, memory=(memory_node(0, 2 * LMB), plug, gone)) == ["0-2 0 Normal", "2-3 0H Normal"]


def test_memory_that_is_there_twice_counts_once_and_the_lmb_decides() -> None:
    assert shown(lmbs(1, 2, 1, 0x108)) == ["0-1 0 Normal", "1-3 1H Normal"]


def test_consequences() -> None:
    base = with_command_line(tree(lmbs(2, 2, 1, 0x108), lmbs(4, 2, 0, 8)), "movable_node")
    regions, _ = boot_regions(base, profile())
    assert [(one.lmb_bytes // LMB, one.consequences.images, one.consequences.unplug) for one in regions] == [
        (0, True, "never"),
        (2, False, "movable"),
        (2, True, "unless pinned"),
    ]
    assert all(one.consequences.listed and one.consequences.in_dump for one in regions)


def test_an_lmb_without_a_node_is_a_fault_and_the_regions_are_shown() -> None:
    regions, faults = boot_regions(tree(lmbs(2, 2, 7, 8)), profile("6.1"))
    assert [fault.code for fault in faults] == ["oops"]
    assert [(one.region.base, one.region.node) for one in regions] == [(0, 0), (2 * LMB, None)]


def test_persistent_memory_is_no_boot_memory() -> None:
    region = Node(
        "ibm,pmemory@1",
        (
            Property("ibm,block-size", (1 << 20).to_bytes(8, "big")),
            Property("ibm,number-of-blocks", (512).to_bytes(8, "big")),
            Property("ibm,associativity", u32(1, 1)),
            Property("ibm,my-drc-index", u32(0x90000001)),
        ),
    )
    base = tree(lmbs(2, 2, 1, 8), more=(Node("ibm,persistent-memory", (), (region,)),))
    (found,) = driver_memory(base, Associativity.from_tree(base))
    assert (found.size, found.node, found.drc_index) == (512 << 20, 1, 0x90000001)
    assert not found.consequences.images
    assert not found.consequences.listed
    assert len(boot_regions(base, profile())[0]) == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("mem=1G", 1 << 30),
        ("mem=0x10k", 16 << 10),
        ("mem=010k", 8 << 10),
        ("mem=1G mem=x", 0),
        ("mem=2Mx", 2 << 20),
        ("memory=1G", None),
        ("mem", None),
        ("mem=1G mem=2m", 2 << 20),
    ],
)
def test_mem(text: str, size: int | None) -> None:
    assert memory_size(text) == size


def test_a_range_beyond_all_addresses_is_cut() -> None:
    memory = Memblock()
    memory.add((1 << 64) - 10, 100)
    assert list(memory) == [MemblockRegion((1 << 64) - 10, (1 << 64) - 1)]
