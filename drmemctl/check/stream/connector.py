# SPDX-License-Identifier: MIT
"""Rules of the family stream about the work area of ibm,configure-connector."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.stream.answers import RtasStream
from drmemctl.formats.configure_connector import (
    BUSY,
    COMPLETE,
    EXTENDED_BUSY,
    NEXT_CHILD,
    NEXT_PROPERTY,
    NEXT_SIBLING,
    PREVIOUS_PARENT,
    ConnectorArea,
    status_text,
)

_GOES_ON = (COMPLETE, NEXT_SIBLING, NEXT_CHILD, NEXT_PROPERTY, PREVIOUS_PARENT, BUSY)
"""The statuses that are no error to Linux."""


@rule(
    "DRM119",
    Severity.ERROR,
    "connector that Linux cannot read completely",
    references=(
        "Linux arch/powerpc/platforms/pseries/dlpar.c: dlpar_configure_connector",
        "Linux 768d70e19ba5 (5.12): busy statuses of ibm,configure-connector",
        "LoPAR 2.9: ibm,configure-connector RTAS call",
    ),
    about=RtasStream,
)
def unread_connector(stream: RtasStream) -> Iterator[Violation]:
    """Look for names and values that are not inside the work area, and for statuses that end the walk in an error.

    Why:
        Without the node that the connector describes an LMB has no associativity: the request fails, and the
        connector stays acquired or is released twice.

    Example:
        80000004 00000000 00001000 00000000 00000000 with status 2: a node whose name is behind the area.

    Kernel:
        Linux copies names and values from where the offsets say, without a look at the work area's end. Status 5,
        -1, -9003 and all that it does not know give "Unexpected Error (N) returned from configure-connector".
        Before 5.12 that included 9900 to 9905, which mean busy.

    Fix:
        Firmware: keep name and value inside the 4096 bytes. -9003: isolate and unisolate the connector, then start
        the walk anew; two walks of one connector at a time corrupt each other.
    """
    for number, answer in enumerate(stream.answers):
        if isinstance(answer.value, ConnectorArea):
            for message, offset in _faults(answer.value, answer.status):
                yield Violation(message, offset=offset, answer=number)


def _faults(area: ConnectorArea, status: int | None) -> Iterator[tuple[str, int]]:
    if status is not None and status not in _GOES_ON:
        # Busy statuses, which 5.12 and later wait for.
        until = " before 5.12" if status in EXTENDED_BUSY else ""
        yield f"status {status}: {status_text(status)}; Linux gives up{until}", 0
        return
    if area.drc_index is None:
        yield "the area is cut before its first five words end", 0
        return
    named = status in (NEXT_SIBLING, NEXT_CHILD, NEXT_PROPERTY)
    if area.name is None and (named or (status is None and area.name_offset)):
        yield f"the name is at {area.name_offset:#x}, where none is in the area", 8
    if status in (NEXT_PROPERTY, None) and area.value_length and area.value is None:
        yield f"the value's {area.value_length:,} bytes at {area.value_offset:#x} are not in the area", 12
