# SPDX-License-Identifier: MIT
"""Baselines: the findings that a project knows of, so that only new ones are shown and fail.

A finding is known by its fingerprint, in an input of the same name, or in one of any name in which what the
finding is about has the same bytes: a tree that was moved, renamed or packed keeps what is known of it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from drmemctl.check.report import Report
from drmemctl.errors import InputError, LimitError
from drmemctl.json_input import parse_json
from drmemctl.read_files import open_regular
from drmemctl.tree.source import file_of

SCHEMA = "drmemctl.baseline/1"

_LARGEST = 8 << 20
"""Bytes that a baseline may have: some 40,000 findings."""

_HINT = "write it again with --write-baseline"


class KnownFinding(NamedTuple):
    """A known finding; only fingerprint and content count, the rest tells people what they agreed to.

    `content` is empty in baselines that know inputs by name alone, as those of earlier versions do.
    """

    fingerprint: str
    content: str
    rule: str
    message: str

    def record(self) -> dict[str, str]:
        """Return it as the file has it."""
        return {key: value for key, value in self._asdict().items() if value or key != "content"}


_TELLING = KnownFinding._fields[1:]
"""What need not be there."""


class _Kind(NamedTuple):
    """What makes two findings the same in inputs of any name."""

    content: str
    fingerprint: str


@dataclass(slots=True)
class Baseline:
    """Known findings by input, and which of them have been met.

    Inputs are named from the directory of the baseline on, so that it holds wherever the project lies.
    """

    path: str
    entries: dict[str, list[KnownFinding]]
    _kinds: dict[_Kind, int] = field(default_factory=dict)
    _judged: set[str] = field(default_factory=set)
    _met: dict[str, Counter[str]] = field(default_factory=dict)
    _moved: set[_Kind] = field(default_factory=set)
    """What was met in an input of another name only."""

    def __post_init__(self) -> None:
        """Count how many there are of a kind in the input that has most."""
        for entries in self.entries.values():
            kinds = Counter(_Kind(entry.content, entry.fingerprint) for entry in entries if entry.content)
            for kind, number in kinds.items():
                self._kinds[kind] = max(number, self._kinds.get(kind, 0))

    @classmethod
    def read(cls, path: str) -> Baseline:
        """Return the baseline in a file; `InputError` if it is none."""
        try:
            content = parse_json(_content(path))
        except OSError as error:
            raise InputError(f"the baseline cannot be read: {error.strerror}", source=path) from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"this is no baseline: {error}", source=path, hint=_HINT) from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            schema = content.get("schema") if isinstance(content, dict) else None
            fault = f"its schema is {str(schema)[:40]!r}, not {SCHEMA!r}" if schema else f"no schema {SCHEMA!r}"
            raise InputError(f"this is no baseline that this version reads: {fault}", source=path, hint=_HINT)
        try:
            entries = {
                source: [
                    KnownFinding(str(entry["fingerprint"]), *(str(entry.get(key, "")) for key in _TELLING))
                    for entry in listed
                ]
                for source, listed in content["findings"].items()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError("this baseline is damaged", source=path, hint=_HINT) from error
        return cls(path, entries)

    def new_in(self, reports: Iterable[Report]) -> Iterator[Report]:
        """Yield the reports without the findings that are known."""
        for report in reports:
            name = _name(report.source, _folder(self.path))
            if not report.error:
                self._judged.add(name)
            by_name = Counter(entry.fingerprint for entry in self.entries.get(name, ()))
            unmet = Counter(by_name)
            met_kinds: Counter[_Kind] = Counter()
            new = []
            for finding in report.findings:
                kind = _Kind(finding.content, finding.fingerprint)
                is_named, is_met = unmet[finding.fingerprint] > 0, met_kinds[kind] < self._kinds.get(kind, 0)
                if not is_named and not is_met:
                    new.append(finding)
                    continue
                met_kinds[kind] += 1
                if is_named:
                    unmet[finding.fingerprint] -= 1
                else:
                    self._moved.add(kind)
            self._met.setdefault(name, Counter()).update(by_name - unmet)
            yield report._replace(findings=tuple(new), known=len(report.findings) - len(new))

    def stale(self, is_asked: Callable[[str, str], bool]) -> dict[str, list[KnownFinding]]:
        """Return the entries of which nothing is found any more, by input, after `new_in` has come to its end.

        Only of inputs that were judged, or are not there any more, and of rules that `is_asked` says to have been
        asked about that input: a run over some of the trees, or by some of the rules, says nothing of the others.
        """
        stale: dict[str, list[KnownFinding]] = {}
        for name, entries in self.entries.items():
            source = name if file_of(name) is None else os.path.join(_folder(self.path), name)  # noqa: PTH118
            file = file_of(source)
            # Standard input and this machine are always there.
            if name not in self._judged and (file is None or os.path.lexists(file)):
                continue
            met = Counter(self._met.get(name, ()))
            for entry in entries:
                if met[entry.fingerprint] > 0:
                    met[entry.fingerprint] -= 1
                elif _Kind(entry.content, entry.fingerprint) not in self._moved and is_asked(source, entry.rule):
                    stale.setdefault(name, []).append(entry)
        return stale

    def without(self, stale: dict[str, list[KnownFinding]]) -> str:
        """Return the content of the file without some of its entries."""
        kept: dict[str, list[KnownFinding]] = {}
        for name, entries in self.entries.items():
            dropped = Counter(stale.get(name, ()))
            for entry in entries:
                if dropped[entry] > 0:
                    dropped[entry] -= 1
                else:
                    kept.setdefault(name, []).append(entry)
        return _text(kept)


def _content(path: str) -> bytes:
    """Return what is in the file: a repository that somebody else wrote may name any, of any size."""
    with open_regular(path) as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise LimitError(f"more than the {_LARGEST:,} bytes that a baseline may have", source=path)
    return data


def document(reports: Iterable[Report], path: str) -> str:
    """Return the content of a baseline file at `path` that knows all findings of these reports."""
    folder = _folder(path)
    entries: dict[str, list[KnownFinding]] = {}
    for report in reports:
        if report.findings:
            entries.setdefault(_name(report.source, folder), []).extend(
                KnownFinding(finding.fingerprint, finding.content, finding.rule, finding.message)
                for finding in report.findings
            )
    return _text(dict(sorted(entries.items())))


def _text(entries: dict[str, list[KnownFinding]]) -> str:
    findings = {name: [entry.record() for entry in listed] for name, listed in entries.items()}
    return json.dumps({"schema": SCHEMA, "findings": findings}, indent=2) + "\n"


def _folder(path: str) -> str:
    return os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - plain text is all that is needed


def _name(source: str, folder: str) -> str:
    if file_of(source) is None:
        return source
    return os.path.relpath(os.path.abspath(source), folder)  # noqa: PTH100
