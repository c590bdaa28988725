# SPDX-License-Identifier: MIT
"""The one gate through which text from a tree reaches an output."""

from __future__ import annotations

LONGEST = 200
"""Characters of a name or a text that are shown; the rest is counted."""

_LONGEST_MESSAGE = 2000
"""Characters of a message that are shown."""

_COMMAND, _COMMAND_LINE = "##[", "::"
"""What begins a command in the log of a GitHub action, as in `##[error]` and, behind blanks that begin a line,
`::error::` (actions/runner, `ActionCommand.TryParse` and `TryParseV2`)."""


def safe(text: str, limit: int | None = LONGEST) -> str:
    r"""Return text from a tree as printable ASCII: any other character as `\xNN` or `\u{…}`, and not too long.

    Names and values come from whoever made the dump: no escape sequence, line break or bidi mark gets through, nor
    does a command that GitHub's runner would carry out: what is shown may begin a line.
    """
    is_plain = text.isascii() and text.isprintable() and (limit is None or len(text) <= limit)
    if is_plain and _COMMAND not in text and not (text[:1] in " :" and _begins_command(text)):
        return text
    shown = text if limit is None else text[:limit]
    out = "".join(char if " " <= char <= "~" else _escaped(char) for char in shown)
    out = out.replace(_COMMAND, "##" + _escaped("["))
    if _begins_command(out):
        out = out.replace(":", _escaped(":"), 1)
    hidden = len(text) - len(shown)
    return f"{out}… +{hidden} characters" if hidden else out


def worded(message: str, limit: int | None = _LONGEST_MESSAGE) -> str:
    """Return a message of our own, which quotes what others wrote, as `safe` does; its … are three dots."""
    return safe(message.replace("…", "..."), limit)


def own_words(text: str) -> str:
    """Return the user's own words, in any script, without what steers a text's direction or a terminal."""
    return "".join(char if char.isprintable() else safe(char) for char in text)


def _begins_command(text: str) -> bool:
    return text.lstrip().startswith(_COMMAND_LINE)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no ASCII, as surrogateescape holds it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"
