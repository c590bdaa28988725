# SPDX-License-Identifier: MIT
"""`initial_boot_params`: the flattened tree that the kernel was started with, untouched by any later change.

Source: Linux drivers/of/fdt.c; /sys/firmware/fdt is the same bytes.
"""

from __future__ import annotations

from itertools import chain

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.fdt_header import MAGIC
from drmemctl.memory.file import Allowance
from drmemctl.memory.kernel_memory import KernelMemory
from drmemctl.memory.physical import AbsentMemoryError
from drmemctl.memory.symbols import not_there, pointer_at

_LARGEST = 64 << 20
_SMALLEST = 128
_DRMEM = NODE.strip("/").encode()


def boot_blob(memory: KernelMemory) -> bytes | None:
    """Return the first blob of a pseries that a variable of the kernel points to, None where there is none."""
    blobs = Allowance(_LARGEST, "too much looks like the tree of boot", memory.source)
    if "initial_boot_params" in memory.pinned:
        blob = _blob_at(memory, pointer_at(memory, "initial_boot_params"), blobs)
        if blob is None:
            raise not_there(memory, "initial_boot_params", "a flattened tree that is in the dump")
        return blob
    for address in chain(memory.pointers(memory.image()), memory.pointers(memory.whole_image())):
        blob = _blob_at(memory, address, blobs)
        if blob is not None and (_DRMEM in blob or b"chrp" in blob):
            return blob
    return None


def _blob_at(memory: KernelMemory, address: int, blobs: Allowance) -> bytes | None:
    try:
        head = memory.read(address, 8)
        size = int.from_bytes(head[4:], "big")
        if not head.startswith(MAGIC) or not _SMALLEST <= size <= _LARGEST:
            return None
        blobs.spend(size)
        blob = memory.read(address, size)
    except AbsentMemoryError:
        return None
    return blob
