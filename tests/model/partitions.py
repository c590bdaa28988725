# SPDX-License-Identifier: MIT
"""Small partitions as trees, put together from numbers; shares no encoder with the code under test."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from tests.conftest import FIXTURES, blob

LMB = 1 << 28
FORM1, FORM2 = 0x80, 0x20

ASSIGNED, RESERVED, AI_INVALID, HOT_REMOVABLE = 0x8, 0x80, 0x40, 0x100


def cells(*values: int) -> bytes:
    """Return u32 cells."""
    return struct.pack(f">{len(values)}I", *values)


def node(name: str, *children: Node, **properties: bytes) -> Node:
    """Return a node; a property `ibm__lmb_size` is `ibm,lmb-size`, one without `__` is named as it stands."""
    named = (
        (key.replace("__", ",").replace("_", "-") if "__" in key else key, properties[key]) for key in properties
    )
    return Node(name, tuple(Property(key, value) for key, value in named), children)


def listed(domains: Sequence[int] | None) -> dict[str, bytes]:
    """Return `ibm,associativity` with its length cell, or nothing."""
    return {} if domains is None else {"ibm__associativity": cells(len(domains), *domains)}


def memory(base: int, size: int, domains: Sequence[int] | None = None, **properties: bytes) -> Node:
    """Return a memory node."""
    reg = struct.pack(">QQ", base, size)
    return node(f"memory@{base:x}", device_type=b"memory\0", reg=reg, **listed(domains), **properties)


def cpu(first: int, threads: int = 1, domains: Sequence[int] | None = None, **properties: bytes) -> Node:
    """Return a cpu node."""
    servers = {"ibm__ppc_interrupt_server#s": cells(*range(first, first + threads))}
    return node(
        f"cpu@{first:x}", device_type=b"cpu\0", reg=cells(first), **servers, **listed(domains), **properties
    )


def drmem(
    sets: Iterable[tuple[int, int, int, int, int]] = (),
    arrays: Sequence[Sequence[int]] = (),
    lmb_size: int | None = LMB,
    **properties: bytes,
) -> Node:
    """Return the drmem node with a v2 property of sets (count, base, DRC index, aa_index, flags)."""
    entries = [struct.pack(">IQIII", *entry) for entry in sets]
    width = len(arrays[0]) if arrays else 0
    rows = cells(len(arrays), width, *(domain for row in arrays for domain in row))
    size = {} if lmb_size is None else {"ibm__lmb_size": struct.pack(">Q", lmb_size)}
    return node(
        "ibm,dynamic-reconfiguration-memory",
        **size,
        ibm__associativity_lookup_arrays=rows,
        ibm__dynamic_memory_v2=cells(len(entries)) + b"".join(entries),
        **properties,
    )


def partition(
    *children: Node,
    byte5: int = FORM1,
    points: Sequence[int] | None = (1,),
    cpus: Sequence[Node] = (),
    rtas: dict[str, bytes] | None = None,
    root: dict[str, bytes] | None = None,
) -> Tree:
    """Return a tree with what every partition has; `byte5` is that of option vector 5."""
    vector = bytes([5, 0, 0x20, 0, 0, byte5, 0])
    found = {} if points is None else {"ibm__associativity_reference_points": cells(*points)}
    whole = node(
        "",
        node("chosen", ibm__architecture_vec_5=vector),
        node("rtas", **found, **(rtas or {})),
        node("cpus", *cpus),
        *children,
        **{"#address-cells": cells(2), "#size-cells": cells(2), "device_type": b"chrp\0", **(root or {})},
    )
    return Tree(whole, "test")


def fixture_tree(name: str) -> Tree:
    """Return a bundled tree."""
    return read_fdt(blob(name), name)


KERNEL_ARRAYS = sorted(
    path.name.removesuffix(".sysfs.json") for path in FIXTURES.glob("kernel-arrays/*.sysfs.json")
)
CAPTURES = sorted(path.stem for path in FIXTURES.glob("captures/*.json"))


def sysfs(name: str) -> dict[str, Any]:
    """Return what a running kernel said: `nodes` with `distance` and `memory_blocks`, `block_size`."""
    return _json(FIXTURES / f"kernel-arrays/{name}.sysfs.json")


def kernel_lmbs(name: str) -> list[list[int]]:
    """Return the LMB array out of a running kernel's memory: base, DRC index, aa_index, flags."""
    with gzip.open(FIXTURES / f"kernel-arrays/{name}.lmbs.json.gz") as stream:
        found = json.load(stream)
    lmbs: list[list[int]] = found["lmbs"] if isinstance(found, dict) else found
    return lmbs


def capture(name: str) -> dict[str, Any]:
    """Return the record of a run of a real kernel."""
    return _json(FIXTURES / f"captures/{name}.json")


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found
