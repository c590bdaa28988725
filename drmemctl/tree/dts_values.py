# SPDX-License-Identifier: MIT
"""Values in device tree source: cells, bytes, strings, references, as dtc's grammar has them.

Source: Devicetree Specification v0.4 chapter 6.2; dtc's dtc-lexer.l, dtc-parser.y and treesource.c; for text of
fdtdump, `utilfdt_print_data` in dtc's util.c, which prints strings without any escapes.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from drmemctl.errors import InputError, LimitError
from drmemctl.tree.dts_text import LETTERS
from drmemctl.tree.places import place_words

# Why a `*+` ends in an empty alternative: see _PREAMBLE of `dts`.
_SPACE = re.compile(r"(?:\s++|//[^\n]*+|/\*.*?\*/|)*+", re.DOTALL)
_COMMENT = re.compile(r"//[^\n]*+|/\*.*?\*/", re.DOTALL)
_CELLS = re.compile(r"<((?:[^<>/]++|/\*.*?\*/|//[^\n]*+\n|/(?![*/])|)*+)>", re.DOTALL)
_BYTES = re.compile(r"\[((?:[^][/]++|/\*.*?\*/|//[^\n]*+\n|)*+)\]", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]++|\\.|)*+)"', re.DOTALL)
_RAW_STRING = re.compile(r'"([^\n]*?)"(?=, "|;[ \t\r]*(?:\n|\Z))')
_LABEL = re.compile(r"[A-Za-z_]\w*:")
_REFERENCE = re.compile(r"&(?:([A-Za-z_]\w*)|\{([^}\s]*)\})")
_BITS = re.compile(r"/bits/\s*(\w+)\s*(?=<)")
_PLAIN_PIECE = re.compile(r"[0-9a-fA-FxX\s]*+")
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)(?:U?L{0,2})")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_OCTAL_BY_HAND = re.compile(r"(?<!\\)(?:\\\\|)*+\\[1-7]")

_TYPE_CODES = {"8": "B", "16": "H", "32": "I", "64": "Q"}
_PIECE = 1 << 16
"""Characters of a cell list split at once: 24 MiB of cells must not be a list of six million strings."""

_PLAIN = "let dtc make plain text of it: dtc -O dts FILE"

UNRESOLVED = b"\xff\xff\xff\xff"
"""What stands in a value for a reference until all nodes are known."""


class Scanner:
    """A text and a place in it; `fail` says where the place is.

    Attributes:
        text: the source, one character for each byte (Latin-1).
        at: index of the next character.
        raw_strings: strings have no escapes, as fdtdump prints them.
        octal: a backslash and 0 may begin an octal number; else it is a NUL, since dtc prints no others.

    """

    def __init__(self, text: str, source: str, *, raw_strings: bool = False) -> None:
        self.text = text
        self.source = source
        self.at = 0
        self.raw_strings = raw_strings
        self.octal = _OCTAL_BY_HAND.search(text) is not None

    def space(self) -> str:
        """Pass blanks and comments; return the next character, "" at the end."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        if self.text.startswith("/*", self.at):
            self.fail("a comment without its end")
        return self.text[self.at : self.at + 1]

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Pass what matches here and return it, or None."""
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def expect(self, character: str, after: str) -> None:
        """Pass blanks and one certain character."""
        if self.space() != character:
            self.fail(f"expected {character} after {after}")
        self.at += 1

    def fail(self, message: str, at: int | None = None, hint: str | None = None) -> NoReturn:
        """Raise `InputError` with line and column."""
        place = place_words(self.text, self.at if at is None else at)
        raise InputError(f"{place}: {message}", source=self.source, hint=hint)

    @contextmanager
    def limits_placed(self) -> Iterator[None]:
        """Have a `LimitError` say with line and column how far the text was read."""
        try:
            yield
        except LimitError as error:
            error.message = f"{place_words(self.text, self.at)}: {error.message}"
            raise


@dataclass(slots=True)
class Value:
    """A property's value: its bytes, with `UNRESOLVED` where a phandle goes.

    Attributes:
        data: the bytes so far.
        references: of each phandle: its byte offset, the label or path, its place in the text.
        ambiguous: an octal-looking escape, if there was one that two versions of dtc mean differently.

    """

    data: bytearray = field(default_factory=bytearray)
    references: list[tuple[int, str, int]] = field(default_factory=list)
    ambiguous: str = ""


def read_value(scanner: Scanner) -> Value:
    """Return the value that follows `=`, up to and with the semicolon."""
    value = Value()
    while True:
        _read_item(scanner, value)
        _labels(scanner)
        separator = scanner.space()
        if separator not in {",", ";"}:
            scanner.fail("expected , or ; after a value")
        scanner.at += 1
        if separator == ";":
            return value


def _labels(scanner: Scanner) -> str:
    """Pass blanks and labels inside a value, which mark places for assemblers only."""
    character = scanner.space()
    while scanner.take(_LABEL):
        character = scanner.space()
    return character


def _read_item(scanner: Scanner, value: Value) -> None:
    character = _labels(scanner)
    if character == '"':
        _read_string(scanner, value)
    elif character == "<":
        _read_cells(scanner, value, "32")
    elif character == "[":
        _read_bytes(scanner, value)
    elif bits := scanner.take(_BITS):
        if bits[1] not in _TYPE_CODES:
            scanner.fail(f"/bits/ {bits[1][:20]}: not one of 8, 16, 32, 64", bits.start())
        _read_cells(scanner, value, bits[1])
    elif scanner.text.startswith("/incbin/", scanner.at):
        scanner.fail("/incbin/ would read a further file", hint=_PLAIN)
    elif character == "&":
        scanner.fail("a reference outside < > stands for a path", hint=_PLAIN)
    else:
        scanner.fail("expected a value: <cells>, [bytes] or a string")


def _read_string(scanner: Scanner, value: Value) -> None:
    match = scanner.take(_RAW_STRING if scanner.raw_strings else _STRING)
    if match is None:
        scanner.fail("a string without its end")

    def character(escape: re.Match[str]) -> str:
        hexadecimal, octal, letter = escape.groups()
        if hexadecimal:
            return chr(int(hexadecimal, 16))
        if octal is None:
            return LETTERS.get(letter, letter)
        if len(octal) > 1 and octal[0] == "0" and not scanner.octal:
            # dtc up to 1.6.1 prints NUL and the digit 3 as \03, and reads that as one byte of value 3.
            value.ambiguous = octal
            return "\0" + octal[1:]
        return chr(int(octal, 8) & 0xFF)

    text = match[1] if scanner.raw_strings else _ESCAPE.sub(character, match[1])
    value.data += text.encode("latin-1") + b"\0"


def _read_bytes(scanner: Scanner, value: Value) -> None:
    start = scanner.at
    match = scanner.take(_BYTES)
    if match is None:
        scanner.fail("a byte list without its ]")
    text = _COMMENT.sub(" ", match[1]) if "/" in match[1] else match[1]
    try:
        value.data += bytes.fromhex(text)
    except ValueError:
        scanner.fail("a byte list holds something else than pairs of hex digits", start)


def _read_cells(scanner: Scanner, value: Value, bits: str) -> None:
    match = scanner.take(_CELLS)
    if match is None:
        scanner.fail("a cell list without its >")
    code = _TYPE_CODES[bits]
    for start, piece in _pieces(match[1]):
        if _PLAIN_PIECE.fullmatch(piece) and (cells := _plain_cells(piece, code)) is not None:
            value.data += cells
        else:
            _odd_cells(scanner, value, code, piece, match.start(1) + start)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield parts of a cell list, each whole cells, with their indexes; all at once if it has comments."""
    if "/" in text or "(" in text:
        yield 0, _COMMENT.sub(lambda match: " " * len(match[0]), text)
        return
    start = 0
    while start < len(text):
        end = start + _PIECE
        while end < len(text) and not text[end].isspace():
            end += 1
        yield start, text[start:end]
        start = end


def _plain_cells(piece: str, code: str) -> bytes | None:
    """Return cells of hex and decimal numbers in big-endian; None where a closer look is needed."""
    try:
        cells = array(code, [int(word, 0) for word in piece.split()])
    except (ValueError, OverflowError):
        return None
    if sys.byteorder == "little":
        cells.byteswap()
    return cells.tobytes()


def _odd_cells(scanner: Scanner, value: Value, code: str, piece: str, base: int) -> None:
    """Take cells one by one: octal numbers, suffixes, references, labels; and say what is wrong with one."""
    size = array(code).itemsize
    for match in re.finditer(r"\S+", piece):
        word, place = match[0], base + match.start()
        if reference := _REFERENCE.fullmatch(word):
            if size != 4:
                scanner.fail("a reference in cells that are not 32 bits wide", place)
            value.references.append((len(value.data), reference[1] or reference[2], place))
            value.data += UNRESOLVED
        elif not _LABEL.fullmatch(word):
            number = _number(scanner, word, place)
            if number >> 8 * size:
                scanner.fail(f"{word[:40]} does not fit in {8 * size} bits", place)
            value.data += number.to_bytes(size, "big")


def _number(scanner: Scanner, word: str, place: int) -> int:
    match = _NUMBER.fullmatch(word)
    if match is None or len(match[1]) > 70:
        hint = "let dtc work expressions out: dtc -O dts FILE" if "(" in word else None
        scanner.fail(f"{word[:40]!a} is no number", place, hint)
    digits = match[1]
    if len(digits) > 1 and digits.isdigit() and digits[0] == "0":
        if digits.strip("01234567"):
            scanner.fail(f"{word[:40]} is no octal number", place)
        return int(digits, 8)
    return int(digits, 0)


def read_number(scanner: Scanner) -> int:
    """Return the 64-bit number that comes next, of a memory reservation."""
    scanner.space()
    match = scanner.take(_NUMBER)
    if match is None:
        scanner.fail("expected a number")
    number = _number(scanner, match[0], match.start())
    if number >> 64:
        scanner.fail(f"{match[0][:40]} does not fit in 64 bits", match.start())
    return number
