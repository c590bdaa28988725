# SPDX-License-Identifier: MIT
"""`/ibm,dynamic-reconfiguration-memory` as a whole: which property counts, the LMB size, the LMB table.

Source: Linux arch/powerpc/mm/drmem.c `drmem_init`, `walk_drmem_lmbs`, `init_drmem_lmb_size`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from drmemctl.defect import Defect
from drmemctl.errors import LimitError, NotInTreeError
from drmemctl.formats.cells import LMB_SIZE, decode_lmb_size
from drmemctl.formats.dynamic_memory import NODE, V1, V2, Entries, decode_entries
from drmemctl.model.lmbs import LmbTable
from drmemctl.model.platform import why_no_drmem
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Node, Tree

PAPR_CELLS = 2
"""#address-cells and #size-cells of every PAPR root; what a dump without them is read with."""


class RootCells(NamedTuple):
    """The root's `#address-cells` and `#size-cells`, by which every address in the tree is read."""

    address: int
    size: int

    @classmethod
    def from_tree(cls, tree: Tree) -> RootCells:
        """Return the root's cells; a dump that does not show them is read with PAPR's 2 and 2."""
        return cls(_cells(tree.root, "#address-cells"), _cells(tree.root, "#size-cells"))


def _cells(root: Node, name: str) -> int:
    data = root.get(name)
    return int.from_bytes(data[:4], "big") if data is not None and len(data) >= 4 else PAPR_CELLS


@dataclass(frozen=True, slots=True)
class Drmem:
    """What the node says about LMBs.

    Attributes:
        table: the LMBs; empty where the node has neither property.
        entries: the property as it is encoded, entry by entry; None where the node has neither.
        cells: the root's cells.
        defects: faults of the properties read, with path and offset.

    """

    table: LmbTable
    entries: Entries | None
    cells: RootCells
    defects: tuple[Defect, ...]

    @classmethod
    def from_tree(cls, tree: Tree, most: int | None = LIMITS.max_runs) -> Drmem:
        """Read the node as Linux does: v1 wins over v2. `NotInTreeError` if there is no such node.

        `LimitError` if there are more than `most` runs; None is for those who only go through them once.
        """
        node = drmem_node(tree)
        cells = RootCells.from_tree(tree)
        lmb_size, defects = _lmb_size(node, cells)
        name = next((name for name in (V1, V2) if node.find(name) is not None), None)
        if name is None:
            defects.append(Defect("drmem-no-property", f"neither {V1} nor {V2} is there", NODE))
            return cls(LmbTable.of((), lmb_size), None, cells, tuple(defects))
        prop = node.find(name)
        assert prop is not None  # noqa: S101 - just found
        entries = decode_entries(name, prop.value, cells.address, prop.total)
        defects += [defect.at(NODE, name) for defect in entries.defects]
        if name == V1 and node.find(V2) is not None:
            defects.append(Defect("drmem-both", f"{V2} is there as well; Linux reads {V1} only", NODE, V2))
        try:
            table = LmbTable.of_property(entries, lmb_size, most)
        except LimitError as error:
            error.source, error.path, error.property = tree.source or None, NODE, name
            raise
        return cls(table, entries, cells, tuple(defects))


def _lmb_size(node: Node, cells: RootCells) -> tuple[int | None, list[Defect]]:
    prop = node.find(LMB_SIZE)
    if prop is None:
        return None, [Defect("lmb-size-absent", f"no {LMB_SIZE}: Linux takes none of its LMBs", NODE, LMB_SIZE)]
    size = decode_lmb_size(prop.value, cells.size, prop.total)
    return size.value, [defect.at(NODE, LMB_SIZE) for defect in size.defects]


def drmem_node(tree: Tree) -> Node:
    """Return the node, or raise `NotInTreeError` with the likely reason for its absence."""
    node = tree.find(NODE)
    if node is not None:
        return node
    reason, hint = why_no_drmem(tree)  # only where something is wrong
    message = f"no node {NODE}: {reason}"
    raise NotInTreeError(message, source=tree.source, hint=hint)
