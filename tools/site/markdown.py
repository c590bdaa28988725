# SPDX-License-Identifier: MIT
"""Plain text as Markdown: nothing in it may become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(r"([\\*_<>\[\]#|])")
_CODE = re.compile(r"(`[^`]*`)")


def text(plain: str) -> str:
    """Return text that shows as it is, but for code in backticks, which stays code."""
    parts = _CODE.split(plain)
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in parts)


def code(plain: str) -> str:
    """Return code within a line; a table does not take a bar in it for the end of a cell."""
    return f"`{plain}`"


def fenced(lines: str, language: str = "text") -> str:
    """Return a block of code."""
    return f"```{language}\n{lines.rstrip()}\n```"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
