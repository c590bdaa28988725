# SPDX-License-Identifier: MIT
"""The memory block size of a pseries kernel.

Source: Linux hotplug-memory.c `pseries_memory_block_size` (up to 6.5), arch/powerpc/mm/init_64.c
`probe_memory_block_size` (since 6.6).
"""

from __future__ import annotations

from drmemctl.formats.cells import LMB_SIZE, read_cells
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.memory_reg import REG, USABLE_MEMORY, decode_reg
from drmemctl.kernel.capabilities import BLOCK_SIZE_U32
from drmemctl.kernel.memory_capabilities import BLOCK_SIZE_PROBE
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.sections import MIN_BLOCK_SIZE
from drmemctl.model.drmem import RootCells
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Tree, per_tree

_PROBED_FROM = 1 << 30


def block_size_of(tree: Tree, profile: Profile) -> int:
    """Return the block size in bytes, suitable or not."""
    if tree.find(NODE) is None:
        return _probed(tree) if profile.has(BLOCK_SIZE_PROBE) else second_memory_node(tree)[1]
    data = tree.get(NODE, LMB_SIZE)
    size = None if data is None else read_cells(data, 0, RootCells.from_tree(tree).size)
    if size is None:
        return MIN_BLOCK_SIZE
    return size & 0xFFFFFFFF if profile.has(BLOCK_SIZE_U32) else size


@per_tree
def second_memory_node(tree: Tree) -> tuple[str, int]:
    """Return path and size of the memory node that follows the one at 0, which used to have the size of an LMB.

    That size is the block size of kernels before `probe_memory_block_size`; without such a node it is 16 MiB.
    """
    cells = RootCells.from_tree(tree)
    sizes: dict[str, int] = {}
    for child in tree.root.children:
        reg = child.get(REG) if device_type(child) == "memory" else None
        for part in () if reg is None else decode_reg(reg, cells.address, cells.size).ranges[:1]:
            sizes.setdefault(child.name, part.size)
    first = sizes.get("memory@0")
    name = f"memory@{first:x}" if first else ""
    return (f"/{name}", sizes[name]) if name in sizes else ("/", MIN_BLOCK_SIZE)


@per_tree
def _probed(tree: Tree) -> int:
    """Return the size, from 1 GiB down, that memory nodes leave: one bit of their sizes is tested.

    The sizes are those of linux,usable-memory where a node has it, and of reg where it has not.
    """
    cells = RootCells.from_tree(tree)
    block = _PROBED_FROM
    for child in tree.root.children:
        if device_type(child) != "memory":
            continue
        usable = child.get(USABLE_MEMORY)
        ranges = child.get(REG) if usable is None else usable
        for part in () if ranges is None else decode_reg(ranges, cells.address, cells.size).ranges:
            while block > MIN_BLOCK_SIZE and part.size & block:
                block >>= 2
    return block
