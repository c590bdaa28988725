# SPDX-License-Identifier: MIT
"""JSON: versioned, ASCII, a record a line where there are many, ended by a newline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def schema(command: str) -> str:
    """Return the schema name of a command's JSON, e.g. `drmemctl.lmb/1`."""
    return f"drmemctl.{command}/1"


def document(value: Mapping[str, Any]) -> str:
    """Return a whole document, indented for people."""
    return json.dumps(value, indent=2) + "\n"


def streamed(head: Mapping[str, Any], lists: Mapping[str, Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield a document whose lists may be long: every record of theirs is one line, made as it is written."""
    yield "{"
    separator = "\n"
    for key, value in head.items():
        yield f"{separator}  {json.dumps(key)}: {json.dumps(value)}"
        separator = ",\n"
    for key, records in lists.items():
        yield f"{separator}  {json.dumps(key)}: ["
        separator = ",\n"
        inner = "\n"
        for record in records:
            yield f"{inner}    {json.dumps(record)}"
            inner = ",\n"
        yield "]" if inner == "\n" else "\n  ]"
    yield "\n}\n"


def lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield NDJSON: one record a line."""
    for record in records:
        yield json.dumps(record) + "\n"
