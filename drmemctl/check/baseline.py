# SPDX-License-Identifier: MIT
"""Baselines: the findings that a project knows of, so that only new ones are shown and fail."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drmemctl.check.report import Report
from drmemctl.errors import InputError, LimitError
from drmemctl.json_input import parse_json
from drmemctl.read_files import open_regular
from drmemctl.tree.source import file_of

SCHEMA = "drmemctl.baseline/1"

_LARGEST = 8 << 20
"""Bytes that a baseline may have: some 40,000 findings."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Known findings: by input how many there are of each fingerprint.

    Inputs are named from the directory of the baseline on, so that it holds wherever the project lies.
    """

    folder: str
    fingerprints: dict[str, Counter[str]]

    @classmethod
    def read(cls, path: str) -> Baseline:
        """Return the baseline in a file; `InputError` if it is none."""
        try:
            document = parse_json(_content(path))
        except OSError as error:
            raise InputError(f"the baseline cannot be read: {error.strerror}", source=path) from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"this is no baseline: {error}", source=path, hint=_HINT) from error
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            schema = document.get("schema") if isinstance(document, dict) else None
            fault = f"its schema is {str(schema)[:40]!r}, not {SCHEMA!r}" if schema else f"no schema {SCHEMA!r}"
            raise InputError(f"this is no baseline that this version reads: {fault}", source=path, hint=_HINT)
        try:
            fingerprints = {
                source: Counter(str(entry["fingerprint"]) for entry in entries)
                for source, entries in document["findings"].items()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError("this baseline is damaged", source=path, hint=_HINT) from error
        return cls(_folder(path), fingerprints)

    def new_in(self, reports: Iterable[Report]) -> Iterator[Report]:
        """Yield the reports without the findings that are known."""
        for report in reports:
            remaining = Counter(self.fingerprints.get(_name(report.source, self.folder), ()))
            new = []
            for finding in report.findings:
                if remaining[finding.fingerprint] > 0:
                    remaining[finding.fingerprint] -= 1
                else:
                    new.append(finding)
            yield report._replace(findings=tuple(new), known=len(report.findings) - len(new))


def _content(path: str) -> bytes:
    """Return what is in the file: a repository that somebody else wrote may name any, of any size."""
    with open_regular(path) as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise LimitError(f"more than the {_LARGEST:,} bytes that a baseline may have", source=path)
    return data


_HINT = "write it again with --write-baseline"


def document(reports: Iterable[Report], path: str) -> str:
    """Return the content of a baseline file at `path` that knows all findings of these reports."""
    import json

    folder = _folder(path)
    findings: dict[str, list[dict[str, str]]] = {}
    for report in reports:
        if report.findings:
            entries = findings.setdefault(_name(report.source, folder), [])
            # Only the fingerprint counts; the rest tells people what they agreed to.
            entries += [
                {"fingerprint": finding.fingerprint, "rule": finding.rule, "message": finding.message}
                for finding in report.findings
            ]
    return json.dumps({"schema": SCHEMA, "findings": dict(sorted(findings.items()))}, indent=2) + "\n"


def _folder(path: str) -> str:
    return os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - plain text is all that is needed


def _name(source: str, folder: str) -> str:
    if file_of(source) is None:
        return source
    return os.path.relpath(os.path.abspath(source), folder)  # noqa: PTH100
