# SPDX-License-Identifier: MIT
"""Text that came by mail or out of a document: `> ` before its lines, or all of it indented."""

from __future__ import annotations

import re

_CONTENT = re.compile(rb"^[ \t]*[^\s].*$", re.MULTILINE)
_QUOTE = re.compile(rb"^[ \t]{0,3}>[ ]?", re.MULTILINE)
_INDENT = re.compile(rb"^[ \t]+(?=\S)", re.MULTILINE)
_DEEPEST = 8
"""How often an answer to an answer is quoted again."""

_OF_VALUES, _NAME_WIDTH = b"\t\t", 16
"""lsprop indents values by two tabs, which text editors may turn into blanks."""

_VALUE = re.compile(rb"\"|\[|(?:[0-9a-f]{2}){1,4}(?:[ \r\n]|\Z)")
"""How the value of a property begins, as lsprop prints it."""


def unquoted(text: bytes) -> bytes:
    """Return the text without quoting, and without an indent that all lines have; line numbers stay the same.

    Quoting is taken away where most lines have it: of a shell, a prompt may be `> `.
    """
    for _ in range(_DEEPEST):
        quoted = len(_QUOTE.findall(text))
        if not quoted or 2 * quoted <= len(_CONTENT.findall(text)):
            break
        text = _QUOTE.sub(b"", text)
    indents = _INDENT.findall(text)
    return _without(_common(indents), text) if len(indents) == len(_CONTENT.findall(text)) else text


def without_indent(text: bytes) -> bytes:
    """Return the text of lsprop without the indent of a block of it between lines that have none."""
    indent = _common(_INDENT.findall(text))
    if indent.startswith(_OF_VALUES) or len(indent.expandtabs()) >= _NAME_WIDTH:
        return text
    names_and_values = re.finditer(rb"^" + re.escape(indent) + rb"(?=[^ \t\n])", text, re.MULTILINE)
    # What would put a value at the start of a line is no indent of the whole, but of values alone.
    if not indent or any(_VALUE.match(text, match.end()) for match in names_and_values):
        return text
    return _without(indent, text)


def _common(indents: list[bytes]) -> bytes:
    least, most = min(indents, default=b""), max(indents, default=b"")
    return next((least[:end] for end in range(len(least), 0, -1) if most.startswith(least[:end])), b"")


def _without(indent: bytes, text: bytes) -> bytes:
    return re.sub(rb"^" + re.escape(indent), b"", text, flags=re.MULTILINE) if indent else text
