# SPDX-License-Identifier: MIT
"""Small partitions, made by hand: what a test is about is what it states."""

from __future__ import annotations

from collections.abc import Sequence

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.model.run import Run
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Node, Property, Tree

LMB = 1 << 28
UNSET = 0xFFFFFFFF
DRC = 0x80000000

DOMAINS = 4
"""Possible nodes: 0 to 3."""

DISTANCES = [10 if one == other else 20 for one in range(DOMAINS) for other in range(DOMAINS)]
"""What form 2, which was agreed on, wants to know of each pair of them."""


def u32(*cells: int) -> bytes:
    """Return cells as bytes."""
    return b"".join(cell.to_bytes(4, "big") for cell in cells)


def lmbs(first: int, count: int, aa: int = UNSET, flags: int = 0) -> Run:
    """Return LMBs `first` on: LMB n is at n times 256 MiB and has DRC index 0x80000000 + n."""
    return Run(first * LMB, count, DRC + first, aa, flags)


BOOT_MEMORY = lmbs(0, 2, UNSET, 0xA0)
"""LMBs that are described by memory nodes: reserved, and without a valid DRC index."""


def drmem_node(
    entries: Sequence[Run], *, rows: Sequence[tuple[int, ...]] = ((0,), (1,)), v1: bool = False, size: int = LMB
) -> Node:
    """Return the drmem node."""
    name = V1 if v1 else V2
    single = [
        Run(base + i * size, 1, drc + i, aa, flags)
        for base, count, drc, aa, flags in entries
        for i in range(count)
    ]
    return Node(
        NODE[1:],
        (
            Property("ibm,lmb-size", size.to_bytes(8, "big")),
            Property(LOOKUP_ARRAYS, encode_lookup_arrays(list(rows), len(rows[0]) if rows else 1)),
            Property(name, encode_entries(name, single if v1 else entries)),
            Property("phandle", u32(0x1234)),
        ),
    )


def memory_node(base: int, size: int, node: int = 0) -> Node:
    """Return a `memory@` node."""
    properties = (
        Property("device_type", b"memory\0"),
        Property("reg", base.to_bytes(8, "big") + size.to_bytes(8, "big")),
        Property("ibm,associativity", u32(1, node)),
        Property("phandle", u32(0x2000 + base // LMB)),
    )
    return Node(f"memory@{base:x}", properties)


def cpus(node: int = 0) -> Node:
    """Return `/cpus` with one core."""
    core = (
        Property("device_type", b"cpu\0"),
        Property("reg", u32(0)),
        Property("ibm,associativity", u32(2, node, 0)),
        Property("phandle", u32(0x3000)),
    )
    return Node("cpus", (), (Node("PowerPC,POWER9@0", core),))


def tree(
    *entries: Run,
    rows: Sequence[tuple[int, ...]] = ((0,), (1,)),
    v1: bool = False,
    size: int = LMB,
    bootargs: str = "",
    memory: Sequence[Node] | None = None,
    more: Sequence[Node] = (),
    cpu_node: int = 0,
) -> Tree:
    """Return a tree with 512 MiB of boot memory on node 0 and the LMBs described."""
    vector = b"\x19" + bytes(4) + b"\xe0\x05" + bytes(19)
    children = (
        *((memory_node(0, 2 * LMB),) if memory is None else memory),
        cpus(cpu_node),
        Node(
            "rtas",
            (
                Property("ibm,associativity-reference-points", u32(1)),
                Property("ibm,max-associativity-domains", u32(1, DOMAINS)),
                Property("ibm,numa-lookup-index-table", u32(DOMAINS, *range(DOMAINS))),
                Property("ibm,numa-distance-table", u32(DOMAINS**2) + bytes(DISTANCES)),
            ),
        ),
        Node(
            "chosen",
            (
                Property("bootargs", bootargs.encode() + b"\0"),
                Property("ibm,architecture-vec-5", vector),
                Property("phandle", u32(0x4000)),
            ),
        ),
        *((drmem_node((BOOT_MEMORY, *entries), rows=rows, v1=v1, size=size),) if entries else ()),
        *more,
    )
    root = (Property("#address-cells", u32(2)), Property("#size-cells", u32(2)))
    return Tree(Node("", root, children))


def partition(*entries: Run, kernel: str = "latest", hypervisor: str = "powervm", v1: bool = False) -> Simulation:
    """Return a simulated partition with those LMBs."""
    return Simulation(tree(*entries, v1=v1), kernel, hypervisor)


def aa_of(simulation: Simulation, lmb: int) -> int:
    """Return the aa_index that the array holds for LMB n."""
    index = simulation.state.table.index_of_drc(DRC + lmb)
    assert index is not None
    return simulation.state.table.lmb(index).aa_index


def assigned(simulation: Simulation) -> list[int]:
    """Return the numbers of the LMBs that the array has as assigned."""
    return [lmb.drc_index - DRC for lmb in simulation.state.table.lmbs(1 << 20) if lmb.flags & 8]


def nodes(simulation: Simulation) -> dict[int, int]:
    """Return the node of each memory block."""
    return dict(simulation.state.blocks)


def properties_of(simulation: Simulation) -> dict[str, bytes]:
    """Return the properties of the drmem node."""
    node = simulation.tree.find(NODE)
    return {} if node is None else {prop.name: prop.value for prop in node.properties}
