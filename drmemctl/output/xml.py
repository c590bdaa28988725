# SPDX-License-Identifier: MIT
"""Texts in JUnit XML."""

from __future__ import annotations

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
