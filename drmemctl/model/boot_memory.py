# SPDX-License-Identifier: MIT
"""The memory that `memory@` nodes describe: there from boot on, outside the LMB array.

Source: Linux drivers/of/fdt.c `early_init_dt_scan_memory` (which nodes, `status`, `linux,usable-memory` in
place of `reg`, pairs of size 0 passed over, `hotpluggable`), arch/powerpc/mm/numa.c `parse_numa_properties`
(the node of each); LoPAR 2.9, "Memory Node".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from drmemctl.defect import Defect
from drmemctl.formats.memory_reg import (
    HOTPLUGGABLE,
    REG,
    USABLE_MEMORY,
    MemoryRange,
    MemoryReg,
    decode_reg,
    decode_usable_reg,
)
from drmemctl.model.associativity import DEFAULT_NODE, Associativity, domains_of
from drmemctl.model.drmem import RootCells
from drmemctl.model.platform import shows_absence
from drmemctl.model.run import ADDRESSES
from drmemctl.model.standard_properties import device_type, is_available
from drmemctl.tree.node import Node, Tree, per_tree


@dataclass(frozen=True, slots=True)
class MemoryNode:
    """A `memory@` node.

    Attributes:
        path: its path.
        is_typed: whether its `device_type` is `memory`, by which Linux knows it; else it is only called so.
        reg: the ranges of `reg`, those of size 0 left out.
        usable: the ranges of `linux,usable-memory`, to which kexec restricts a crash kernel; None without it.
        domains: its `ibm,associativity` without the length cell, None where it has none.
        node: the Linux node: 0 without `ibm,associativity`, None where that leads to none, or is not known.
        hotpluggable: whether Linux marks it as memory that can be taken away.
        available: whether `status` lets Linux use it.

    """

    path: str
    is_typed: bool
    reg: tuple[MemoryRange, ...]
    usable: tuple[MemoryRange, ...] | None
    domains: tuple[int, ...] | None
    node: int | None
    hotpluggable: bool
    available: bool

    @property
    def ranges(self) -> tuple[MemoryRange, ...]:
        """The memory that Linux takes from this node."""
        if not (self.available and self.is_typed):
            return ()
        return self.reg if self.usable is None else self.usable

    @property
    def size(self) -> int:
        """Bytes that Linux takes from this node."""
        return sum(part.size for part in self.ranges)


@dataclass(frozen=True, slots=True)
class BootMemory:
    """All memory nodes of a tree, in document order.

    Attributes:
        nodes: the nodes.
        defects: faults of their `reg` and `linux,usable-memory`, with path and offset.

    """

    nodes: tuple[MemoryNode, ...] = ()
    defects: tuple[Defect, ...] = ()

    @classmethod
    def from_tree(cls, tree: Tree, associativity: Associativity) -> BootMemory:
        """Return the memory nodes: children of the root whose `device_type` is `memory`."""
        defects: list[Defect] = []
        nodes = [node for node in memory_nodes(tree, associativity, defects) if node.is_typed]
        if not nodes and tree.kind != "fdt" and not shows_absence(tree):
            # Every partition has memory at 0; a whole tree without any is what DRM063 is about.
            message = "no memory node is shown: sums are without the memory that is there from boot on"
            defects.append(Defect("memory-not-shown", message))
        return cls(tuple(nodes), tuple(defects))

    @property
    def size(self) -> int:
        """Bytes that Linux takes from all of them."""
        return sum(node.size for node in self.nodes)


def memory_nodes(tree: Tree, associativity: Associativity, defects: list[Defect]) -> Iterator[MemoryNode]:
    """Yield the children of the root that are, or are called, memory; faults go into `defects`."""
    for node, faults in _without_linux_nodes(tree):
        defects += faults
        if associativity.unknown:
            place = None
        elif node.domains is None or associativity.primary_index is None:
            place = DEFAULT_NODE
        else:
            place = associativity.node_of_row(node.domains)
        yield replace(node, node=place)


@per_tree
def _without_linux_nodes(tree: Tree) -> tuple[tuple[MemoryNode, list[Defect]], ...]:
    """Return the nodes and their faults, but not where Linux has them, which the associativity says."""
    cells = RootCells.from_tree(tree)
    nodes = []
    for child in tree.root.children:
        is_typed = device_type(child) == "memory"
        if not is_typed and child.base_name != "memory":
            continue
        faults: list[Defect] = []
        node = MemoryNode(
            path="/" + child.name,
            is_typed=is_typed,
            reg=_ranges(child, REG, cells, faults) or (),
            usable=_ranges(child, USABLE_MEMORY, cells, faults),
            domains=domains_of(child),
            node=None,
            hotpluggable=child.find(HOTPLUGGABLE) is not None,
            available=is_available(child),
        )
        # What is only called so nobody takes, so that its faults are nobody's.
        nodes.append((node, faults if is_typed else []))
    return tuple(nodes)


def _ranges(node: Node, name: str, cells: RootCells, defects: list[Defect]) -> tuple[MemoryRange, ...] | None:
    prop = node.find(name)
    if prop is None:
        return None
    decode = decode_usable_reg if name == USABLE_MEMORY else decode_reg
    memory: MemoryReg = decode(prop.value, cells.address, cells.size, prop.total)
    defects += [defect.at("/" + node.name, name) for defect in memory.defects]
    # Linux reads numbers of more cells into 64 bits (`dt_mem_next_cell`).
    cut = (MemoryRange(part.base % ADDRESSES, part.size % ADDRESSES) for part in memory.ranges)
    return tuple(part for part in cut if part.size)
