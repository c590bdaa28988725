# SPDX-License-Identifier: MIT
"""Reader of what `lsprop` of powerpc-utils prints: one node, several, or with -R a whole tree.

A property is its name (padded to 16 columns, on a line of its own where it is longer) and its value: strings
in quotes, words of 8 hex digits (one alone with its decimal value behind it), or bytes of 2 hex digits with
their characters beside them; further lines begin with two tabs. Values of more than 128 bytes are cut, and
`[N bytes total]` says so. Source: powerpc-utils 1.3.13, src/lsprop.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from drmemctl.defect import Defect
from drmemctl.errors import InputError, LimitError
from drmemctl.formats.registry import HOMES
from drmemctl.tree.builder import TreeBuilder, shown
from drmemctl.tree.lsprop_places import Names, PrintedPlace, is_heading, place_of, split_name
from drmemctl.tree.node import Tree, decode_name, encode_name
from drmemctl.tree.quoted_text import without_indent

_WORDS = re.compile(r"\s*[0-9a-f]{8}(?: [0-9a-f]{8})*\s*")
_ONE_WORD = re.compile(r"\s*([0-9a-f]{8}) \(-?\d+\)\s*")
_BYTES = re.compile(r"(?: [0-9a-f]{2}){1,16}")
_TOTAL = re.compile(r"\s*\[(\d{1,12}) bytes total\]\s*")
_HEADER = re.compile(r"(\S+):\s*")
_PROMPT = re.compile(
    r"(?:[^\s\"]+[#$>%] ?|[#$>%] ?|.*[#$>%] )(?:sudo )?lsprop(?: +-\S+(?: +\d+)?)*(?: +([^\s-]\S*))?\s*"
)
_COMPLAINT = re.compile(r"(\S+): (?:Permission denied|read error|No such file or directory)\s*")
_EVIDENCE = re.compile(
    r'^(?:(?![0-9a-f]{8}[ \t])[^\s"]+[ \t]+|[ \t]+)(?!(?: ?[1-9][0-9]{7})+[ \t\r]*$)'
    r'(?:"[^\n]*"|[0-9a-f]{8}(?: [0-9a-f]{8})*(?: \(-?\d+\))?)[ \t\r]*$',
    re.MULTILINE,
)
"""A name or a line's continuation with a value.

Decimal numbers of eight digits alone are some other table's, and so are words from the first column on
(/proc/net/softnet_stat).
"""

_NAME = re.compile(r"[A-Za-z0-9,._+*?#@~/-]+", re.ASCII)
"""A property, or the file of one."""

_WIDTH = 16
"""Columns that lsprop fills with a name and blanks."""

_LETTER = 8
"""Lines of a letter for each property of which the name alone tells that this is lsprop's."""

_CONTINUED = ("\t", " ")


def is_lsprop(head: bytes) -> bool:
    """Whether a text has lines with values as lsprop prints them."""
    return b"\0" not in head and _EVIDENCE.search(head.decode("latin-1")) is not None


@dataclass(slots=True)
class _Entry:
    """A property as printed: its name, the lines of its value without the name, the number of the first."""

    name: str
    lines: list[str]
    number: int


@dataclass(slots=True)
class _Section:
    """The properties of one directory: its path as printed, None where none is; whether a run starts here."""

    path: str | None
    starts: bool
    number: int = 1
    entries: list[_Entry] = field(default_factory=list)


