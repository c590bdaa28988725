# SPDX-License-Identifier: MIT
"""The reports of a check as JSON, a finding a line, made as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from drmemctl.check.finding import Finding
from drmemctl.check.report import Report
from drmemctl.formats.plain import record
from drmemctl.output.check import CheckView
from drmemctl.output.findings import place_and_fix
from drmemctl.output.json import array, kernel_field, schema
from drmemctl.output.screen import Screen


def render(view: CheckView, _screen: Screen) -> Iterator[str]:
    """Yield the document: all findings in the order of inputs, then the inputs, then the counts."""
    inputs: list[dict[str, Any]] = []
    yield f'{{\n  "schema": {json.dumps(schema("check"))},\n  "findings": '
    yield from array(_findings(view.reports, inputs), "  ")
    yield ',\n  "inputs": '
    yield from array(inputs, "  ")
    counts = {severity.value: number for severity, number in view.tally.findings.items()}
    yield f',\n  "summary": {json.dumps(counts)}\n}}\n'


def _findings(reports: Iterable[Report], inputs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for report in reports:
        inputs.append(
            {
                "source": report.source,
                "findings": len(report.findings),
                **record(report, "known error? note?"),
                **kernel_field(report.kernel),
                **({"kernel_notes": list(report.kernel_notes)} if report.kernel_notes else {}),
                "judged": report.judged and not report.error,
            }
        )
        for finding in report.findings:
            yield finding_record(finding, report.source)


def finding_record(finding: Finding, source: str) -> dict[str, Any]:
    """Return a finding as JSON has it."""
    return {
        **record(finding, "rule severity title message"),
        "source": source,
        **record(finding, "path? property? offset"),
        "lmbs": [lmbs.to_json() for lmbs in finding.lmbs],
        "fingerprint": finding.fingerprint,
        **place_and_fix(finding, source),
        **({"deadly": True} if finding.deadly else {}),
        **({"ranges_left_out": finding.ranges_left_out} if finding.ranges_left_out else {}),
    }
