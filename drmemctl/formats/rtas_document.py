# SPDX-License-Identifier: MIT
"""Decoded RTAS answers as JSON has them, and the bytes that such JSON stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drmemctl.errors import DrmemctlError, FormatError, InputError
from drmemctl.formats.plain import from_plain, plain
from drmemctl.formats.rtas_input import UPDATES, Answer
from drmemctl.formats.rtas_kinds import KINDS
from drmemctl.json_input import parse_json


def as_plain(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON has it; `value` is what `encoded` makes the bytes of."""
    return {"kind": answer.kind, "status": answer.status, "value": plain(answer.value)}


def encoded(kind: str, data: bytes, source: str) -> bytes:
    """Return the bytes of a document as `decode --format json` writes it, or of one value alone.

    Raises `InputError` or `FormatError` that says what is missing or wrong.
    """
    try:
        return b"".join(_encoded(kind, parse_json(data)))
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON: {error}", source=source) from error
    except DrmemctlError as error:
        error.with_source(source)
        raise


def _encoded(kind: str, document: Any) -> Iterator[bytes]:
    answers = document.get("answers") if isinstance(document, dict) else None
    if answers is None:
        yield from_plain(KINDS[kind].layout, document, "value").encode()
        return
    if not isinstance(answers, list):
        raise FormatError("answers is no list")
    for number, answer in enumerate(answers):
        place = f"answers[{number}]"
        if not isinstance(answer, dict) or "value" not in answer:
            raise FormatError(f"{place} has no 'value'")
        # Of the command's kind, or of the other one in a record of updates.
        answer_kind = answer.get("kind", kind)
        if answer_kind != kind and not (answer_kind in UPDATES and kind in UPDATES):
            raise FormatError(f"{place} is of kind {str(answer_kind)[:40]!r}, not {kind}")
        yield from_plain(KINDS[answer_kind].layout, answer["value"], f"{place}.value").encode()
