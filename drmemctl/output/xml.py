# SPDX-License-Identifier: MIT
"""JUnit XML: the document, its suites and cases, and texts in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from drmemctl.output.text import safe


def in_xml(text: str, limit: int | None = 2000) -> str:
    """Return a text for an element or an attribute, cut to `limit` characters.

    `safe` leaves printable ASCII: XML has no way at all to write most control characters.
    """
    return escape(safe(text, limit))


def lines_in_xml(text: str) -> str:
    """Return a text of several lines for an element."""
    return "\n".join(in_xml(line, None) for line in text.split("\n"))


def junit_document(command: str, suites: Iterable[str]) -> Iterator[str]:
    """Yield the document of a command, of which `suites` are the pieces."""
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="drmemctl {command}">\n'
    yield from suites
    yield "</testsuites>\n"


def junit_suite(name: str, counts: tuple[int, int, int, int], parts: Iterable[str]) -> Iterator[str]:
    """Yield a suite, of whose cases so many are there, failed, errors and skipped; `name` is for an attribute."""
    tests, failures, errors, skipped = counts
    numbers = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    yield f'  <testsuite name="{name}" {numbers}>\n'
    yield from parts
    yield "  </testsuite>\n"


def junit_case(suite: str, name: str, body: str = "") -> str:
    """Return a case; `suite` and `name` are for attributes, `body` is an element or nothing."""
    head = f'    <testcase classname="{suite}" name="{name}"'
    return f"{head}>\n      {body}\n    </testcase>\n" if body else f"{head}/>\n"


def failure(kind: str, message: str, text: str) -> str:
    """Return the element of what failed; `message` is for an attribute, `text` for an element."""
    return f'<failure type="{kind}" message="{message}">{text}</failure>'


def system_out(text: str) -> str:
    """Return the element of what was printed, nothing for nothing."""
    return f"<system-out>{text}</system-out>" if text else ""
