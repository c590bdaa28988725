# SPDX-License-Identifier: MIT
"""A builder of flattened trees for tests, sound or broken in any way. Shares no code with the reader under test.

Source: Devicetree Specification v0.4, chapter 5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9

FIELDS = (
    "magic",
    "totalsize",
    "off_dt_struct",
    "off_dt_strings",
    "off_mem_rsvmap",
    "version",
    "last_comp_version",
    "boot_cpuid_phys",
    "size_dt_strings",
    "size_dt_struct",
)
"""The words of the header, in order."""

ORDER = ("reservations", "struct", "strings")


@dataclass
class Struct:
    """A structure block and the names that it uses, written token by token; every method returns self."""

    data: bytearray = field(default_factory=bytearray)
    strings: bytearray = field(default_factory=bytearray)
    names: dict[bytes, int] = field(default_factory=dict)

    @property
    def at(self) -> int:
        """Where the next token comes to stand in the block."""
        return len(self.data)

    def word(self, value: int) -> Struct:
        """Write a word, of whatever value."""
        self.data += struct.pack(">I", value)
        return self

    def raw(self, data: bytes) -> Struct:
        """Write bytes, and zeros up to the next word."""
        self.data += data + bytes(-len(data) % 4)
        return self

    def begin(self, name: bytes = b"") -> Struct:
        return self.word(BEGIN_NODE).raw(name + b"\0")

    def prop(
        self, name: bytes, value: bytes = b"", *, length: int | None = None, name_offset: int | None = None
    ) -> Struct:
        """Write a property; `length` and `name_offset` replace the true ones."""
        self.word(PROP).word(len(value) if length is None else length)
        return self.word(self.name(name) if name_offset is None else name_offset).raw(value)

    def end(self) -> Struct:
        return self.word(END_NODE)

    def nop(self, count: int = 1) -> Struct:
        for _ in range(count):
            self.word(NOP)
        return self

    def finish(self) -> Struct:
        return self.word(END)

    def name(self, name: bytes) -> int:
        """Return where a name is in the strings block, adding it if it is new."""
        if name not in self.names:
            self.names[name] = len(self.strings)
            self.strings += name + b"\0"
        return self.names[name]


def blob(
    content: Struct,
    *,
    reservations: Iterable[tuple[int, int]] = (),
    order: Sequence[str] = ORDER,
    gap: int = 0,
    boot_cpu: int = 0,
    version: int = 17,
) -> bytes:
    """Return a blob of version 16 or 17, its blocks in any order with `gap` zero bytes before each."""
    pairs = [*reservations, (0, 0)]
    blocks = {
        "reservations": struct.pack(f">{2 * len(pairs)}Q", *(number for pair in pairs for number in pair)),
        "struct": bytes(content.data),
        "strings": bytes(content.strings),
    }
    body = bytearray(40 if version >= 17 else 36)
    places = {}
    for block in order:
        body += bytes(gap) + bytes(-(len(body) + gap) % 8)
        places[block] = len(body)
        body += blocks[block]
    head = [0xD00DFEED, len(body), places["struct"], places["strings"], places["reservations"], version, 16]
    head += [boot_cpu, len(content.strings), len(content.data)][: 3 if version >= 17 else 2]
    body[: 4 * len(head)] = struct.pack(f">{len(head)}I", *head)
    return bytes(body)


def header(data: bytes, name: str) -> int:
    """Return a word of the header."""
    return int.from_bytes(data[4 * FIELDS.index(name) :][:4], "big")


def patched(data: bytes, **words: int) -> bytes:
    """Return the blob with words of its header replaced."""
    out = bytearray(data)
    for name, value in words.items():
        struct.pack_into(">I", out, 4 * FIELDS.index(name), value)
    return bytes(out)


def struct_at(data: bytes, position: int = 0) -> int:
    """Return the offset in the blob of a position in its structure block."""
    return header(data, "off_dt_struct") + position


@dataclass(frozen=True)
class Plain:
    """A node of bytes only, to make blobs of and to compare with."""

    name: bytes = b""
    properties: tuple[tuple[bytes, bytes], ...] = ()
    children: tuple[Plain, ...] = ()


def write(node: Plain, content: Struct | None = None) -> Struct:
    """Write a node and all below it, without the final token."""
    content = Struct() if content is None else content
    content.begin(node.name)
    for name, value in node.properties:
        content.prop(name, value)
    for child in node.children:
        write(child, content)
    return content.end()


def small() -> Struct:
    """Return a tree of three nodes with properties of several lengths."""
    content = Struct().begin().prop(b"compatible", b"IBM,pSeries\0").prop(b"empty")
    content.begin(b"cpus").prop(b"#size-cells", bytes(4)).end()
    content.begin(b"memory@0").prop(b"device_type", b"memory\0").prop(b"reg", bytes(12) + b"\x10\0\0\0").end()
    return content.end().finish()


def nested(depth: int) -> Struct:
    """Return a root and `depth - 1` nodes, each in the one before; a token that begins one has 8 bytes."""
    content = Struct().begin()
    content.data += bytes.fromhex("00000001 6e000000") * (depth - 1) + bytes.fromhex("00000002") * depth
    return content.finish()
