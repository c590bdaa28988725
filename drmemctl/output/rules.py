# SPDX-License-Identifier: MIT
"""The rules as a list, and the page of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Finding
from drmemctl.check.pages import Page
from drmemctl.check.references import links_of
from drmemctl.check.report import Report
from drmemctl.formats.plain import record
from drmemctl.output.check import fix_lines
from drmemctl.output.findings import STYLES, message
from drmemctl.output.screen import Screen
from drmemctl.output.table import AS_IT_IS, Column, TableChoice, show_table
from drmemctl.output.text import safe
from drmemctl.output.wrap import folded
from drmemctl.wording import count_of

_SUMMARY = "rule severity family title kernels"
"""The keys of a rule in JSON."""

_FINDINGS = 5
"""Findings that are named above the page of their rule."""

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
        lines = (f"| {p.rule} | {p.severity} | {p.family} | {p.title} | {p.kernels} |\n" for p in pages)
        head = "| rule | severity | family | finds | kernels |\n|---|---|---|---|---|\n"
        screen.write_all((head, *lines))
    else:
        rows = ((p.rule, (p.severity.value, STYLES[p.severity]), p.family, p.title, p.kernels) for p in pages)
        show_table(screen, COLUMNS, rows, choice=choice)


def show_page(screen: Screen, page: Page, format: str) -> None:
    """Print a rule's page as `text`, `markdown` or `json`."""
    if format == "json":
        from drmemctl.output.json import document, schema

        screen.write(document({"schema": schema("explain"), **_page_record(page)}))
    else:
        screen.write_text((_page(screen, page, format),))


def show_pages(screen: Screen, pages: Sequence[Page], format: str, judged: Report | None = None) -> None:
    """Print the pages of several rules: of those that a tree breaks, `judged` says how."""
    findings: dict[str, list[Finding]] = {page.rule: [] for page in pages}
    for finding in () if judged is None else judged.findings:
        findings[finding.rule].append(finding)
    if format == "json":
        from drmemctl.output.json import document, schema
        from drmemctl.output.json import record as printable

        records = [_page_record(page) for page in pages]
        if judged is not None:
            for page, page_record in zip(pages, records, strict=True):
                page_record["findings"] = [printable(f, "message path? property?") for f in findings[page.rule]]
        source = {} if judged is None else {"source": safe(judged.source, None)}
        screen.write(document({"schema": schema("explain-all"), **source, "rules": records}))
        return
    name = "" if judged is None else judged.source
    for number, page in enumerate(pages):
        gap = "\n" if number else ""
        screen.write_text((gap + _page(screen, page, format, findings[page.rule], name),))


def _page_record(page: Page) -> dict[str, Any]:
    sections = {key.lower(): text for key, text in page.sections}
    links = list(dict.fromkeys(uri for reference in page.references for _, uri in links_of(reference)))
    return {
        **record(page, f"{_SUMMARY} summary"),
        **sections,
        **record(page, "powervm references"),
        "links": links,
    }


def _page(screen: Screen, page: Page, format: str, findings: Sequence[Finding] = (), source: str = "") -> str:
    """Return a page with its heading, and what was found that it is about."""
    if format == "markdown":
        from drmemctl.output.markdown import escaped

        lines = "".join(f"- {escaped(message(finding))}\n" for finding in findings[:_FINDINGS])
        more = f"\n{_more(findings)}\n" if _more(findings) else ""
        return f"# {page.rule}: {page.title}\n\n{lines}{more}{chr(10) if lines else ''}{page_markdown(page)}"
    title = screen.style(f"{page.rule}: {page.title}", STYLES[page.severity])
    lines = "".join(f"  {message(finding)}\n" for finding in findings[:_FINDINGS])
    more = f"  {_more(findings)}\n" if _more(findings) else ""
    commands = "".join(f"  $ {line}\n" for line in fix_lines(findings, source))
    return f"{title}\n{lines}{more}{commands}{page_text(page, screen.width if screen.terminal else None)}"


def _more(findings: Sequence[Finding]) -> str:
    omitted = len(findings) - _FINDINGS
    return f"… {count_of(omitted, 'more finding')}" if omitted > 0 else ""


def page_markdown(page: Page) -> str:
    """Return a page as Markdown, without its heading."""
    facts = f"**{page.severity}** · {page.family}: {FAMILIES[page.family]} · kernels: {page.kernels}"
    parts = [facts, page.summary]
    for key, text in page.sections:
        parts += [f"## {HEADINGS[key]}", text]
    if page.powervm:
        parts.append(f"**PowerVM:** {page.powervm}")
    if page.references:
        lines = []
        for reference in page.references:
            linked = reference
            for words, uri in links_of(reference):
                linked = linked.replace(words, f"[{words}]({uri})", 1)
            lines.append(f"- {linked}")
        parts += ["## References", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def page_text(page: Page, width: int | None = None) -> str:
    """Return a page as plain text, without its heading; with a width its paragraphs are filled to that."""
    facts = f"{page.severity}, {page.family} ({FAMILIES[page.family]}), kernels: {page.kernels}"
    parts = [_filled(facts, width), _filled(page.summary, width)]
    parts += [f"{HEADINGS[key]}:\n{_filled(text, width, indent='  ')}" for key, text in page.sections]
    if page.powervm:
        parts.append(_filled(f"PowerVM: {page.powervm}", width))
    if page.references:
        lines = []
        for reference in page.references:
            lines += [reference, *(f"  {uri}" for _, uri in links_of(reference))]
        parts.append("References:\n" + _indented("\n".join(lines)))
    return "\n\n".join(parts) + "\n"


def _filled(text: str, width: int | None, *, indent: str = "") -> str:
    """Return paragraphs, which blank lines separate: as they are, or broken anew for a terminal."""
    if width is None:
        return _indented(text, indent)
    paragraphs = ("\n".join(folded(paragraph, width - len(indent))) for paragraph in text.split("\n\n"))
    return _indented("\n\n".join(paragraphs), indent)


def _indented(text: str, indent: str = "  ") -> str:
    return "\n".join(f"{indent}{line}".rstrip() for line in text.splitlines())
