# SPDX-License-Identifier: MIT
"""What a kernel does wrong, whole: in which of its functions, about which property, and with which numbers."""

from __future__ import annotations

import pytest

from drmemctl.check.finding import Finding
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE
from drmemctl.kernel.boot import boot
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.profiles import profile
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from tests.kernel.partitions import BOOT_MEMORY, DRC, LMB, lmbs, memory_node, tree, u32
from tests.kernel.streams import CHOSEN, Answer, descriptor, migrated, nodes, properties, updates

HELD = "the kernel does not answer: the hotplug lock is held"

Told = tuple[str, str, str, str, str]
"""Code, message, function, path, property."""


def told(*faults: Fault | Finding) -> list[Told]:
    return [(one.code, one.message, one.function, one.path, one.property) for one in faults]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (
            [nodes(ADD | 1, 0xBAD, 0x1E646C50, 5)],
            [
                (
                    "desync",
                    "an ADD below the unknown phandle 0xbad: its DRC index is read as the next word of the list",
                    "pseries_devicetree_update",
                    "",
                    "",
                ),
                (
                    "over-read",
                    "the list of nodes goes on beyond the work area: what is there now passes for operations",
                    "pseries_devicetree_update",
                    "",
                    "",
                ),
            ],
        ),
        (
            # The count says one descriptor more than there is: the next name begins behind the last byte.
            [
                nodes(UPDATE | 1, CHOSEN),
                updates(properties(descriptor("a", b"x" * (4096 - 20 - 6)), path=False, count=2, phandle=CHOSEN)),
            ],
            [
                (
                    "oops",
                    "descriptors are read at offset 0x1000 of a work area of 0x1000 bytes",
                    "update_dt_node",
                    "",
                    "",
                )
            ],
        ),
    ],
    ids=["nodes", "properties"],
)
def test_of_updates(answers: list[Answer], found: list[Told]) -> None:
    _, result = migrated("6.1", *answers)
    assert told(*result.faults) == found
    assert result.errno is None or result.errno == "EFAULT"


def test_of_a_list_of_nodes_that_fills_its_work_area() -> None:
    """There is no room for the word that ends it, and the next one is looked at all the same."""
    _, result = migrated("6.1", nodes(0x07000000 | 1019, *[CHOSEN] * 1019))
    assert [(one.code, one.function) for one in result.faults] == [("over-read", "pseries_devicetree_update")]
    _, result = migrated("6.1", nodes(0x07000000 | 1018, *[CHOSEN] * 1018))
    assert result.faults == ()


def test_of_a_memory_node_that_goes() -> None:
    partition, result = migrated("6.1", nodes(DELETE | 1, 0x2000))
    message = "memory at 0x0 is removed in sections of 16 MiB, but its blocks have 0x10000000 bytes"
    assert told(*result.faults) == [("oops", message, "pseries_remove_mem_node", "/memory@0", "")]
    assert partition.run("dlpar memory add count 1").note == HELD


BEFORE = tree(lmbs(2, 2, 1, 8), lmbs(4, 2))
SIX = encode_entries(V2, [BOOT_MEMORY, lmbs(2, 2, 1, 8), lmbs(4, 2)])
READABLE = 1 << 16


@pytest.mark.parametrize(
    ("declared", "hangs"), [(4, False), (3 + READABLE, False), (4 + READABLE, True), (1 << 31, True)]
)
def test_of_a_property_that_says_more_than_it_has(declared: int, hangs: bool) -> None:
    simulation = Simulation(BEFORE, "6.1", "powervm")
    result = simulation.run(f"firmware {NODE} {V2} {(u32(declared) + SIX[4:]).hex()}")
    walked = f"{declared} entries are walked where there are 3"
    expected = [
        ("over-read", f"{walked}: what lies behind the property is read", "walk_drmem_lmbs", NODE, V2),
        ("never-returns", walked, f"drmem_update_lmbs: {V2}", NODE, V2),
    ]
    assert told(*result.faults) == expected[: 1 + hangs]


