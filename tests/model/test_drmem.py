# SPDX-License-Identifier: MIT
"""The drmem node as a whole: which property counts, and what is said where it is wrong or absent."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from drmemctl.errors import NotInTreeError
from drmemctl.model.drmem import Drmem, LmbTable, RootCells
from drmemctl.model.platform import is_before_cas
from drmemctl.model.run import Run
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.conftest import FIXTURES, WITHOUT_LMBS, Tool, blob, fixture_trees, tree_name
from tests.oracles import fdtget_value
from tests.wide import share

NODE = "/ibm,dynamic-reconfiguration-memory"
V1, V2 = "ibm,dynamic-memory", "ibm,dynamic-memory-v2"
SIZE = 0x10000000

NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) not in WITHOUT_LMBS]


def unpacked(v1: bytes | None, v2: bytes | None, lmb_size: int) -> list[tuple[int, int, int, int]]:
    """Return every LMB (address, DRC index, aa_index, flags), read with struct as Linux reads it: v1 first."""
    if v1 is not None:
        return [
            (base, drc, aa, flags)
            for base, drc, _, aa, flags in struct.iter_unpack(">QIIII", v1[4 : 4 + count(v1)])
        ]
    assert v2 is not None
    return [
        (base + j * lmb_size, drc + j, aa, flags)
        for n, base, drc, aa, flags in struct.iter_unpack(">IQIII", v2[4 : 4 + count(v2)])
        for j in range(n)
    ]


def count(data: bytes) -> int:
    return 24 * int.from_bytes(data[:4], "big")


@each("name", share(NAMES, 0, 3))
def test_every_bundled_tree_has_the_lmbs_that_fdtget_shows(
    name: str, fdtget: Tool, dtb_file: Callable[[str], Path]
) -> None:
    v1, v2, lmb_size = (fdtget_value(fdtget, dtb_file(name), NODE, each) for each in (V1, V2, "ibm,lmb-size"))
    table = LmbTable.from_tree(read_fdt(blob(name)))
    assert table.property_name == (V2 if v1 is None else V1)
    assert table.lmb_size == (None if lmb_size is None else int.from_bytes(lmb_size, "big"))
    if table.lmb_size is not None:
        found = [(lmb.base, lmb.drc_index, lmb.aa_index, lmb.flags) for lmb in table.lmbs(1 << 20)]
        assert found == unpacked(v1, v2, table.lmb_size)


@each("name", NAMES)
def test_the_bundled_trees_are_sound(name: str) -> None:
    codes = {defect.code for defect in Drmem.from_tree(read_fdt(blob(name))).defects}
    expected = {
        "boot/no-lmb-size": {"lmb-size-absent"},
        "captures/7.2-v1-slack": {"v1-trailing"},
    }
    assert codes == expected.get(name, set())


def test_the_properties_recorded_at_boot_are_those_read() -> None:
    path = FIXTURES / "captures" / "6.1-merge.json"
    boot = json.loads(path.read_text(encoding="utf-8"))["boot"]["properties"]
    tree = read_fdt(blob("captures/6.1-merge"))
    assert {name: (tree.get(NODE, name) or b"").hex() for name in boot} == boot


CELL = struct.pack(">I QIIII", 1, 0x40000000, 0x80000004, 0, 1, 8)
SET = struct.pack(">I IQIII", 1, 3, 0x80000000, 0x80000008, 2, 0)


def tree_of(
    root: dict[str, bytes] | None = None, chosen: dict[str, bytes] | None = None, **drmem: bytes | None
) -> Tree:
    """Return a tree whose drmem node has v1, v2 and lmb_size, each unless it is None."""
    names = {"v1": V1, "v2": V2, "lmb_size": "ibm,lmb-size"}
    given = {"lmb_size": struct.pack(">Q", SIZE), **drmem}
    node = Node(NODE[1:], tuple(Property(names[key], value) for key, value in given.items() if value is not None))
    nodes = (*(() if chosen is None else (node_of("chosen", chosen),)), node)
    return Tree(Node("", node_of("", root or {}).properties, nodes), "guest.dtb")


def node_of(name: str, values: dict[str, bytes]) -> Node:
    return Node(name, tuple(Property(key, value) for key, value in values.items()))


def faults(drmem: Drmem) -> list[tuple[str, str, int | None]]:
    assert all(defect.path == NODE for defect in drmem.defects)
    return [(defect.code, defect.property, defect.offset) for defect in drmem.defects]


def test_of_both_properties_the_first_version_wins_and_that_is_said() -> None:
    drmem = Drmem.from_tree(tree_of(v2=SET, v1=CELL))
    assert list(drmem.table.runs) == [Run(0x40000000, 1, 0x80000004, 1, 8)]
    assert drmem.table.property_name == V1
    assert faults(drmem) == [("drmem-both", V2, None)]


def test_without_either_property_there_are_no_lmbs() -> None:
    drmem = Drmem.from_tree(tree_of())
    assert (drmem.table.n_lmbs, drmem.entries, drmem.table.property_name) == (0, None, "")
    assert faults(drmem) == [("drmem-no-property", "", None)]


def test_without_an_lmb_size_the_lmbs_are_still_there() -> None:
    drmem = Drmem.from_tree(tree_of(v2=SET, lmb_size=None))
    assert (drmem.table.lmb_size, drmem.table.n_lmbs) == (None, 3)
    assert faults(drmem) == [("lmb-size-absent", "ibm,lmb-size", None)]


def test_an_lmb_size_too_short_is_none() -> None:
    drmem = Drmem.from_tree(tree_of(v2=SET, lmb_size=b"\0\0\x10"))
    assert drmem.table.lmb_size is None
    assert {code for code, _, _ in faults(drmem)} >= {"lmb-size-too-short"}


@pytest.mark.parametrize(("cells", "value", "size"), [(1, ">I", 0x1000000), (2, ">Q", 0x400000000)])
def test_the_lmb_size_has_the_roots_size_cells(cells: int, value: str, size: int) -> None:
    root = {"#size-cells": struct.pack(">I", cells)}
    drmem = Drmem.from_tree(tree_of(root, v2=SET, lmb_size=struct.pack(value, size)))
    assert (drmem.table.lmb_size, drmem.defects) == (size, ())


def test_addresses_have_the_roots_address_cells() -> None:
    root = {"#address-cells": struct.pack(">I", 1)}
    drmem = Drmem.from_tree(tree_of(root, v2=struct.pack(">I IIIII", 1, 3, 0x80000000, 8, 2, 0)))
    assert list(drmem.table.runs) == [Run(0x80000000, 3, 8, 2, 0)]
    assert drmem.cells == RootCells(1, 2)


def test_address_cells_that_no_kernel_reads_are_told() -> None:
    drmem = Drmem.from_tree(tree_of({"#address-cells": struct.pack(">I", 3)}, v1=CELL))
    assert list(drmem.table.runs) == [Run(0x40000000, 1, 0x80000004, 1, 8)]
    assert faults(drmem) == [("v1-address-cells", V1, None)]


@pytest.mark.parametrize("root", [{}, {"#address-cells": b"\0\0\0"}, {"#size-cells": b""}])
def test_a_root_without_its_cells_is_read_with_two_and_two(root: dict[str, bytes]) -> None:
    assert RootCells.from_tree(tree_of(root)) == RootCells(2, 2)


def test_a_property_shorter_than_its_count_gives_what_is_there() -> None:
    two = struct.pack(">I", 2)
    v1 = Drmem.from_tree(tree_of(v1=two + CELL[4:] + bytes(23)))
    v2 = Drmem.from_tree(tree_of(v2=two + SET[4:] + bytes(23)))
    assert (v1.table.n_lmbs, v2.table.n_lmbs) == (1, 3)
    assert faults(v1) == [("v1-too-short", V1, 28 + 23)]
    assert faults(v2) == [("v2-too-short", V2, 28 + 23)]


@pytest.mark.parametrize("size", [0, 3])
def test_a_property_too_short_for_its_count_gives_nothing(size: int) -> None:
    drmem = Drmem.from_tree(tree_of(v2=bytes(size)))
    assert drmem.table.n_lmbs == 0
    assert faults(drmem) == [("v2-too-short", V2, 0)]


def test_bytes_behind_the_entries_are_told() -> None:
    assert faults(Drmem.from_tree(tree_of(v1=CELL + b"\0"))) == [("v1-trailing", V1, 28)]


def reason(tree: Tree) -> str:
    with pytest.raises(NotInTreeError) as caught:
        Drmem.from_tree(tree)
    return str(caught.value)


def test_a_tree_from_before_cas_is_called_that() -> None:
    said = reason(read_fdt(blob("trees/precas"), "precas.dtb"))
    assert said.startswith(f"precas.dtb: no node {NODE}: ")
    assert "this blob was made before ibm,client-architecture-support" in said


def test_a_tree_after_cas_without_dynamic_memory_is_called_that() -> None:
    said = reason(read_fdt(blob("trees/nomaxmem")))
    assert "the firmware offers this partition no dynamic memory" in said
    assert "maxmem" in said
    assert "client-architecture-support" not in said


def test_a_part_of_a_tree_is_called_that() -> None:
    assert "only a part of a tree" in reason(Tree(Node("", (), (Node("cpus"),))))


def test_the_tree_of_another_machine_is_called_that() -> None:
    root = node_of("", {"device_type": b"powernv\0", "compatible": b"ibm,powernv\0"})
    assert "no tree of a pseries machine" in reason(Tree(root))


@pytest.mark.parametrize(
    ("vector", "before"), [(None, True), (b"", True), (bytes(24), True), (bytes([23, 0, 0x20]), False)]
)
def test_before_cas_no_option_is_agreed_on(vector: bytes | None, before: bool) -> None:
    chosen = {} if vector is None else {"ibm,architecture-vec-5": vector}
    assert is_before_cas(tree_of(chosen=chosen)) is before
