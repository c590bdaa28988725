# SPDX-License-Identifier: MIT
"""Reading a report as a browser would, with the standard library's parser; shares no code with what makes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = frozenset({"meta", "link", "br", "input", "img", "hr", "base"})
LEFT_OPEN = frozenset({"rect", "path"})


@dataclass
class Element:
    """An element with its attributes and all that is in it."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, as it is shown: runs of white space are one blank."""
        return " ".join(self.raw.split())

    @property
    def raw(self) -> str:
        return "".join(child if isinstance(child, str) else child.raw for child in self.children)

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.strip("_"): value for name, value in attributes.items()}
        return [
            one
            for one in self.walk()
            if one.tag == tag and all(one.attributes.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    def rows(self) -> list[list[str]]:
        """Return the cells of a table's body."""
        body = self.one("tbody")
        return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in body.all("tr")]


class _Reader(HTMLParser):
    """Builds the elements; an end tag that does not fit is an error, which browsers would forgive."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        made = Element(tag, dict(attrs))
        self.open[-1].children.append(made)
        if tag not in VOID:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in LEFT_OPEN, f"<{tag}/> is open in HTML"
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(text: str) -> Element:
    """Return the document; `AssertionError` where elements are not nested as they should be."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert [one.tag for one in reader.open] == [""], "elements are left open"
    return reader.root


def data_of(document: Element) -> Any:
    """Return what the page's script draws from."""
    return json.loads(document.one("script", type="application/json").raw)


def column(packed: list[Any]) -> list[int]:
    """Return a column of that data: numbers, or values with their repetitions; large ones are text."""
    kind, *rest = packed
    if kind == 0:
        return [int(value) for value in rest]
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return [int(value) for value, repeated in pairs for _ in range(repeated)]
