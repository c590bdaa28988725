# SPDX-License-Identifier: MIT
"""The file that says where variables of a dumped kernel are: System.map, or vmlinux with its symbols."""

from __future__ import annotations

import os
from collections.abc import Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path

from drmemctl.errors import InputError, LimitError
from drmemctl.formats.file_magics import ELF
from drmemctl.formats.symbols import decode_symbols
from drmemctl.memory.kernel_memory import KernelMemory
from drmemctl.memory.symbols import PINNED, SHARED, relocated
from drmemctl.read_files import note_descriptor
from drmemctl.tree.plain_input import SYMBOLS

_LARGEST_MAP = 64 << 20


def named_symbols(memory: KernelMemory) -> Mapping[str, int]:
    """Return the addresses that the named file has for this kernel, none where none is named."""
    source = os.environ.get(SYMBOLS, "")
    if not source:
        return {}
    try:
        addresses = _read(source)
    except OSError as error:
        message = f"the symbols cannot be read: {error.strerror or error}"
        raise InputError(message, source=source, hint="name a System.map or vmlinux") from error
    if addresses is None:
        raise InputError(
            "this is neither a System.map nor an ELF file",
            source=source,
            hint="name /boot/System.map-RELEASE or vmlinux",
        )
    return relocated(memory, addresses, source)


def _read(source: str) -> dict[str, int] | None:
    names = frozenset((*PINNED, *SHARED))
    with Path(source).open("rb") as file:
        note_descriptor(file.fileno())
        size = os.fstat(file.fileno()).st_size
        if not size:
            return None
        # A vmlinux with debug information has hundreds of MiB, of which little is looked at.
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            if data[: len(ELF)] != ELF and size > _LARGEST_MAP:
                message = f"this text has more than {_LARGEST_MAP >> 20} MiB"
                raise LimitError(message, source=source, hint="a System.map has some 10 MiB")
            return decode_symbols(data, names)
