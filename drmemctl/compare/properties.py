# SPDX-License-Identifier: MIT
"""What became of the other properties, and of nodes: those about memory and affinity, or all of the tree.

Left out is what was compared by its meaning before: the LMBs, their size, the lookup arrays. The order of nodes
and properties means nothing, nor does `name`, which only some kernels show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import zip_longest
from operator import itemgetter

from drmemctl.compare.nodes import NodePair, pairs_of
from drmemctl.compare.side import Side
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.model.drmem import RootCells
from drmemctl.model.phandles import PHANDLES
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Property, Tree, encode_name

ADDED = "added"
REMOVED = "removed"
CHANGED = "changed"
RENAMED = "renamed"

HEADER = "(header)"
"""Path of what a blob has beside its nodes."""

_RELATED_NODES = frozenset(
    {"memory", "ibm,dynamic-reconfiguration-memory", "ibm,persistent-memory", "persistent-memory"}
)

FIELDS = 1024
"""Decoded fields of each value that are compared; of a longer list, the bytes tell."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A decoded field as people read it; None where a tree does not have it."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """A property, or a node, that differs or that only one tree has.

    Attributes:
        change: `added`, `removed`, `changed`; `renamed` of a node.
        old_path: its node in the old tree.
        new_path: its node in the new one; another path where the node was renamed.
        name: the property's name, None where it is about the node.
        old: the property in the old tree, None if it was not there.
        new: the property now.
        nodes: how many nodes came or went, that node included.
        fields: the decoded fields that differ, of the first `FIELDS` of a value; None where its layout is unknown.
        node: the node that came or went.

    """

    change: str
    old_path: str
    new_path: str
    name: str | None = None
    old: Property | None = None
    new: Property | None = None
    nodes: int = 0
    fields: tuple[FieldChange, ...] | None = None
    node: Node | None = dataclass_field(default=None, compare=False, repr=False)

    @property
    def order(self) -> tuple[str, ...]:
        """What changes are sorted by: path and name, the same in both directions."""
        return (*sorted((self.old_path, self.new_path)), self.name or "", self.change)

    def mirrored(self) -> PropertyChange:
        """Return what the change back would be."""
        change = {ADDED: REMOVED, REMOVED: ADDED}.get(self.change, self.change)
        fields = self.fields and tuple(FieldChange(field.name, field.new, field.old) for field in self.fields)
        return PropertyChange(
            change, self.new_path, self.old_path, self.name, self.new, self.old, self.nodes, fields, self.node
        )


def compare_properties(old: Side, new: Side, *, everything: bool) -> tuple[PropertyChange, ...]:
    """Return the changes of properties and nodes: of those about memory and affinity, or of `everything`."""
    changes = list(_header(old.tree, new.tree)) if everything else []
    comparison = _NodeComparison(old, new, everything)
    for pair in pairs_of(old.tree.root, new.tree.root):
        if pair.old is None or pair.new is None:
            changes += _lone(pair, everything)
        else:
            changes += comparison.changes(pair, pair.old, pair.new)
    return tuple(sorted(changes, key=lambda change: change.order))


def _header(old: Tree, new: Tree) -> Iterator[PropertyChange]:
    """Yield what changed outside the nodes: DTS text has only the reservations, a directory nothing."""
    kinds = {old.kind, new.kind}
    if kinds == {"fdt"} and old.boot_cpu != new.boot_cpu:
        yield _header_change("boot_cpuid_phys", old.boot_cpu.to_bytes(4, "big"), new.boot_cpu.to_bytes(4, "big"))
    if kinds <= {"fdt", "dts"} and old.reservations != new.reservations:
        yield _header_change("/memreserve/", _reservations(old), _reservations(new))


def _header_change(name: str, old: bytes, new: bytes) -> PropertyChange:
    return PropertyChange(CHANGED, HEADER, HEADER, name, Property(name, old), Property(name, new))


def _reservations(tree: Tree) -> bytes:
    return b"".join(number.to_bytes(8, "big") for pair in tree.reservations for number in pair)


def _lone(pair: NodePair, everything: bool) -> Iterator[PropertyChange]:
    """Yield a node that only one tree has, and without `everything` those below it that matter."""
    change = ADDED if pair.old is None else REMOVED
    node = pair.old or pair.new
    paths = (pair.old_path, pair.new_path)
    pending = [] if node is None else [(paths, node)]
    while pending:
        (old_path, new_path), node = pending.pop()
        is_memory = _is_memory(old_path if pair.old else new_path, node)
        if everything or is_memory or device_type(node) == "cpu":
            yield PropertyChange(change, old_path, new_path, nodes=_count(node), node=node)
        else:
            pending += (
                ((f"{old_path}/{child.name}", f"{new_path}/{child.name}"), child) for child in node.children
            )


def _count(node: Node) -> int:
    number, pending = 0, [node]
    while pending:
        number += 1
        pending += pending.pop().children
    return number


