# SPDX-License-Identifier: MIT
"""The kernel's own device tree: `of_root` and all below it, with every value that was replaced since boot.

Source: Linux include/linux/of.h struct device_node, struct property; drivers/of/base.c of_remove_property, which
puts a replaced or removed property in front of its node's `deadprops`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from drmemctl.errors import InputError, LimitError
from drmemctl.formats.strings import to_text
from drmemctl.memory.btf import agree_with_btf
from drmemctl.memory.file import Allowance
from drmemctl.memory.kernel_memory import KernelMemory, is_pointer
from drmemctl.memory.physical import LINEAR, AbsentMemoryError
from drmemctl.memory.symbols import not_there, pointer_at

_WORDS = 24
"""Words of a device_node that are looked at; it has some 200 bytes."""

_LAST_PROPERTIES = 18
"""The last word that may be `properties`: `fwnode` before it has two to eight words, by release."""

_MOST_IN_NODE = 4096
_MOST_PROBED = 1 << 18
"""Properties of what may be a root node that are looked at while the real one is sought."""

_ROOT_PROPERTIES = {"compatible", "#size-cells"}


class NodeLayout(NamedTuple):
    """Where the members of struct device_node are, in words.

    4.19 and before have `type` after `name`, so that `full_name` is the fourth word; `properties`, `deadprops`,
    `parent`, `child` and `sibling` follow `fwnode`, whose size changed several times.
    """

    full_name: int
    properties: int


class TreeBounds(NamedTuple):
    """How much of a tree is read: bytes of values, nodes and properties together, levels of nodes."""

    bytes: int
    entries: int
    depth: int


class KernelProperty(NamedTuple):
    """A property: its name and its value."""

    name: str
    value: bytes


class KernelNode(NamedTuple):
    """A node, its properties in the kernel's order, and what was replaced or removed, the newest first."""

    name: str
    properties: tuple[KernelProperty, ...]
    replaced: tuple[KernelProperty, ...]
    children: tuple[KernelNode, ...]


def kernel_tree(memory: KernelMemory, bounds: TreeBounds) -> KernelNode:
    """Return the kernel's tree; `InputError` where it is not in the dump, or cannot be told from another."""
    probe = _Probe(memory)
    is_pinned = "of_root" in memory.pinned
    pointers = (pointer_at(memory, "of_root"),) if is_pinned else memory.pointers(memory.image())
    roots = {(address, layout) for address in pointers for layout in probe.layouts(address)}
    if not roots and is_pinned:
        raise not_there(memory, "of_root", "the root of a device tree")
    if not roots:
        raise memory.not_found("the kernel's device tree (of_root)")
    if len(roots) > 1:
        places = ", ".join(f"{address:#x}" for address, _ in sorted(roots)[:4])
        raise InputError(
            f"there is more than one device tree in this dump, at {places}",
            source=memory.source,
            hint="name the kernel's System.map or vmlinux with --symbols",
        )
    ((address, layout),) = roots
    members = ("properties", "deadprops", "parent", "child", "sibling")
    offsets = {member: 8 * (layout.properties + number) for number, member in enumerate(members)}
    agree_with_btf(memory, "device_node", {"full_name": 8 * layout.full_name, **offsets})
    agree_with_btf(memory, "property", {"name": 0, "length": 8, "value": 16, "next": 24})
    return _TreeReader(memory, layout, bounds).node(address)