def test_of_many_entries_that_are_all_there() -> None:
    """Half as many as a kernel gets through beyond a property are no fault in it, and neither are more."""
    many = [Run((40 + 2 * n) * LMB, 1, 0x90000000 + 2 * n, 0, 0) for n in range(READABLE // 2 + 1)]
    simulation = Simulation(BEFORE, "6.1", "powervm", findings=False)
    result = simulation.run(f"firmware {NODE} {V2} {encode_entries(V2, many).hex()}")
    assert (result.ok, result.faults) == (True, ())


@pytest.mark.parametrize(("count", "hangs"), [(1 << 30, False), (1 << 31, True)])
def test_of_lmbs_that_are_too_many_to_be_looked_for(count: int, hangs: bool) -> None:
    """The bytes are all there, and each LMB of a set is looked for in the whole array.

    A 7.2 in QEMU did not come back from 2^31 LMBs among 32; a 6.12 took 34 s for 2^25 of them, 32 ns each.
    """
    simulation = Simulation(tree(lmbs(2, 2, 1, 8), lmbs(4, 6140)), "7.2", "powervm", findings=False)
    result = simulation.run(f"firmware {NODE} {V2} {encode_entries(V2, [Run(0, count, 0, 0, 0)]).hex()}")
    looked = f"each of {count} LMBs is looked for among 6144"
    expected = [("never-returns", looked, f"drmem_update_lmbs: {V2}", NODE, V2)]
    assert told(*result.faults) == (expected if hangs else [])


def v1_of(*entries: Run) -> str:
    return (tree(*entries, v1=True).get(NODE, V1) or b"").hex()


def test_of_v1_where_there_was_none() -> None:
    """The old property is looked for from 5.3 on only."""
    step = f"firmware {NODE} {V1} {v1_of(lmbs(2, 2, 1, 8))}"
    message = f"{V1} was not there before: its old value is read through a null pointer"
    result = Simulation(BEFORE, "5.2.0", "powervm").run(step)
    assert told(*result.faults) == [("oops", message, "pseries_update_drconf_memory", NODE, V1)]
    assert Simulation(BEFORE, "5.3", "powervm").run(step).faults == ()


IN_V1 = tree(lmbs(2, 2, 1, 8), lmbs(4, 2), v1=True)


def test_of_memory_that_is_no_longer_assigned() -> None:
    simulation = Simulation(IN_V1, "5.4", "powervm")
    result = simulation.run(f"firmware {NODE} {V1} {v1_of(lmbs(2, 1, 1, 8), lmbs(3, 1, 1), lmbs(4, 2))}")
    message = "memory at 0x30000000 is in use and is removed in sections of 16 MiB"
    assert told(*result.faults) == [("oops", message, "pseries_update_drconf_memory", NODE, V1)]
    assert simulation.run("dlpar memory add count 1").note == HELD


@pytest.mark.parametrize(
    "entries",
    [
        # LMB 4 comes: memblock_add, and the loop ends there, before it finds that LMB 5 goes.
        pytest.param([lmbs(2, 2, 1, 8), lmbs(4, 1, 1, 8), lmbs(5, 1)], id="the first that differs"),
        pytest.param([lmbs(2, 2, 0, 8), lmbs(4, 2)], id="other lists"),
    ],
)
def test_of_nothing(entries: list[Run]) -> None:
    before = tree(lmbs(2, 2, 1, 8), lmbs(4, 1), lmbs(5, 1, 1, 8), v1=True) if len(entries) == 3 else IN_V1
    simulation = Simulation(before, "5.4", "powervm")
    result = simulation.run(f"firmware {NODE} {V1} {v1_of(*entries)}")
    assert (result.ok, result.faults) == (True, ())


@pytest.mark.parametrize("kernel", ["4.14", "4.19", "5.4"])
def test_of_entries_that_a_new_value_lacks(kernel: str) -> None:
    """As many are compared as the old value has: what lies behind the new one is taken for LMBs that go."""
    for before, dies in ((IN_V1, False), (tree(lmbs(2, 2, 1, 8), lmbs(4, 2, 1, 8), v1=True), True)):
        simulation = Simulation(before, kernel, "powervm")
        result = simulation.run(f"firmware {NODE} {V1} {v1_of(lmbs(2, 2, 1, 8))}")
        message = "6 entries are compared with 4: zeros are taken for the others"
        over_read = ("over-read", message, "pseries_update_drconf_memory", NODE, V1)
        message = "memory at 0x40000000 is in use and is removed in sections of 16 MiB"
        oops = ("oops", message, "pseries_update_drconf_memory", NODE, V1)
        assert told(*result.faults) == [over_read, *[oops] * dies]
        # Updates of the tree still come: only who asks for memory waits for ever.
        assert simulation.run(f"firmware {NODE} other 00").ok
        assert simulation.run("dlpar memory add count 0").note == (HELD if dies else "")


def test_of_an_lmb_that_comes_where_there_is_memory() -> None:
    """memblock_add takes what is there already, and nothing is removed."""
    before, after = (tree(lmbs(2, 2, 1, 8), Run(0, 1, DRC + 4, 1, flags), v1=True) for flags in (0, 8))
    result = Simulation(before, "5.4", "powervm").run(f"firmware {NODE} {V1} {(after.get(NODE, V1) or b'').hex()}")
    assert (result.ok, result.faults) == (True, ())


def test_of_an_lmb_behind_the_array() -> None:
    result = Simulation(BEFORE, "5.4", "powervm").run("dlpar memory remove index 0xdeadbeef")
    message = "the address of an LMB behind the end of the array is printed; the log says 0 for it here"
    assert told(*result.faults) == [("over-read", message, "dlpar_memory_remove_by_index", "", "")]


def test_of_memory_that_was_not_there_any_more() -> None:
    """LMB 3 has no memory block, though the property has it as assigned: there is nothing to remove."""
    simulation = Simulation(IN_V1.with_property("/chosen", "bootargs", b"mem=768M\0"), "5.4", "powervm")
    result = simulation.run(f"firmware {NODE} {V1} {v1_of(lmbs(2, 1, 1, 8), lmbs(3, 1, 1), lmbs(4, 2))}")
    assert (result.ok, result.faults) == (True, ())


def with_lmb_size(size: int) -> Tree:
    return tree(lmbs(2, 2, 1, 8)).with_property(NODE, "ibm,lmb-size", size.to_bytes(8, "big"))


def test_of_a_boot() -> None:
    size = with_lmb_size(3 << 27)
    panic = ("panic", "Memory block size not suitable: 0x18000000", "memory_dev_init", NODE, "ibm,lmb-size")
    state, faults = boot(size, profile("6.1"))
    assert told(*faults) == [panic]
    assert (state.table.n_lmbs, state.block_size, dict(state.blocks)) == (0, 3 << 27, {})
    small = with_lmb_size(1 << 20)
    message = "the block size 0x100000 is not suitable; 16 MiB"
    assert told(*boot(small, profile("4.15"))[1])[:1] == [("block-size", message, "memory_dev_init", "", "")]
    beyond = BEFORE.with_property(NODE, V2, u32(9) + SIX[4:])
    message = "9 entries are read where there are 3: the rest is whatever follows"
    assert told(*boot(beyond, profile("6.1"))[1]) == [("over-read", message, "drmem_init", NODE, V2)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            u32(9, 1, 0, 1),
            "9 arrays of 1 domains do not fit in 16 bytes: the kernel reads and writes beyond the property",
        ),
        (u32(2), "the two counts do not fit in 4 bytes: the kernel reads and writes beyond the property"),
        (u32(1, 2, 9, 9), "the connector's list has 1 domains, the lookup arrays want 2: reads beyond it"),
        (u32(1, 1 << 30, 9), "lists of 1073741824 domains are compared"),
    ],
)
def test_of_an_addition(arrays: bytes, message: str) -> None:
    simulation = Simulation(BEFORE, "6.1", "powervm")
    simulation.run_all(["attach 0x80000004 2 assoc 3", f"firmware {NODE} {LOOKUP_ARRAYS} {arrays.hex()}"])
    result = simulation.run("dlpar memory add index 0x80000004")
    kind = "oops" if "compared" in message else "over-read"
    assert (kind, message, "find_aa_index", NODE, LOOKUP_ARRAYS) in told(*result.faults)
    assert (simulation.run("dlpar memory add count 1").note == HELD) is (kind == "oops")


