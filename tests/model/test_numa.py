# SPDX-License-Identifier: MIT
"""Nodes and distances: of running kernels, of Linux's documentation, of QEMU, and by a plain reading of numa.c."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import NotInTreeError
from drmemctl.model.associativity import AffinityRules, Associativity
from drmemctl.model.distances import Distances, Form1
from drmemctl.model.numa import NumaLayout, PossibleNodes
from tests.cases import each
from tests.model.partitions import (
    AI_INVALID,
    ASSIGNED,
    CAPTURES,
    FORM2,
    KERNEL_ARRAYS,
    LMB,
    RESERVED,
    capture,
    cells,
    cpu,
    drmem,
    fixture_tree,
    kernel_lmbs,
    memory,
    node,
    partition,
    sysfs,
)

GIB = 1 << 30


def layout_of(name: str) -> NumaLayout:
    return NumaLayout.from_tree(fixture_tree(name))


def form2_tables(ids: Sequence[int], distances: Sequence[int], count: int | None = None) -> dict[str, bytes]:
    return {
        "ibm__numa_lookup_index_table": cells(len(ids), *ids),
        "ibm__numa_distance_table": cells(len(distances) if count is None else count) + bytes(distances),
    }


@pytest.mark.parametrize("name", KERNEL_ARRAYS)
def test_nodes_and_distances_are_those_that_the_running_kernel_shows_in_sysfs(name: str) -> None:
    kernel = sysfs(name)
    block = int(kernel["block_size"], 16)
    layout = layout_of(f"kernel-arrays/{name}")
    expected = {int(node): len(found["memory_blocks"]) * block for node, found in kernel["nodes"].items()}
    assert {node.node: node.bytes for node in layout.nodes} == expected
    rows = tuple(tuple(found["distance"]) for found in kernel["nodes"].values())
    assert layout.distances == Distances(tuple(map(int, kernel["nodes"])), rows)


@pytest.mark.parametrize("name", KERNEL_ARRAYS)
def test_the_node_of_each_assigned_lmb_of_the_kernels_array_is_that_of_its_memory_block(name: str) -> None:
    kernel = sysfs(name)
    block = int(kernel["block_size"], 16)
    node_of_block = {
        number: int(node) for node, found in kernel["nodes"].items() for number in found["memory_blocks"]
    }
    associativity = Associativity.from_tree(fixture_tree(f"kernel-arrays/{name}"))
    assigned = [lmb for lmb in kernel_lmbs(name) if lmb[3] & (ASSIGNED | RESERVED) == ASSIGNED]
    expected = [node_of_block[base // block] for base, _, _, _ in assigned]
    assert [associativity.node_of(aa_index, flags) for _, _, aa_index, flags in assigned] == expected


BOOTED_AS_THE_TREE_SAYS = sorted({*CAPTURES} - {"7.2-kdump", "7.2-mem-limit"})


@each("name", BOOTED_AS_THE_TREE_SAYS)
def test_node_memory_is_that_of_every_recorded_boot(name: str) -> None:
    record = capture(name)
    expected: dict[int, int] = {}
    for block in record["boot"]["blocks"]:
        expected[block["node"]] = expected.get(block["node"], 0) + int(str(record["block_size"]), 0)
    assert {node.node: node.bytes for node in layout_of(f"captures/{name}").nodes} == expected


# QEMU was told these distances; form 1 can only approach them: its lists are 0000, 0011, 0002, 0003.
TOLD = ((10, 40, 20, 40), (40, 10, 80, 40), (20, 80, 10, 20), (40, 40, 20, 10))


def test_form_2_gives_the_distances_that_qemu_was_told() -> None:
    assert layout_of("trees/numa4-form2-dist").distances.rows == TOLD


@pytest.mark.parametrize("name", ["trees/numa4-form1-dist", "trees/6.1-noform2"])
def test_form_1_doubles_the_distance_for_each_reference_point_at_which_the_lists_differ(name: str) -> None:
    by_hand = ((10, 40, 20, 20), (40, 10, 40, 40), (20, 40, 10, 20), (20, 40, 20, 10))
    assert layout_of(name).distances.rows == by_hand


def test_the_example_of_linux_documentation() -> None:
    tables = form2_tables((0, 8, 40), (10, 20, 80, 20, 10, 160, 80, 160, 10))
    places = [memory(i * GIB, GIB, (domain,)) for i, domain in enumerate((0, 8, 40))]
    layout = NumaLayout.from_tree(partition(*places, drmem(), byte5=FORM2, rtas=tables))
    assert [node.node for node in layout.nodes] == [0, 8, 40]
    assert layout.distances.rows == ((10, 20, 80), (20, 10, 160), (80, 160, 10))


def test_form_0_takes_the_second_reference_point_and_knows_two_distances() -> None:
    places = [memory(0, GIB, (9, 1)), memory(GIB, GIB, (9, 2))]
    layout = NumaLayout.from_tree(partition(*places, drmem(), byte5=0, points=(1, 2)))
    assert (layout.form, layout.primary_index) == (0, 2)
    assert layout.distances == Distances((1, 2), ((10, 20), (20, 10)))


def plain_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Return `__node_distance` for form 1, written as the kernel has it."""
    distance = 10
    for i in range(len(a)):
        if a[i] == b[i]:
            break
        distance *= 2
    return distance