class _NodeComparison:
    """Compares nodes that both trees have."""

    def __init__(self, old: Side, new: Side, everything: bool) -> None:
        self._old, self._new = old, new
        self._everything = everything

    def changes(self, pair: NodePair, old: Node, new: Node) -> Iterator[PropertyChange]:
        """Yield what changed in a node."""
        whole = self._everything or any(map(_is_memory, (pair.old_path, pair.new_path), (old, new)))
        if old.name != new.name and whole:
            yield PropertyChange(RENAMED, pair.old_path, pair.new_path)
        if old.properties is new.properties:
            return
        is_drmem = pair.old_path == NODE == pair.new_path
        kinds = _types(old, new)
        # A blob may have several properties of one name.
        by_name: dict[str, tuple[list[Property], list[Property]]] = {}
        for tree, node in enumerate((old, new)):
            for prop in node.properties:
                by_name.setdefault(prop.name, ([], []))[tree].append(prop)
        for name, (old_props, new_props) in by_name.items():
            if is_drmem:
                old_props, new_props = self._unread(name, old_props, new_props)  # noqa: PLW2901
            for before, after in zip_longest(old_props, new_props):
                if not _differs(before, after) or _is_shown_name(before or after, old, new):
                    continue
                if self._everything or (whole and name not in PHANDLES) or _is_related(pair, name):
                    paths, cells = (pair.old_path, pair.new_path), (self._old.cells, self._new.cells)
                    yield _property_change(paths, kinds, name, (before, after), cells)

    def _unread(
        self, name: str, old: list[Property], new: list[Property]
    ) -> tuple[list[Property], list[Property]]:
        """Return the properties of the drmem node that were not compared by their meaning.

        Linux reads the first of several of that name. If one tree has LMBs in a property that the other has, but
        does not read, the two are compared.
        """
        old_read, new_read = (
            name in (LMB_SIZE, LOOKUP_ARRAYS, side.table.property_name) for side in (self._old, self._new)
        )
        if old_read != new_read and old and new:
            return old, new
        return old[old_read:], new[new_read:]


def property_change(path: str, nodes: tuple[Node, Node], name: str, cells: RootCells) -> PropertyChange | None:
    """Return what became of a property of a node, None if nothing did; `nodes` are the old and the new one."""
    old, new = (node.find(name) for node in nodes)
    if old == new:
        return None
    return _property_change((path, path), _types(*nodes), name, (old, new), (cells, cells))


def _types(old: Node, new: Node) -> tuple[str, str]:
    """Return what tells layouts of their properties: looked for among all of them, so not for each of them."""
    return device_type(old) or "", device_type(new) or ""


def _property_change(
    paths: tuple[str, str],
    kinds: tuple[str, str],
    name: str,
    props: tuple[Property | None, Property | None],
    cells: tuple[RootCells, RootCells],
) -> PropertyChange:
    from drmemctl.formats.registry import UNORDERED

    old, new = props
    before, after = map(_fields, paths, kinds, props, cells)
    change = ADDED if old is None else REMOVED if new is None else CHANGED
    changed = None
    if before is not None and after is not None:
        changed = tuple((_listed if name in UNORDERED else _field_changes)(before, after))
    return PropertyChange(change, *paths, name, old, new, fields=changed)


def _fields(path: str, kind: str, prop: Property | None, cells: RootCells) -> Fields | None:
    """Return the decoded fields of a value by name, none of a value that is not there; None for a text."""
    from drmemctl.formats.registry import describe

    if prop is None:
        return {}
    described = describe(
        path,
        prop.name,
        prop.value,
        cells.address,
        cells.size,
        device_type=kind,
        limit=FIELDS,
        total=prop.total,
    )
    if described is None:
        return None
    return {field.name: (field.offset, field.text) for field in described if field.size}


Fields = dict[str, tuple[int, str]]
"""Decoded fields by name: offset and text."""


def _field_changes(old: Fields, new: Fields) -> list[FieldChange]:
    """Return the fields that differ, by offset."""
    absent = (1 << 64, None)
    changes = []
    for name in {**old, **new}:
        (old_offset, before), (new_offset, after) = old.get(name, absent), new.get(name, absent)
        if before != after:
            changes.append((min(old_offset, new_offset), name, FieldChange(name, before, after)))
    return [change for _, _, change in sorted(changes, key=itemgetter(0, 1))]


def _listed(old: Fields, new: Fields) -> list[FieldChange]:
    """Return what one of two lists has more of: firmware lists connectors in the order of a hash table."""
    counts = _field_changes(_items(old, listed=False), _items(new, listed=False))
    old, new = _items(old, listed=True), _items(new, listed=True)
    gone = ((offset, text, FieldChange(name, text, None)) for name, offset, text in _surplus(old, new))
    come = ((offset, text, FieldChange(name, None, text)) for name, offset, text in _surplus(new, old))
    return counts + [change for _, _, change in sorted((*gone, *come), key=itemgetter(0, 1))]


def _items(fields: Fields, *, listed: bool) -> Fields:
    return {name: field for name, field in fields.items() if name.startswith("[") == listed}


def _surplus(fields: Fields, opposite: Fields) -> Iterator[tuple[str, int, str]]:
    """Yield name, offset and text of the fields of which `opposite` has fewer with the same text."""
    counts = Counter(text for _, text in opposite.values())
    for name, (offset, text) in fields.items():
        counts[text] -= 1
        if counts[text] < 0:
            yield name, offset, text


def _differs(old: Property | None, new: Property | None) -> bool:
    """Whether two values differ, as far as both sources show them."""
    if old is None or new is None:
        return True
    if not old.is_cut and not new.is_cut:
        return old.value != new.value
    shown = min(len(old.value), len(new.value))
    return old.value[:shown] != new.value[:shown] or old.length != new.length


def _is_shown_name(prop: Property | None, old: Node, new: Node) -> bool:
    """Whether this is `name` as old kernels show it: what stands before the node's unit address."""
    if prop is None or prop.name != "name":
        return False
    return prop.value.rstrip(b"\0") in {encode_name(node.base_name) for node in (old, new)}


def _is_related(pair: NodePair, name: str) -> bool:
    from drmemctl.formats.registry import COMPARED

    nodes = COMPARED.get(name, ())
    return "*" in nodes or pair.old_path in nodes


def _is_memory(path: str, node: Node) -> bool:
    """Whether all of a node is about memory."""
    top = path.split("/")[1].partition("@")[0]
    return top in _RELATED_NODES or device_type(node) in ("memory", "ibm,pmemory")
