# SPDX-License-Identifier: MIT
"""What a file of RTAS answers holds: bytes, hex text, or a record of calls as JSON; recognised by content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from drmemctl.errors import DrmemctlError, FormatError, InputError
from drmemctl.formats.fdt_header import MAGIC
from drmemctl.formats.file_magics import BZIP2, ELF, GZIP, TAR, TAR_AT, XZ, ZSTD
from drmemctl.formats.hex_text import parse_hex, text_of
from drmemctl.formats.rtas_kinds import KIND_OF_CALL, KINDS, Decoded, decode
from drmemctl.formats.update_nodes import WORK_AREA
from drmemctl.formats.update_properties import UpdateProperties
from drmemctl.json_input import parse_json
from drmemctl.notebook import short_repr

UPDATES = ("update-nodes", "update-properties")
"""Kinds that come in one record, since each list of nodes leads to properties of some."""

_TAKEN = {"update-nodes": (0, 1), "rtas-event": (0,), "configure-connector": (1, 2, 3)}
"""The statuses with which there is something to look at."""

_OTHER_FILES = (
    (0, MAGIC, "a device tree"),
    (0, ELF, "an ELF file"),
    (0, GZIP, "what gzip made"),
    (0, XZ, "what xz made"),
    (0, ZSTD, "what zstd made"),
    (0, BZIP2, "what bzip2 made"),
    (TAR_AT, TAR, "a tar archive"),
)
"""What tells files named by mistake, and where: areas begin with a DRC index or words of 0, events with 6."""

_HINT = "name the bytes of a work area or an event, not compressed; diff, tree and prop take device trees"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of RTAS, decoded.

    Attributes:
        kind: which layout it has.
        data: its bytes; an area out of a record is filled up, since records leave zeros at the end out.
        status: what the call returned; None where only the bytes are known.
        value: what the bytes hold.

    """

    kind: str
    data: bytes
    status: int | None
    value: Decoded

    __repr__ = short_repr

    @classmethod
    def of(cls, kind: str, data: bytes, status: int | None = None) -> Answer:
        """Return the answer that some bytes are."""
        return cls(kind, data, status, decode(kind, data))

    @property
    def is_taken(self) -> bool:
        """Whether Linux looks into it: after most statuses that are errors it does not."""
        if self.status is None:
            return True
        return self.status >= 0 if self.kind == UpdateProperties.kind else self.status in _TAKEN[self.kind]


def read_answers(kind: str, data: bytes, source: str) -> list[Answer]:
    """Return the answers in a file of that kind, in order; a record of updates may hold both kinds of them.

    Raises `InputError` or `FormatError` for a file that is none.
    """
    try:
        if not data:
            raise InputError("the file is empty")
        text = text_of(data)
        if text is not None:
            return _recorded(kind, text) if text.lstrip()[:1] in ("[", "{") else _split(kind, parse_hex(text))
        for place, magic, form in _OTHER_FILES:
            if data.startswith(magic, place):
                raise FormatError(f"these are no answers of RTAS, but {form}", hint=_HINT)
        return _split(kind, data)
    except DrmemctlError as error:
        error.with_source(source)
        raise


def _split(kind: str, data: bytes) -> list[Answer]:
    """Return the areas of a file: each 4096 bytes are one, to be continued by the next."""
    if not data:
        raise InputError("the text holds no bytes")
    if not KINDS[kind].has_area or len(data) <= WORK_AREA:
        return [Answer.of(kind, data)]
    pieces = [data[at : at + WORK_AREA] for at in range(0, len(data), WORK_AREA)]
    return [Answer.of(kind, piece) for piece in pieces]


class RecordedCall(NamedTuple):
    """One call as it was recorded: its name, the work area that came back, and the status."""

    call: str
    area: bytes
    status: int


def recorded_calls(text: str | bytes) -> Iterator[RecordedCall]:
    """Yield the calls of a JSON record: a list of them, an object that has one, or the steps of a capture.

    Raises `InputError` for what is no JSON, `FormatError` for what is no call.
    """
    try:
        document = parse_json(text)
    except ValueError as error:
        raise InputError(f"no JSON: {error}") from error
    if not isinstance(document, list | dict):
        raise FormatError("this is no list of answers, and no object that has one")
    for number, recorded in enumerate(_nested(document), 1):
        yield _recorded_call(recorded, f"answer {number}")


def _recorded_call(recorded: Any, place: str) -> RecordedCall:
    if not isinstance(recorded, dict) or not {"call", "answer", "status"} <= set(recorded):
        raise FormatError(f"{place} is no object with call, answer and status")
    try:
        status = parse_status(recorded["status"])
    except ValueError as error:
        raise FormatError(f"{place} has {error}") from error
    try:
        area = bytes.fromhex(recorded["answer"])
    except (TypeError, ValueError) as error:
        raise FormatError(f"{place} is not in hex: {error}") from error
    return RecordedCall(str(recorded["call"]), area, status)


def _recorded(kind: str, text: str) -> list[Answer]:
    wanted = UPDATES if kind in UPDATES else (kind,)
    answers: list[Answer] = []
    for number, recorded in enumerate(recorded_calls(text), 1):
        call_kind = KIND_OF_CALL.get(recorded.call.removeprefix("ibm,"))
        if call_kind is None:
            raise FormatError(f"answer {number} is of a call that is not known here: {recorded.call[:40]!r}")
        area = recorded.area.ljust(WORK_AREA, b"\0") if KINDS[call_kind].has_area else recorded.area
        answers.append(Answer.of(call_kind, area, recorded.status))
    answers = [answer for answer in answers if answer.kind in wanted]
    if not answers:
        raise InputError(f"the record has no answer of {' or '.join(wanted)}")
    return answers


def _nested(document: Any) -> Iterator[Any]:
    """Yield the answers of a list, of an object that has one, or of the steps of a capture."""
    if isinstance(document, list):
        yield from document
    elif isinstance(document, dict):
        steps, answers = document.get("steps"), document.get("answers")
        for step in steps if isinstance(steps, list) else ():
            if isinstance(step, dict):
                yield from _nested(step)
        yield from answers if isinstance(answers, list) else ()


def parse_status(value: object) -> int:
    """Return what a call returned, a signed number of 32 bits; `ValueError` for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a status that is no number")  # noqa: TRY004 - one kind of error, as for JSON itself
    if not -(1 << 31) <= value < 1 << 31:
        raise ValueError("a status of more than 32 bits")
    return value
