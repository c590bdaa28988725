# SPDX-License-Identifier: MIT
"""The processors: a `cpu` node is a core, its interrupt servers are its threads.

Source: Linux arch/powerpc/kernel/setup-common.c `smp_setup_cpu_maps` (threads, `status`), arch/powerpc/mm/numa.c
`parse_numa_properties` and `numa_setup_cpu` (node); LoPAR 2.9, "CPU Node Properties".
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.formats.rows import words
from drmemctl.model.associativity import Associativity, domains_of
from drmemctl.model.standard_properties import device_type, is_available
from drmemctl.tree.node import Tree

CPUS = "/cpus"
INTERRUPT_SERVERS = "ibm,ppc-interrupt-server#s"
PFT_SIZE = "ibm,pft-size"


@dataclass(frozen=True, slots=True)
class Core:
    """A core that is present.

    Attributes:
        path: its path.
        threads: the interrupt server numbers of its threads, Linux's hardware CPU ids.
        domains: its associativity list without the length cell, None where it has none.
        node: the Linux node that its list leads to, None where it leads to none.

    """

    path: str
    threads: array[int]
    domains: tuple[int, ...] | None
    node: int | None


def cores(tree: Tree, associativity: Associativity) -> Iterator[Core]:
    """Yield the cores that are present, in document order."""
    parent = tree.find(CPUS)
    for node in () if parent is None else parent.children:
        if device_type(node) == "cpu" and is_available(node):
            # QEMU and PowerVM end a CPU's list with the CPU's own id: one more than memory's lists have, which
            # changes nothing, since positions count from the front.
            domains = domains_of(node)
            place = None if domains is None else associativity.node_of_row(domains)
            servers = node.get(INTERRUPT_SERVERS)
            if servers is None:  # an old tree; a core without threads, as in smp_setup_cpu_maps
                servers = (node.get("reg") or b"")[:4]
            yield Core(f"{CPUS}/{node.name}", words(servers), domains, place)