def read_lsprop(data: bytes, source: str) -> Tree:
    """Return the tree that the text of one or several runs of lsprop shows.

    Where no path is printed, nodes follow from what the properties are. Defects: `lsprop-cut` (only the
    beginning of a value is printed; `Property.total` is its length), `lsprop-place` (a node that was
    inferred), `lsprop-newline` (a line end in a string, of which lsprop does not say which it is),
    `lsprop-line` (a line of another kind), `unreadable` (lsprop itself could not read it).
    Common indent of the lines is no part of them. Raises `InputError` if there are more lines of another kind than
    properties; those that only a partition has may stand in a letter.
    """
    text = decode_name(without_indent(data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")))
    reader = _Reader(source)
    reader.split(text)
    reader.place()
    return reader.finish()


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._builder = TreeBuilder(source, "lsprop")
        self._sections = [_Section(None, starts=True)]
        self._properties = 0
        self._known = 0
        self._bad: list[int] = []

    def split(self, text: str) -> None:
        """Sort the lines into sections and entries."""
        is_foreign = False  # what is indented below a foreign line belongs to that
        for number, line in enumerate(text.split("\n"), 1):
            entries = self._sections[-1].entries
            if line.startswith(_CONTINUED):
                if entries and not is_foreign:
                    entries[-1].lines.append(line)
                elif line.strip():
                    self._bad_line(number, line)
            elif "lsprop" in line and (match := _PROMPT.fullmatch(line)):
                self._sections.append(_Section(match[1], starts=True, number=number))
            elif match := _HEADER.fullmatch(line):
                self._sections.append(_Section(match[1], starts=False, number=number))
            elif match := _COMPLAINT.fullmatch(line):
                self._builder.note(Defect("unreadable", f"lsprop could not read {shown(match[1])}"))
            elif line.strip():
                name, *values = line.split(maxsplit=1)
                # A shell's prompt is no property of such a name, which lsprop would fill with blanks.
                is_prompt = name.endswith("#") and len(line) < _WIDTH
                if _NAME.fullmatch(name) and not is_prompt:
                    is_foreign = False
                    entries.append(_Entry(name, [" " + part for part in values], number))
                else:
                    self._bad_line(number, line)
                    is_foreign = True

    def place(self) -> None:
        """Put every section's properties into its node."""
        start = PrintedPlace()
        for index, section in enumerate(self._sections):
            properties = {entry.name: entry.lines for entry in section.entries}
            if section.path is not None and not section.starts and is_heading(section.path, properties):
                section.path, section.starts = None, True
            if section.starts:
                following = self._sections[index + 1 : index + 2]
                first = following[0].path if following and not following[0].starts else None
                start = place_of(section.path, first, properties)
                if start.inferred and section.entries:
                    message = f"no path is printed: taken as {start.shown} for what its properties are"
                    self._builder.note(Defect("lsprop-place", message, start.shown))
                self._take(section, start.names, start)
            else:
                self._take(section, start.below(section.path or ""), None)

    def _take(self, section: _Section, names: Names, start: PrintedPlace | None) -> None:
        line = section.number
        try:
            if not section.starts:
                self._builder.at(names)
            for entry in section.entries:
                line = entry.number
                self._take_entry(entry, names, start)
        except LimitError as error:
            error.message = f"line {line}: {error.message}"
            raise

    def _take_entry(self, entry: _Entry, names: Names, start: PrintedPlace | None) -> None:
        where, name = split_name(entry.name)
        if where is not None:
            node = self._builder.at(where)
        else:
            node = self._builder.at(start.home(name) if start else names)
        lines = [line for line in entry.lines if line.strip()]
        total = None
        if lines and (match := _TOTAL.fullmatch(lines[-1])):
            total = int(match[1])
            lines.pop()
        value = _strings(lines) if lines and lines[0].lstrip().startswith('"') else _numbers(lines)
        if value is None:
            self._bad_line(entry.number, entry.name + "".join(entry.lines[:1]))
            return
        if b"\n" in value and '"' in lines[0]:
            message = "a line end in a string: lsprop shows carriage return and line feed alike"
            self._builder.note(Defect("lsprop-newline", message, node.path, name))
        if total is not None and total > len(value):
            message = f"lsprop printed {len(value)} of {total} bytes; its option -m prints more"
            self._builder.note(Defect("lsprop-cut", message, node.path, name, len(value)))
        else:
            total = None
        self._builder.add(node, name, value, total)
        self._properties += 1
        self._known += name in HOMES  # it stands in a certain node of a partition, and is no word of a letter

    def _bad_line(self, number: int, line: str) -> None:
        self._bad.append(number)
        self._builder.note(Defect("lsprop-line", f"line {number} is not lsprop's: {shown(line, 60)}"))

    def finish(self) -> Tree:
        """Return the tree; raise `InputError` if the text was mostly something else."""
        if self._bad and len(self._bad) >= self._properties + _LETTER * self._known:
            message = f"line {self._bad[0]}: this is nothing that lsprop prints"
            raise InputError(message, source=self._source)
        if not self._properties:
            raise InputError("no property in this text", source=self._source)
        return self._builder.finish()


def _content(line: str) -> str:
    """Return a value's line without what lsprop puts before it, also where tabs have become blanks."""
    return line[3:] if line.startswith("\t\t ") else line.lstrip(" \t")


def _strings(lines: list[str]) -> bytes | None:
    """Return a list of strings; one begins wherever a quote ends a line and the next line starts with one."""
    parts = [_content(lines[0])[1:]]
    for line in map(_content, lines[1:]):
        if parts[-1].endswith('"') and line.startswith('"'):
            parts[-1] = parts[-1][:-1]
            parts += ["\0", line[1:]]
        else:
            parts += ["\n", line]
    last = parts[-1].rstrip()
    if not last.endswith('"'):
        return None
    return encode_name("".join([*parts[:-1], last[:-1], "\0"]))


def _numbers(lines: list[str]) -> bytes | None:
    """Return words or bytes; None if the lines are neither."""
    if all(_WORDS.fullmatch(line) for line in lines):
        return bytes.fromhex("".join(lines))
    if len(lines) == 1 and (match := _ONE_WORD.fullmatch(lines[0])):
        return bytes.fromhex(match[1])
    matches = [_BYTES.match(" " + line.lstrip(" \t")) for line in lines]
    if not all(match and (len(match[0]) == 48 or match is matches[-1]) for match in matches):
        return None
    return b"".join(bytes.fromhex(match[0]) for match in matches if match)
