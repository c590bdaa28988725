# SPDX-License-Identifier: MIT
"""Writing the array back to the tree (Linux arch/powerpc/mm/drmem.c `drmem_update_dt`)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED, NODE, V1, V2, encode_entries
from drmemctl.kernel.capabilities import DYNAMIC_MEMORY_V2
from drmemctl.kernel.errno import EPERM
from drmemctl.kernel.job import Fault, Job
from drmemctl.kernel.notifier import set_property
from drmemctl.model.lmbs import Entry, LmbTable

_V1_CELL = 24
"""sizeof(struct of_drconf_cell_v1): the writer takes an address for 64 bits, whatever #address-cells says."""

_FLAGS = ~KERNEL_TOUCHED


def drmem_update_dt(job: Job) -> int:
    """Regenerate the property that the tree has from the array; -1 if it has none."""
    node = job.state.tree.find(NODE)
    old_v1 = None if node is None else node.get(V1)
    if node is None or (old_v1 is None and node.get(V2) is None):
        return EPERM
    if old_v1 is not None:
        set_property(job, NODE, V1, _encode_v1(job, old_v1), own=True)
    else:
        set_property(job, NODE, V2, encode_v2(job.state.table), own=True)
    return 0


def _encode_v1(job: Job, old: bytes) -> bytes:
    """Return as many bytes as the old property had: the array, then zeros."""
    data = encode_v1(job.state.table)
    if len(data) > len(old):
        message = f"{len(data)} bytes are written into a property of {len(old)}: the heap behind it is overwritten"
        job.faults.append(Fault("heap-overrun", message, "drmem_update_dt_v1", NODE, V1))
    return data[: len(old)].ljust(len(old), b"\0")


def encode_v1(table: LmbTable) -> bytes:
    """Return all LMBs one by one; the reserved word is left 0."""
    parts = [struct.pack(">I", table.n_lmbs & 0xFFFFFFFF)]
    size = table.lmb_size or 0
    pack = struct.Struct(">QIIII").pack
    for count, base, drc, aa, flags in table.runs.entries():
        parts += [
            pack((base + i * size) & 0xFFFFFFFFFFFFFFFF, (drc + i) & 0xFFFFFFFF, 0, aa, flags & _FLAGS)
            for i in range(count)
        ]
    return b"".join(parts)


def encode_v2(table: LmbTable) -> bytes:
    """Return the sets that `drmem_update_dt_v2` makes: a new one only where aa_index or flags change.

    It looks at neither address nor DRC index, so that neighbours in the array with equal attributes become one
    set even where they are not contiguous; all but the first then read back wrongly.
    """
    return encode_entries(V2, list(_sets(table)))


def _sets(table: LmbTable) -> Iterator[Entry]:
    held: Entry | None = None
    for count, base, drc, aa, flags in table.runs.entries():
        if held is not None and held[3:] == (aa, flags & _FLAGS):
            held = (held[0] + count, *held[1:])
            continue
        if held is not None:
            yield held
        held = (count, base, drc, aa, flags & _FLAGS)
    if held is not None:
        yield held


def write_through(job: Job) -> None:
    """Put a change of an LMB into the property at once, as kernels without an array do.

    They keep each LMB's own entry (`dlpar_update_device_tree_lmb`); a v2 set is split where it has to be.
    """
    node = job.state.tree.find(NODE)
    if node is None:
        return
    old = node.get(V1)
    if old is not None:
        set_property(job, NODE, V1, _encode_v1(job, old), own=True)
    elif job.has(DYNAMIC_MEMORY_V2) and node.get(V2) is not None:
        entries = [
            (n, base, drc, aa, flags & _FLAGS) for n, base, drc, aa, flags in job.state.table.runs.entries()
        ]
        set_property(job, NODE, V2, encode_entries(V2, entries), own=True)
