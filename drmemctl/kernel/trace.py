# SPDX-License-Identifier: MIT
"""What a kernel does while it works, one event after the other: calls to firmware, writes to its array and tree.

Events are data for whoever wants to see them. Nobody collects them unless asked to: a request for 100,000 LMBs
has a million.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """Something that a kernel does.

    Attributes:
        function: the kernel function that it happens in.
        messages: how many messages this piece of work had printed before.

    """

    function: str
    messages: int


@dataclass(frozen=True, slots=True)
class RtasCall(TraceEvent):
    """An RTAS call.

    Attributes:
        call: its name without `ibm,`.
        arguments: what it was called with.
        answer: the status, and what came with it.

    """

    call: str
    arguments: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ArrayWrite(TraceEvent):
    """LMBs of the array that follow one another get an aa_index or flags.

    Attributes:
        first: the array index of the first.
        count: how many.
        drc_index: the first one's DRC index.
        aa_index: their new aa_index, None where it stays.
        flags: their new flags, None where they stay.

    """

    first: int
    count: int
    drc_index: int
    aa_index: int | None = None
    flags: int | None = None


@dataclass(frozen=True, slots=True)
class TreeWrite(TraceEvent):
    """A property gets a value, or goes; without a name it is the node that comes or goes.

    Attributes:
        path: the node.
        property: the property's name, empty for the node itself.
        size: bytes of the new value, None for what goes.

    """

    path: str
    property: str
    size: int | None


@dataclass(frozen=True, slots=True)
class BlockWrite(TraceEvent):
    """A memory block comes, on a node, or goes: then `node` is None."""

    block: int
    node: int | None


_collector: ContextVar[list[TraceEvent] | None] = ContextVar("collector", default=None)


def collector() -> list[TraceEvent] | None:
    """Return where events go to, None where nobody collects them."""
    return _collector.get()


@contextmanager
def recorded() -> Iterator[list[TraceEvent]]:
    """Collect the events of all that is simulated meanwhile (by this thread or task)."""
    events: list[TraceEvent] = []
    token = _collector.set(events)
    try:
        yield events
    finally:
        _collector.reset(token)
