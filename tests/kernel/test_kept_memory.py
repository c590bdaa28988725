# SPDX-License-Identifier: MIT
"""Memory that cannot leave: what a firmware-assisted dump keeps, and what the kernel reserved at boot."""

from __future__ import annotations

import pytest

from drmemctl import removable
from drmemctl.kernel.kept_memory import KeptMemory
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from tests.kernel.partitions import DRC, LMB, assigned, lmbs, memory_node, tree, u32

G = 4
"""LMBs of a GiB."""

SIXTEEN = (lmbs(2, 16 * G - 2, 1, 8),)
"""16 GiB, the first 512 MiB of which no LMBs have."""

REMOVE = "dlpar memory remove index {:#x}"


def booted(base: Tree, kernel: str = "latest") -> Simulation:
    return Simulation(base, kernel, "powervm")


def kept(base: Tree) -> list[int]:
    """Return the numbers of the LMBs that the kernel refuses to remove by their flags (`lmb_is_removable`)."""
    simulation = booted(base)
    return [lmb for lmb in assigned(simulation) if not simulation.state.kept.is_removable(lmb * LMB)]


@pytest.mark.parametrize(
    ("bootargs", "last"),
    [
        # 2 GiB of boot memory, in which the dump of another 2 GiB and of the kernel's header follows: the LMB at
        # 4 GiB has the header's page in it.
        ("fadump=on crashkernel=2G", 4 * G),
        ("fadump=nocma crashkernel=2G@128M", 4 * G),
        ("fadump=on crashkernel=1G-4G:320M,4G-64G:2G,64G-:4G", 4 * G),
        ("crashkernel=1G fadump=off fadump=on", 2 * G),
        # A fourth of all memory at most (MAX_BOOT_MEM_RATIO).
        ("fadump=on crashkernel=12G", 8 * G),
        ("fadump=on fadump_reserve_mem=1G", 2 * G),
        # 5 % of it in steps of 256 MiB: 768 MiB.
        ("fadump=on", 6),
        ("fadump=on fadump=off crashkernel=2G", -1),
        ("fadump crashkernel=2G", -1),
        ("crashkernel=2G", -1),
    ],
)
def test_a_firmware_assisted_dump_keeps_boot_memory_and_room_for_it(bootargs: str, last: int) -> None:
    # is_fadump_memory_area of 5.10 to 7.2: both areas, what begins right behind their ends included.
    assert kept(tree(*SIXTEEN, bootargs=bootargs)) == list(range(2, last + 1))


def test_of_little_memory_a_dump_keeps_320_mib_at_least() -> None:
    # RTAS_FADUMP_MIN_BOOT_MEM: the dump of 320 MiB ends within LMB 2.
    assert kept(tree(lmbs(2, 6, 1, 8), bootargs="fadump=on")) == [2]


def test_what_firmware_writes_besides_takes_room_too() -> None:
    sizes = u32(1, 0, 0x10000000, 2, 0, 0x10000000, 3, 0x7FFFFFFF, 0)
    base = tree(*SIXTEEN, bootargs="fadump=on crashkernel=1G")
    base = base.with_property("/rtas", "ibm,configure-kernel-dump-sizes", sizes)
    assert kept(base) == list(range(2, 2 * G + 2 + 1))


def test_holes_move_the_end_of_boot_memory_up() -> None:
    # 512 MiB at 0 and the rest at 4 GiB: 1 GiB of boot memory ends at 4.5 GiB, the dump follows up to 5.5 GiB.
    base = tree(lmbs(4 * G, 12 * G, 1, 8), bootargs="fadump=on crashkernel=1G")
    assert kept(base) == list(range(4 * G, 5 * G + 2 + 1))


def test_no_dump_without_firmware_for_it() -> None:
    base = tree(*SIXTEEN, bootargs="fadump=on crashkernel=2G").with_property(
        "/rtas", "ibm,configure-connector", u32(1)
    )
    assert kept(base) == []
    assert kept(base.with_property("/rtas", "ibm,configure-kernel-dump", u32(2))) == list(range(2, 4 * G + 1))


@pytest.mark.parametrize("kernel", ["5.10", "6.1", "7.2"])
def test_requests_pass_over_what_a_dump_keeps(kernel: str) -> None:
    simulation = booted(tree(*SIXTEEN, bootargs="fadump=on crashkernel=2G"), kernel)
    assert simulation.run(REMOVE.format(DRC + 4 * G)).errno == "EINVAL"
    assert simulation.run("dlpar memory remove count 2").ok
    assert [lmb for lmb in range(2, 64) if lmb not in assigned(simulation)] == [17, 18]
    result = simulation.run("dlpar memory remove count 46")
    assert result.errno == "EINVAL"
    assert "Not enough LMBs available (45 of 46)" in result.log[1]
    result = simulation.run(f"dlpar memory remove indexed-count 2 {DRC + 16:#x}")
    assert result.errno == "EINVAL"
    assert simulation.run("dlpar memory remove count 45").ok
    assert assigned(simulation) == list(range(2, 17))


