# SPDX-License-Identifier: MIT
"""The words of a step, and the error that says where one of them is wrong and what was expected there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from drmemctl.errors import DrmemctlError
from drmemctl.numbers import parse_drc_index, parse_kernel_int

_T = TypeVar("_T")

_QUOTED = r"""@?(?:'[^']*'|"(?:\\.|[^"\\])*")+"""
WORD = re.compile(rf"{_QUOTED}(?!\S)|\S+")
"""A word; the name of a file with blanks in it is quoted as for a shell."""

_STEP = re.compile(rf"(?:(?<![^\s;]){_QUOTED}(?![^\s;])|[^;])+")

DRC, NUMBER, PATH, PROPERTY, FILE, VALUE = "<drc>", "<number>", "<path>", "<property>", "<file>", "<value>"
BLOCK = "<block>"
"""What a word of a step can be, besides itself: a step says so for each of its words in `completions`."""


class StepError(DrmemctlError):
    """A step that the language does not have.

    Attributes:
        line: its line, from 1 on.
        column: where in it the fault is, from 1 on.
        expected: what could have stood there.
        suggestion: the words that were probably meant, as a question; empty where nothing is like the wrong one.

    """

    def __init__(self, text: str, line: int, column: int, expected: str, suggestion: str = "") -> None:
        word = WORD.match(text, column - 1)
        instead = f"not {word[0]!r}" if word else "but the step ends"
        super().__init__(f"line {line}, column {column}: expected {expected}, {instead}")
        self.text = text
        self.line = line
        self.column = column
        self.expected = expected
        self.suggestion = suggestion


def parts_of(text: str) -> list[str]:
    """Return the texts of the steps between `;`; one in a quoted word is the word's."""
    return [part.strip() for part in _STEP.findall(text)]


def unquoted(word: str) -> str:
    """Return what a shell would make of a word that begins with a quote; any other word as it is."""
    if not word.startswith(("'", '"')):
        return word
    try:
        parts = shlex.split(word)
    except ValueError:  # a quote that does not end is a part of the name
        return word
    return parts[0] if len(parts) == 1 and parts[0] else word


@dataclass(slots=True)
class StepWords:
    """The words of a step, taken one by one.

    Attributes:
        line_text: the whole line.
        line: its number, from 1 on.
        words: the words of the step, each with its offset in the line.
        at: how many of them were taken.
        in_file: whether no shell has read the line: then `#` begins a comment, and text may be quoted.

    """

    line_text: str
    line: int
    words: list[tuple[int, str]]
    at: int = 0
    in_file: bool = False

    @property
    def text(self) -> str:
        """The step without what stands before and behind it."""
        last, word = self.words[-1]
        return self.line_text[self.words[0][0] : last + len(word)]

    @property
    def name(self) -> str:
        """The first word, which names the step."""
        return self.words[0][1]

    def error(self, expected: str, *, back: int = 0, suggestion: str = "") -> StepError:
        """Return the error for the next word, or the one so many words back."""
        at = self.at - back
        column = self.words[at][0] + 1 if at < len(self.words) else len(self.line_text.rstrip()) + 1
        return StepError(self.line_text, self.line, column, expected, suggestion)

    @property
    def remaining(self) -> int:
        """How many words were not taken yet."""
        return len(self.words) - self.at

    def next(self, expected: str) -> str:
        """Take the next word, which has to be there."""
        if not self.remaining:
            raise self.error(expected)
        self.at += 1
        return self.words[self.at - 1][1]

    def file(self, expected: str) -> str:
        """Take the name of a file or tree, without the quotes that it may have."""
        return unquoted(self.next(expected))

    def number(self, expected: str) -> int:
        """Take a number of 32 bits."""
        return self._parsed(expected, parse_kernel_int)

    def numbers(self, expected: str) -> tuple[int, ...]:
        """Take numbers of 32 bits with commas between them."""
        return self._parsed(expected, lambda text: tuple(map(parse_kernel_int, text.split(","))))

    def drc_index(self) -> int:
        """Take a DRC index."""
        return self._parsed("a DRC index", parse_drc_index)

    def signed(self, expected: str) -> int:
        """Take a number that may be negative."""
        return self._parsed(
            expected, lambda text: -parse_kernel_int(text[1:]) if text[:1] == "-" else parse_kernel_int(text)
        )

    def _parsed(self, expected: str, parse: Callable[[str], _T]) -> _T:
        text = self.next(expected)
        try:
            return parse(text)
        except ValueError as error:
            raise self.error(f"{expected} ({error})", back=1) from None

    def keyword(self, *names: str) -> str:
        """Take one of some words."""
        quoted = [f"`{name}`" for name in names]
        expected = " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))
        word = self.next(expected)
        if word not in names:
            raise self.error(expected, back=1)
        return word

    def end(self) -> None:
        """Raise `StepError` if there are more words."""
        if self.remaining:
            raise self.error("the end of the step")
