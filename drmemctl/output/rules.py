# SPDX-License-Identifier: MIT
"""The rules as a list, and the page of one of them."""

from __future__ import annotations

from collections.abc import Sequence

from drmemctl.check.families import FAMILIES
from drmemctl.check.pages import Page
from drmemctl.formats.plain import record
from drmemctl.output.findings import STYLES
from drmemctl.output.screen import Screen
from drmemctl.output.table import AS_IT_IS, Column, TableChoice, show_table

_SUMMARY = "rule severity family title kernels"
"""The keys of a rule in JSON."""

HEADINGS = {
    "Why": "Why it matters",
    "Example": "Bytes that break it",
    "Kernel": "What a kernel does with them",
    "Fix": "How to fix it",
}
"""How the sections of a page are headed."""


COLUMNS = (
    Column("rule", help="the number by which `explain`, `--select` and `--ignore` know it"),
    Column("severity", help="error, warning or info"),
    Column("family", gives_way=1, help="what kind of rule it is, as --family has it"),
    Column("finds", prose=True, help="what is wrong where it finds something"),
    Column("kernels", gives_way=2, help="the kernels that it is about"),
)


def show_rules(screen: Screen, pages: Sequence[Page], format: str, choice: TableChoice = AS_IT_IS) -> None:
    """Print the rules as `text`, `json` or `markdown`."""
    if format == "json":
        from drmemctl.output.json import document, schema

        screen.write(document({"schema": schema("rules"), "rules": [record(page, _SUMMARY) for page in pages]}))
    elif format == "csv":
        from drmemctl.output.csv import csv_lines

        screen.write_all(csv_lines(_SUMMARY.split(), (record(page, _SUMMARY) for page in pages)))
    elif format == "markdown":
        rows = (f"| {p.rule} | {p.severity} | {p.family} | {p.title} | {p.kernels} |\n" for p in pages)
        head = "| rule | severity | family | finds | kernels |\n|---|---|---|---|---|\n"
        screen.write_all((head, *rows))
    else:
        _show_table(screen, pages, choice)


def _show_table(screen: Screen, pages: Sequence[Page], choice: TableChoice) -> None:
    rows = ((p.rule, (p.severity.value, STYLES[p.severity]), p.family, p.title, p.kernels) for p in pages)
    show_table(screen, COLUMNS, rows, choice=choice)


def show_page(screen: Screen, page: Page, format: str) -> None:
    """Print a rule's page as `text`, `markdown` or `json`."""
    if format == "json":
        from drmemctl.output.json import document, schema

        sections = {key.lower(): text for key, text in page.sections}
        head = {"schema": schema("explain"), **record(page, f"{_SUMMARY} summary")}
        screen.write(document({**head, **sections, **record(page, "powervm references")}))
    elif format == "markdown":
        screen.write(f"# {page.rule}: {page.title}\n\n{page_markdown(page)}")
    else:
        title = screen.style(f"{page.rule}: {page.title}", STYLES[page.severity])
        screen.write_text((f"{title}\n{page_text(page)}",))


def page_markdown(page: Page) -> str:
    """Return a page as Markdown, without its heading."""
    facts = f"**{page.severity}** · {page.family}: {FAMILIES[page.family]} · kernels: {page.kernels}"
    parts = [facts, page.summary]
    for key, text in page.sections:
        parts += [f"## {HEADINGS[key]}", text]
    if page.powervm:
        parts.append(f"**PowerVM:** {page.powervm}")
    if page.references:
        parts += ["## References", "\n".join(f"- {reference}" for reference in page.references)]
    return "\n\n".join(parts) + "\n"


def page_text(page: Page) -> str:
    """Return a page as plain text, without its heading."""
    facts = f"{page.severity}, {page.family} ({FAMILIES[page.family]}), kernels: {page.kernels}"
    parts = [facts, page.summary]
    parts += [f"{HEADINGS[key]}:\n{_indented(text)}" for key, text in page.sections]
    if page.powervm:
        parts.append(f"PowerVM: {page.powervm}")
    if page.references:
        parts.append("References:\n" + _indented("\n".join(page.references)))
    return "\n\n".join(parts) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
