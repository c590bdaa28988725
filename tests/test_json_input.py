# SPDX-License-Identifier: MIT
"""Numbers in JSON that somebody else wrote: out of range, of another type, in every place of every document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from drmemctl.check.baseline import SCHEMA
from drmemctl.json_input import parse_json
from tests.cli.outputs import BOOTED, FAULTY, RECORD
from tests.cli.running import run
from tests.wide import share


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615", (1 << 64) - 1),
        ("-9223372036854775808", -(1 << 63)),
        ("[1.5, 1e3, -0.0]", [1.5, 1000.0, 0.0]),
        (b'{"a": null}', {"a": None}),
        ('\ufeff{"a": null}', {"a": None}),
    ],
)
def test_numbers_in_range(text: str | bytes, value: object) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    "text",
    ["1e999", "-1e999", "Infinity", "-Infinity", "NaN", "18446744073709551616", "-9223372036854775809",
     "9" * 100, '{"a": 1, "a": 1}', '[{"b": {"a": 1, "\\u0061": 2}}]',
     "9" * 10_000, "[" * 100_000, "1" * 400 + ".5", "", "{", b"\xff", "01"],
)  # fmt: skip
def test_what_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)


ODD = ["1e999", "-1e999", "NaN", "Infinity", "1e308", "-1", "4294967296", "18446744073709551616", "9" * 5000,
       "1.5", "true", "null", '"x"', "[]", "{}", "[[]]"]  # fmt: skip
"""What stands in the place of a value."""

ANSWERS = [{"call": "ibm,update-nodes", "answer": "00" * 64, "status": 0}]
STEPS = {"steps": [{"answers": ANSWERS}]}
BASELINE = {"schema": SCHEMA, "findings": {"a": [{"fingerprint": "00" * 8, "rule": "DRM001", "message": "x"}]}}
MARK = "the mark"


def mutants(document: Any) -> Iterator[str]:
    """Yield the document with each of the values in it, at any depth, in turn replaced by each that is odd."""
    for marked in islice(marks(document), 1, None):
        for odd in ODD:
            yield json.dumps(marked).replace(json.dumps(MARK), odd)


def marks(value: Any) -> Iterator[Any]:
    yield MARK
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        for marked in marks(inner):
            copy = dict(value) if isinstance(value, dict) else list(value)
            copy[key] = marked
            yield copy


def decoded(kind: str, source: str) -> Any:
    return json.loads(run("decode", kind, source, "--fail-on", "never", "--format", "json").out)


DOCUMENTS = {
    "migrate": (ANSWERS, ["simulate", BOOTED, "migrate FILE"]),
    "migrate, an object": ({"answers": ANSWERS}, ["simulate", BOOTED, "migrate FILE"]),
    "decode": (STEPS, ["decode", "update-nodes", "FILE"]),
    "baseline": (BASELINE, ["check", "--isolated", "-j1", FAULTY, "--baseline", "FILE"]),
}


@pytest.mark.parametrize(("document", "arguments"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_value_of_every_document(document: Any, arguments: list[str], tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    for text in mutants(document):
        path.write_text(text)
        outcome = run(*(word.replace("FILE", str(path)) for word in arguments))
        assert outcome.code in (0, 1, 3), text
        assert "internal error" not in outcome.err, (text, outcome.err)
        if outcome.code == 3:
            assert outcome.err.splitlines()[-1].startswith(f"drmemctl: {path}: "), text
        if "999" in text or "NaN" in text or "Infinity" in text or "18446744073709551616" in text:
            assert outcome.code == 3, text


EVENT = "062060a000000002"


@pytest.mark.parametrize("kind", ["update-nodes", "update-properties", "rtas-event", "configure-connector"])
def test_every_value_that_is_encoded_again(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text(EVENT if kind == "rtas-event" else "00" * 64)
    document = decoded(kind, RECORD if kind.startswith("update") else str(source))
    document["answers"] = document["answers"][:2]
    path = tmp_path / "document.json"
    seen = set()
    for number, marked in enumerate(marks(document)):
        for odd in share(ODD, number, 3):
            path.write_text(json.dumps(marked).replace(json.dumps(MARK), odd))
            outcome = run("decode", kind, "--encode", path)
            seen.add(outcome.code)
            assert outcome.code in (0, 3)
            assert "internal error" not in outcome.err, (path.read_text()[:2000], outcome.err)
    assert seen == {0, 3}
