# SPDX-License-Identifier: MIT
"""The reports of a check as SARIF 2.1.0 (OASIS), with what GitHub's code scanning asks for besides."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from drmemctl._version import __version__
from drmemctl.check.finding import Finding, Severity
from drmemctl.check.pages import Page
from drmemctl.check.references import help_uri
from drmemctl.output.check import CheckView, fix_lines, further_ranges, place, range_text, unjudged_error
from drmemctl.output.findings import message
from drmemctl.output.json import array
from drmemctl.output.rules import page_markdown, page_text
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe, worded
from drmemctl.tree.source import file_of

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_BASE = "%SRCROOT%"
_RANGES = 20
"""Ranges of LMBs in a message; all are in the properties."""


def render(view: CheckView, _screen: Screen) -> Iterator[str]:
    """Yield the document: one run, a result a line."""
    unreadable: list[str] = []
    pages = view.pages
    index = {page.rule: number for number, page in enumerate(pages)}
    rules = [rule_record(page, view.docs_url) for page in pages]

    def invocation() -> dict[str, Any]:
        notes = [{"level": "error", "message": {"text": worded(error)}} for error in unreadable]
        return {"executionSuccessful": not unreadable, "toolExecutionNotifications": notes}

    yield from document_of(rules, _results(view, index, unreadable), invocation, view.docs_url)


def document_of(
    rules: Sequence[Mapping[str, Any]],
    results: Iterable[Mapping[str, Any]],
    invocation: Callable[[], Mapping[str, Any]],
    docs_url: str,
) -> Iterator[str]:
    """Yield a document of one run; what `invocation` says of the run is known after its results."""
    driver = {
        "name": "drmemctl",
        "version": __version__,
        **({"informationUri": docs_url} if docs_url else {}),
        "rules": rules,
    }
    head = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"uri": f"{_file_uri(os.getcwd())}/"}},  # noqa: PTH109 - text is all we need
    }
    yield f'{{\n  "$schema": {json.dumps(SCHEMA)},\n  "version": "2.1.0",\n  "runs": [\n    {{\n'
    for key, value in head.items():
        yield f"      {json.dumps(key)}: {json.dumps(value)},\n"
    yield '      "results": '
    yield from array(results, "      ")
    yield f',\n      "invocations": [{json.dumps(invocation())}]\n    }}\n  ]\n}}\n'


def rule_record(page: Page, docs_url: str) -> dict[str, Any]:
    """Return a rule as the driver lists it."""
    uri = help_uri(docs_url, page.rule, page.references)
    words = "".join(char if char.isalnum() else " " for char in page.title).split()
    return {
        "id": page.rule,
        "name": "".join(map(str.capitalize, words)),
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": page.summary},
        "help": {"text": page_text(page), "markdown": page_markdown(page)},
        **({"helpUri": uri} if uri else {}),
        "defaultConfiguration": {"level": LEVELS[page.severity]},
        "properties": {"tags": [page.family], "kernels": page.kernels},
    }


def _results(view: CheckView, index: dict[str, int], unreadable: list[str]) -> Iterator[dict[str, Any]]:
    for report in view.reports:
        if report.error or view.is_unjudged(report):
            unreadable.append(report.error or unjudged_error(report))
        for finding in report.findings:
            result = result_of(finding, report.source, index)
            if report.kernel is not None:
                result["properties"]["kernel"] = report.kernel
            yield result


def result_of(finding: Finding, source: str, index: dict[str, int]) -> dict[str, Any]:
    """Return a finding in an input as a result."""
    properties: dict[str, Any] = {"lmbs": [lmbs.to_json() for lmbs in finding.lmbs]}
    if finding.property and finding.offset is not None:
        properties["propertyOffset"] = finding.offset
    commands = fix_lines((finding,), source)
    if commands:
        properties["fix"] = commands
    lines = [message(finding), *(range_text(lmbs) for lmbs in finding.lmbs[:_RANGES])]
    lines += [*further_ranges(finding, _RANGES), *(f"$ {line}" for line in commands)]
    return {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": "\n".join(lines)},
        "locations": [_location(finding, artifact_of(source))],
        # GitHub goes by the second only, whatever it is computed from.
        "partialFingerprints": {
            "drmemctl/v1": finding.fingerprint,
            "primaryLocationLineHash": f"{finding.fingerprint}:1",
        },
        "properties": properties,
    }


def _location(finding: Finding, artifact: dict[str, str] | None) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if artifact is not None:
        region = {"startLine": 1}  # GitHub drops results without a line
        # An offset in a property is none in the file.
        if finding.offset is not None and not finding.property:
            region["byteOffset"] = finding.offset
        elif finding.line:
            region = {"startLine": finding.line, "startColumn": finding.column}
        location["physicalLocation"] = {"artifactLocation": artifact, "region": region}
    if finding.path:
        location["logicalLocations"] = [
            {
                "name": safe(finding.property or finding.path),
                "fullyQualifiedName": place(finding),
                "kind": "property" if finding.property else "node",
            }
        ]
    return location


def artifact_of(source: str) -> dict[str, str] | None:
    """Return where an input is: relative to the working directory if it is in there; None if it is no file."""
    name = file_of(source)
    if name is None:
        return None
    here, there = os.getcwd(), os.path.abspath(name)  # noqa: PTH100, PTH109
    if os.path.commonpath((here, there)) == here and there != here:
        return {"uri": _quoted(os.path.relpath(there, here)), "uriBaseId": _BASE}
    return {"uri": _file_uri(there)}


def _file_uri(path: str) -> str:
    return f"file://{_quoted(path.rstrip('/'))}"


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(os.fsencode(path), safe="/")
