# SPDX-License-Identifier: MIT
"""JSON: versioned, ASCII, a record a line where there are many, ended by a newline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from drmemctl.formats.plain import record as plain_record
from drmemctl.output.drc_hex import with_hex
from drmemctl.output.text import safe

FIELD = "offset size name value text"
"""The keys of a decoded field."""

_AT_ONCE = 256
"""Records written at a time."""


def schema(command: str) -> str:
    """Return the schema name of a command's JSON, e.g. `drmemctl.lmb/1`."""
    return f"drmemctl.{command}/1"


def record(value: object, keys: str) -> dict[str, Any]:
    """Return attributes of a value, as `plain.record` does, with every text made printable."""
    facts = plain_record(value, keys)
    for key, item in facts.items():
        if isinstance(item, str):
            facts[key] = safe(item, None)
    return facts


def document(value: Mapping[str, Any]) -> str:
    """Return a whole document, indented for people."""
    return _printable(json.dumps(with_hex(value), indent=2)) + "\n"


Records = Iterable[Mapping[str, Any] | str]
"""Records, or the text of each as `record_text` makes it."""


def record_text(record: Mapping[str, Any]) -> str:
    """Return a record as one line."""
    return _printable(json.dumps(with_hex(record)))


def row_text(row: Mapping[str, Any]) -> str:
    """Return a row of a data set's table as one line, with the columns that the table has and no more."""
    return _printable(json.dumps(row))


def streamed(command: str, head: Mapping[str, Any], lists: Mapping[str, Records]) -> Iterator[str]:
    """Yield a document of a command, with lists that may be long: each record is a line, made as it is written."""
    yield "{"
    separator = "\n"
    for key, value in {"schema": schema(command), **head}.items():
        yield f"{separator}  {json.dumps(key)}: {_printable(json.dumps(with_hex(value)))}"
        separator = ",\n"
    for key, records in lists.items():
        yield f"{separator}  {json.dumps(key)}: "
        yield from array(records, "  ")
        separator = ",\n"
    yield "\n}\n"


def array(records: Records, indent: str) -> Iterator[str]:
    """Yield an array with a record a line; `indent` is that of the line it begins in."""
    texts = (record if isinstance(record, str) else record_text(record) for record in records)
    separator = "["
    while part := list(islice(texts, _AT_ONCE)):
        line = f"\n{indent}  "
        yield separator + line + f",{line}".join(part)
        separator = ","
    yield "[]" if separator == "[" else f"\n{indent}]"


def lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield NDJSON: one record a line."""
    for record in records:
        yield record_text(record) + "\n"


def _printable(text: str) -> str:
    """Return JSON without DEL, the one control character that it lets through as it is, and without `##[`.

    That begins a command where a log of GitHub's runner shows it.
    """
    return text.replace("\x7f", "\\u007f").replace("##[", "##\\u005b")


def kernel_field(kernel: str | None) -> dict[str, str]:
    """Return the field that names the kernel as which a tree was read; none where nobody named one."""
    return {} if kernel is None else {"kernel": kernel}
