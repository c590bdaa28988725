# SPDX-License-Identifier: MIT
"""The rules of the family blob: for each a tree that breaks exactly it, and a near miss that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drmemctl.check.blob.reading import flattened_size
from drmemctl.defect import Defect
from drmemctl.formats.dynamic_memory import NODE, V2
from drmemctl.model.run import Run
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from drmemctl.tree.writer import write_fdt
from tests.blobs import Struct
from tests.blobs import blob as flattened
from tests.check.mutations import (
    PLUGGED,
    Change,
    broken_anew,
    cases,
    edited,
    entries,
    fixture,
    found,
    messages,
    rules_of,
    with_child,
    with_cut,
    with_entries,
    with_prop,
    words,
)
from tests.conftest import blob


def noted(code: str, path: str = "", property: str = "") -> Change:
    """Return the change that adds a remark of the reader."""
    return lambda tree: replace(tree, defects=(*tree.defects, Defect(code, "a remark", path, property)))


def phandle_of(tree: Tree, path: str) -> bytes:
    return tree.get(path, "phandle") or b""


def grown(n_lmbs: int) -> Change:
    return lambda tree: with_entries(tree, [Run(0, n_lmbs, 0, 0xFFFFFFFF, 0xA0)])


BREAKS: dict[str, list[Change]] = {
    "DRM001": [noted("duplicate-node", "/memory@0"), noted("duplicate-property", NODE, V2)],
    "DRM002": [noted("property-after-node", "/", "#size-cells")],
    "DRM003": [noted("blob-trailing"), noted("trailing-bytes")],
    "DRM004": [
        noted("unreadable", NODE, V2),
        noted("a-code-of-a-later-reader"),
        lambda tree: with_cut(tree, "/chosen", "bootargs", 8),
    ],
    "DRM005": [
        lambda tree: with_prop(tree, NODE, "linux,phandle", words(0x1234)),
        lambda tree: with_prop(tree, NODE, "ibm,phandle", bytes(4)),
        lambda tree: with_prop(tree, NODE, "phandle", bytes(4)),
        lambda tree: with_prop(tree, NODE, "phandle", b"\x12"),
    ],
    "DRM006": [lambda tree: with_prop(tree, NODE, "phandle", phandle_of(tree, "/rtas"))],
    "DRM007": [lambda tree: with_prop(tree, NODE, "phandle", words(0x80000005))],
    "DRM008": [grown(90_000)],
    "DRM009": [
        lambda tree: with_child(tree, "/", Node("a\x1b[2J")),
        lambda tree: with_child(tree, "/", Node("b", (Property("a b", b""),))),
        lambda tree: with_child(tree, "/", Node("caf\udcc3\udca9")),
    ],
}

MISSES: dict[str, list[Change]] = {
    "DRM001": [noted("property-after-node")],
    "DRM002": [noted("duplicate-property")],
    "DRM003": [noted("duplicate-node")],
    "DRM004": [noted("blob-trailing"), lambda tree: with_cut(tree, "/chosen", "bootargs", 1 << 20)],
    "DRM005": [
        lambda tree: with_prop(tree, NODE, "linux,phandle", phandle_of(tree, NODE)),
        # PowerVM: Open Firmware's package handle is another number than what the hypervisor names the node by.
        lambda tree: with_prop(tree, NODE, "ibm,phandle", words(0x1234)),
        lambda tree: with_prop(
            with_prop(tree, NODE, "ibm,phandle", words(0x1234)), NODE, "linux,phandle", words(0x00CD4010)
        ),
        lambda tree: with_prop(tree, NODE, "phandle", None),
    ],
    "DRM006": [
        lambda tree: with_prop(tree, NODE, "phandle", words(0x7FFFFFF1)),
        # What counts is ibm,phandle.
        lambda tree: with_prop(
            with_prop(tree, NODE, "phandle", phandle_of(tree, "/rtas")), NODE, "ibm,phandle", words(9)
        ),
    ],
    "DRM007": [
        lambda tree: with_prop(tree, NODE, "phandle", words(0x80000020)),
        lambda tree: with_prop(tree, NODE, "phandle", words(2)),
    ],
    "DRM008": [grown(80_000), lambda tree: grown(90_000)(with_prop(tree, "/", "compatible", b"IBM,9009-22A\0"))],
    "DRM009": [lambda tree: with_child(tree, "/", Node("a,b._+#-1@8000,ff:2", (Property("a,b._+?#-1", b""),)))],
}


@pytest.mark.parametrize(("rule", "change"), cases(BREAKS))
def test_a_tree_breaks_exactly_this_rule(rule: str, change: Change) -> None:
    base = fixture(PLUGGED)
    follows = {"DRM050", "DRM067"} if rule == "DRM008" else set()
    assert broken_anew(base, change(base)) - follows == {rule}


@pytest.mark.parametrize(("rule", "change"), cases(MISSES))
def test_a_near_miss_does_not(rule: str, change: Change) -> None:
    base = fixture(PLUGGED)
    assert rule not in broken_anew(base, change(base))


def test_every_rule_of_the_family_has_both() -> None:
    assert {*BREAKS} == {*MISSES} == rules_of("blob")


def test_what_the_reader_remarks_of_real_bytes_reaches_the_rules() -> None:
    struct = Struct().begin().begin(b"a").end().prop(b"x", b"1").begin(b"a").end().prop(b"x", b"2").end().finish()
    tree = read_fdt(flattened(struct) + bytes(5))
    assert {"DRM001", "DRM002", "DRM003"} <= {*found(tree)}
    assert "Linux does not see it" in messages(tree, "DRM002")[0]


def test_bytes_behind_a_blob_are_counted() -> None:
    data = blob("trees/v2-empty") + b"more"
    assert messages(read_fdt(data), "DRM003") == ["4 bytes behind the end of the blob; nobody reads them"]


@pytest.mark.parametrize("name", ["trees/v1-huge-1T", "trees/v2-empty", "captures/7.2-lpm"])
def test_the_size_of_a_blob_is_that_of_what_is_written(name: str) -> None:
    tree = fixture(name)
    written = len(write_fdt(tree))
    assert written - 64 <= flattened_size(tree) <= written + 64


def test_qemu_limit_names_the_size_and_the_format() -> None:
    v1 = with_entries(fixture("trees/v1-huge-1T"), [Run(0, 1, 0, 0xFFFFFFFF, 0xA0)] * 90_000)
    assert "it cannot boot a guest" in messages(v1, "DRM008")[0]
    assert "does not know v2" in messages(grown(90_000)(fixture(PLUGGED)), "DRM008")[0]


def test_a_tree_of_duplicates_is_counted() -> None:
    tree = replace(fixture(PLUGGED), defects=tuple(Defect("duplicate-node", "one", f"/{n}") for n in range(500)))
    said = messages(tree, "DRM001")
    assert len(said) == 20
    assert said[-1] == "481 more places like these"


def test_many_nodes_of_one_phandle() -> None:
    tree = edited(
        fixture(PLUGGED),
        "/",
        lambda root: replace(
            root,
            children=(
                *root.children,
                *(Node(f"n@{n:x}", (Property("phandle", words(0x77)),)) for n in range(5000)),
            ),
        ),
    )
    assert messages(tree, "DRM006")[-1] == "4,980 more nodes like these"
    assert entries(tree)
