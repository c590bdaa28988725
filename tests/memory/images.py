# SPDX-License-Identifier: MIT
"""Small memories of kernels, written word by word: what no recorded dump has."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from drmemctl.memory.kernel_memory import KernelMemory
from drmemctl.memory.physical import LINEAR, AbsentMemoryError

SIZE = 1 << 20
NODE_DATA = 0x8000
"""Where the variable node_data is, around which others are looked for."""


class Image:
    """A memory of 1 MiB from address 0 on, as a dump holds it; `holes` are pages that it lacks."""

    form = "an image"
    cut = ""
    is_slow = False

    def __init__(self, byte_order: str = "<", **vmcoreinfo: int) -> None:
        """Make one; `vmcoreinfo` has its lines: SYMBOL_x, OFFSET_a__b, SIZE_x, LENGTH_x, NUMBER_x, PAGESIZE."""
        self.byte_order = byte_order
        self.data = bytearray(SIZE)
        self.holes: set[int] = set()
        self.has_note = True
        self._lines = {"OSRELEASE": "6.1.0", "SYMBOL(node_data)": f"{LINEAR + NODE_DATA:x}"}
        for key, value in vmcoreinfo.items():
            kind, _, name = key.partition("_")
            name = name.replace("__", ".")
            text = f"{LINEAR + value:x}" if kind == "SYMBOL" else str(value)
            self._lines[f"{kind}({name})" if name else kind] = text
        self.put(NODE_DATA, "Q", LINEAR + 0x9000)

    @property
    def text_of_vmcoreinfo(self) -> bytes:
        """What the kernel tells dump tools."""
        return "".join(f"{key}={value}\n" for key, value in self._lines.items()).encode()

    @property
    def vmcoreinfo(self) -> bytes | None:
        """The note that has it; a dump of QEMU has none."""
        return self.text_of_vmcoreinfo if self.has_note else None

    def put(self, address: int, form: str, *values: int) -> None:
        """Write numbers of the kernel's byte order."""
        struct.pack_into(self.byte_order + form, self.data, address, *values)

    def text(self, address: int, text: bytes) -> int:
        """Write a text with its NUL; return the pointer to it."""
        self.data[address : address + len(text) + 1] = text + b"\0"
        return LINEAR + address

    def read(self, address: int, size: int) -> bytes:
        """Return memory as a dump does."""
        pages = range(address >> 12, (address + size + 0xFFF) >> 12)
        if address + size > SIZE or self.holes.intersection(pages):
            raise AbsentMemoryError(f"physical address {address:#x} is not in the dump")
        return bytes(self.data[address : address + size])

    peek = read

    def forget(self) -> None:
        pass

    def has(self, address: int) -> bool:
        """Whether a page is there."""
        return address < SIZE and address >> 12 not in self.holes

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield all of it."""
        yield 0, SIZE

    def kernel(self) -> KernelMemory:
        """Return it as a kernel's memory."""
        return KernelMemory(self, "image")
