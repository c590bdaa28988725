# SPDX-License-Identifier: MIT
"""Decoded RTAS answers: fields with their offsets, then the findings; as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.decoding import Decoding
from drmemctl.check.finding import Finding
from drmemctl.formats.plain import record as plain_record
from drmemctl.formats.rtas_document import as_plain
from drmemctl.formats.rtas_kinds import meaning_of
from drmemctl.formats.rtas_labels import NO_LABELS
from drmemctl.output.findings import MESSAGE, finding_lines
from drmemctl.output.json import FIELD, record, streamed
from drmemctl.output.properties import FIELD_COLUMNS, field_cells
from drmemctl.output.screen import Screen
from drmemctl.output.table import fitted_lines
from drmemctl.output.text import worded
from drmemctl.wording import count_of

_FINDING = "rule severity title message answer offset"
"""The keys of a finding in JSON."""

HEX_BYTES = 32
"""Bytes on a line of hex."""


def show_decoding(screen: Screen, decoding: Decoding, format: str) -> None:
    """Print answers as `text` or `json`."""
    if format == "json":
        head = {"kind": decoding.kind}
        labels = decoding.stream.labels or NO_LABELS
        answers = (
            {
                **as_plain(answer),
                "status_text": None if answer.status is None else meaning_of(answer.kind, answer.status),
                "fields": [record(field, FIELD) for field in answer.value.fields(labels)],
                "defects": [plain_record(defect, "code message offset") for defect in answer.value.defects],
            }
            for answer in decoding.stream.answers
        )
        findings = (record(finding, _FINDING) for finding in decoding.findings)
        # The values must come back as the same bytes, so their texts are whole.
        screen.write_all(streamed("decode", head, {"answers": answers, "findings": findings}))
    else:
        screen.write_text(_text(screen, decoding))


def hex_lines(data: bytes) -> Iterator[str]:
    """Yield bytes as lines of hex, which `decode` reads as well."""
    for at in range(0, len(data), HEX_BYTES):
        yield data[at : at + HEX_BYTES].hex() + "\n"


def _text(screen: Screen, decoding: Decoding) -> Iterator[str]:
    stream = decoding.stream
    total = len(stream.answers)
    for number, answer in enumerate(stream.answers, 1):
        yield "\n" if number > 1 else ""
        place = f" {number} of {total}" if total > 1 else ""
        status = answer.status
        said = "" if status is None else f", status {status}: {meaning_of(answer.kind, status)}"
        yield screen.style(f"{answer.kind}{place}, {count_of(len(answer.data), 'byte')}{said}", "bold") + "\n"
        rows = (field_cells(field) for field in answer.value.fields(stream.labels or NO_LABELS))
        yield from fitted_lines(screen, FIELD_COLUMNS, rows, indent="  ")
    yield "\n" if decoding.findings else ""

    def words(finding: Finding) -> str:
        place = f"{(finding.answer or 0) + 1}: " if total > 1 else ""
        return worded(f"{place}{finding.message} (at offset {finding.offset or 0:#x})", MESSAGE)

    yield from finding_lines(screen, decoding.findings, words)
