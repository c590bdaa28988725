# SPDX-License-Identifier: MIT
"""What RTAS returns, by kind: each kind is one module, whose class decodes, encodes and describes it."""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.formats.configure_connector import EXTENDED_BUSY, ConnectorArea, status_text
from drmemctl.formats.rtas_event import RtasEvent
from drmemctl.formats.update_nodes import UpdateNodes
from drmemctl.formats.update_properties import UpdateProperties

Decoded = UpdateNodes | UpdateProperties | RtasEvent | ConnectorArea

_UPDATES = {0: "complete", 1: "more to come: call again", -1: "hardware error", -2: "busy"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of what RTAS returns.

    Attributes:
        layout: the class that decodes it.
        calls: the calls that return it, as records name them.
        has_area: whether it comes in a work area of 4096 bytes.

    """

    layout: type[Decoded]
    calls: tuple[str, ...]
    has_area: bool = True


KINDS = {
    kind.layout.kind: kind
    for kind in (
        Kind(UpdateNodes, ("update-nodes",)),
        Kind(UpdateProperties, ("update-properties",)),
        Kind(RtasEvent, ("rtas-event", "event-scan", "check-exception"), has_area=False),
        Kind(ConnectorArea, ("configure-connector",)),
    )
}
KIND_OF_CALL = {call: name for name, kind in KINDS.items() for call in kind.calls}


def decode(kind: str, data: bytes) -> Decoded:
    """Return what any bytes hold as that kind."""
    return KINDS[kind].layout.decode(data)


def meaning_of(kind: str, status: int) -> str:
    """Return what the status of a call says."""
    if kind == ConnectorArea.kind:
        return status_text(status)
    return _UPDATES.get(status, "busy" if status in EXTENDED_BUSY else "error")
