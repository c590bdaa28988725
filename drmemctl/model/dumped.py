# SPDX-License-Identifier: MIT
"""The LMB array of a dumped kernel as LMBs."""

from __future__ import annotations

from drmemctl.errors import NotInTreeError
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree

ARRAY = "drmem_info"
"""The kernel's variable: what stands for the property of the LMBs where the array is shown."""


def array_in(tree: Tree) -> LmbTable | None:
    """Return the kernel's own array, None where the input is no dump or has none.

    It is of no property: what rules say of its LMBs, they say of the tree's.
    """
    array = None if tree.dump is None else tree.dump.array
    if array is None:
        return None
    return LmbTable.of((Run(base, 1, drc, aa, flags) for base, drc, aa, flags in array), array.lmb_size)


def no_array(tree: Tree) -> NotInTreeError:
    """Return the error that there is no array to show."""
    message = "this is no kernel dump, and only those have the kernel's LMB array"
    if tree.dump is not None:
        message = "the kernel's LMB array (drmem_info) is not found in this dump"
    return NotInTreeError(message, source=tree.source, hint="--from tree shows the LMBs of the device tree")
