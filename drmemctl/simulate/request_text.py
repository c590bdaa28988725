# SPDX-License-Identifier: MIT
"""The text behind `dlpar`: byte for byte what is written to /sys/kernel/dlpar, as it stands or quoted.

One blank or tab parts it from the step's name; all that follows is the kernel's to judge: blanks, tabs, `#`. In a
file `#` behind a blank begins a comment, and quotes keep what is between them: '…' and "…" as it stands. $'…', as
shells have it, takes escapes and is written without the line feed that `echo` adds; it is read everywhere, since
an argument cannot hold a NUL byte or a line feed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drmemctl.simulate.step_words import StepError, StepWords

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", "'": "'", '"': '"'}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.?))", re.ASCII | re.DOTALL)
_ESCAPED_END = re.compile(r"(?:[^\\']|\\.)*'", re.DOTALL)
_COMMENT = re.compile(r"(?<=\s)#")


@dataclass(frozen=True, slots=True)
class RequestText:
    """What a step writes.

    Attributes:
        step: the step without what stands before and behind it.
        request: the text.
        fed: whether a line feed is written behind it.

    """

    step: str
    request: str
    fed: bool = True


def request_text(words: StepWords) -> RequestText:
    """Return what a step writes; `StepError` where there is nothing, or a quote has no end."""
    line, (first, name) = words.line_text, words.words[0]
    start = first + len(name) + 1
    if line.startswith("$'", start):
        end = _end_of_quoted(words, start + 2, _ESCAPED_END)
        return RequestText(line[first:end], _unescaped(words, start + 2, end - 1), fed=False)
    if words.in_file and line[start : start + 1] in ("'", '"'):
        quote = line[start]
        end = _end_of_quoted(words, start + 1, re.compile(f"[^{quote}]*{quote}"))
        return RequestText(line[first:end], line[start + 1 : end - 1])
    comment = _COMMENT.search(line, start - 1) if words.in_file else None
    text = line[first:] if comment is None else line[first : comment.start()].rstrip()
    request = text[start - first :]
    if not request:
        raise words.error("what is written to /sys/kernel/dlpar")
    return RequestText(text, request)


def _end_of_quoted(words: StepWords, start: int, pattern: re.Pattern[str]) -> int:
    """Return where a quoted text ends that begins at `start`; only a comment may follow."""
    match = pattern.match(words.line_text, start)
    if match is None:
        raise StepError(words.line_text, words.line, len(words.line_text) + 1, "the quote that ends the text")
    behind = words.line_text[match.end() :]
    if behind.strip() and not (words.in_file and behind[0].isspace() and behind.lstrip().startswith("#")):
        column = match.end() + len(behind) - len(behind.lstrip()) + 1
        raise StepError(words.line_text, words.line, column, "the end of the step")
    return match.end()


def _unescaped(words: StepWords, start: int, end: int) -> str:
    r"""Return a text without its escapes; `\xNN` is a byte, as surrogateescape holds those that are no ASCII."""

    def meant(match: re.Match[str]) -> str:
        if match[1]:
            return bytes.fromhex(match[1]).decode("utf-8", "surrogateescape")
        if match[2] not in _ESCAPES:
            expected = r"an escape (\n \t \r \0 \\ \' or \xNN)"
            raise StepError(words.line_text, words.line, start + match.start() + 1, expected)
        return _ESCAPES[match[2]]

    return _ESCAPE.sub(meant, words.line_text[start:end])
