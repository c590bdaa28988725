# SPDX-License-Identifier: MIT
"""Writing the array back: what it makes of sets, lengths and private flags; and being fast without being other."""

from __future__ import annotations

import errno
import struct
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import drmemctl
from drmemctl.formats.dynamic_memory import NODE, V1, V2, decode_entries
from drmemctl.kernel.flush import encode_v1, encode_v2, patched, write_through
from drmemctl.kernel.job import Job
from drmemctl.kernel.task import run
from drmemctl.kernel.trace import Trace
from drmemctl.kernel.tree_edit import detached
from drmemctl.model import v1_encoding
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from tests.conftest import FIXTURES
from tests.kernel.partitions import BOOT_MEMORY, DRC, LMB, UNSET, lmbs, partition, properties_of, tree, u32

FLUSH = "dlpar memory add indexed-count 1 0x80000002"
"""The LMB is assigned: nothing happens, and the array is written back."""


def sets(*runs: Run) -> bytes:
    return u32(len(runs)) + b"".join(struct.pack(">IQIII", lmbs, base, *rest) for base, lmbs, *rest in runs)


def test_neighbours_with_equal_attributes_merge_even_across_a_gap() -> None:
    table = LmbTable.of(
        [
            Run(0x40000000, 2, 0x80000010, 1, 8),
            Run(0x100000000, 2, 0x80000040, 1, 8),
            Run(0x200000000, 1, 0x80000080, UNSET, 0),
        ],
        LMB,
    )
    expected = sets(Run(0x40000000, 4, 0x80000010, 1, 8), Run(0x200000000, 1, 0x80000080, UNSET, 0))
    assert encode_v2(table) == expected
    back = LmbTable.of_property(decode_entries(V2, expected), LMB)
    assert [lmb.base for lmb in back.lmbs(5)][2:4] == [0x60000000, 0x70000000]


def test_the_count_of_a_set_wraps_as_the_kernels_u32_does() -> None:
    # drmem_update_dt_v2: u32 seq_lmbs, incremented by LMB.
    table = LmbTable.of([Run(0, 0xFFFFFFFF, 0, UNSET, 0), Run(1 << 62, 3, 0x80000000, UNSET, 0)], LMB)
    assert encode_v2(table) == sets(Run(0, 2, 0, UNSET, 0))
    contiguous = LmbTable.of([Run(0, 1 << 31, 0, UNSET, 0), Run(1 << 59, 1 << 31, 1 << 31, UNSET, 0)], LMB)
    assert encode_v2(contiguous) == sets(Run(0, 0, 0, UNSET, 0))


@pytest.mark.parametrize("step", ["dlpar memory add count 1", "reboot", "kexec"])
@pytest.mark.parametrize("hypervisor", ["qemu", "powervm"])
def test_more_lmbs_than_32_bits_count_are_simulated(step: str, hypervisor: str) -> None:
    tree = drmemctl.load(f"{FIXTURES}/cases/sets-beyond-2-to-the-32.dts")
    simulation = Simulation(tree, hypervisor=hypervisor)
    simulation.run(step)
    data = properties_of(simulation)[V2]
    assert int.from_bytes(data[:4], "big") * 24 + 4 == len(data)


def test_drm015_says_what_the_flush_writes() -> None:
    tree = drmemctl.load(f"{FIXTURES}/cases/sets-beyond-2-to-the-32.dts")
    simulation = Simulation(tree, hypervisor="powervm")
    simulation.run("dlpar memory add count 1")
    # The set from 0xf0000000 on: the one LMB before it was added. 4,563,402,801 LMBs, modulo 2^32.
    written = [entry for entry in decode_entries(V2, properties_of(simulation)[V2]) if entry[0] == 0xF0000000]
    assert [entry[1] for entry in written] == [4_563_402_801 - (1 << 32)]
    (message,) = (finding.message for finding in drmemctl.check(tree) if finding.rule == "DRM015")
    assert f"its 32-bit count is {4_563_402_802 - (1 << 32):,}, the others are lost" in message


def test_the_kernels_own_mark_is_not_written() -> None:
    table = LmbTable.of([Run(0, 1, 1, 0, 0x80000008), Run(LMB, 1, 2, 0, 8)], LMB)
    assert encode_v2(table) == sets(Run(0, 2, 1, 0, 8))
    assert encode_v1(table)[-4:] == u32(8)


