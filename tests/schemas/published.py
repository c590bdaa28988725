# SPDX-License-Identifier: MIT
"""The schemas in docs/schemas, and what drmemctl prints held against them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from tests.cli.running import run
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "schemas"


def schema_files() -> list[Path]:
    """Return the files."""
    return sorted(FOLDER.glob("*.json"))


@cache
def schema(name: str) -> Any:
    """Return the schema of `lmb`, `diff` and so on."""
    return json.loads((FOLDER / f"drmemctl.{name}-1.json").read_text(encoding="utf-8"))


@cache
def validator(name: str, definition: str = "") -> Draft202012Validator:
    """Return what judges documents, or records by one of the definitions."""
    whole = schema(name)
    if definition:
        whole = {"$ref": f"#/$defs/{definition}", "$defs": whole["$defs"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def fault(document: Any, name: str, definition: str = "") -> str | None:
    """Return the gravest thing wrong with a document, None if there is none."""
    found = best_match(validator(name, definition).iter_errors(document))
    return None if found is None else f"{found.json_path}: {found.message[:400]}"


def documents(name: str, text: str) -> Iterator[Any]:
    """Yield what an output holds: one document, or one a line of those that come as they happen."""
    if name == "watch":
        yield from map(json.loads, text.splitlines())
    else:
        yield json.loads(text)


def printed(name: str, *arguments: str | Path) -> list[Any]:
    """Run a command and return its documents, all of which fit their schema; none where the input is refused."""
    done = run(*arguments)
    if done.code == 3 and not done.out:
        assert done.err.count("\n") == 1, done.err
        return []
    assert done.code in (0, 1) or "nothing to judge" in done.err, (arguments, done.err)
    found = list(documents(name, done.out))
    assert found
    assert [fault(document, name) for document in found] == [None] * len(found), arguments
    return found
