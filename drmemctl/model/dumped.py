# SPDX-License-Identifier: MIT
"""The LMB array of a dumped kernel as LMBs."""

from __future__ import annotations

from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.dump import KernelDump


def array_in(dump: KernelDump) -> LmbTable | None:
    """Return the kernel's own array, None where the dump has none."""
    array = dump.array
    if array is None:
        return None
    return LmbTable.of((Run(base, 1, drc, aa, flags) for base, drc, aa, flags in array), array.lmb_size)