RESERVED = [
    tree(lmbs(2, 4, 1, 8), bootargs="crashkernel=256M@512M"),
    tree(lmbs(2, 4, 1, 8), bootargs="quiet crashkernel=1M@0x2ff00000"),
    tree(lmbs(2, 4, 1, 8))
    .with_property("/chosen", "linux,crashkernel-base", (2 * LMB).to_bytes(8, "big"))
    .with_property("/chosen", "linux,crashkernel-size", (LMB).to_bytes(8, "big")),
    tree(lmbs(2, 4, 1, 8))
    .with_property("/rtas", "linux,rtas-base", u32(2 * LMB + 0x100))
    .with_property("/rtas", "rtas-size", u32(0x180000)),
]


@pytest.mark.parametrize("base", RESERVED)
def test_what_is_reserved_cannot_be_taken_offline(base: Tree) -> None:
    simulation = booted(base)
    assert simulation.run(REMOVE.format(DRC + 2)).errno == "EBUSY"
    result = simulation.run(f"dlpar memory remove indexed-count 2 {DRC + 2:#x}")
    assert result.log[1] == "pseries-hotplug-mem: Memory indexed-count-remove failed, adding any removed LMBs"
    assert assigned(simulation) == [2, 3, 4, 5]
    # A removal by count counts the LMB, fails on it and goes on with the next.
    assert simulation.run("dlpar memory remove count 1").ok
    assert assigned(simulation) == [2, 4, 5]
    result = simulation.run("dlpar memory remove count 3")
    assert result.log[1] == "pseries-hotplug-mem: Memory hot-remove failed, adding LMB's back"
    assert assigned(simulation) == [2, 4, 5]
    simulation.run(f"movable {DRC + 2:#x}")
    assert simulation.run(REMOVE.format(DRC + 2)).ok


def test_what_is_reserved_stays_where_the_lmb_is_reserved_as_well() -> None:
    """Flag 0x80 counts for `lmb_is_removable` from 5.14 on only; the memory is a memory node's, too."""
    nodes = [memory_node(0, 2 * LMB), memory_node(2 * LMB, 2 * LMB)]
    base = tree(lmbs(2, 2, 1, 0x88), lmbs(4, 2, 1, 8), memory=nodes, bootargs="crashkernel=256M@512M")
    simulation = booted(base, "5.10")
    assert [simulation.run(REMOVE.format(DRC + lmb)).errno for lmb in (2, 3)] == ["EBUSY", None]
    reasons = {part.run.drc_index - DRC: part.reasons for part in removable(base, kernel="5.10").parts}
    assert reasons[2] == ("memory of crashkernel= is in it",)


def test_older_kernels_do_not_even_try() -> None:
    simulation = booted(RESERVED[0], "5.7")
    assert simulation.run(REMOVE.format(DRC + 2)).errno == "EINVAL"


def test_a_crash_kernel_whose_address_nobody_knows_keeps_nothing() -> None:
    simulation = booted(tree(lmbs(2, 4, 1, 8), bootargs="crashkernel=256M"))
    assert simulation.state.unmovable == frozenset()


def test_a_crash_kernel_is_not_reserved_beside_a_dump() -> None:
    simulation = booted(tree(*SIXTEEN, bootargs="fadump=on crashkernel=256M@8G"))
    assert simulation.run(REMOVE.format(DRC + 8 * G)).ok


def test_kept_lmbs_are_counted_as_each_is_judged() -> None:
    for dump in (((0, 5 * LMB),), ((3 * LMB + 1, 6 * LMB), (0, LMB)), ((0, 0),), ((LMB // 2, LMB + 1),)):
        memory = KeptMemory(dump)
        run = Run(LMB, 8, DRC, 0, 8)
        judged = [memory.is_removable(LMB + place * LMB) for place in range(8)]
        assert memory.n_kept(run, LMB) == judged.count(False)
        for place in range(8):
            alike = memory.n_alike((1 + place) * LMB, 8 - place, LMB)
            assert len({*judged[place : place + alike]}) == 1
            assert place + alike == 8 or judged[place + alike] != judged[place] or dump[0][0] > 0


def test_a_reservation_beyond_all_reason_costs_nothing() -> None:
    base = tree(lmbs(2, 1 << 17, 1, 8), bootargs="crashkernel=0x7fffffffffffffff@512M")
    assert len(booted(base).state.unmovable) == 1 << 16
