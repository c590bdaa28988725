# SPDX-License-Identifier: MIT
"""What a booting kernel makes of the flags, restrictions and gaps of its memory, after prom.c and numa.c."""

from __future__ import annotations

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V2, encode_entries
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.kernel.boot import boot
from drmemctl.kernel.boot_regions import DriverMemory, boot_regions, driver_memory
from drmemctl.kernel.memblock import MemblockRegion
from drmemctl.kernel.profiles import profile
from drmemctl.model.associativity import Associativity
from drmemctl.tree.node import Node, Property
from tests.kernel.partitions import BOOT_MEMORY, DRC, LMB, lmbs, memory_node, tree, u32

AI_INVALID = 0x40


def test_an_lmb_whose_aa_index_is_said_to_be_invalid_has_no_node() -> None:
    """`of_drconf_to_nid_single` looks at aa_index only without that flag; up to 5.2 node 0 takes its place."""
    base = tree(lmbs(2, 1, 1, 8 | AI_INVALID), lmbs(3, 1, 1, 8))
    assert dict(boot(base, profile("5.2"))[0].blocks) == {0: 0, 1: 0, 2: 0, 3: 1}
    state, (fault,) = boot(base, profile("6.1"))
    message = f"LMB {DRC + 2:#x} is assigned, but aa_index 1 leads to no node: node -1"
    assert (fault.message, fault.property) == (message, LOOKUP_ARRAYS)
    assert state.dead == "oops at boot"


@pytest.mark.parametrize(
    ("restriction", "there"), [(u32(0), [0, 1]), (b"\0\0\0", [0, 1, 2, 3]), (u32(0, 0), [0, 1])]
)
def test_a_restriction_counts_from_one_cell_on(restriction: bytes, there: list[int]) -> None:
    """`of_get_usable_memory` passes over a property that is shorter than a cell; no counter is no memory."""
    base = tree(lmbs(2, 2, 1, 8)).with_property(NODE, DRCONF_USABLE_MEMORY, restriction)
    assert [block for block, _ in boot(base, profile("6.1"))[0].blocks] == there


def test_a_crash_kernel_reads_sizes_of_one_cell() -> None:
    base = tree(lmbs(2, 2, 1, 8)).with_property("/", "#size-cells", u32(1))
    base = base.with_property("/memory@0", "reg", u32(0, 0, 2 * LMB)).with_property(NODE, "ibm,lmb-size", u32(LMB))
    crash = base.with_property(NODE, DRCONF_USABLE_MEMORY, u32(1, 0, 2 * LMB, LMB) + u32(1, 0, 5 * LMB, LMB))
    assert [block for block, _ in boot(crash, profile("6.1"))[0].blocks] == [0, 1, 2, 5]


def test_a_region_of_lmbs_and_memory_nodes() -> None:
    memory = [memory_node(0, 2 * LMB), memory_node(3 * LMB, LMB)]
    (one,) = boot_regions(tree(lmbs(2, 1, 0, 8), lmbs(4, 2, 0, 8), memory=memory), profile("6.1"))[0]
    assert one.region == MemblockRegion(0, 6 * LMB, 0)
    assert one.lmb_bytes == 3 * LMB
    assert one.consequences.movable_from is None


def test_what_is_read_beyond_the_end_is_a_fault_of_the_map_as_well() -> None:
    entries = encode_entries(V2, [BOOT_MEMORY, lmbs(2, 2, 1, 8)])
    base = tree(lmbs(2, 2, 1, 8)).with_property(NODE, V2, u32(9) + entries[4:])
    regions, faults = boot_regions(base, profile("6.1"))
    assert [(fault.code, fault.function) for fault in faults] == [("over-read", "drmem_init")]
    assert [one.region.end for one in regions] == [2 * LMB, 4 * LMB]


def test_persistent_memory_by_its_nodes() -> None:
    """A node need not say where it belongs, or how large it is."""
    size = (
        Property("ibm,block-size", (1 << 20).to_bytes(8, "big")),
        Property("ibm,number-of-blocks", bytes(7) + b"\x04"),
    )
    near = Node("ibm,pmemory@1", (*size, Property("ibm,associativity", u32(1, 1))))
    base = tree(more=[Node("ibm,persistent-memory", (), (near, Node("ibm,pmemory@2", ())))])
    assert driver_memory(base, Associativity.from_tree(base)) == [
        DriverMemory("/ibm,persistent-memory/ibm,pmemory@1", 4 << 20, 1, None),
        DriverMemory("/ibm,persistent-memory/ibm,pmemory@2", None, None, None),
    ]
    assert driver_memory(tree(), Associativity.from_tree(tree())) == []


def test_marks_by_name() -> None:
    """include/linux/memblock.h: MEMBLOCK_HOTPLUG 0x1, _MIRROR 0x2, _NOMAP 0x4, _DRIVER_MANAGED 0x8."""
    assert MemblockRegion(0, 1, flags=0x5).flag_names == ["hotplug", "nomap"]
    assert MemblockRegion(0, 1, flags=0xA).flag_names == ["mirror", "driver-managed"]
    assert MemblockRegion(0, 1).flag_names == []


@pytest.mark.parametrize(("kernel", "there"), [("5.10", [0, 1, 7]), ("latest", [0, 1, 7, 8, 9])])
def test_without_an_iommu_older_kernels_take_no_memory_from_2_gib_on(kernel: str, there: list[int]) -> None:
    """prom.c `validate_mem_limit`: what begins below is cut, what begins beyond is passed over."""
    base = tree(lmbs(7, 2, 1, 8), lmbs(9, 1, 0, 8)).with_property("/chosen", "linux,iommu-off", b"")
    assert [block for block, _ in boot(base, profile(kernel))[0].blocks] == there
