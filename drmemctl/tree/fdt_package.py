# SPDX-License-Identifier: MIT
"""The seam to the `fdt` package: trees become its objects here, and its exceptions become `WriteError`.

Its header, its property encoding and its source header are used as they are. Nodes are joined here, in pieces,
since the package copies the blob once for every item (quadratic), recurses, and leaves out what is called
`…_with_references`.
Only `writer` imports this module: the package is loaded when something is written.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Self

with warnings.catch_warnings():
    # fdt 0.3.3 has an invalid escape in a literal, of which Python 3.12 and later tell every user.
    warnings.simplefilter("ignore")
    import fdt

from drmemctl.errors import WriteError
from drmemctl.tree.builder import shown
from drmemctl.tree.dts_text import shown_name, value_pieces
from drmemctl.tree.node import Node, Tree

VERSION = 17
LAST_COMPATIBLE = 16
_BEGIN_NODE, _END_NODE, _END = (struct.pack(">I", token) for token in (1, 2, 9))
_LARGE = 1 << 16
"""Bytes of a value that is not copied."""

_SEARCHED = 1 << 16
"""Up to this many bytes of names are searched for one that ends in the wanted name, as dtc shares them."""


class _Strings:
    """The strings block, with the four methods of str that the package calls, in constant time each."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._offsets: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._text)

    def __iadd__(self, name: str) -> Self:
        self._offsets[name] = len(self._text)
        self._text += name.encode("ascii")
        return self

    def find(self, name: str) -> int:
        offset = self._offsets.get(name, -1)
        if offset < 0 and len(self._text) < _SEARCHED:
            offset = self._text.find(name.encode("ascii"))
            if offset >= 0:
                self._offsets[name] = offset
        return offset

    def encode(self, _encoding: str) -> bytearray:
        return self._text


class _Value(fdt.PropBytes):  # type: ignore[misc]
    """A property with its raw bytes."""

    def __init__(self, name: str, value: bytes) -> None:
        super().__init__(name)
        # Not through the constructor, which copies the value twice.
        self.data = value


def _visits(root: Node) -> Iterator[tuple[Node, str, bool]]:
    """Yield each node twice, with its path: with True before the nodes below it, with False after them."""
    stack = [(root, "/", True)]
    while stack:
        node, path, is_open = stack.pop()
        yield node, path, is_open
        if is_open:
            stack.append((node, path, False))
            prefix = path.rstrip("/") + "/"
            stack.extend((child, prefix + child.name, True) for child in reversed(node.children))


def _accepted(name: str, path: str, kind_of_name: str) -> str:
    """Return a name that the package takes: it asserts (not under -O) that all of it is printable ASCII."""
    if name.isascii() and (name.isprintable() or not name):
        return name
    raise WriteError(
        f"the {kind_of_name}'s name {shown(name)} has other characters than printable ASCII",
        path=shown(path),
        hint="rename it or leave it out",
    )


def _structure(root: Node, strings: _Strings) -> list[bytes]:
    """Return the structure block in pieces; large values are pieces of their own, and not copied."""
    pieces: list[bytes] = []
    small = bytearray()
    for node, path, is_open in _visits(root):
        if not is_open:
            small += _END_NODE
            continue
        name = b"" if node is root else _accepted(node.name, path, "node").encode("ascii")
        small += _BEGIN_NODE + name + bytes(4 - len(name) % 4)
        for prop in node.properties:
            is_large = len(prop.value) >= _LARGE
            value = _Value(_accepted(prop.name, path, "property"), b"" if is_large else prop.value)
            data, _, _ = value.to_dtb(strings, 0, VERSION)
            if is_large:
                data = data[:4] + struct.pack(">I", len(prop.value)) + data[8:]
                pieces += [bytes(small), data, prop.value]
                small = bytearray(-len(prop.value) % 4)
            else:
                small += data
    return [*pieces, bytes(small) + _END]


def blob_pieces(tree: Tree) -> list[bytes]:
    """Return the tree as a flattened blob of version 17, in pieces."""
    with _translated(tree.source):
        strings = _Strings()
        structure = _structure(tree.root, strings)
        pairs = [*tree.reservations, (0, 0)]
        reservations = struct.pack(f">{2 * len(pairs)}Q", *chain.from_iterable(pairs))
        header = fdt.Header()
        header.version, header.last_comp_version = VERSION, LAST_COMPATIBLE
        header.boot_cpuid_phys = tree.boot_cpu
        header.size_dt_struct, header.size_dt_strings = sum(map(len, structure)), len(strings)
        header.off_mem_rsvmap = header.size
        header.off_dt_struct = header.off_mem_rsvmap + len(reservations)
        header.off_dt_strings = header.off_dt_struct + header.size_dt_struct
        header.total_size = header.off_dt_strings + header.size_dt_strings
        return [header.export(), reservations, *structure, bytes(strings.encode("ascii"))]


def text_pieces(tree: Tree) -> Iterator[str]:
    """Yield the whole tree as source, with its reservations."""
    with _translated(tree.source):
        document = fdt.FDT(entries=[{"address": start, "size": size} for start, size in tree.reservations])
        if tree.boot_cpu:
            document.header.version = VERSION
            document.header.last_comp_version = LAST_COMPATIBLE
            document.header.boot_cpuid_phys = tree.boot_cpu
        document.root = None
        head = str(document.to_dts())
    yield head
    yield from node_pieces(tree.root)


def node_pieces(root: Node) -> Iterator[str]:
    """Yield a node and all below it as source."""
    depth = 0
    for node, _, is_open in _visits(root):
        if is_open:
            # As dtc: a blank line before each node but the outermost.
            yield ("" if node is root else "\n") + "\t" * depth + (shown_name(node.name) or "/") + " {\n"
            depth += 1
            for prop in node.properties:
                yield "\t" * depth + shown_name(prop.name)
                if prop.value:
                    yield " = "
                    yield from value_pieces(prop.value)
                if prop.total is not None:
                    yield f"; /* the first {len(prop.value)} of {prop.total} bytes */\n"
                else:
                    yield ";\n"
        else:
            depth -= 1
            yield "\t" * depth + "};\n"


@contextmanager
def _translated(source: str) -> Iterator[None]:
    """Turn what the package raises into the error that the tree cannot be written."""
    try:
        yield
    except (AssertionError, ValueError, IndexError, TypeError, struct.error, RecursionError) as error:
        raise WriteError(f"the tree cannot be written: {error}", source=source or None) from error