def test_unknown_flags_are_kept() -> None:
    table = LmbTable.of([Run(0, 1, 1, 0, 0x7FFFFE08)], LMB)
    assert encode_v2(table) == sets(Run(0, 1, 1, 0, 0x7FFFFE08))


@pytest.mark.parametrize("slack", [0, 3, 16, 20, 23])
def test_a_v1_property_keeps_its_length_and_gets_zeros_behind(slack: int) -> None:
    base = tree(lmbs(2, 1, 1, 8), lmbs(3, 1, 1, 8), v1=True)
    data = (base.get(NODE, V1) or b"") + b"\xff" * slack
    simulation = Simulation(base.with_property(NODE, V1, data), hypervisor="powervm")
    result = simulation.run(FLUSH)
    assert (result.ok, result.faults) == (True, ())
    expected = data[: len(data) - slack] + bytes(slack)
    assert properties_of(simulation)[V1] == expected
    assert simulation.run("dlpar memory remove index 0x80000003").ok
    removed = expected[: -slack or None][:-8] + u32(UNSET, 0) + bytes(slack)
    assert properties_of(simulation)[V1] == removed


def test_an_array_larger_than_the_v1_property_overruns_the_heap() -> None:
    simulation = partition(lmbs(2, 1, 1, 8), lmbs(3, 1, 1, 8), v1=True)
    short = tree(lmbs(2, 1, 1, 8), v1=True).get(NODE, V1) or b""
    simulation.run(f"firmware {NODE} {V1} {short.hex()}")
    # The property never grows: every write goes over its end.
    for _ in range(2):
        result = simulation.run(FLUSH)
        (fault,) = result.faults
        assert (fault.code, fault.function) == ("heap-overrun", "drmem_update_dt_v1")
        assert (fault.path, fault.property) == (NODE, V1)
        assert fault.message.startswith("100 bytes are written into a property of 76: ")
        assert properties_of(simulation)[V1] == u32(4) + short[4:]
    # What becomes of the LMB behind the end is not to be seen in it.
    assert simulation.run("dlpar memory remove index 0x80000003").ok
    assert properties_of(simulation)[V1] == u32(4) + short[4:]


def test_v1_is_written_where_both_are_there() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    other = tree(lmbs(2, 2, 0, 8), lmbs(4, 2), v1=True).get(NODE, V1) or b""
    before = properties_of(simulation)[V2]
    simulation.run(f"firmware {NODE} {V1} {other.hex()}")
    simulation.run("dlpar memory remove index 0x80000003")
    assert properties_of(simulation)[V2] == before
    written = LmbTable.of_property(decode_entries(V1, properties_of(simulation)[V1]), LMB)
    assert [lmb.flags for lmb in written.lmbs(9)] == [0xA0, 0xA0, 8, 0, 0, 0]


def test_a_property_that_came_meanwhile_is_written_over_as_a_whole() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2), kernel="5.10", v1=True)
    assert simulation.run(FLUSH).ok
    held = properties_of(simulation)[V1]
    other = tree(lmbs(2, 2, 0, 8), lmbs(4, 2), v1=True).get(NODE, V1) or b""
    simulation.run(f"firmware {NODE} {V1} {other.hex()}")
    assert properties_of(simulation)[V1] == other != held
    assert simulation.run(FLUSH).ok
    assert properties_of(simulation)[V1] == held


RUNS = st.lists(
    st.tuples(
        st.integers(1, 9), st.integers(0, 40), st.integers(0, 40), st.integers(0, 3), st.sampled_from([0, 8])
    ),
    min_size=1,
    max_size=8,
)


@given(RUNS, st.sampled_from([2, 3, v1_encoding._AT_ONCE]))
def test_v1_against_a_plain_encoder(runs: list[tuple[int, int, int, int, int]], at_once: int) -> None:
    table = LmbTable.of((Run(base * LMB, n, DRC + drc, aa, flags) for n, base, drc, aa, flags in runs), LMB)
    plain = struct.pack(">I", table.n_lmbs)
    for lmb in table.lmbs(1000):
        plain += struct.pack(">QIIII", lmb.base, lmb.drc_index, 0, lmb.aa_index, lmb.flags)
    with patch.object(v1_encoding, "_AT_ONCE", at_once):
        assert encode_v1(table) == plain


