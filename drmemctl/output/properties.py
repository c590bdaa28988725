# SPDX-License-Identifier: MIT
"""Properties of a node with their decoded fields, as text and as JSON; whole trees as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from drmemctl.formats.fields import Field
from drmemctl.formats.strings import decode_strings
from drmemctl.model.decoding import Decoder, is_text, kind_of
from drmemctl.output.dts_value import comment, meaning, value_pieces, visible
from drmemctl.output.json import FIELD, record, streamed
from drmemctl.output.screen import Screen
from drmemctl.output.table import Column, fitted_lines
from drmemctl.output.text import safe
from drmemctl.tree.lookup import Place
from drmemctl.tree.node import Node, Property, Tree
from drmemctl.wording import count_of

FIELDS_OF_EACH = 16
FIELDS_OF_ONE = 4096
"""Fields shown of each property of a node, and of a single one, unless someone asks for more."""

TERMINAL_BYTES = 256
_SHORT = 24

_LARGEST_TEXT = 1 << 20
"""Bytes of text that JSON repeats as strings beside the hex: twenty million of them are not for reading."""

FIELD_COLUMNS = (
    Column("offset", help="where the field begins in the value"),
    Column("bytes", right=True, help="how many bytes it has"),
    Column("field", help="what LoPAR or the kernel calls it; [N] is an element of a list"),
    Column("value", prose=True, help="what its bytes are, and mean"),
)


def property_record(path: str, kind: str, prop: Property) -> dict[str, Any]:
    """Return a property as JSON has it; `text` is null unless the value is strings, and not too many."""
    is_shown = is_text(path, kind, prop) and len(prop.value) <= _LARGEST_TEXT
    facts: dict[str, Any] = {
        "name": safe(prop.name, None),
        "length": len(prop.value),
        "hex": prop.value.hex(),
        "text": list(decode_strings(prop.value).items) if is_shown else None,
    }
    if prop.is_cut:
        facts["total"] = prop.total
    return facts


def show_tree_json(screen: Screen, tree: Tree, place: Place, depth: int | None) -> None:
    """Print the nodes from a place on, each a record with its path and properties."""
    head: dict[str, Any] = {"path": safe(place.path, None)}
    reservations = ({"address": address, "size": size} for address, size in tree.reservations)
    prefix = place.path.rstrip("/")
    paths = (((prefix + path).rstrip("/") or "/", node) for path, node in _walk(place.node, depth))
    nodes = (
        {"path": safe(path, None), "properties": [property_record(path, kind, prop) for prop in node.properties]}
        for path, node in paths
        for kind in (kind_of(node),)
    )
    screen.write_all(streamed("tree", head, {"reservations": reservations, "nodes": nodes}))


def _walk(root: Node, depth: int | None) -> Iterator[tuple[str, Node]]:
    """Yield a node and those below it, with paths that begin at it, at most `depth` levels down."""
    pending = [("", root, 0)]
    while pending:
        path, node, level = pending.pop()
        yield path, node
        if depth is None or level < depth:
            pending += ((f"{path}/{child.name}", child, level + 1) for child in reversed(node.children))


def show_properties(screen: Screen, tree: Tree, place: Place, format: str, limit: int | None) -> None:
    """Print the properties of a node, or those called `place.property`, as `text` or `json`."""
    properties = [prop for prop in place.node.properties if place.property in (None, prop.name)]
    if limit is None:
        limit = FIELDS_OF_ONE if place.property is not None or format == "json" else FIELDS_OF_EACH
    decoder = Decoder.of(tree, limit)
    kind = kind_of(place.node)
    if format == "json":
        head = {"path": safe(place.path, None)}
        records = (_record(place, kind, prop, decoder) for prop in properties)
        screen.write_all(streamed("prop", head, {"properties": records}))
    else:
        screen.write_text(_blocks(screen, place, kind, properties, decoder))


def _record(place: Place, kind: str, prop: Property, decoder: Decoder) -> dict[str, Any]:
    fields = decoder.fields(place.path, kind, prop)
    shown = fields and [field for field in fields if field.name not in ("defect", "more")]
    facts = property_record(place.path, kind, prop)
    facts["fields"] = None if fields is None else [record(field, FIELD) for field in shown or ()]
    facts["more_fields"] = any(field.name == "more" for field in fields or ())
    defects = (field for field in fields or () if field.name == "defect")
    facts["defects"] = [record(field, "code=value message=text offset") for field in defects]
    return facts


def _blocks(
    screen: Screen, place: Place, kind: str, properties: Iterable[Property], decoder: Decoder
) -> Iterator[str]:
    """Yield a line for each property, with a table below where its fields say more than the line."""
    seen: set[str] = set()
    apart = False
    for number, prop in enumerate(properties):
        text = is_text(place.path, kind, prop)
        fields = decoder.fields(place.path, kind, prop) or []
        says_more = any(field.name == "defect" or (field.size and meaning(field)) for field in fields)
        if place.property is None and (text or not says_more):
            fields = []
        yield "\n" if number and (fields or apart) else ""
        apart = bool(fields)
        size = count_of(len(prop.value), "byte")
        if prop.is_cut:
            size = f"the first {len(prop.value):,} of {prop.total:,} bytes"
        note = screen.style(", a second property of this name", "yellow") if prop.name in seen else ""
        name = f"{safe(place.path, None)}:{safe(prop.name)}"
        yield f"{screen.style(name, 'bold')}, {size}{note}"
        yield from _value_text(screen, prop.value, text)
        yield from _field_lines(screen, fields)
        seen.add(prop.name)


def _value_text(screen: Screen, value: bytes, text: bool) -> Iterator[str]:
    """Yield the value, on the line of its heading if that is short."""
    shown, hidden = visible(value, TERMINAL_BYTES if screen.terminal else None, text=text)
    if shown:
        yield ": " if len(shown) <= _SHORT else ":\n  "
        yield from (screen.style(piece, "green" if text else None) for piece in value_pieces(shown, text=text))
    if hidden:
        hint = f"{count_of(hidden, 'more byte')}: --raw writes all, in a pipe all are shown"
        yield "\t" + screen.style(comment(hint), "dim")
    yield "\n"


def _field_lines(screen: Screen, fields: Sequence[Field]) -> Iterator[str]:
    rows = [field_cells(field) for field in fields if field.name not in ("defect", "more") and field.size]
    if rows:
        yield from fitted_lines(screen, FIELD_COLUMNS, iter(rows), indent="  ")
    for field in fields:
        if field.name == "more":
            yield f"  {screen.style(f'and more from offset {field.offset:#x} on: see --show', 'dim')}\n"
        elif field.name == "defect":
            text = f"{field.value}: {field.text} (at offset {field.offset:#x})"
            yield f"  {screen.style(safe(text), 'yellow')}\n"


def field_cells(field: Field) -> tuple[str, str, str, str]:
    """Return the cells of a decoded field, one for each of `FIELD_COLUMNS`."""
    return f"{field.offset:#x}", f"{field.size:,}", safe(field.name), safe(field.text)
