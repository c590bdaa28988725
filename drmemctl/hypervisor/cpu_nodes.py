# SPDX-License-Identifier: MIT
"""The node that ibm,configure-connector describes for a CPU, and those of its caches.

Source: QEMU hw/ppc/spapr.c `spapr_core_dt_populate`, `spapr_dt_cpu`; LoPAR 2.9, "CPU Node Properties".
"""

from __future__ import annotations

from dataclasses import replace

from drmemctl.formats.associativity import ASSOCIATIVITY, encode_associativity
from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.formats.rows import words
from drmemctl.model.associativity import domains_of
from drmemctl.model.caches import cache_chain
from drmemctl.model.processors import CPUS, INTERRUPT_SERVERS
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Tree

_GLOBAL_SERVERS = "ibm,ppc-interrupt-gserver#s"


def cpu_nodes(tree: Tree, drc_index: int, placed: tuple[int, ...]) -> tuple[Node, ...]:
    """Return the node of a CPU, as the tree of boot has it or like one that is there, and those of its caches.

    `placed` is where the hypervisor's user has put it, without the CPU's own id; empty for where it was.
    """
    parent = tree.find(CPUS)
    cores = [] if parent is None else [child for child in parent.children if device_type(child) == "cpu"]
    own = next((core for core in cores if core.get(MY_DRC_INDEX) == drc_index.to_bytes(4, "big")), None)
    if own is None and not cores:
        return ()
    node = _core_like(cores, drc_index) if own is None else own
    if placed:
        domains = domains_of(node) or ()
        # QEMU and PowerVM end a CPU's list with its own id: one more than the lists of memory have.
        more = domains[len(placed) :][:1] or (_number(node.get("reg")),)
        node = node.with_property(ASSOCIATIVITY, encode_associativity((*placed, *more)))
    caches = () if own is None else cache_chain(tree, f"{CPUS}/{own.name}")
    return (node, *(tree.node(cache) for cache in caches if cache.rpartition("/")[0] == CPUS))


def _number(cell: bytes | None) -> int:
    return int.from_bytes((cell or b"")[:4], "big")


def _core_like(cores: list[Node], drc_index: int) -> Node:
    """Return a core like the first, for a connector that had none at boot."""
    core = cores[0]
    first, old = _number(core.get("reg")), _number(core.get(MY_DRC_INDEX))
    servers = words(core.get(INTERRUPT_SERVERS) or b"")
    # QEMU counts connectors by threads, PowerVM by cores.
    by_threads = all(
        _number(sibling.get("reg")) == _number(sibling.get(MY_DRC_INDEX)) & 0x0FFFFFFF for sibling in cores
    )
    n_threads = max(1, len(servers))
    reg = first + (drc_index - old) * (1 if by_threads and (drc_index - old) % n_threads == 0 else n_threads)
    values = {
        MY_DRC_INDEX: drc_index.to_bytes(4, "big"),
        "reg": _cell(reg),
        INTERRUPT_SERVERS: b"".join(_cell(server - first + reg) for server in servers),
    }
    if core.get(_GLOBAL_SERVERS) is not None:
        values[_GLOBAL_SERVERS] = b"".join(_cell(server - first + reg) + bytes(4) for server in servers)
    domains = domains_of(core)
    if domains and domains[-1] == first:
        values[ASSOCIATIVITY] = encode_associativity((*domains[:-1], reg & 0xFFFFFFFF))
    for name, value in values.items():
        core = core.with_property(name, value)
    return replace(core, name=f"{core.base_name}@{reg & 0xFFFFFFFF:x}")


def _cell(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "big")
