# SPDX-License-Identifier: MIT
"""The tree of a crash kernel: byte for byte what kexec-tools made, and where producers differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drmemctl.errors import LimitError, NotInTreeError
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.memory_reg import USABLE_MEMORY, decode_usable_reg
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY, decode_usable_memory
from drmemctl.kernel.boot_regions import BootRegion, boot_regions
from drmemctl.kernel.kdump import (
    CRASH_BASE,
    CRASH_SIZE,
    CrashMemory,
    Producer,
    crash_regions,
    is_crash_tree,
    kdump_tree,
    without_usable,
)
from drmemctl.kernel.profiles import profile
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree
from tests.kernel.partitions import BOOT_MEMORY, DRC, LMB, lmbs, memory_node, tree, u32
from tests.simulate.records import record, tree_of

RECORDED = "captures/7.2-kdump"
CRASH = CrashMemory(0x08000000, 0x14000000)


def test_it_is_byte_for_byte_what_a_crash_kernel_was_given() -> None:
    given = tree_of(RECORDED)
    assert is_crash_tree(given)
    made = kdump_tree(without_usable(given), CRASH, Producer.TOOLS)
    assert made.get(NODE, DRCONF_USABLE_MEMORY) == given.get(NODE, DRCONF_USABLE_MEMORY)
    for path in ("/memory@0", "/memory@20000000"):
        assert made.get(path, USABLE_MEMORY) == given.get(path, USABLE_MEMORY)


def test_the_crash_kernel_has_its_memory_on_the_node_that_was_recorded() -> None:
    given = tree_of(RECORDED)
    regions, _ = boot_regions(given, profile(record(RECORDED)["kernel"]))
    before, _ = boot_regions(without_usable(given), profile("7.2"))
    (only,) = crash_regions(regions, before)
    assert {block["node"] for block in record(RECORDED)["boot"]["blocks"]} == {only.region.node} == {1}
    assert only.nodes == (0,)
    assert only.is_moved


@pytest.mark.parametrize("path", [NODE, "/memory@0"])
def test_one_restriction_makes_it_the_tree_of_a_crash_kernel(path: str) -> None:
    plain = tree(lmbs(2, 2, 1, 8))
    name = DRCONF_USABLE_MEMORY if path == NODE else USABLE_MEMORY
    restricted = plain.with_property(path, name, bytes(16))
    assert (is_crash_tree(plain), is_crash_tree(restricted)) == (False, True)
    assert without_usable(restricted) == plain


def test_regions_that_only_touch_have_nothing_in_common() -> None:
    new = regions_of(tree(memory=(memory_node(0, LMB),)))
    old = regions_of(tree(memory=(memory_node(0, LMB, 1), memory_node(LMB, LMB, 2))))
    (only,) = crash_regions(new, old)
    assert only.nodes == (1,)
    (only,) = crash_regions(regions_of(tree(memory=(memory_node(LMB, LMB),))), old)
    assert only.nodes == (2,)


def regions_of(base: Tree) -> list[BootRegion]:
    return boot_regions(base, profile("7.2"))[0]


def ranges(made: Tree, path: str) -> list[tuple[int, int]]:
    return [(one.base, one.size) for one in decode_usable_reg(made.get(path, USABLE_MEMORY) or b"").ranges]


def counters(made: Tree) -> list[list[tuple[int, int]]]:
    found = decode_usable_memory(made.get(NODE, DRCONF_USABLE_MEMORY) or b"")
    return [[(part.base, part.size) for part in one.ranges] for one in found]


def with_rtas(base: Tree, address: int, size: int) -> Tree:
    base = base.with_property("/rtas", "linux,rtas-base", u32(address))
    return base.with_property("/rtas", "rtas-size", u32(size))


def test_the_kernel_itself_lists_low_memory_first_and_does_not_round() -> None:
    base = with_rtas(tree(lmbs(2, 2, 1, 8)), 2 * LMB - 0x1000, 0x82C)
    file, tools = (kdump_tree(base, CrashMemory(0, LMB), who) for who in (Producer.FILE, Producer.TOOLS))
    assert ranges(file, "/memory@0") == [(0, LMB), (2 * LMB - 0x1000, 0x82C)]
    assert ranges(tools, "/memory@0") == [(2 * LMB - 0x1000, 0x1000), (0, LMB)]
    assert len(counters(file)) == 4


def test_kexec_tools_takes_every_range_after_the_first_that_fits() -> None:
    """The flag in add_ranges is never reset: a range that lies elsewhere is given to the LMB all the same."""
    base = with_rtas(tree(lmbs(2, 2, 1, 8)), 2 * LMB, 0x1000)
    low = CrashMemory(0, LMB)
    assert counters(kdump_tree(base, low, Producer.TOOLS))[2] == [(2 * LMB, 0x1000), (0, LMB)]
    assert counters(kdump_tree(base, low, Producer.FILE))[2] == [(2 * LMB, 0x1000)]


def test_kexec_tools_does_so_for_memory_nodes_as_well() -> None:
    base = with_rtas(tree(memory=(memory_node(0, LMB), memory_node(2 * LMB, LMB))), 2 * LMB, 0x1000)
    low = CrashMemory(0, LMB)
    assert ranges(kdump_tree(base, low, Producer.TOOLS), "/memory@20000000") == [(2 * LMB, 0x1000), (0, LMB)]
    assert ranges(kdump_tree(base, low, Producer.FILE), "/memory@20000000") == [(2 * LMB, 0x1000)]


def test_lmbs_that_wrap_around_lie_in_low_memory() -> None:
    base = tree(Run((1 << 64) - LMB, 2, DRC + 2, 1, 8))
    found = counters(kdump_tree(base, CrashMemory(0, LMB), Producer.FILE))
    assert found == [[(0, LMB)], [], [], [(0, LMB)]]


def test_more_lmbs_than_anyone_has_are_refused() -> None:
    base = replace(tree(lmbs(2, 524_287)), source="a.dtb")
    with pytest.raises(LimitError) as caught:
        kdump_tree(base, CRASH, Producer.FILE)
    assert caught.value.message == "524,289 LMBs, each of which linux,drconf-usable-memory has a record for"
    assert caught.value.hint == "the memory of a crash kernel is predicted for 524,288 at most"
    assert (caught.value.source, caught.value.path) == ("a.dtb", NODE)


def test_the_kernel_refuses_to_do_it_twice() -> None:
    given = tree_of(RECORDED)
    with pytest.raises(NotInTreeError, match="already exists") as caught:
        kdump_tree(replace(given, source="a.dtb"), CRASH, Producer.FILE)
    assert caught.value.source == "a.dtb"


def test_the_reserved_memory_is_where_the_running_kernel_says() -> None:
    base = tree(BOOT_MEMORY)
    with pytest.raises(NotInTreeError, match="crashkernel-size") as caught:
        CrashMemory.from_tree(replace(base, source="a.dtb"))
    assert caught.value.source == "a.dtb"
    assert caught.value.hint == (
        "only the tree of a running kernel with crashkernel= has it; else say --crashkernel SIZE@BASE"
    )
    with pytest.raises(NotInTreeError):
        CrashMemory.from_tree(base.with_property("/chosen", CRASH_BASE, bytes(8)))
    for name, value in ((CRASH_BASE, LMB // 2), (CRASH_SIZE, LMB)):
        base = base.with_property("/chosen", name, value.to_bytes(8, "big"))
    assert CrashMemory.from_tree(base) == CrashMemory(LMB // 2, LMB)
    made = kdump_tree(base, CrashMemory.from_tree(base), Producer.TOOLS)
    assert made.get("/chosen", CRASH_SIZE) is None


def test_memory_without_a_share_is_said_to_have_none() -> None:
    base = tree(memory=(memory_node(0, LMB), memory_node(LMB, LMB)))
    made = kdump_tree(base, CrashMemory(0, LMB), Producer.FILE)
    assert ranges(made, "/memory@0") == [(0, LMB)]
    assert made.get(f"/memory@{LMB:x}", USABLE_MEMORY) == bytes(16)
    assert made.find(NODE) is None


@pytest.mark.parametrize(
    ("address", "size", "tools", "file"),
    [
        # Inside the low memory, and up to its very end.
        (0x8000000, 0x1000, [(0, LMB)], [(0, LMB)]),
        (LMB - 0x1000, 0x1000, [(0, LMB)], [(0, LMB)]),
        # Over its end: add_usable_mem_rgns makes one region of both, the kernel itself lists both.
        (LMB - 0x1000, 0x1800, [(0, LMB + 0x1000)], [(0, LMB), (LMB - 0x1000, 0x1800)]),
        # Right behind it, where regions do not overlap.
        (LMB, 0x1000, [(LMB, 0x1000), (0, LMB)], [(0, LMB), (LMB, 0x1000)]),
    ],
)
def test_rtas_and_low_memory(
    address: int, size: int, tools: list[tuple[int, int]], file: list[tuple[int, int]]
) -> None:
    base = with_rtas(tree(), address, size)
    made = [kdump_tree(base, CrashMemory(0, LMB), who) for who in (Producer.TOOLS, Producer.FILE)]
    assert [ranges(one, "/memory@0") for one in made] == [tools, file]


@pytest.mark.parametrize("name", ["linux,rtas-base", "rtas-size"])
def test_rtas_without_place_or_size_is_not_there(name: str) -> None:
    base = with_rtas(tree(), 2 * LMB - 0x1000, 0x1000).with_property("/rtas", name, None)
    assert ranges(kdump_tree(base, CrashMemory(0, LMB), Producer.TOOLS), "/memory@0") == [(0, LMB)]


def test_kexec_tools_reads_the_first_range_of_a_memory_node_only() -> None:
    reg = b"".join(number.to_bytes(8, "big") for number in (0, LMB, LMB, LMB))
    base = tree(memory=[memory_node(0, LMB)]).with_property("/memory@0", "reg", reg)
    tools, file = (kdump_tree(base, CrashMemory(0, 2 * LMB), who) for who in (Producer.TOOLS, Producer.FILE))
    assert ranges(tools, "/memory@0") == [(0, LMB)]
    assert ranges(file, "/memory@0") == [(0, LMB), (LMB, LMB)]


def test_what_is_no_memory_or_has_no_place_is_left_alone() -> None:
    base = tree().with_property("/memory@0", "reg", None).with_property("/rtas", "reg", bytes(16))
    made = kdump_tree(base, CrashMemory(0, LMB), Producer.TOOLS)
    assert [made.get(path, USABLE_MEMORY) for path in ("/memory@0", "/rtas")] == [None, None]


@pytest.mark.parametrize("producer", Producer)
def test_sizes_of_one_cell(producer: Producer) -> None:
    base = tree(lmbs(2, 1, 1, 8)).with_property("/", "#size-cells", u32(1))
    base = base.with_property("/memory@0", "reg", u32(0, 0, 2 * LMB)).with_property(NODE, "ibm,lmb-size", u32(LMB))
    made = kdump_tree(base, CrashMemory(0, LMB), producer)
    assert made.get("/memory@0", USABLE_MEMORY) == u32(0, 0, LMB)
    more = base.with_property("/memory@0", "reg", u32(0, LMB // 2, LMB // 4))
    found = kdump_tree(more, CrashMemory(0, LMB), producer).get("/memory@0", USABLE_MEMORY)
    assert found == u32(0, LMB // 2, LMB // 4)
    # A counter of one cell for each LMB, and behind that of the first an address of two cells and a size of one.
    assert made.get(NODE, DRCONF_USABLE_MEMORY) == u32(1, 0, 0, LMB) + u32(0) + u32(0)


@pytest.mark.parametrize("name", ["ibm,lmb-size", "ibm,dynamic-memory-v2"])
def test_without_lmbs_there_are_no_counters(name: str) -> None:
    base = tree(lmbs(2, 1, 1, 8)).with_property(NODE, name, None)
    assert kdump_tree(base, CrashMemory(0, LMB), Producer.FILE).get(NODE, DRCONF_USABLE_MEMORY) is None
