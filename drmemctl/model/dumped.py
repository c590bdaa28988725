# SPDX-License-Identifier: MIT
"""The LMB array of a dumped kernel as LMBs."""

from __future__ import annotations

from drmemctl.model.lmbs import LmbTable
from drmemctl.tree.dump import KernelDump


def array_in(dump: KernelDump) -> LmbTable | None:
    """Return the kernel's own array, None where the dump has none."""
    array = dump.array
    if array is None:
        return None
    return LmbTable.of(((1, base, drc, aa, flags) for base, drc, aa, flags in array), array.lmb_size)
