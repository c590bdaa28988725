# SPDX-License-Identifier: MIT
"""Trees to compare: pairs that real kernels went through, and small ones made of sets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.model.run import Run
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from tests.conftest import FIXTURES, blob

LMB = 1 << 28


@cache
def fixture(name: str) -> Tree:
    """Return the bundled tree called `name`."""
    return read_fdt(blob(name), name)


@cache
def record(name: str) -> dict[str, Any]:
    """Return what a real kernel did."""
    found: dict[str, Any] = json.loads((FIXTURES / f"captures/{name}.json").read_text())
    return found


def with_drmem(tree: Tree, properties: dict[str, str | None]) -> Tree:
    """Return the tree with these properties in its drmem node, and those of LMBs not named gone."""
    for name in (V1, V2):
        if name not in properties:
            tree = tree.with_property(NODE, name, None)
    for name, value in properties.items():
        tree = tree.with_property(NODE, name, None if value is None else bytes.fromhex(value))
    return tree


def after(name: str, step: int) -> Tree:
    """Return the tree of a capture after a step; step -1 is after boot."""
    found = record(name)
    properties = found["boot"]["properties"] if step < 0 else found["steps"][step]["properties"]
    return with_drmem(fixture(f"captures/{name}"), properties)


def cells(*values: int) -> bytes:
    """Return u32 cells."""
    return b"".join(value.to_bytes(4, "big") for value in values)


def partition(
    sets: Iterable[Run],
    arrays: Sequence[tuple[int, ...]] = ((0,), (1,), (2,)),
    *,
    lmb_size: int | None = LMB,
    form: str = V2,
    points: tuple[int, ...] = (1,),
) -> Tree:
    """Return a small form 1 partition with these sets (base, LMBs, DRC index, aa_index, flags)."""
    width = len(arrays[0]) if arrays else 0
    drmem = [
        Property(form, encode_entries(form, sets)),
        Property(LOOKUP_ARRAYS, encode_lookup_arrays(list(arrays), width)),
    ]
    if lmb_size is not None:
        drmem.insert(0, Property("ibm,lmb-size", lmb_size.to_bytes(8, "big")))
    vector = bytes([5, 0, 0x20, 0, 0, 0x80, 0])
    children = (
        Node("chosen", (Property("ibm,architecture-vec-5", vector),)),
        Node("rtas", (Property("ibm,associativity-reference-points", cells(*points)),)),
        Node(NODE[1:], tuple(drmem)),
    )
    root = (Property("#address-cells", cells(2)), Property("#size-cells", cells(2)))
    return Tree(Node("", root, children), "test")
