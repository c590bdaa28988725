# SPDX-License-Identifier: MIT
"""Markdown: tables that stay tables."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from drmemctl.check.report import Report
from drmemctl.output.markdown import ROWS, escaped
from tests.output.reports import HOSTILE, drawn, finding, hostile, unreadable


def html(text: str) -> str:
    """Return what a renderer with GitHub's tables makes of it."""
    return str(MarkdownIt("commonmark").enable("table").render(text))


def test_a_tree_is_a_table() -> None:
    text = drawn([Report("a.dtb", (finding(),)), Report("b.dtb")], "markdown")
    row = (
        "| error | DRM030 | assigned LMB whose node cannot be found: 2 LMBs are assigned, but without a node "
        "| <code>/ibm,dynamic-reconfiguration-memory:ibm,dynamic-memory-v2, offset 0x1c</code><br>"
        "<code>0x50000000-0x6fffffff  512 MiB  2 LMBs  DRC 0x80000005-0x80000006  aa 5  no node  assigned"
        "</code> |"
    )
    assert text.splitlines() == [
        "# drmemctl check",
        "",
        "## <code>a.dtb</code>",
        "",
        "| severity | rule | finding | where |",
        "|---|---|---|---|",
        row,
        "",
        "**1 error in 1 of 2 trees**",
    ]


@pytest.mark.parametrize(
    "text", [HOSTILE, "a|b", "`a`|`b`", "\\|", "<img src=x onerror=y>", "![x](y)", "@a", "a\nb"]
)
def test_foreign_text_is_text(text: str) -> None:
    shown = html(drawn([Report(text, (finding(message=text, path=text, property=text),))], "markdown"))
    assert shown.count("<tr>") == 2
    assert shown.count("<td>") == 4
    tags = {tag.lower() for tag in re.findall(r"</?([A-Za-z0-9]+)[^>]*>", shown)}
    assert tags <= {"h1", "h2", "p", "strong", "code", "br", "table", "thead", "tbody", "tr", "th", "td"}
    assert not re.search(r"<\w+ [^>]*>", shown), "attributes"


def test_everything_hostile_at_once_is_escaped() -> None:
    shown = html(drawn([hostile(), unreadable(HOSTILE)], "markdown"))
    assert "<b " not in shown
    assert "<a " not in shown


def test_a_mention_is_none() -> None:
    assert "@" not in escaped("@team")


def test_long_tables_end() -> None:
    report = Report("a.dtb", (finding(),) * (ROWS + 5))
    assert drawn([report], "markdown").count("| error |") == ROWS
    assert "5 more; `--all` shows them." in drawn([report], "markdown")
    assert drawn([report], "markdown", everything=True).count("| error |") == ROWS + 5
