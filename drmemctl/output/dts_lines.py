# SPDX-License-Identifier: MIT
"""Device tree source on a terminal: lines that are too wide are broken where DTS lets them be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from drmemctl.output.wrap import shown_width

_TOKEN = re.compile(r'(?:"(?:\\.|[^"\\])*"|\S)+')
"""What stays together: a string with all that is in it, a cell, a word of a comment."""

_INDENT = "    "
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
    margin = line[: len(line) - len(body)].replace("\t", _INDENT)[: int(width * _DEEPEST)]
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
