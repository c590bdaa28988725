# SPDX-License-Identifier: MIT
"""How public values look in a Python prompt and in a notebook: one short line, or an escaped table.

Text from a tree is untrusted: `repr` has it quoted by Python, which escapes all that is not printable, and HTML
has it escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

_LONGEST = 40
"""Characters of a text or bytes of a value that a line shows."""

_ROWS = 40
"""Rows of a table: a notebook keeps what it shows, and a hostile tree has runs by the million."""

_SHORT_ENOUGH = 100


def short_repr(self: Any) -> str:
    """Return a dataclass in a line: its fields, with collections counted and long values cut.

    Nothing that may be large is looked through: the time does not go by the size of the value.
    """
    shown = (
        f"{name}={_shown(getattr(self, name))}"
        for name, field in self.__dataclass_fields__.items()
        if field.repr and not name.startswith("_")
    )
    return f"{type(self).__name__}({', '.join(shown)})"


def _shown(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, (str, bytes)):
        return repr(value) if len(value) <= _LONGEST else f"{value[:_LONGEST]!r}… ({len(value):,})"
    if isinstance(value, (Mapping, AbstractSet)):
        return f"<{len(value):,}>" if value else "{}"
    if isinstance(value, Sequence) and not hasattr(value, "_fields"):
        return _sequence(value)
    if hasattr(value, "__dataclass_fields__") or hasattr(value, "_fields"):
        return f"<{type(value).__name__}>"
    text = repr(value)
    return text if len(text) <= _SHORT_ENOUGH else f"<{type(value).__name__}>"


def _sequence(values: Sequence[Any]) -> str:
    if not len(values):
        return "()"
    if len(values) <= 4 and all(isinstance(value, int) for value in values):
        return f"({', '.join(map(repr, values))})"
    kinds = {type(value).__name__ for value in islice(values, 4)}
    return f"<{len(values):,} {kinds.pop() if len(kinds) == 1 else 'values'}>"


def html_table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[object]], total: int, things: str
) -> str:
    """Return a table as HTML, with how many of `total` rows it leaves out; None is `-`, as commands have it."""
    from html import escape

    parts = [f"<table><caption>{escape(title)}</caption><thead>{_row('th', headings)}</thead><tbody>"]
    parts += [_row("td", row) for row in islice(rows, _ROWS)]
    if total > _ROWS:
        parts.append(f'<tr><td colspan="{len(headings)}">{total - _ROWS:,} more {escape(things)}</td></tr>')
    return "".join([*parts, "</tbody></table>"])


def _row(tag: str, cells: Iterable[object]) -> str:
    from html import escape

    texts = (f"<{tag}>{'-' if cell is None else escape(str(cell))}</{tag}>" for cell in cells)
    return f"<tr>{''.join(texts)}</tr>"
