# SPDX-License-Identifier: MIT
"""Lines of text for a terminal: broken between words where they are wider than that is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_FURTHER = 4
"""Columns by which what follows is further in than what was broken."""

_NARROWEST = 20
"""Columns that a text is folded to at least."""

_WIDEST_INDENT = 0.4
"""Part of the width that an indent may take: deeper trees than that are shown further out."""


def shown_width(text: str) -> int:
    """Return the columns that text takes; colours take none."""
    return len(_COLOR.sub("", text)) if "\x1b" in text else len(text)


def wrapped(line: str, width: int) -> list[str]:
    """Return a line as one or more of at most `width` columns; a word that is longer stays whole."""
    if shown_width(line) <= width:
        return [line]
    depth = len(line) - len(line.lstrip(" ")) + _FURTHER
    indent = " " * min(depth, int(width * _WIDEST_INDENT))
    parts, used = [""], 0
    for word in re.split(r"(?<=\S) ", line):
        columns = shown_width(word)
        if parts[-1].strip() and used + 1 + columns > width:
            # The blanks that would align it on the line before are of no use here.
            text = indent + word.lstrip(" ")
            parts.append(text)
            used = shown_width(text)
        else:
            parts[-1] = f"{parts[-1]} {word}" if parts[-1] else word
            used += columns + (1 if used else 0)
    return parts


def folded(text: str, width: int) -> list[str]:
    """Return a paragraph in lines of at most `width` columns, in which no word is broken."""
    from textwrap import wrap

    return wrap(text, max(width, _NARROWEST), break_long_words=False, break_on_hyphens=False) or [""]


def wrapped_text(parts: Iterable[str], width: int) -> Iterator[str]:
    """Yield text that comes in any pieces, its lines broken as `wrapped` does."""
    unfinished = ""
    for part in parts:
        *lines, unfinished = (unfinished + part).split("\n")
        for line in lines:
            yield "\n".join(wrapped(line, width)) + "\n"
    if unfinished:
        yield "\n".join(wrapped(unfinished, width))
