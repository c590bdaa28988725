# SPDX-License-Identifier: MIT
"""Trees with several cores and their connectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drmemctl.kernel.profiles import Profile
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Node, Property, Tree
from tests.kernel.partitions import lmbs, tree, u32

FIRST = 0x10000000


def core(number: int, node: int, *, threads: int = 1, cache: int = 0) -> Node:
    """Return core `number`, whose connector is 0x10000000 + number; with a cache if it is to have one."""
    first = number * threads
    servers = range(first, first + threads)
    properties = (
        Property("device_type", b"cpu\0"),
        Property("reg", u32(first)),
        Property("ibm,my-drc-index", u32(FIRST + number)),
        Property("ibm,associativity", u32(2, node, first)),
        Property("ibm,ppc-interrupt-server#s", u32(*servers)),
        Property("phandle", u32(0x3000 + number)),
        *((Property("l2-cache", u32(cache)),) if cache else ()),
    )
    return Node(f"PowerPC,POWER9@{first:x}", properties)


def cache(number: int, phandle: int) -> Node:
    """Return a cache."""
    return Node(
        f"l2-cache@{number:x}", (Property("device_type", b"cache\0"), Property("ibm,phandle", u32(phandle)))
    )


def drc_info(*records: tuple[int, int, int]) -> bytes:
    """Return `ibm,drc-info` of CPUs: (first DRC index, how many, increment) each."""
    entries = (b"CPU\0CPU \0" + u32(start, 0, count, step, 0xFFFFFFFF) for start, count, step in records)
    return u32(len(records)) + b"".join(entries)


def with_cores(
    base: Tree,
    on_nodes: Sequence[int],
    *,
    connectors: int = 4,
    threads: int = 1,
    info: bytes | None = None,
    max_cores: int | None = None,
    caches: Sequence[int] = (),
    vphn: bool = False,
) -> Tree:
    """Return a tree with a core on each node named, and connectors for more.

    `caches` are the phandles of the caches of the cores; each is a node beside them.
    """
    listed = (*caches, *[0] * len(on_nodes))
    cores = [core(i, node, threads=threads, cache=listed[i]) for i, node in enumerate(on_nodes)]
    cores += [cache(0x2000 + i, phandle) for i, phandle in enumerate(dict.fromkeys(caches))]
    indexes = Property("ibm,drc-indexes", u32(connectors, *range(FIRST, FIRST + connectors)))
    parent = Node("cpus", (indexes if info is None else Property("ibm,drc-info", info),), tuple(cores))
    children = (parent if child.name == "cpus" else child for child in base.root.children)
    made = base.with_root(replace(base.root, children=tuple(children)))
    capacity = u32(1, 0, 0, 0x10000000, connectors if max_cores is None else max_cores)
    made = made.with_property("/rtas", "ibm,lrdr-capacity", capacity)
    return made.with_property("/rtas", "ibm,hypertas-functions", b"hcall-vphn\0") if vphn else made


def cpu_partition(
    on_nodes: Sequence[int] = (0, 0, 1),
    kernel: Profile | str = "latest",
    hypervisor: str = "powervm",
    **more: object,
) -> Simulation:
    """Return a partition with cores on these nodes, and memory on nodes 0 and 1."""
    base = with_cores(tree(lmbs(2, 2, 1, 8), lmbs(4, 4)), on_nodes, **more)  # type: ignore[arg-type]
    return Simulation(base, kernel, hypervisor)


def numbers(simulation: Simulation) -> dict[str, tuple[list[int], int]]:
    """Return the numbers of each CPU's threads that are online, and its node."""
    return {
        cpu.path.removeprefix("/cpus/PowerPC,POWER9@"): (
            [number for number, thread in zip(cpu.ids, cpu.threads, strict=True) if thread not in cpu.offline],
            cpu.node,
        )
        for cpu in simulation.state.cpus
    }


def names(simulation: Simulation) -> list[str]:
    """Return the names of the nodes below /cpus, in the order of the tree."""
    return [child.name.removeprefix("PowerPC,POWER9") for child in simulation.tree.node("/cpus").children]