lists = st.lists(st.integers(0, 3), min_size=4, max_size=5)


@given(st.lists(lists, min_size=1, max_size=6), st.permutations([1, 2, 3, 4]))
def test_form_1_distances_are_those_of_a_plain_reading_of_numa_c(
    found: list[list[int]], points: list[int]
) -> None:
    table: dict[int, list[int]] = {}
    form1 = Form1.empty(points)
    for domains in found:
        nid = domains[points[0] - 1]
        table[nid] = [domains[point - 1] for point in points]
        form1 = form1.filled(nid, domains)
    for a in range(4):
        for b in range(4):
            expected = plain_distance(table.get(a, [0] * 4), table.get(b, [0] * 4))
            assert form1.distance(a, b) == expected
            assert form1.distance(b, a) == expected
        assert form1.distance(a, a) == 10


def test_at_most_four_reference_points_count() -> None:
    form1 = Form1.empty((1, 2, 3, 4, 5, 6))
    form1 = form1.filled(1, (1, 1, 1, 1, 1, 1))
    form1 = form1.filled(2, (2, 2, 2, 2, 2, 2))
    assert form1.distance(1, 2) == 160


def test_a_list_too_short_for_a_reference_point_leaves_the_rest_of_the_row() -> None:
    form1 = Form1.empty((1, 3))
    form1 = form1.filled(1, (7, 7, 7))
    form1 = form1.filled(1, (8,))
    form1 = form1.filled(2, (9, 9, 7))
    assert form1.distance(1, 2) == 20


def test_the_last_resource_of_a_node_gives_its_row() -> None:
    form1 = Form1.empty((2, 1))
    form1 = form1.filled(1, (5, 1))
    form1 = form1.filled(2, (6, 2))
    form1 = form1.filled(1, (6, 1))
    assert form1.distance(1, 2) == 20


def test_lmbs_give_a_row_to_every_node_but_0() -> None:
    arrays = ((5, 0), (5, 1), (6, 2))
    sets = [(1, i * LMB, 0x80000000 + i, i, ASSIGNED) for i in range(3)]
    layout = NumaLayout.from_tree(partition(drmem(sets, arrays), points=(2, 1)))
    # Node 0 has no row of its own, so its domain at the second reference point is 0 and not 5.
    assert layout.distances.rows == ((10, 40, 40), (40, 10, 40), (40, 40, 10))
    layout = NumaLayout.from_tree(partition(memory(3 * LMB, LMB, (5, 0)), drmem(sets, arrays), points=(2, 1)))
    assert layout.distances.rows == ((10, 20, 40), (20, 10, 40), (40, 40, 10))


def test_a_distance_table_of_the_wrong_size_counts_for_nothing() -> None:
    tables = form2_tables((0, 1), (10, 80, 80))
    places = [memory(0, GIB, (0,)), memory(GIB, GIB, (1,))]
    layout = NumaLayout.from_tree(partition(*places, drmem(), byte5=FORM2, rtas=tables))
    assert layout.distances.rows == ((10, 20), (20, 10))
    assert [defect.code for defect in layout.defects] == ["numa-distance-count"]


def test_a_node_that_the_tables_do_not_list_has_no_distances() -> None:
    places = [memory(0, GIB, (0,)), memory(GIB, GIB, (5,))]
    layout = NumaLayout.from_tree(
        partition(*places, drmem(), byte5=FORM2, rtas=form2_tables((0, 1), (10, 80, 80, 10)))
    )
    assert layout.distances == Distances((0, 1, 5), ((10, 80, None), (80, 10, None), (None, None, None)))


def test_of_an_id_listed_twice_the_last_counts_and_ids_beyond_256_do_not() -> None:
    tables = form2_tables((1, 1, 300), (1, 2, 3, 4, 5, 6, 7, 8, 9))
    layout = NumaLayout.from_tree(partition(memory(0, GIB, (1,)), drmem(), byte5=FORM2, rtas=tables))
    assert layout.distances == Distances((1,), ((5,),))


def test_form_2_without_tables_has_no_distances() -> None:
    layout = NumaLayout.from_tree(partition(memory(0, GIB, (0,)), drmem(), byte5=FORM2))
    assert layout.distances.rows == ((None,),)


def test_memory_without_associativity_is_on_node_0_and_with_a_wrong_one_on_none() -> None:
    places = [memory(0, GIB), memory(GIB, GIB, (0xFFFF,)), memory(2 * GIB, GIB, (256,)), memory(3 * GIB, GIB, ())]
    layout = NumaLayout.from_tree(partition(*places, drmem()))
    assert [(found.node, found.bytes) for found in layout.nodes] == [(0, GIB), (None, 3 * GIB)]


