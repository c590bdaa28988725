# SPDX-License-Identifier: MIT
"""What a new property does to the array: nothing but aa_index, by the first LMB with each DRC index."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.dynamic_memory import NODE, V1, V2, encode_entries
from drmemctl.kernel.job import Job
from drmemctl.kernel.notifier import set_property
from drmemctl.kernel.task import run
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from tests.kernel.partitions import DRC, LMB, UNSET, aa_of, lmbs, partition, tree, u32


def update(simulation: Simulation, *entries: Run) -> None:
    result = simulation.run(f"firmware {NODE} {V2} {encode_entries(V2, entries).hex()}")
    assert result.ok


def test_only_aa_index_is_taken() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    before = simulation.state.table
    # Other flags, other addresses, LMBs that the array lacks, and LMB 3 missing.
    update(simulation, Run(0x900000000, 1, DRC + 2, 0, 0x108), lmbs(4, 1, 0, 8), lmbs(50, 2, 1, 8))
    after = simulation.state.table
    assert [aa_of(simulation, lmb) for lmb in (2, 3, 4, 5)] == [0, 1, 0, UNSET]
    assert [lmb.flags for lmb in after.lmbs(9)] == [lmb.flags for lmb in before.lmbs(9)]
    assert [lmb.base for lmb in after.lmbs(9)] == [lmb.base for lmb in before.lmbs(9)]


def test_memory_stays_on_its_node() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    blocks = simulation.state.blocks
    update(simulation, lmbs(2, 2, 0, 8), lmbs(4, 2))
    assert simulation.state.blocks == blocks


def test_a_property_that_ends_early_gives_what_is_there() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    data = encode_entries(V2, [lmbs(2, 2, 0, 8)])
    result = simulation.run(f"firmware {NODE} {V2} {(u32(3) + data[4:]).hex()}")
    assert [fault.code for fault in result.faults] == ["over-read"]
    assert aa_of(simulation, 2) == 0


def test_a_garbage_count_is_walked_for_ever() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    result = simulation.run(f"firmware {NODE} {V2} 80000004{'00' * 24}")
    assert not result.ok
    assert [fault.code for fault in result.faults] == ["over-read", "never-returns"]


def test_removing_a_property_changes_no_array() -> None:
    simulation = partition(lmbs(2, 2, 1, 8), lmbs(4, 2))
    table = simulation.state.table
    simulation.run(f"firmware {NODE} {V2} -")
    assert simulation.state.table == table


def test_a_kernel_without_an_array_has_no_lmbs_without_the_property() -> None:
    simulation = Simulation(tree(lmbs(2, 2, 1, 8), lmbs(4, 2), v1=True), "4.15", "powervm")
    assert simulation.state.table.n_lmbs == 6
    simulation.run(f"firmware {NODE} {V1} -")
    assert simulation.state.table.n_lmbs == 0


def test_addresses_of_one_cell_are_walked_as_such() -> None:
    """`dt_mem_next_cell` reads as many cells of an address as the root says."""
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 2), v1=True)
    entries = u32(4, *(cell for n in range(2, 6) for cell in (n * LMB, DRC + n, 0, 0, 8)))
    narrow = base.with_property("/", "#address-cells", u32(1)).with_property(NODE, V1, entries)
    simulation = Simulation(narrow, "latest", "powervm")
    changed = u32(4, *(cell for n in range(2, 6) for cell in (n * LMB, DRC + n, 0, 1, 8)))
    assert simulation.run(f"firmware {NODE} {V1} {changed.hex()}").faults == ()
    assert [lmb.aa_index for lmb in simulation.state.table.lmbs(9)] == [1, 1, 1, 1]


def test_an_old_kernel_does_not_survive_losing_assigned_memory() -> None:
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 2), v1=True)
    simulation = Simulation(base, "5.4", "powervm")
    without = tree(lmbs(2, 1, 1, 8), lmbs(3, 1), lmbs(4, 2), v1=True).get(NODE, V1) or b""
    result = simulation.run(f"firmware {NODE} {V1} {without.hex()}")
    assert [fault.code for fault in result.faults] == ["oops"]
    assert (
        simulation.run("dlpar memory add count 1").note == "the kernel does not answer: the hotplug lock is held"
    )


def test_an_old_kernel_passes_over_memory_that_is_new() -> None:
    base = tree(lmbs(2, 2, 1, 8), lmbs(4, 2), v1=True)
    simulation = Simulation(base, "5.4", "powervm")
    more = tree(lmbs(2, 3, 1, 8), lmbs(5, 1), v1=True).get(NODE, V1) or b""
    assert simulation.run(f"firmware {NODE} {V1} {more.hex()}").ok
    assert len(simulation.state.blocks) == 4


AT_THE_END = (1 << 32) - 6
"""DRC indexes are 32 bits wide: those of a set may begin again at 0."""

DRC_INDEXES = st.one_of(st.integers(0, 14), st.integers(AT_THE_END, (1 << 32) - 1))
ENTRIES = st.lists(
    st.builds(Run, st.just(0), st.integers(1, 9), DRC_INDEXES, st.integers(0, 3), st.just(8)),
    min_size=1,
    max_size=6,
)


@given(ENTRIES, ENTRIES)
def test_against_the_kernels_own_two_loops(array: list[Run], described: list[Run]) -> None:
    simulation = partition(*(Run((40 + i * 9) * LMB, n, drc, aa, 0) for i, (_, n, drc, aa, _) in enumerate(array)))
    table = simulation.state.table
    plain = [[lmb.drc_index, lmb.aa_index] for lmb in table.lmbs(100)]
    for _, count, drc, aa, _ in described:
        for position in range(count):
            wanted = (drc + position) % (1 << 32)
            first = next((lmb for lmb in plain if lmb[0] == wanted), None)
            if first is not None:
                first[1] = aa
    job = Job(simulation.state, simulation.situation.machine)
    run(job, set_property(job, NODE, V2, encode_entries(V2, described)))
    assert [[lmb.drc_index, lmb.aa_index] for lmb in job.state.table.lmbs(100)] == plain
