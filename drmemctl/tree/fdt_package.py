# SPDX-License-Identifier: MIT
"""The seam to the `fdt` package: trees become its objects here, and its exceptions become `WriteError`.

Its object model, header and property encoding are used as they are. Nodes are joined here, since the package
copies the blob once for every item (quadratic), recurses, and leaves out what is called `…_with_references`.
Only `writer` imports this module: the package is loaded when something is written.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

with warnings.catch_warnings():
    # fdt 0.3.3 has an invalid escape in a literal, of which Python 3.12 and later tell every user.
    warnings.simplefilter("ignore")
    import fdt

from drmemctl.errors import WriteError
from drmemctl.tree.builder import shown
from drmemctl.tree.dts_text import shown_name, value_text
from drmemctl.tree.node import Node, Property, Tree

VERSION = 17
LAST_COMPATIBLE = 16
_BEGIN_NODE, _END_NODE = struct.pack(">I", 1), struct.pack(">I", 2)
_SEARCHED = 1 << 16
"""Up to this many bytes of names are searched for one that ends in the wanted name, as dtc shares them."""

Result = TypeVar("Result")


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
    """A property with its raw bytes; shown in DTS as what they seem to be."""

    def __init__(self, prop: Property, name: str) -> None:
        super().__init__(name)
        # Not through the constructor, which copies the value twice.
        self.data = prop.value
        self.total = prop.total

    def to_dts(self, tabsize: int = 4, depth: int = 0) -> str:  # noqa: ARG002 - the package's signature
        text = f" = {value_text(self.data)}" if self.data else ""
        note = "" if self.total is None else f" /* the first {len(self.data)} of {self.total} bytes */"
        return "\t" * depth + f"{self.name}{text};{note}\n"


class _Node(fdt.Node):  # type: ignore[misc]
    """A node that is written in one pass over it and all below."""

    is_root = False

    def to_dtb(self, strings: Any, pos: int = 0, version: int = VERSION) -> tuple[bytearray, Any, int]:
        out = bytearray()
        for node, is_open in _visits(self):
            if not is_open:
                out += _END_NODE
                continue
            name = b"" if node.is_root else node.name.encode("ascii")
            out += _BEGIN_NODE + name + bytes(4 - len(name) % 4)
            for prop in node.props:
                data, strings, _ = prop.to_dtb(strings, 0, version)
                out += data
        return out, strings, pos + len(out)

    def to_dts(self, tabsize: int = 4, depth: int = 0) -> str:
        parts: list[str] = []
        for node, is_open in _visits(self):
            if is_open:
                name = "/" if node.is_root else node.name
                # As dtc: a blank line before each node but the outermost.
                parts.append(("\n" if parts else "") + "\t" * depth + name + " {\n")
                depth += 1
                parts += (prop.to_dts(tabsize, depth) for prop in node.props)
            else:
                depth -= 1
                parts.append("\t" * depth + "};\n")
        return "".join(parts)


def _visits(node: _Node) -> Iterator[tuple[_Node, bool]]:
    """Yield each node twice: with True before the nodes below it, with False after them."""
    stack = [(node, True)]
    while stack:
        node, is_open = stack.pop()
        yield node, is_open
        if is_open:
            stack.append((node, False))
            stack.extend((child, True) for child in reversed(node.nodes))


def _converted(root: Node, path: str, spell: Callable[[str, str, str], str]) -> _Node:
    """Return a node and all below it as the package's; `path` is for messages.

    `spell` gives the name to write for one that stands at a path: name, path, what it is the name of.
    """
    top = _Node(spell(root.name, path, "node") or "/")
    top.is_root = not root.name
    stack = [(root, top, path)]
    while stack:
        node, made, path = stack.pop()
        # Not by append(), which looks through all the siblings each time.
        made.props.extend(_Value(prop, spell(prop.name, path, "property")) for prop in node.properties)
        for child in node.children:
            child_path = f"{path.rstrip('/')}/{child.name}"
            twin = _Node(spell(child.name, child_path, "node"))
            made.nodes.append(twin)
            stack.append((child, twin, child_path))
    return top


def _accepted(name: str, path: str, what: str) -> str:
    """Return a name that the package takes: it asserts (not under -O) that all of it is printable ASCII."""
    if name.isascii() and (name.isprintable() or not name):
        return name
    raise WriteError(
        f"the {what}'s name {shown(name)} has other characters than printable ASCII",
        path=shown(path),
        hint="rename it or leave it out",
    )


def _for_people(name: str, _path: str, _what: str) -> str:
    return shown_name(name)


def _translated(action: Callable[[], Result], source: str) -> Result:
    """Run what calls the package; whatever it raises is that the tree cannot be written."""
    try:
        return action()
    except (AssertionError, ValueError, IndexError, TypeError, struct.error, RecursionError) as error:
        raise WriteError(f"the tree cannot be written: {error}", source=source or None) from error


def blob_of(tree: Tree) -> bytes:
    """Return the tree as a flattened blob of version 17."""

    def build() -> bytes:
        document = fdt.FDT(entries=[{"address": start, "size": size} for start, size in tree.reservations])
        document.root = _converted(tree.root, "/", _accepted)
        return bytes(document.to_dtb(VERSION, LAST_COMPATIBLE, tree.boot_cpu, _Strings()))

    return _translated(build, tree.source)


def text_of_tree(tree: Tree) -> str:
    """Return the whole tree as source, with its reservations."""

    def build() -> str:
        document = fdt.FDT(entries=[{"address": start, "size": size} for start, size in tree.reservations])
        if tree.boot_cpu:
            document.header.version = VERSION
            document.header.last_comp_version = LAST_COMPATIBLE
            document.header.boot_cpuid_phys = tree.boot_cpu
        document.root = _converted(tree.root, "/", _for_people)
        return str(document.to_dts())

    return _translated(build, tree.source)


def text_of_node(node: Node) -> str:
    """Return a node and all below it as source."""
    return _translated(lambda: _converted(node, "/", _for_people).to_dts(), "")
