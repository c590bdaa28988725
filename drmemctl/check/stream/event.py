# SPDX-License-Identifier: MIT
"""Rules of the family stream about RTAS events."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.stream.answers import RtasStream
from drmemctl.formats.hotplug_section import (
    ACTIONS,
    BY_COUNT,
    BY_INDEX,
    BY_INDEXED_COUNT,
    BY_NAME,
    HOTPLUG,
    ID_TYPES,
    MEMORY,
    RESOURCES,
    Hotplug,
)
from drmemctl.formats.rtas_event import HOTPLUG_EVENT, LEAST_EXTENDED, PRRN, VERSIONS, RtasEvent

_Faults = Iterator[tuple[str, int]]

_LARGEST_COUNT = (1 << 31) - 1

_CONSEQUENCES = {
    "event-header-cut": "this is no event",
    "event-cut": "Linux takes what is behind it for sections",
    "event-section-stuck": "Linux looks at it for ever, unless it is what it looks for",
    "event-section-cut": "Linux looks for the next one beyond the event",
}


@rule(
    "DRM118",
    Severity.ERROR,
    "event that Linux cannot act on",
    references=(
        "Linux arch/powerpc/kernel/rtas.c: get_pseries_errorlog; platforms/pseries/dlpar.c: handle_dlpar_errorlog",
        "LoPAR 2.9: Platform Event Log Format, Hotplug Section; PRRN: Platform Resource Reassignment Notification",
    ),
    about=RtasStream,
)
def bad_event(stream: RtasStream) -> Iterator[Violation]:
    """Look for sections that do not fit, requests that cannot be, scopes below 1, and unknown versions.

    Why:
        The request is lost, or done as another one, and the hypervisor waits for memory that never comes or goes.
        A section of length 0 keeps a CPU busy for good.

    Example:
        48500010 01000000 02010400 00000004: add memory by indexed count, but the section of 0x10 bytes has no room
        for the DRC index. 062060a0 00000000: a reassignment of scope 0.

    Kernel:
        Linux wants an extended log of at least 20 bytes in format 14 of IBM, and goes from section to section by
        their lengths. It copies the hotplug section without a look at its length. Memory by name is refused with
        EINVAL, and so is a count of 0. A count from 0x80000000 on is negative: since 5.14 an indexed request does
        nothing then, and succeeds. Scopes count for releases before 5.9; later ones ignore reassignments.

    Fix:
        Firmware: give the section its whole length and a request that Linux has. With --tree the DRC index and the
        count are held against the LMBs of the tree.
    """
    for number, _, event in stream.taken(RtasEvent):
        for message, offset in _faults(event, stream):
            yield Violation(message, offset=offset, answer=number)


def _faults(event: RtasEvent, stream: RtasStream) -> _Faults:
    for defect in event.defects:
        yield f"{defect.message}: {_CONSEQUENCES[defect.code]}", defect.offset or 0
    fixed = event.fixed
    if fixed is not None and fixed.version not in VERSIONS:
        yield f"version {fixed.version}, where RTAS has 1 to 6: these bytes may be no event", 0
    if fixed is not None and fixed.type == PRRN:
        if fixed.scope <= 0:
            yield f"a reassignment of scope {fixed.scope}: Linux asks for updates of {-fixed.scope}", 4
        if fixed.extended or event.tail:
            yield "a reassignment has no extended log: its length word is the scope", 1
    yield from _log_faults(event)
    section = event.section(HOTPLUG)
    if section is None:
        return
    if section.hotplug is None:
        yield f"{len(section.body)} bytes are too few for what the section HP asks for", section.offset
        return
    if section.length < 12:
        yield f"a section HP of {section.length} bytes", section.offset
    for message, offset in _request_faults(section.hotplug, stream):
        yield message, section.offset + offset


def _log_faults(event: RtasEvent) -> _Faults:
    """Yield why Linux finds no hotplug section in an event that should have one."""
    fixed = event.fixed
    if fixed is None or fixed.type != HOTPLUG_EVENT:
        return
    if not fixed.extended or fixed.length < LEAST_EXTENDED:
        yield f"a hotplug event needs an extended log of at least {LEAST_EXTENDED} bytes", 1
    elif event.header is None or not event.header.is_platform_log:
        yield "the extended log is not in format 14 of IBM: Linux finds no section in it", 8
    elif event.section(HOTPLUG) is None:
        yield "a hotplug event without a section HP: Linux reads the request through a null pointer", 8


def _request_faults(request: Hotplug, stream: RtasStream) -> _Faults:
    fields = (("resource", RESOURCES, 8), ("action", ACTIONS, 9), ("id_type", ID_TYPES, 10))
    for name, values, offset in fields:
        if getattr(request, name) not in values:
            yield f"{name} {getattr(request, name)} is none that there is", offset
    if request.resource != MEMORY:
        return
    if request.id_type == BY_NAME:
        yield "memory by name: EINVAL", 10
    table = None if stream.labels is None else stream.labels.table
    if request.id_type in (BY_COUNT, BY_INDEXED_COUNT) and request.count is not None:
        if request.count == 0:
            yield "a count of 0: EINVAL", 12
        elif request.count > _LARGEST_COUNT:
            yield f"a count of {request.count:,} is a negative int: nothing is done", 12
        elif table is not None and request.count > table.n_lmbs:
            yield f"a count of {request.count:,}, and the tree has {table.n_lmbs:,} LMBs: EINVAL", 12
    index = request.index or 0
    if request.id_type in (BY_INDEX, BY_INDEXED_COUNT) and table is not None and table.index_of_drc(index) is None:
        yield f"no LMB of the tree has DRC index {index:#010x}: EINVAL", 12 + 4 * (request.count is not None)
