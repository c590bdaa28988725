# SPDX-License-Identifier: MIT
"""The hash page table of a guest without radix, against a recorded 6.1 and a reading of resize_hpt_for_hotplug."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drmemctl.kernel.hash_table import HashTable, hash_table_of, order_for
from drmemctl.simulate.simulation import Simulation
from tests.simulate.records import record, tree_of

GIB = 1 << 30
HASH = "captures/6.1-hash"

TRIED = [[21, 21, 21, 21], [], [], [], [], [], []]
"""The shifts in "lpar: Attempting to resize HPT to shift …" of each recorded step; the record leaves them out."""


def test_the_resizes_of_a_recorded_guest() -> None:
    """hpt_order in debugfs was 23 before and after each step: no try to make it smaller succeeded."""
    simulation = Simulation(tree_of(HASH), "6.1")
    for step, shifts in zip(record(HASH)["steps"], TRIED, strict=True):
        result = simulation.run(step["step"])
        change = result.changed_hash_table
        assert simulation.state.hash_table is not None
        assert simulation.state.hash_table.order == 23
        assert (change.shrinks if change else 0) == len(shifts), step["step"]


def test_a_table_grows_with_the_memory() -> None:
    tree = tree_of(HASH)
    for path, _ in tree.walk():
        if path.startswith("/cpus/PowerPC"):
            tree = tree.with_property(path, "ibm,pft-size", bytes(7) + b"\x14")
    simulation = Simulation(tree, "6.1")
    result = simulation.run("plug 0x80000004 8")
    assert result.changed_hash_table == (20, 22, 0)  # 1 GiB, then 3: rounded up to 4
    assert simulation.run("dlpar memory remove count 8").changed_hash_table is None


def test_a_table_without_room_fails_the_addition_and_rolls_it_back() -> None:
    """What arch_add_memory makes of -1 from hash__create_section_mapping: -EFAULT, and the LMB is given back."""
    alone = Simulation(tree_of(HASH), "6.1")
    alone.run("hpt-full 0x80000005")
    alone.run("attach 0x80000005 1")
    assert alone.run("dlpar memory add index 0x80000005").errno == "EFAULT"
    simulation = Simulation(tree_of(HASH), "6.1")
    simulation.run("hpt-full 0x80000005")
    simulation.run("attach 0x80000004 4")
    before = simulation.state.table
    result = simulation.run("dlpar memory add indexed-count 4 0x80000004")
    assert result.errno == "EINVAL"  # whatever it was: dlpar_memory_add_by_ic
    assert "Unable to create linear mapping for 0xc000000050000000..0xc000000060000000: -1" in result.log
    assert simulation.state.table == before
    assert simulation.state.blocks.node_of(4) is None
    simulation.run("hpt-room 0x80000005")
    simulation.run("detach 0x80000004 4")
    assert simulation.run("plug 0x80000008 4").ok


def test_a_guest_with_radix_refuses_the_steps_and_the_next_one_is_done() -> None:
    simulation = Simulation(tree_of("captures/6.1-form1-1"), "6.1")
    results = simulation.run_all(["hpt-full 0x80000005", "hpt-room 0x80000005", "unmovable 0x80000005"])
    assert [result.ok for result in results] == [False, False, True]
    assert "radix" in results[0].note
    assert simulation.state.unbolted == frozenset()


def test_who_has_such_a_table() -> None:
    tree = tree_of(HASH)
    assert hash_table_of(tree) == HashTable(23)
    assert hash_table_of(tree.with_property("/rtas", "ibm,hypertas-functions", b"hcall-pft\0")) is None
    radix = tree_of("captures/6.1-form1-1")
    assert hash_table_of(radix) is None
    off = radix.with_property("/chosen", "bootargs", b"quiet disable_radix\0")
    assert hash_table_of(off) is not None


@given(
    st.integers(18, 46),
    st.integers(1, 40),
    st.sampled_from([1 << 24, 1 << 28]),
    st.integers(1, 20),
    st.booleans(),
)
def test_many_blocks_at_once_are_as_one_after_the_other(
    order: int, blocks: int, block: int, count: int, adds: bool
) -> None:
    """`resize_hpt_for_hotplug`, read plainly: grow at once, shrink only from two orders too many on."""
    expected, tries, size = order, 0, (blocks if adds else blocks + count) * block
    for _ in range(count):
        size += block if adds else 0
        target = order_for(size)
        if target > expected:
            expected = target
        elif target < expected - 1:
            tries += 1
        size -= 0 if adds else block
    start = (blocks if adds else blocks + count) * block
    table = HashTable(order)
    changed = table.after_adding(start, block, count) if adds else table.after_removing(start, block, count)
    assert changed == HashTable(expected, tries)


def test_the_order_that_linux_wants() -> None:
    """`htab_shift_for_mem_size` with pages of 64 KiB."""
    sizes = {1: 18, 256 << 20: 18, GIB: 20, GIB + 1: 21, 2 * GIB: 21, 8 * GIB: 23, 64 << 40: 36}
    assert {size: order_for(size) for size in sizes} == sizes
