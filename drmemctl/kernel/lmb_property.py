# SPDX-License-Identifier: MIT
"""Which kernels make nothing, or something else, of what a tree says about its LMBs.

Source: Linux arch/powerpc/mm/drmem.c `drmem_init`, `walk_drmem_lmbs_early`; before 4.16 arch/powerpc/kernel/prom.c
`early_init_dt_scan_drconf_memory`.
"""

from __future__ import annotations

from drmemctl.formats.cells import LMB_SIZE, read_cells
from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.kernel.capabilities import DYNAMIC_MEMORY_V2, LMB_SIZE_U32
from drmemctl.kernel.profiles import Profile
from drmemctl.model.drmem import RootCells
from drmemctl.tree.node import Node, Tree


def reads_lmbs(node: Node | None, profile: Profile) -> bool:
    """Whether a kernel reads the LMBs of the drmem node, if there is one: up to 4.15 it knows v1 only."""
    return node is not None and (node.find(V1) is not None or profile.has(DYNAMIC_MEMORY_V2))


def other_lmbs(tree: Tree, profile: Profile) -> str:
    """Return why a kernel takes other LMBs for memory than the tree has, as what is said of it; else nothing."""
    node = tree.find(NODE)
    if node is None:
        return ""
    if not reads_lmbs(node, profile):
        return f"does not read {V2}" if node.find(V2) is not None else ""
    size = read_cells(node.get(LMB_SIZE) or b"", 0, RootCells.from_tree(tree).size)
    return f"keeps 32 bits of {LMB_SIZE}" if profile.has(LMB_SIZE_U32) and (size or 0) >> 32 else ""
