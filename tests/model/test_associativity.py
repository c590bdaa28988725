# SPDX-License-Identifier: MIT
"""How Linux finds a node: against real kernels' memory blocks, and rule by rule."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from drmemctl.formats.dynamic_memory import AI_INVALID
from drmemctl.model.associativity import AffinityRules, Associativity, affinity_form, domains_of, primary_index
from drmemctl.model.drmem import Drmem
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.conftest import FIXTURES, fixture_trees, gunzip, tree_name

DRMEM = "/ibm,dynamic-reconfiguration-memory"
Blocks = dict[int, int]
"""Memory block → Linux node."""


def record(path: Path) -> Any:
    return json.loads(path.with_name(path.name.replace(".dtb.gz", ".json")).read_text(encoding="utf-8"))


def blocks_of(state: Any) -> Blocks:
    return {block["block"]: block["node"] for block in state["blocks"]}


def nodes_by_lmbs(tree: Tree, block: int = 0x10000000) -> Blocks:
    """Return what we say: the node of every block that assigned LMBs make up."""
    drmem, associativity = Drmem.from_tree(tree), Associativity.from_tree(tree)
    found = {}
    for lmb in drmem.table.lmbs(1 << 20):
        if lmb.flags & 0x88 == 0x8:
            node = associativity.node_of(lmb.aa_index, lmb.flags)
            assert node is not None
            assert lmb.base is not None
            found[lmb.base // block] = node
    return found


def nodes_by_memory_nodes(tree: Tree, block: int = 0x10000000) -> Blocks:
    """Return what we say: the node of every block that a memory@ node holds."""
    associativity = Associativity.from_tree(tree)
    found = {}
    for child in tree.root.children:
        domains = domains_of(child)
        if child.base_name == "memory" and domains is not None:
            node = associativity.node_of_row(domains)
            assert node is not None
            base, size = struct.unpack(">QQ", child.get("reg") or b"")
            found.update(dict.fromkeys(range(base // block, (base + size) // block), node))
    return found


# A crash kernel takes the ranges of linux,drconf-usable-memory, for the wrong LMBs: not a matter of affinity.
RECORDED = [
    path
    for path in fixture_trees()
    if path.parent.name in ("captures", "mobility") and tree_name(path) != "captures/7.2-kdump"
]


@each("path", RECORDED, ids=tree_name)
def test_the_node_of_every_memory_block_at_boot_is_the_kernels(path: Path) -> None:
    tree, run = read_fdt(gunzip(path)), record(path)
    size = int(str(run["block_size"]), 0)
    blocks = blocks_of(run["boot"])
    said = nodes_by_memory_nodes(tree, size) | nodes_by_lmbs(tree, size)
    assert {block: said.get(block) for block in blocks} == blocks


def test_the_recorded_boots_have_enough_lmbs_to_say_something() -> None:
    assert sum(len(nodes_by_lmbs(read_fdt(gunzip(path)))) for path in RECORDED) >= 90


def settled_states(run: Any) -> list[Any]:
    """Return the states before a migration: from then on Linux may have left memory on its old node."""
    states = []
    for step in run["steps"]:
        if step["step"].split()[0] not in ("plug", "unplug", "dlpar"):
            break
        states.append(step)
    return states


WALKS = [
    path
    for path in RECORDED
    if path.parent.name == "captures"
    and settled_states(record(path))
    and not path.name.startswith(("5.0", "5.4"))  # these put what is plugged on the first online node
]


@each("path", WALKS, ids=tree_name)
def test_the_node_of_every_lmb_plugged_later_is_the_kernels(path: Path) -> None:
    run, tree = record(path), read_fdt(gunzip(path))
    for state in settled_states(run):
        for name, value in state["properties"].items():
            tree = tree.with_property(DRMEM, name, bytes.fromhex(value))
        blocks, said = blocks_of(state), nodes_by_lmbs(tree, int(str(run["block_size"]), 0))
        assert {block: node for block, node in said.items() if blocks.get(block, node) != node} == {}


ARRAYS = sorted(path.name.removesuffix(".sysfs.json") for path in FIXTURES.rglob("*.sysfs.json"))


@pytest.mark.parametrize("name", ARRAYS)
def test_the_node_of_every_lmb_is_that_of_sysfs(name: str) -> None:
    sysfs = json.loads((FIXTURES / "kernel-arrays" / f"{name}.sysfs.json").read_text(encoding="utf-8"))
    blocks = {block: int(node) for node, has in sysfs["nodes"].items() for block in has["memory_blocks"]}
    tree = read_fdt(gunzip(FIXTURES / "kernel-arrays" / f"{name}.dtb.gz"))
    assert nodes_by_memory_nodes(tree) | nodes_by_lmbs(tree) == blocks


def words(*cells: int) -> bytes:
    return struct.pack(f">{len(cells)}I", *cells)


LOOKUP = words(3, 4, *(0, 0, 0, 7), *(0, 0, 1, 9), *(0, 0, 0xFFFF, 300))


def tree_of(
    *,
    vec5: int | None = 0x80,
    points: bytes | None = words(4, 2),
    lookup: bytes | None = LOOKUP,
    rtas: bool = True,
) -> Tree:
    """Return a tree with byte 5 of option vector 5, reference points and lookup arrays."""
    chosen = () if vec5 is None else (Property("ibm,architecture-vec-5", bytes([5, 0, 0, 0, 0, vec5])),)
    reference = () if points is None else (Property("ibm,associativity-reference-points", points),)
    arrays = () if lookup is None else (Property("ibm,associativity-lookup-arrays", lookup),)
    nodes = [Node("chosen", chosen), Node(DRMEM[1:], arrays)]
    if rtas:
        nodes.append(Node("rtas", reference))
    return Tree(Node("", () if rtas else reference, tuple(nodes)))


@pytest.mark.parametrize(
    ("byte", "form"), [(0x00, 0), (0x40, 0), (0x80, 1), (0xC0, 1), (0x20, 2), (0xA0, 2), (0xDF, 1), (0x5F, 0)]
)
def test_the_form_is_that_of_byte_5(byte: int, form: int) -> None:
    assert affinity_form(tree_of(vec5=byte)) == form


def test_without_option_vector_5_the_form_is_0() -> None:
    assert affinity_form(tree_of(vec5=None)) == 0


def test_an_option_vector_5_too_short_for_byte_5_says_form_0() -> None:
    tree = tree_of().with_property("/chosen", "ibm,architecture-vec-5", bytes([5, 255, 255, 255, 255]))
    assert affinity_form(tree) == 0


def test_a_kernel_before_form_2_takes_form_1_instead() -> None:
    assert Associativity.from_tree(tree_of(vec5=0xA0)).form == 2
    assert Associativity.from_tree(tree_of(vec5=0xA0), AffinityRules(form2=False)).form == 1


@pytest.mark.parametrize(
    ("form", "points", "index"),
    [
        (0, (4, 2), 2),
        (0, (4,), None),
        (0, (), None),
        (1, (4, 2), 4),
        (1, (4,), 4),
        (1, (), None),
        (2, (1, 2, 3, 4, 5), 1),
        (2, (), None),
    ],
)
def test_the_primary_index(form: int, points: tuple[int, ...], index: int | None) -> None:
    assert primary_index(form, points) == index


def test_the_nodes_of_a_lookup_array_by_form() -> None:
    first, second = words(4, 3), words(3, 4)
    assert Associativity.from_tree(tree_of(vec5=0x80, points=first)).node_of(0) == 7
    assert Associativity.from_tree(tree_of(vec5=0x80, points=second)).node_of(1) == 1
    assert Associativity.from_tree(tree_of(vec5=0x00, points=second)).node_of(1) == 9


def test_without_reference_points_there_are_no_nodes() -> None:
    found = Associativity.from_tree(tree_of(points=None))
    assert (found.primary_index, found.node_of(0)) == (None, None)
    assert found.row(0) == (0, 0, 0, 7)


def test_without_rtas_the_reference_points_are_the_roots() -> None:
    assert Associativity.from_tree(tree_of(rtas=False)).node_of(0) == 7


def test_with_rtas_the_roots_reference_points_do_not_count() -> None:
    tree = tree_of(points=None).with_property("/", "ibm,associativity-reference-points", words(4))
    assert Associativity.from_tree(tree).node_of(0) is None


@pytest.mark.parametrize(("index", "expected"), [(0, None), (1, 0), (4, 7), (5, None), (0xFFFFFFFF, None)])
def test_a_primary_index_outside_the_list_finds_no_node(index: int, expected: int | None) -> None:
    assert Associativity.from_tree(tree_of(points=words(index))).node_of(0) == expected


@pytest.mark.parametrize("aa_index", [3, 4, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_aa_index_out_of_range_has_no_row(aa_index: int) -> None:
    found = Associativity.from_tree(tree_of())
    assert (found.row(aa_index), found.node_of(aa_index)) == (None, None)


def test_an_lmb_whose_aa_index_is_called_invalid_has_no_node() -> None:
    found = Associativity.from_tree(tree_of())
    assert found.node_of(0, 0x8) == 7
    assert found.node_of(0, 0x8 | AI_INVALID) is None
    assert found.row(0, AI_INVALID) is None


def test_domain_ffff_is_no_node() -> None:
    assert Associativity.from_tree(tree_of(points=words(3))).node_of(2) is None
    assert Associativity.from_tree(tree_of(points=words(3))).row(2) == (0, 0, 0xFFFF, 300)


@pytest.mark.parametrize(("domain", "node"), [(255, 255), (256, None), (300, None), (0xFFFFFFFF, None), (0, 0)])
def test_a_domain_that_linux_has_no_node_for_is_none(domain: int, node: int | None) -> None:
    found = Associativity.from_tree(tree_of(points=words(1), lookup=words(1, 1, domain)))
    assert found.node_of(0) == node


def test_without_lookup_arrays_there_are_no_nodes() -> None:
    found = Associativity.from_tree(tree_of(lookup=None))
    assert (found.lookup, found.row(0), found.node_of(0)) == (None, None, None)


@pytest.mark.parametrize("missing", [1, 4, 16, 40])
def test_lookup_arrays_shorter_than_they_say_give_no_lmb_a_node(missing: int) -> None:
    found = Associativity.from_tree(tree_of(lookup=LOOKUP[:-missing]))
    assert [found.node_of(index) for index in range(3)] == [None, None, None]
    (defect,) = found.defects
    assert (defect.code, defect.path, defect.property) == (
        "lookup-too-short",
        DRMEM,
        "ibm,associativity-lookup-arrays",
    )
    assert defect.offset == len(LOOKUP) - missing


def test_lookup_arrays_longer_than_they_say_are_taken() -> None:
    found = Associativity.from_tree(tree_of(lookup=LOOKUP + words(0, 0, 0, 5)))
    assert [found.node_of(index) for index in range(4)] == [7, 9, None, None]
    assert [defect.code for defect in found.defects] == ["lookup-trailing"]


def test_a_product_that_wraps_passes_linux_check_but_no_row_is_invented() -> None:
    # 0x40000000 x 4 is 0 in 32 bits: Linux would go on and read past the property's end.
    found = Associativity.from_tree(tree_of(lookup=words(0x40000000, 4, 0, 0, 0, 7)))
    assert found.lookup is not None
    assert found.lookup.usable
    assert (found.node_of(0), found.node_of(1)) == (7, None)


def test_arrays_of_no_domains_have_no_node() -> None:
    assert Associativity.from_tree(tree_of(lookup=words(3, 0))).node_of(0) is None


@pytest.mark.parametrize(("value", "expected"), [(words(2, 5, 6), (5, 6)), (words(1, 5, 6), (5,)), (b"", ())])
def test_the_domains_of_a_node_are_those_its_length_cell_counts(value: bytes, expected: tuple[int, ...]) -> None:
    assert domains_of(Node("cpu", (Property("ibm,associativity", value),))) == expected


def test_a_node_without_associativity_has_no_domains() -> None:
    assert domains_of(Node("cpu")) is None
