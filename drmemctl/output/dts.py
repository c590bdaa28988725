# SPDX-License-Identifier: MIT
"""A tree, or a part of one, as device tree source for people: decoded values beside the cells, colours.

Unless something was asked to be cut, dtc reads back what the tree holds: comments are all that is added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drmemctl.formats.fields import Field
from drmemctl.model.decoding import Decoder, is_text, kind_of
from drmemctl.output.dts_value import (
    BRACKETS,
    NOT_ALL,
    ROW,
    ValuePart,
    cells_text,
    comment,
    name_text,
    one_line,
    parts_of,
    remarks_of,
    value_pieces,
    visible,
)
from drmemctl.output.screen import Screen
from drmemctl.output.wrap import shown_width
from drmemctl.tree.lookup import Place
from drmemctl.tree.node import Node, Tree
from drmemctl.wording import count_of

PIPED_FIELDS = 64
"""Fields of a value that are explained where a program may read on; all bytes are there in any case."""

MOST_FIELDS = 65_536
"""The same where everything is asked for: a value of a million entries must not take a gigabyte."""

_WIDE = 110
"""Columns of a terminal that has room for eight cells and indents."""

TERMINAL_FIELDS = 16
TERMINAL_BYTES = 64


@dataclass(frozen=True, slots=True)
class DtsView:
    """How much of a tree to show.

    Attributes:
        decode: whether to say what known values mean.
        fields: fields of a value that are explained.
        longest: bytes of a value that are shown; None shows all of them.
        depth: levels of nodes that are shown, 0 being the node itself; None shows all.

    """

    decode: bool = True
    fields: int = PIPED_FIELDS
    longest: int | None = None
    depth: int | None = None

    @classmethod
    def on(cls, screen: Screen, *, everything: bool, decode: bool, depth: int | None) -> DtsView:
        """Return the view for a screen: a person sees long values cut, a pipe gets them whole."""
        if everything:
            return cls(decode, MOST_FIELDS, None, depth)
        if screen.terminal:
            return cls(decode, TERMINAL_FIELDS, TERMINAL_BYTES, depth)
        return cls(decode, PIPED_FIELDS, None, depth)


def show_dts(screen: Screen, tree: Tree, place: Place, view: DtsView) -> int:
    """Print the tree from a node on; return how many names DTS cannot hold: a comment has each.

    The node's ancestors stand around it, without what else they hold.
    """
    writer = _Writer(screen, tree, view)
    pieces = writer.pieces(place)
    screen.write_all(fitted(pieces, screen.width) if screen.terminal else pieces)
    return writer.odd_names


class _Writer:
    def __init__(self, screen: Screen, tree: Tree, view: DtsView) -> None:
        self._style = screen.style
        self._tree = tree
        self._view = view
        self._row = ROW if not screen.terminal or screen.width >= _WIDE else ROW // 2
        self._decoder = Decoder.of(tree, view.fields)
        self.odd_names = 0

    def pieces(self, place: Place) -> Iterator[str]:
        """Yield the whole text."""
        yield "/dts-v1/;\n"
        if place.path == "/":
            if self._tree.boot_cpu:
                yield f"// boot_cpuid_phys: {self._tree.boot_cpu:#x}\n"
            for address, size in self._tree.reservations:
                yield f"/memreserve/ {address:#018x} {size:#018x};\n"
        yield "\n"
        names = [] if place.path == "/" else place.path.split("/")[:-1]
        for depth, name in enumerate(names):
            yield self._open(depth, name)
        yield from self._nodes(place, len(names))
        for depth in reversed(range(len(names))):
            yield "\t" * depth + "};\n"

    def _open(self, depth: int, name: str) -> str:
        shown, note = self._name(name) if depth else ("/", "")
        tail = f"\t{self._comment(note)}" if note else ""
        return "\t" * depth + self._style(shown, "bold") + " {" + tail + "\n"

    def _name(self, name: str) -> tuple[str, str]:
        shown, note = name_text(name)
        self.odd_names += bool(note)
        return shown, note

    def _comment(self, body: str) -> str:
        return self._style(comment(body), "dim")

    def _nodes(self, place: Place, first_depth: int) -> Iterator[str]:
        """Yield a node and those below it, without recursion."""
        pending: list[tuple[str, Node | None, int]] = [(place.path, place.node, first_depth)]
        while pending:
            path, node, depth = pending.pop()
            if node is None:
                yield "\t" * depth + "};\n"
                continue
            # As dtc: a blank line before each node but the first.
            yield ("" if depth == first_depth else "\n") + self._open(depth, node.name)
            yield from self._properties(path, node, depth + 1)
            pending.append((path, None, depth))
            if self._view.depth is not None and depth - first_depth >= self._view.depth:
                if node.children:
                    note = self._comment(f"{count_of(len(node.children), 'node')} below, not shown")
                    yield "\t" * (depth + 1) + note + "\n"
                continue
            prefix = path.rstrip("/") + "/"
            pending += ((prefix + child.name, child, depth + 1) for child in reversed(node.children))

    def _properties(self, path: str, node: Node, depth: int) -> Iterator[str]:
        seen: set[str] = set()
        kind = kind_of(node)
        for prop in node.properties:
            notes = ["a second property of this name"] if prop.name in seen else []
            seen.add(prop.name)
            name, true_name = self._name(prop.name)
            notes += [true_name] if true_name else []
            if prop.is_cut:
                notes.append(f"the source shows {len(prop.value):,} of {prop.total:,} bytes")
            text = is_text(path, kind, prop)
            fields = self._decoder.fields(path, kind, prop) if self._view.decode and not text else None
            yield "\t" * depth + self._style(name, "cyan")
            yield from self._value(prop.value, fields or (), text, notes, depth)

    def _value(
        self, value: bytes, fields: Sequence[Field], text: bool, notes: list[str], depth: int
    ) -> Iterator[str]:
        """Yield what follows a property's name: on its line, or a line for each decoded part."""
        explained = max((field.offset + field.size for field in fields if field.size), default=0)
        longest = None if self._view.longest is None else max(self._view.longest, explained)
        data, hidden = visible(value, longest, text=text)
        if hidden:
            notes.append(f"{count_of(hidden, 'more byte')}: --all shows all")
        notes += [note for note in remarks_of(fields) if not hidden or note != NOT_ALL]
        parts = parts_of(data, fields, self._row) if fields else []
        together = one_line(data, parts) if parts else ""
        if together is None:
            yield from self._lines(data, parts, notes, depth)
            return
        notes[:0] = [together] if together else []
        if all(part.kind == "cells" for part in parts):
            separator = " = "
            for piece in value_pieces(data, text=text):
                yield separator + self._style(piece, "green" if text else None)
                separator = ""
        else:
            yield f" = {cells_text(data, cells=False)}"
        yield ";" + self._tail(notes) + "\n"

    def _lines(self, data: bytes, parts: Sequence[ValuePart], notes: Sequence[str], depth: int) -> Iterator[str]:
        """Yield a value row by row, rows of one kind in the same brackets: dtc is quadratic in the items."""
        indent = "\t" * (depth + 1)
        yield " ="
        tail, kind, closing = self._tail(notes), "", ""
        for part in parts:
            style = "green" if part.kind == "text" else None
            for row in part.rows(data):
                if part.kind == kind != "text":
                    yield f"{tail}\n{indent} {row}"
                else:
                    opening, following = BRACKETS[part.kind]
                    yield f"{closing}{',' if kind else ''}{tail}\n{indent}{opening}{self._style(row, style)}"
                    kind, closing = part.kind, following
                tail = ""
            tail = self._tail([part.meaning]) if part.meaning else ""
        yield f"{closing};{tail}\n"

    def _tail(self, notes: Sequence[str]) -> str:
        return "".join(f"\t{self._comment(note)}" for note in notes)