class _Probe:
    """Looks at what may be a node of the tree; all together no more than `_MOST_PROBED` properties."""

    def __init__(self, memory: KernelMemory) -> None:
        self._memory = memory
        self._entries = Allowance(_MOST_PROBED, "too much looks like the root of a device tree", memory.source)

    def layouts(self, address: int) -> Iterator[NodeLayout]:
        """Yield those by which there is a root node at an address: no parent, no sibling, a child of its own."""
        try:
            words = self._memory.u64s(address, _WORDS)
        except AbsentMemoryError:
            return
        for full_name in (2, 3):
            if words[full_name] < LINEAR or not self.is_root_name(words[full_name]):
                continue
            for index in range(full_name + 1, _LAST_PROPERTIES + 1):
                properties, _, parent, child, sibling = words[index : index + 5]
                if is_pointer(properties) and is_pointer(child) and not parent and not sibling:
                    layout = NodeLayout(full_name, index)
                    if self.is_parent(address, child, layout) and self.names(properties) >= _ROOT_PROPERTIES:
                        yield layout

    def is_root_name(self, address: int) -> bool:
        """Whether the name of a root node is at an address."""
        try:
            return self._memory.text(address, 2) in (b"", b"/")
        except AbsentMemoryError:
            return False

    def is_parent(self, address: int, child: int, layout: NodeLayout) -> bool:
        """Whether the child says that the node at the address is its parent."""
        try:
            return self._memory.u64(child + 8 * (layout.properties + 2)) == address
        except AbsentMemoryError:
            return False

    def names(self, address: int) -> set[str]:
        """Return the names in a list of struct property; none where it is no such list."""
        names: set[str] = set()
        while address and len(names) <= _MOST_IN_NODE:
            self._entries.spend()
            try:
                name, _, _, address = self._memory.u64s(address, 4)
                names.add(to_text(self._memory.text(name)))
            except AbsentMemoryError:
                return set()
        return names


class _TreeReader:
    """Reads nodes of one tree; bounded, and nothing is read twice."""

    def __init__(self, memory: KernelMemory, layout: NodeLayout, bounds: TreeBounds) -> None:
        self._memory = memory
        self._layout = layout
        self._bounds = bounds
        self._seen: set[int] = set()
        self._bytes = 0

    def node(self, address: int, path: str = "", depth: int = 1) -> KernelNode:
        """Return a node with all below it."""
        memory, layout = self._memory, self._layout
        place = path or "/"
        self._visit(address, place)
        try:
            name = to_text(memory.text(memory.u64(address + 8 * layout.full_name)).rpartition(b"/")[2])
            properties, replaced, _, child, _ = memory.u64s(address + 8 * layout.properties, 5)
        except AbsentMemoryError as error:
            raise self._missing(error, "the node", place) from None
        if depth > self._bounds.depth:
            raise LimitError(f"the tree has more than {self._bounds.depth} levels of nodes", source=memory.source)
        node_path = "" if depth == 1 else f"{path}{name}"
        children: list[KernelNode] = []
        while child:
            children.append(self.node(child, f"{node_path}/", depth + 1))
            try:
                child = memory.u64(child + 8 * (layout.properties + 4))
            except AbsentMemoryError as error:
                raise self._missing(error, "a node", f"{node_path}/") from None
        return KernelNode(
            "" if depth == 1 else name,
            tuple(self.entries(properties, node_path or "/")),
            tuple(self.entries(replaced, node_path or "/")),
            tuple(children),
        )

    def entries(self, address: int, path: str) -> Iterator[KernelProperty]:
        """Yield a list of struct property: name, length, value, next."""
        memory = self._memory
        count = 0
        while address:
            self._visit(address, path)
            count += 1
            if count > _MOST_IN_NODE:
                message = f"the node has more than {_MOST_IN_NODE:,} properties"
                raise LimitError(message, source=memory.source, path=path)
            try:
                name, length, value, following = memory.u64s(address, 4)
                # int length: the other half of the word is padding.
                length = length & 0xFFFF_FFFF if memory.byte_order == "<" else length >> 32
                text = to_text(memory.text(name))
                self._bytes += length
                if self._bytes > self._bounds.bytes:
                    message = f"the values of the tree have more than {self._bounds.bytes >> 20} MiB"
                    raise LimitError(message, source=memory.source, path=path)
                data = memory.read(value, length) if length else b""
            except AbsentMemoryError as error:
                raise self._missing(error, "a property", path) from None
            yield KernelProperty(text, data)
            address = following

    def _visit(self, address: int, path: str) -> None:
        if address in self._seen:
            message = f"the list goes in a circle at {address:#x}"
            raise LimitError(message, source=self._memory.source, path=path, hint="the dump is damaged")
        self._seen.add(address)
        if len(self._seen) > self._bounds.entries:
            message = f"the tree has more than {self._bounds.entries:,} nodes and properties"
            raise LimitError(message, source=self._memory.source)

    def _missing(self, error: AbsentMemoryError, structure: str, path: str) -> AbsentMemoryError:
        if error.path is not None:
            return error
        return AbsentMemoryError(
            f"{structure} of the kernel's device tree cannot be read: {error.message}",
            source=self._memory.source,
            path=path,
            hint=error.hint or "the dump is damaged",
        )