def test_reserved_free_and_ai_invalid_lmbs() -> None:
    sets = [
        (1, 0, 1, 0, ASSIGNED | RESERVED),
        (2, 4 * LMB, 2, 0, 0),
        (3, 8 * LMB, 4, 0, ASSIGNED | AI_INVALID),
        (4, 12 * LMB, 7, 0, ASSIGNED),
    ]
    layout = NumaLayout.from_tree(partition(drmem(sets, ((3,),))))
    assert [(found.node, found.lmbs, found.bytes) for found in layout.nodes] == [
        (3, 4, 4 * LMB),
        (None, 3, 3 * LMB),
    ]


def test_without_an_lmb_size_linux_takes_no_lmb() -> None:
    layout = NumaLayout.from_tree(partition(memory(0, GIB, (0,)), drmem([(4, GIB, 1, 0, 8)], ((1,),), None)))
    assert [(found.node, found.lmbs, found.bytes) for found in layout.nodes] == [(0, 0, GIB)]


def test_without_reference_points_everything_is_on_node_0() -> None:
    tree = partition(
        memory(0, GIB, (7,)), drmem([(4, GIB, 1, 0, 8)], ((1,),)), cpus=[cpu(0, 8, (7,))], points=None
    )
    layout = NumaLayout.from_tree(tree)
    assert not layout.enabled
    assert [(found.node, found.bytes, found.cores, len(found.threads)) for found in layout.nodes] == [
        (0, 2 * GIB, 1, 8)
    ]
    assert layout.distances.rows == ((10,),)


def test_cpus_are_counted_by_core_and_thread_and_their_lists_may_be_one_longer() -> None:
    cpus = [cpu(0, 8, (0, 0, 0)), cpu(8, 8, (0, 4, 8)), cpu(16, 8, (0, 4, 16)), cpu(24, 8, status=b"disabled\0")]
    layout = NumaLayout.from_tree(partition(memory(0, GIB, (0, 0)), drmem(), cpus=cpus, points=(2,)))
    found = {one.node: (one.cores, list(one.threads)) for one in layout.nodes}
    assert found == {0: (1, list(range(8))), 4: (2, list(range(8, 24)))}


def test_cpus_without_a_node_go_to_the_first_that_is_online() -> None:
    layout = NumaLayout.from_tree(
        partition(memory(0, GIB, (2,)), memory(GIB, GIB, (5,)), drmem(), cpus=[cpu(0, 2)])
    )
    assert {one.node: one.cores for one in layout.nodes} == {2: 1, 5: 0}


def test_a_host_bridge_makes_a_node_but_no_memory() -> None:
    bridge = node("pci@800000020000000", ibm__associativity=cells(1, 3))
    layout = NumaLayout.from_tree(partition(memory(0, GIB, (0,)), bridge, drmem()))
    assert [(one.node, one.bytes, one.bridges) for one in layout.nodes] == [(0, GIB, 0), (3, 0, 1)]


def test_before_6_11_a_host_bridge_makes_no_node() -> None:
    bridges = [node(f"pci@8{i}", ibm__associativity=cells(1, i)) for i in (0, 3)]
    base = partition(memory(0, GIB, (0,)), *bridges, drmem())
    layout = NumaLayout.from_tree(base, AffinityRules(bridges=False))
    assert [(one.node, one.bytes, one.bridges) for one in layout.nodes] == [(0, GIB, 1)]


MAX = "ibm,max-associativity-domains"
CURRENT = "ibm,current-associativity-domains"


@pytest.mark.parametrize(
    ("migratable", "domains", "expected"),
    [
        (False, {"ibm__max_associativity_domains": (5, 1, 8, 32)}, PossibleNodes(32, MAX)),
        (
            False,
            {"ibm__max_associativity_domains": (5, 1, 8, 32), "ibm__current_associativity_domains": (5, 1, 2, 2)},
            PossibleNodes(2, CURRENT),
        ),
        (
            True,
            {"ibm__max_associativity_domains": (5, 1, 8, 32), "ibm__current_associativity_domains": (5, 1, 2, 2)},
            PossibleNodes(32, MAX),
        ),
        (True, {"ibm__current_associativity_domains": (5, 1, 2, 2)}, None),
        (False, {"ibm__max_associativity_domains": (2, 1, 1)}, None),
        (False, {}, None),
    ],
)
def test_possible_nodes_are_read_as_find_possible_nodes_does(
    migratable: bool, domains: dict[str, tuple[int, ...]], expected: PossibleNodes | None
) -> None:
    rtas = {name: cells(*values) for name, values in domains.items()}
    more = {"ibm__migratable_partition": b""} if migratable else {}
    assert NumaLayout.from_tree(partition(drmem(), points=(3,), rtas=rtas, root=more)).possible == expected


def test_a_partition_without_dynamic_memory_has_nodes_all_the_same() -> None:
    layout = layout_of("trees/nomaxmem")
    assert [(one.node, one.bytes, one.lmbs, one.cores) for one in layout.nodes] == [(0, 2 * GIB, 0, 1)]


def test_a_tree_from_before_client_architecture_support_is_refused() -> None:
    with pytest.raises(NotInTreeError, match="before ibm,client-architecture-support"):
        layout_of("trees/precas")
