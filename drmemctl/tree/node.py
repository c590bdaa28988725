# SPDX-License-Identifier: MIT
"""A device tree as values: names and raw bytes, in document order, nothing interpreted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from drmemctl.arguments import text, wrong_type
from drmemctl.defect import Defect
from drmemctl.errors import NotInTreeError
from drmemctl.formats.capture_text import UNKNOWN, Provenance
from drmemctl.formats.strings import to_bytes, to_text
from drmemctl.notebook import short_repr
from drmemctl.wording import count_of, did_you_mean, nearest

if TYPE_CHECKING:
    from drmemctl.memory.lmb_array import LmbArray
    from drmemctl.tree.places import SourcePlace, TextPlaces
    from drmemctl.tree.system_files import SystemFiles

_T = TypeVar("_T")

decode_name = to_text
"""Returns a name as text that `encode_name` turns back into the same bytes, whatever they are."""

encode_name = to_bytes
"""Returns the bytes of a name made by `decode_name` (or given as plain text by a user)."""

_SHOWN = 60
"""Characters of a name that the short form of a value shows."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property: its name and its raw value.

    `total` is the length that the source gave for the value where it showed only the beginning
    (`lsprop` cuts at 128 bytes); None where the value is whole.
    """

    name: str
    value: bytes
    total: int | None = None

    __repr__ = short_repr

    @property
    def is_cut(self) -> bool:
        """Whether the source shows only the beginning of the value."""
        return self.total is not None and self.total > len(self.value)

    @property
    def length(self) -> int:
        """The bytes of the whole value, shown or not."""
        return len(self.value) if self.total is None else self.total


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its name with unit address (empty for the root), properties and children in document order.

    `node[name]` is the value of a property, or a `KeyError` that names it; iteration yields the properties' names.
    """

    name: str
    properties: tuple[Property, ...] = ()
    children: tuple[Node, ...] = ()

    def __repr__(self) -> str:
        properties = count_of(len(self.properties), "property", "properties")
        children = count_of(len(self.children), "child", "children")
        return f"<Node {self.name[:_SHOWN] or '/'!r}: {properties}, {children}>"

    def __getitem__(self, name: str) -> bytes:
        """Return the first value of a property; a `KeyError` that names it if there is none."""
        value = self.get(name)
        if value is None:
            hint = did_you_mean(nearest(str(name), self)) or "see its .properties"
            raise NoSuchKeyError(f"no property {name}", path=self.name or "/", hint=hint)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the properties."""
        return (prop.name for prop in self.properties)

    def find(self, name: str) -> Property | None:
        """Return the first property of that name, which is the one that Linux would use."""
        for prop in self.properties:
            if prop.name == name:
                return prop
        return None

    def get(self, name: str) -> bytes | None:
        """Return the first value of that name, or None. An empty value is not an absent one."""
        prop = self.find(name)
        return None if prop is None else prop.value

    def child(self, name: str) -> Node | None:
        """Return the first child of that name; without a unit address, the first whose base name it is."""
        for node in self.children:
            if node.name == name:
                return node
        if "@" in text("name", name):
            return None
        prefix = name + "@"
        return next((node for node in self.children if node.name.startswith(prefix)), None)

    @property
    def base_name(self) -> str:
        """The name without its unit address."""
        return self.name.partition("@")[0]

    def with_property(self, name: str, value: bytes | None) -> Node:
        """Return the node with one property set, in its place or last; None removes it."""
        text("name", name)
        if not isinstance(value, bytes | None):
            raise wrong_type("value", "bytes, or None", value)
        properties = [prop for prop in self.properties if prop.name != name]
        if value is not None:
            place = next((at for at, prop in enumerate(self.properties) if prop.name == name), len(properties))
            properties.insert(place, Property(name, value))
        return replace(self, properties=tuple(properties))


class NoSuchKeyError(NotInTreeError, KeyError):
    """The tree has no such node, or the node no such property: what `tree[path]` and `node[name]` raise."""


class Beside(Protocol):
    """What lies beside a tree: files of the kernel that ran on it."""

    def files(self) -> SystemFiles:
        """Return them; `LimitError` where they are too many."""


@dataclass(frozen=True, slots=True)
class KernelDump:
    """What a dump shows of a kernel besides its tree.

    Attributes:
        form: what kind of dump it is, for people.
        release: the kernel's release.
        array: the kernel's LMB array, None where none is found.
        replaced: values that were replaced or removed since boot, by the node's path, the newest first.

    """

    form: str
    release: str
    array: LmbArray | None = None
    replaced: Mapping[str, tuple[Property, ...]] = field(default_factory=dict)

    __repr__ = short_repr


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole device tree and where it came from.

    `tree[path]` is the node at an absolute path, or a `KeyError` that names the path; iteration yields all paths.

    Attributes:
        root: the root node.
        source: the input as the user named it, for messages.
        kind: what it was read from: `fdt`, `directory`, `archive`, `dts`, `lsprop`, `dump`.
        reservations: the memory reservation block, (address, size) in bytes.
        boot_cpu: physical id of the boot CPU, 0 where the source has none.
        defects: what the reader saw that is wrong, while going on.
        kernel: what lies beside the tree and names the kernel that ran on it: /proc/version, or what `uname -a`
            printed; untrusted text, empty where there is none.
        provenance: when a capture was taken, and of which host, as far as it says so.
        beside: the files about memory of that kernel, None where the source is a tree alone; a tree that is made
            from another has none, since no kernel ran on it.
        dump: what a kernel's memory shows besides its tree, None where the source is no dump.
        places: where nodes and properties stand in device tree source, None for other kinds.

    """

    root: Node
    source: str = ""
    kind: str = "fdt"
    reservations: tuple[tuple[int, int], ...] = ()
    boot_cpu: int = 0
    defects: tuple[Defect, ...] = ()
    kernel: str = field(default="", compare=False)
    provenance: Provenance = field(default=UNKNOWN, compare=False)
    beside: Beside | None = field(default=None, compare=False, repr=False)
    dump: KernelDump | None = field(default=None, compare=False, repr=False)
    places: TextPlaces | None = field(default=None, compare=False, repr=False)
    _results: dict[Callable[[Tree], Any], Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __repr__(self) -> str:
        nodes = count_of(sum(1 for _ in self.walk()), "node")
        return f"<Tree {self.source[-_SHOWN:]!r}: {nodes}, {self.kind}>"

    def __getitem__(self, path: str) -> Node:
        """Return the node at an absolute path; a `KeyError` that names the path if there is none."""
        node = self.find(path)
        if node is None:
            hint = did_you_mean(nearest(path, self)) or "see `drmemctl tree`"
            raise NoSuchKeyError(f"no node {path}", source=self.source, hint=hint)
        return node

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.find(path) is not None

    def __iter__(self) -> Iterator[str]:
        """Yield the paths of the nodes in document order."""
        return (path for path, _ in self.walk())

    def once(self, function: Callable[[Tree], _T]) -> _T:
        """Return what a function makes of this tree, which is asked the first time only."""
        # Not a cache of the function's: trees are equal by their content, which takes too long to compare.
        if function not in self._results:
            self._results[function] = function(self)
        result: _T = self._results[function]
        return result

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Yield (path, node) in document order, the root first."""
        yield "/", self.root
        # Of many children no more are looked at than the caller takes.
        levels = [("/", iter(self.root.children))]
        while levels:
            prefix, children = levels[-1]
            for node in children:
                path = prefix + node.name
                yield path, node
                if node.children:
                    levels.append((path + "/", iter(node.children)))
                    break
            else:
                levels.pop()

    def find(self, path: str) -> Node | None:
        """Return the node at an absolute path, or None. A component may leave its unit address out."""
        text("path", path)
        node: Node | None = self.root
        for name in path.strip("/").split("/"):
            if name and node is not None:
                node = node.child(name)
        return node

    def places_of(self, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], SourcePlace]:
        """Return where (path, property) stand in the text; nothing where the source is none."""
        if self.places is None:
            return {}
        return self.places.of(((path, node.properties) for path, node in self.walk()), wanted)

    def node(self, path: str) -> Node:
        """Return the node at an absolute path, or raise `NotInTreeError`."""
        node = self.find(path)
        if node is None:
            raise self._no_node(path)
        return node

    def _no_node(self, path: str) -> NotInTreeError:
        return NotInTreeError(f"no node {path}", source=self.source, hint="see `drmemctl tree`")

    def get(self, path: str, name: str) -> bytes | None:
        """Return a property's value, or None if the node or the property is absent."""
        node = self.find(path)
        return None if node is None else node.get(name)

    def with_root(self, root: Node) -> Tree:
        """Return a tree made from this one."""
        return replace(self, root=root, beside=None, dump=None, places=None)

    def with_property(self, path: str, name: str, value: bytes | None) -> Tree:
        """Return the tree with one property of an existing node set, or removed if `value` is None."""
        return self.with_node(path, self.node(path).with_property(name, value))

    def with_node(self, path: str, new: Node) -> Tree:
        """Return the tree with another node in the place of an existing one."""
        text("path", path)
        trail = [self.root]
        for part in (part for part in path.strip("/").split("/") if part):
            child = trail[-1].child(part)
            if child is None:
                raise self._no_node(path)
            trail.append(child)
        old = trail.pop()
        while trail:
            parent = trail.pop()
            children = tuple(new if child is old else child for child in parent.children)
            old, new = parent, replace(parent, children=children)
        return self.with_root(new)


def per_tree(function: Callable[[Tree], _T]) -> Callable[[Tree], _T]:
    """Remember what the decorated function returns, for each tree and as long as that lives."""

    @wraps(function)
    def once(tree: Tree) -> _T:
        return tree.once(function)

    return once
