# SPDX-License-Identifier: MIT
"""A diff for CI servers: SARIF, and JUnit XML with a test case for each part that was compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

from drmemctl.check.pages import pages
from drmemctl.compare.diff import Diff
from drmemctl.compare.gate import OF_LMBS, OF_LOOKUP, OF_MIGRATION, OF_NUMA, OF_PROPERTIES, PARTS, failing_parts
from drmemctl.output.check import in_lines
from drmemctl.output.diff_text import DiffSection, sections
from drmemctl.output.diff_words import headlines, notes
from drmemctl.output.sarif import artifact_of, document_of, result_of, rule_record
from drmemctl.output.text import safe
from drmemctl.output.xml import failure, in_xml, junit_case, junit_document, junit_suite, lines_in_xml, system_out

_MOST = 200
"""Differences of a part that are listed: a CI server keeps what it is given."""

_RANGES = 100

_RULES = {
    OF_LMBS: ("lmbs", "LMBs that came, went, moved or changed"),
    OF_LOOKUP: ("lookup-arrays", "lookup arrays that are not what they were"),
    OF_NUMA: ("numa", "NUMA facts and agreed features that changed"),
    OF_PROPERTIES: ("properties", "other properties and nodes that changed"),
}
"""Part → what its results are called in SARIF, and what they are."""


def _differences(diff: Diff) -> dict[str, list[str]]:
    """Return the differences by part, a line each, as the tables have them."""
    lines: dict[str, list[str]] = {part: [] for part in _RULES}
    for section in sections(diff):
        if section.part in lines:
            listed = lines[section.part]
            rows = iter(section.rows)
            listed += (_line(section, row) for row in islice(rows, max(0, _MOST - len(listed))))
            omitted = sum(1 for _ in rows)
            if omitted:
                listed.append(f"… {omitted:,} more")
    return lines


def _line(section: DiffSection, row: Sequence[Any]) -> str:
    texts = ((cell if isinstance(cell, str) else cell[0]).strip() for cell in row)
    return ", ".join(
        f"{column.title} {text}" for column, text in zip(section.columns, texts, strict=False) if text
    )


def junit(diff: Diff, fail_on: Collection[str]) -> Iterator[str]:
    """Return the document: a case for each part, and what was compared."""
    failing = failing_parts(diff, fail_on)
    lines: dict[str, list[str]] = _differences(diff)
    lines[OF_MIGRATION] = [in_lines(finding, diff.new.source, _RANGES) for finding in diff.findings]
    suite = in_xml(f"{diff.old.source} -> {diff.new.source}", None)
    parts = []
    for part in PARTS:
        text = lines_in_xml("\n".join(lines[part]))
        body = system_out(text)
        if part in failing:
            said = in_xml(lines[part][0].partition("\n")[0]) if lines[part] else "different"
            body = failure("finding" if part == OF_MIGRATION else "difference", said, text)
        parts.append(junit_case(suite, part, body))
    said = "\n".join([*headlines(diff), *notes(diff)])
    parts.append(f"    {system_out(lines_in_xml(said))}\n")
    return junit_document("diff", junit_suite(suite, (len(PARTS), len(failing), 0, 0), parts))


def sarif(diff: Diff, fail_on: Collection[str], docs_url: str = "") -> Iterator[str]:
    """Yield the document: a result for each difference and each finding, at the new tree."""
    from drmemctl.check.engine import all_rules

    failing = failing_parts(diff, fail_on)
    rules = all_rules()
    broken = pages(rules[rule] for rule in dict.fromkeys(finding.rule for finding in diff.findings))
    records = [
        *({"id": name, "shortDescription": {"text": text}} for name, text in _RULES.values()),
        *(rule_record(page, docs_url) for page in broken),
    ]
    index = {str(entry["id"]): number for number, entry in enumerate(records)}
    artifact = artifact_of(diff.new.source)

    def results() -> Iterator[dict[str, Any]]:
        for part, lines in _differences(diff).items():
            name, _ = _RULES[part]
            for line in lines:
                physical = {"artifactLocation": artifact, "region": {"startLine": 1}}
                yield {
                    "ruleId": name,
                    "ruleIndex": index[name],
                    "level": "error" if part in failing else "note",
                    "message": {"text": safe(line, 2000)},
                    "locations": [{"physicalLocation": physical}] if artifact is not None else [],
                }
        yield from (result_of(finding, diff.new.source, index) for finding in diff.findings)

    said = [{"level": "note", "message": {"text": safe(line, 2000)}} for line in (*headlines(diff), *notes(diff))]
    invocation = {"executionSuccessful": True, "toolExecutionNotifications": said}
    yield from document_of(records, results(), lambda: invocation, docs_url)
