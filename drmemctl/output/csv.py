# SPDX-License-Identifier: MIT
"""CSV: a line of column names, then a record a line (RFC 4180, with line feeds alone)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from drmemctl.output.drc_hex import HEX, KEY, with_hex


def csv_lines(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table; what a record does not have is empty."""
    # The text comes last, so that the columns that were there keep their order.
    columns = [*columns, HEX] if KEY in columns else columns
    yield ",".join(columns) + "\n"
    for record in map(with_hex, records) if HEX in columns else records:
        yield ",".join(_cell(record.get(column)) for column in columns) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text
