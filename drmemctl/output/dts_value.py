# SPDX-License-Identifier: MIT
"""Values in device tree source, and what they mean as comments beside them.

Whatever the bytes are, dtc reads the same bytes back, and nothing but printable ASCII comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drmemctl.formats.fields import Field
from drmemctl.output.text import safe
from drmemctl.tree.dts_text import is_name, is_strings, value_text

_CHUNK = 1 << 16
"""Bytes made into text at a time: a multiple of 4, so that no cell is split."""

ROW = 32
"""Bytes on a line of a value that takes several: 8 cells."""

_RECORD = range(16, 65)
"""Bytes of a record, on whose lines further ones are shown that are not explained."""

_ONE_LINE = 48
"""Bytes of a value that fits a line with what it means."""

_LONG_COMMENT = 100
"""Characters of the meanings that stand together behind a value; others get a line each."""

_LONGEST_COMMENT = 1200
"""Characters of a comment: a name of 255 odd bytes is shown in four times as many."""

BRACKETS = {"cells": "<>", "bytes": "[]", "text": ("", "")}
"""What stands around an item of each kind."""

NOT_ALL = "the rest is not explained"


def name_text(name: str) -> tuple[str, str]:
    """Return a name as DTS can have it, and the true one, for a comment, where it cannot."""
    if is_name(name):
        return name, ""
    stand_in = "".join(char if is_name(char) else f"_{ord(char) & 0xFF:02x}_" for char in name)
    return stand_in or "_", f'named "{safe(name, None)}" in the tree'


def value_pieces(data: bytes, *, text: bool) -> Iterator[str]:
    """Yield a value in pieces: strings if it is `text`, else cells if they come out even, else bytes.

    An empty value has no text; DTS has only the name of such a property.
    """
    start, separator = 0, ""
    while start < len(data):
        end = start + _CHUNK
        if text and end < len(data):
            end = data.index(0, end - 1) + 1  # strings stay whole
        yield separator + (value_text(data[start:end]) if text else cells_text(data[start:end]))
        start, separator = end, ", "


def visible(data: bytes, longest: int | None, *, text: bool) -> tuple[bytes, int]:
    """Return the beginning of a value that is shown, whole if it is not much longer, and how much is not."""
    if longest is None or len(data) <= longest + 4:
        return data, 0
    # Without its NUL a text would be none.
    return data[:longest] + b"\0" * text, len(data) - longest


def cells_text(data: bytes, *, cells: bool = True) -> str:
    """Return some bytes as cells if they come out even, else as bytes; also where they look like text."""
    cells = cells and len(data) % 4 == 0
    opening, closing = BRACKETS["cells" if cells else "bytes"]
    return f"{opening}{_bare(data, cells=cells)}{closing}"


def _bare(data: bytes, *, cells: bool) -> str:
    return "0x" + data.hex(" ", 4).replace(" ", " 0x") if cells else data.hex(" ")


def comment(body: str) -> str:
    """Return a comment that holds any text and ends where it should."""
    return f"/* {safe(body, _LONGEST_COMMENT).replace('*/', '* /')} */"


@dataclass(frozen=True, slots=True)
class ValuePart:
    """Some consecutive bytes of a value, and what they mean.

    Attributes:
        start: where it begins.
        end: where it ends.
        meaning: what its bytes mean; empty for what is not explained.
        kind: `cells`, `bytes` or `text`.
        width: bytes of a row, where it is shown in several.

    """

    start: int
    end: int
    meaning: str = ""
    kind: str = "cells"
    width: int = 0

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.end - self.start

    def rows(self, data: bytes) -> Iterator[str]:
        """Yield these bytes of a value row by row, without the brackets."""
        start, width = self.start, self.width or self.size
        while start < self.end:
            end = min(start + width, self.end)
            if self.kind == "text":
                # Whole strings, of some more than `width` bytes.
                end = data.index(0, min(start + width, self.end - 1)) + 1
                yield value_text(data[start:end])
            else:
                yield _bare(data[start:end], cells=self.kind == "cells")
            start = end


def parts_of(data: bytes, fields: Sequence[Field], row: int = ROW) -> list[ValuePart]:
    """Return all bytes of a value in parts, as its decoded fields divide it; rows where nothing is known."""
    explained = _explained(data, fields)
    kind = "bytes" if any(part.kind == "bytes" for part in explained) else "cells"
    parts: list[ValuePart] = []
    at, width = 0, row
    for part in [*explained, ValuePart(len(data), len(data))]:
        if not part.meaning and part.kind != "text" and part.size:
            continue
        if at < part.start:
            parts.append(_unexplained(data, at, part.start, width if width in _RECORD else row, kind))
        parts += [part] if part.size else []
        at, width = part.end, part.size
    return parts


def _unexplained(data: bytes, start: int, end: int, width: int, kind: str) -> ValuePart:
    """Return what lies between explained parts; strings that follow strings are some as well."""
    if start and data[start - 1] == 0 and kind == "cells" and is_strings(data[start:end]):
        return ValuePart(start, end, kind="text", width=ROW)
    even = start % 4 == 0 and end % 4 == 0
    return ValuePart(start, end, kind=kind if even else "bytes", width=width)


def _explained(data: bytes, fields: Sequence[Field]) -> list[ValuePart]:
    """Return the parts that have a field; several features in one byte are one part that lists them."""
    parts: list[ValuePart] = []
    for field in sorted((part for part in fields if part.size), key=lambda part: part.offset):
        start, end = field.offset, min(field.offset + field.size, len(data))
        text = isinstance(field.value, str) and is_strings(data[start:end])
        said = "" if text else meaning(field)
        if parts and start < parts[-1].end:
            last = parts.pop()
            start, end = last.start, max(end, last.end)
            said = ", ".join(filter(None, (last.meaning, said)))
        elif parts and text and parts[-1].kind == "text" and parts[-1].end == start <= parts[-1].start + ROW:
            start = parts.pop().start
        kind = "text" if text else "cells" if (end - start) % 4 == 0 else "bytes"
        parts.append(ValuePart(start, end, said, kind))
    return parts


def remarks_of(fields: Sequence[Field]) -> list[str]:
    """Return what the fields say of the value as a whole: that some are not explained, and faults."""
    faults = [f"{field.value}: {field.text}" for field in fields if field.name == "defect"]
    if any(field.name == "more" for field in fields) and any(
        field.size > 0 and not isinstance(field.value, str) and meaning(field) for field in fields[1:]
    ):
        faults.append(NOT_ALL)
    return faults


def meaning(field: Field) -> str:
    """Return what a field says that its cells do not show by themselves."""
    if isinstance(field.value, int):
        shown = [hex(field.value)] + ([str(field.value)] if field.value < 10 else [])
        if field.text in shown and (field.name == "value" or field.name.startswith("[")):
            return ""
    return field.text if field.name in ("value", "present") else f"{field.name}: {field.text}"


def one_line(data: bytes, parts: Sequence[ValuePart]) -> str | None:
    """Return the meanings of a short value together, or None if each needs a line of its own."""
    if any(part.kind == "text" for part in parts) and len(parts) > 1:
        return None
    meanings = ", ".join(part.meaning for part in parts if part.meaning)
    is_list = len(parts) == 1 and parts[0].size <= (parts[0].width or parts[0].size)
    return meanings if is_list or (len(data) <= _ONE_LINE and len(meanings) <= _LONG_COMMENT) else None
