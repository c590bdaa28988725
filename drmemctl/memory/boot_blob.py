# SPDX-License-Identifier: MIT
"""`initial_boot_params`: the flattened tree that the kernel was started with, untouched by any later change.

Source: Linux drivers/of/fdt.c; /sys/firmware/fdt is the same bytes.
"""

from __future__ import annotations

from drmemctl.memory.kernel_memory import KernelMemory, is_pointer
from drmemctl.memory.physical import AbsentMemoryError

_MAGIC = b"\xd0\x0d\xfe\xed"
_LARGEST = 64 << 20
_SMALLEST = 128
_ROOT = b"ibm,dynamic-reconfiguration-memory"


def boot_blob(memory: KernelMemory) -> bytes | None:
    """Return the first blob of a pseries that a variable of the kernel points to, None where there is none."""
    tried: set[int] = set()
    for pages in (memory.image, memory.whole_image):
        for _, page in pages():
            for word in set(memory.pointers(page)) - tried:
                if is_pointer(word):
                    tried.add(word)
                    blob = _blob_at(memory, word)
                    if blob is not None:
                        return blob
    return None


def _blob_at(memory: KernelMemory, address: int) -> bytes | None:
    try:
        head = memory.read(address, 8)
        size = int.from_bytes(head[4:], "big")
        if not head.startswith(_MAGIC) or not _SMALLEST <= size <= _LARGEST:
            return None
        blob = memory.read(address, size)
    except AbsentMemoryError:
        return None
    return blob if _ROOT in blob or b"chrp" in blob else None