@pytest.mark.parametrize("base", [0xFFFFFFFFF0000000, 0])
def test_addresses_and_drc_indexes_wrap_around(base: int) -> None:
    table = LmbTable.of([Run(base, 3, 0xFFFFFFFE, 0, 8)], LMB)
    entries = list(decode_entries(V1, encode_v1(table)))
    assert [drc for _, _, drc, _, _ in entries] == [0xFFFFFFFE, 0xFFFFFFFF, 0]
    assert entries[1][0] == (base + LMB) % (1 << 64)


@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.integers(2, 9)), max_size=12))
def test_the_patched_property_is_what_would_be_written_anew(requests: list[tuple[str, int]]) -> None:
    simulation = partition(lmbs(2, 4, 1, 8), lmbs(6, 4), v1=True)
    for action, lmb in requests:
        if simulation.run(f"dlpar memory {action} index {DRC + lmb:#x}").ok:
            assert properties_of(simulation)[V1] == encode_v1(simulation.state.table)
    assert BOOT_MEMORY.lmbs == 2


def test_a_set_of_billions_of_lmbs_is_written_as_far_as_the_v1_property_goes() -> None:
    """Found by fuzzing: all of them were encoded, in 96 GiB, and then cut."""
    huge = sets(BOOT_MEMORY, Run(4 * LMB, 0xFFFFFF00, DRC + 4, UNSET, 0))
    simulation = Simulation(tree(lmbs(2, 1)).with_property(NODE, V2, huge), "6.1", "powervm")
    assert simulation.run(f"firmware {NODE} {V1} 00000001{'ff' * 24}").ok
    simulation.run(f"dlpar memory add index {DRC + 9:#x}")
    # The count of the whole array (0xffffff02), and of its entries the first: LMB 0 of the boot memory.
    assert properties_of(simulation)[V1] == bytes.fromhex(
        "ffffff02" + "00" * 8 + "80000000 00000000 ffffffff 000000a0"
    )


CHANGES = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 1), st.sampled_from([0, 8])), min_size=1, max_size=6
)


def attributed(changes: list[tuple[int, int, int]], count: int) -> LmbTable:
    """Return `count` LMBs with aa_index and flags from runs of (LMBs, aa_index, flags), the last going on."""
    each = [(aa, flags) for n, aa, flags in changes for _ in range(n)]
    each += each[-1:] * (count - len(each))
    return LmbTable.of((Run(at * LMB, 1, DRC + at, aa, flags) for at, (aa, flags) in enumerate(each[:count])), LMB)


@given(CHANGES, CHANGES)
def test_a_patched_property_is_the_new_one_whatever_changed(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]]
) -> None:
    old, new = attributed(before, 20), attributed(after, 20)
    assert patched(encode_v1(old), old, new) == encode_v1(new)


@pytest.mark.parametrize("base", [5 * LMB, 1 << 63])
def test_lmbs_of_no_size_have_one_address(base: int) -> None:
    table = LmbTable.of([Run(base, 3, DRC, 1, 8)], 0)
    assert encode_v1(table) == struct.pack(">I", 3) + b"".join(
        struct.pack(">QIIII", base, DRC + n, 0, 1, 8) for n in range(3)
    )


@pytest.mark.parametrize("gone", ["the node", "the property", "all but v2"])
def test_without_a_property_nothing_is_written_through(gone: str) -> None:
    simulation = Simulation(tree(lmbs(2, 2, 1, 8), v1=True), "4.15", "powervm")
    state = simulation.state
    without = detached(state.tree, NODE) if gone == "the node" else state.tree.with_property(NODE, V1, None)
    if gone == "all but v2":
        without = without.with_property(NODE, V2, sets(BOOT_MEMORY))  # 4.15 knows no v2
    job = Job(replace(state, tree=without), simulation.situation.machine, events=Trace())
    assert run(job, write_through(job, 0)) == -errno.ENODEV
    assert job.state.tree == without
    assert (list(job.events or ()), job.state.updating) == ([], False)