_TOKEN = re.compile(r'(?:"(?:\\.|[^"\\])*"|\S)+')
"""What stays together: a string with all that is in it, a cell, a word of a comment."""

_LEVEL = "    "
"""A level of nodes; dtc's tabs take twice as much of the screen."""

_FURTHER = " " * 6
"""How much further in what follows is."""

_DEEPEST = 0.4
"""Part of the screen that indents may take."""


def fitted(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Yield text that comes in any pieces, in lines of at most `width` columns but for what cannot be broken."""
    begun: list[str] = []
    for piece in pieces:
        first, *further_lines = piece.split("\n")
        begun.append(first)
        for line in further_lines:
            yield from _fitted("".join(begun), width)
            begun = [line]
    if any(begun):
        yield from _fitted("".join(begun), width)


def _fitted(line: str, width: int) -> Iterator[str]:
    body = line.lstrip("\t ")
    margin = line[: len(line) - len(body)].replace("\t", _LEVEL)[: int(width * _DEEPEST)]
    body = body.replace("\t", "  ")
    if len(margin) + shown_width(body) <= width:
        yield f"{margin}{body}\n"
        return
    further = margin + _FURTHER
    tokens: list[str] = []
    room = width - len(margin)
    for match in _TOKEN.finditer(body):
        token, columns = match[0], shown_width(match[0])
        if tokens and columns + 1 > room:
            yield f"{margin}{' '.join(tokens)}\n"
            margin, tokens, room = further, [], width - len(further)
        room -= columns + (1 if tokens else 0)
        tokens.append(token)
    yield f"{margin}{' '.join(tokens)}\n"
