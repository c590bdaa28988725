# SPDX-License-Identifier: MIT
"""The LMB array of a dumped kernel as LMBs."""

from __future__ import annotations

from drmemctl.errors import NotInTreeError
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.node import KernelDump, Tree

ARRAY = "drmem_info"
"""Where the LMBs of the array stand: the name of the kernel's variable, in place of a property's."""


def array_in(dump: KernelDump) -> LmbTable | None:
    """Return the kernel's own array, None where the dump has none."""
    array = dump.array
    if array is None:
        return None
    return LmbTable.of((Run(base, 1, drc, aa, flags) for base, drc, aa, flags in array), array.lmb_size, ARRAY)


def array_of(tree: Tree) -> LmbTable:
    """Return the kernel's own array; `NotInTreeError` where the input is no dump, or has none."""
    array = None if tree.dump is None else array_in(tree.dump)
    if array is None:
        message = "this is no kernel dump, and only those have the kernel's LMB array"
        if tree.dump is not None:
            message = "the kernel's LMB array (drmem_info) is not found in this dump"
        raise NotInTreeError(message, source=tree.source, hint="--from tree shows the LMBs of the device tree")
    return array
