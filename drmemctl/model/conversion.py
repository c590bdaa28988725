# SPDX-License-Identifier: MIT
"""From `ibm,dynamic-memory` (v1) to `ibm,dynamic-memory-v2` and back: the other property with the same LMBs.

Both directions go through the LMB table, so that what Linux holds after reading the new property is what it
held after reading the old one. What the new property has no room for is a remark, and what would make the
table another one is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from drmemctl.defect import Defect
from drmemctl.errors import FormatError, LimitError, NotInTreeError
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import NODE, V1, V2, Entries, decode_entries, encode_entries
from drmemctl.formats.lists import COUNT_SIZE
from drmemctl.model.drmem import Drmem, LmbTable, check_limit, drmem_node
from drmemctl.model.run import Run
from drmemctl.model.v1_encoding import encode_v1_table
from drmemctl.tree.node import Node, Property, Tree

PROPERTY_OF: dict[str, str] = {"v1": V1, "v2": V2}
"""Format, as users call it → the property that has it."""

DEFAULT_LIMIT = 4_194_304
"""LMBs that a v1 property is made for unless someone asks for more: 96 MiB of entries."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A tree with its LMBs in the format asked for.

    Attributes:
        tree: the new tree.
        changed: False where the property was in that format already; its bytes are the same then.
        remarks: what of the old tree the new one does not say any more.

    """

    tree: Tree
    changed: bool
    remarks: tuple[Defect, ...] = ()


def convert(tree: Tree, to: str, limit: int = DEFAULT_LIMIT) -> Conversion:
    """Return the tree with the LMBs that Linux would read from it as `v1` or `v2`, and as nothing else.

    The new property takes the old one's place. Raises `NotInTreeError` without LMBs, `FormatError` where the
    old property is not whole or the new one cannot say the same, `LimitError` for a v1 of more than `limit`.
    """
    name = PROPERTY_OF[to]
    node = drmem_node(tree)
    drmem = Drmem.from_tree(tree, None)
    if drmem.entries is None:
        raise NotInTreeError(f"neither {V1} nor {V2} is there", source=tree.source, path=NODE)
    old = drmem.entries
    remarks = list(_dropped_properties(node, old, drmem))
    if old.property == name:
        prop = node.find(name)
        same = Property(name, old.data, None if prop is None else prop.total)
        return Conversion(_with_only(tree, node, name, same), False, tuple(remarks))
    try:
        _check_whole(old)
        data = _encoded(name, drmem, old, limit)
    except (FormatError, LimitError) as error:
        raise error.with_source(tree.source) from None
    remarks += _not_held(old)
    return Conversion(_with_only(tree, node, old.property, Property(name, data)), True, tuple(remarks))


def singles(table: LmbTable) -> Iterator[Run]:
    """Return an entry for each LMB, as v1 has them; without an LMB size only for runs of one LMB."""
    return (run.part(at, 1, table.lmb_size) for run in table.runs for at in range(run.lmbs))


def _encoded(name: str, drmem: Drmem, old: Entries, limit: int) -> bytes:
    table = drmem.table
    # In two cells, as everywhere, all addresses fit.
    for run in table.runs if drmem.cells.address == 1 else ():
        last = run.base + (run.lmbs - 1) * (table.lmb_size or 0)
        if last >> 32:
            message = f"address {last:#x} does not fit the root's single #address-cells"
            raise FormatError(message, path=NODE, property=name)
    if name == V2:
        return encode_entries(V2, table.runs, drmem.cells.address)
    check_limit(table.n_lmbs, limit)
    # Without an LMB size nothing says where each of several LMBs is.
    for index, (_, lmbs, *_) in enumerate(old) if table.lmb_size is None else ():
        if lmbs > 1:
            message = f"a set of {lmbs:,} LMBs cannot be taken apart without {LMB_SIZE}"
            raise FormatError(message, path=NODE, property=old.property, offset=old.offset(index))
    if drmem.cells.address == 2:
        return encode_v1_table(table)
    return encode_entries(V1, singles(table), drmem.cells.address)


def _check_whole(old: Entries) -> None:
    """Refuse a property of which something is missing or that no reader is sure to read the same."""
    for defect in old.defects:
        if not defect.code.endswith("-trailing"):
            message = f"cannot be converted: {defect.message}"
            hint = "take the tree from the running system" if defect.code.endswith("-cut") else None
            raise FormatError(message, path=NODE, property=old.property, offset=defect.offset, hint=hint)


def _not_held(old: Entries) -> Iterator[Defect]:
    """Yield what the old property has beside its LMBs."""
    for defect in old.defects:
        yield replace(defect, message=defect.message + ", and are left out").at(NODE, old.property)
    if old.property == V2:
        code, content = "v2-empty-set", "sets without LMBs"
        offsets = (old.offset(index) for index, (_, lmbs, *_) in enumerate(old) if not lmbs)
    else:
        # Linux neither reads nor keeps that word.
        code, content = "v1-reserved", "reserved words that are not 0"
        column = old.rows.names.index("reserved")
        entries = old.rows.iterate(old.data, COUNT_SIZE, old.present)
        offsets = (old.offset(index) for index, entry in enumerate(entries) if entry[column])
    first = next(offsets, None)
    if first is not None:
        message = f"{content} are left out: {1 + sum(1 for _ in offsets):,} of {old.present:,}"
        yield Defect(code, message, NODE, old.property, first)


def _dropped_properties(node: Node, old: Entries, drmem: Drmem) -> Iterator[Defect]:
    """Yield the properties that go since the one that Linux reads says it all."""
    first = node.find(old.property)
    for prop in node.properties:
        if prop.name in (V1, V2) and prop is not first:
            entries = decode_entries(prop.name, prop.value, drmem.cells.address, prop.total)
            same = LmbTable.of_property(entries, drmem.table.lmb_size) == drmem.table
            message = f"Linux does not read it and it is left out; its LMBs are {'the same' if same else 'others'}"
            yield Defect(
                "drmem-both" if prop.name != old.property else "duplicate-property", message, NODE, prop.name
            )


def _with_only(tree: Tree, node: Node, place: str, new: Property) -> Tree:
    """Return the tree with `new` at the place of the first property called `place`, and no other of the two."""
    first = node.find(place)
    properties = tuple(
        new if prop is first else prop for prop in node.properties if prop is first or prop.name not in (V1, V2)
    )
    if properties == node.properties:
        return tree
    changed = replace(node, properties=properties)
    children = tuple(changed if child is node else child for child in tree.root.children)
    return tree.with_root(replace(tree.root, children=children))


def shortened(tree: Tree) -> Iterator[Defect]:
    """Yield a defect for each value of which the source shows only the beginning."""
    for path, node in tree.walk():
        for prop in node.properties:
            if prop.is_cut:
                message = f"the source shows {len(prop.value):,} of {prop.total:,} bytes"
                yield Defect("value-cut", message, path, prop.name)