def test_of_an_array_that_was_never_read() -> None:
    """From 4.16 to 5.6 the iterator looks at the first LMB before it looks for the end."""
    simulation = Simulation(tree(), "5.4.0", "powervm")
    result = simulation.run("dlpar memory remove count 1")
    message = "there is no array, and its iterator goes through a null pointer"
    assert told(*result.faults) == [("oops", message, "for_each_drmem_lmb", NODE, "")]
    assert simulation.run("dlpar memory add count 1").note == HELD


@pytest.mark.parametrize("which", ["index 0x80000004", "count 1"])
def test_of_memory_that_goes_from_the_middle_of_a_block(which: str) -> None:
    """try_remove_memory: BUG_ON(check_hotplug_memory_range(start, size))."""
    before = tree(Run(4 * LMB + LMB // 2, 2, DRC + 4, 0, 8), memory=[memory_node(0, 8 * LMB)])
    simulation = Simulation(before, "6.1", "powervm")
    result = simulation.run(f"dlpar memory remove {which}")
    message = "memory at 0x48000000 is removed, which is not where a block of 0x10000000 bytes begins"
    assert told(*result.faults) == [("oops", message, "try_remove_memory", NODE, "")]
    assert "Block size [0x10000000] unaligned hotplug range: start 0x48000000, size 0x10000000" in result.log
    assert simulation.run("dlpar memory add count 1").note == HELD
