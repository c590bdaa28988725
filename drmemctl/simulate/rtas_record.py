# SPDX-License-Identifier: MIT
"""Records of what firmware answered while the kernel updated its tree: of a migration, or of a reassignment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from drmemctl.errors import DrmemctlError, FormatError, InputError, LimitError
from drmemctl.formats.rows import words
from drmemctl.formats.rtas_event import FIXED_SIZE, RtasEvent
from drmemctl.formats.rtas_input import RecordedCall, parse_status, recorded_calls
from drmemctl.formats.update_nodes import WORK_AREA
from drmemctl.hypervisor.recorded import RecordedConnector, RecordedConnectors
from drmemctl.json_input import parse_json
from drmemctl.numbers import parse_drc_index, parse_kernel_int
from drmemctl.tree.limits import NOT_REAL

_MOST_EVENTS = 1024
"""Events of one reassignment: each makes the kernel ask for nodes anew."""

_MOST_CONNECTORS = 1 << 16
_MOST_HOMES = 2048
"""Threads that kernels are built for (CONFIG_NR_CPUS)."""

Homes = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class RtasRecord:
    """What was recorded.

    Attributes:
        calls: the answers of ibm,update-nodes and ibm,update-properties, in order.
        connectors: what connectors described.
        homes: (interrupt server number, domains) of threads: where the hypervisor has their home then.
        events: what event-scan returned, in order; none for a migration.

    """

    calls: list[RecordedCall]
    connectors: RecordedConnectors
    homes: Homes = ()
    events: tuple[RtasEvent, ...] = ()


def read_migration(data: bytes, source: str) -> RtasRecord:
    """Return the record of a migration, a list of answers or an object with one; `InputError` if it is none."""
    reason = "an object without any"
    try:
        calls = list(recorded_calls(data))
    except (InputError, FormatError) as error:
        reason = error.message
    else:
        # A list may be empty: then firmware has no answer to whatever the kernel asks.
        if calls or data.lstrip()[:1] == b"[":
            document = parse_json(data)
            with _source_named(source):
                return RtasRecord(calls, _connectors(document), _homes(document))
    raise InputError(
        f"no list of RTAS answers: {reason}",
        source=source,
        hint="write a JSON list of {call, answer, status}, each answer in hex",
    )


def read_reassignment(data: bytes, source: str) -> RtasRecord:
    """Return the record of a reassignment, an object with events; `InputError` or `FormatError` if it is none."""
    hint = 'write a JSON object {"events": [HEX, …], "answers": [{call, answer, status}, …]}'
    with _source_named(source):
        try:
            document = parse_json(data)
        except ValueError as error:
            raise InputError(f"no record of a reassignment: no JSON: {error}", hint=hint) from error
        if not isinstance(document, dict) or not isinstance(document.get("events"), list):
            raise InputError("no record of a reassignment: an object without a list of events", hint=hint)
        events = document["events"]
        if len(events) > _MOST_EVENTS:
            message = f"{len(events):,} events, more than the {_MOST_EVENTS:,} that are delivered"
            raise LimitError(message, hint=NOT_REAL)
        decoded: list[RtasEvent] = []
        for number, event in enumerate(events, 1):
            bytes_of_event = _hex(event, f"event {number}")
            size = len(bytes_of_event)
            if size < FIXED_SIZE:
                raise FormatError(f"event {number} has {size} bytes, where its fixed part alone has {FIXED_SIZE}")
            decoded.append(RtasEvent.decode(bytes_of_event))
        answers = document.get("answers", [])
        if not isinstance(answers, list):
            raise FormatError("the answers are no list")
        calls = list(recorded_calls(data)) if answers else []
        return RtasRecord(calls, _connectors(document), _homes(document), tuple(decoded))


@contextmanager
def _source_named(source: str) -> Iterator[None]:
    """Name the source in errors that do not."""
    try:
        yield
    except DrmemctlError as error:
        error.with_source(source)
        raise


def _hex(text: object, place: str) -> bytes:
    if isinstance(text, str):
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise FormatError(f"{place} is not in hex: {error}") from error
    raise FormatError(f"{place} is not in hex: no text")


def _connectors(document: Any) -> RecordedConnectors:
    """Return what a record says of connectors; nothing where it is a bare list of answers."""
    connectors = {
        connector.drc_index: connector
        for number, entry in _entries(document, "connectors", "connector")
        if (connector := _connector(entry, f"connector {number}")) is not None
    }
    return RecordedConnectors(tuple(sorted(connectors.values(), key=lambda connector: connector.drc_index)))


def _homes(document: Any) -> Homes:
    homes: dict[int, tuple[int, ...]] = {}
    for number, entry in _entries(document, "homes", "home", _MOST_HOMES):
        thread = _number(entry.get("cpu"), f"the CPU of home {number}", parse_kernel_int)
        homes[thread] = tuple(words(_associativity(entry.get("associativity"), f"home {number}"))[1:])
    return tuple(sorted(homes.items()))


def _entries(
    document: Any, key: str, name: str, most: int = _MOST_CONNECTORS
) -> Iterator[tuple[int, dict[str, Any]]]:
    entries = document.get(key, []) if isinstance(document, dict) else []
    if not isinstance(entries, list):
        raise FormatError(f"the {key} are no list")
    if len(entries) > most:
        raise LimitError(f"{len(entries):,} {key}, more than the {most:,} that are read", hint=NOT_REAL)
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise FormatError(f"{name} {number} is no object")
        yield number, entry


def _connector(entry: dict[str, Any], place: str) -> RecordedConnector | None:
    """Return what a connector answered: `answered` before `associativity`, which is what it would have had."""
    drc_index = _number(entry.get("drc"), f"the DRC index of {place}", parse_drc_index)
    if "status" in entry:
        try:
            status = parse_status(entry["status"])
        except ValueError as error:
            raise FormatError(f"{place} has {error}") from error
        if status > 0:
            raise FormatError(f"{place} has status {status}, with which the walk goes on: write the last one")
        if status:
            return RecordedConnector(drc_index, status)
    value = entry.get("answered", entry.get("associativity"))
    return None if value is None else RecordedConnector(drc_index, 0, _associativity(value, place))


def _associativity(value: object, place: str) -> bytes:
    data = _hex(value, f"the associativity of {place}")
    if not data or len(data) % 4 or len(data) > WORK_AREA:
        raise FormatError(
            f"the associativity of {place} has {len(data)} bytes, where 1 to {WORK_AREA // 4} words fit"
        )
    return data


def _number(value: object, place: str, parse: Callable[[str], int]) -> int:
    """Return a number of 32 bits, written as one or as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < 1 << 32:
            return value
    elif isinstance(value, str):
        try:
            return parse(value)
        except ValueError as error:
            raise FormatError(f"{place} is no number: {error}") from error
    raise FormatError(f"{place} is no number of 32 bits")
