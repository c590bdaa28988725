# SPDX-License-Identifier: MIT
"""What a kernel does while it works, one event after the other: calls to firmware, writes to its array and tree.

Events are data for whoever wants to see them. Nobody collects them unless asked to: a request for 100,000 LMBs
has a million, of which those of LMBs that are alike are kept once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import chain
from operator import eq
from typing import Self, overload


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """Something that a kernel does.

    Attributes:
        function: the kernel function that it happens in.
        messages: how many messages this piece of work had printed before.

    """

    function: str
    messages: int

    def of_following(self, place: int, messages: int) -> Self:
        """Return the event of the LMB that is `place` LMBs further on, so many messages later."""
        del place
        return replace(self, messages=self.messages + messages)


_DRC_ARGUMENT = {"configure-connector": 0, "get-sensor-state": 1, "set-indicator": 1}
"""Which argument of a call is the DRC index."""


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

    def of_following(self, place: int, messages: int) -> Self:
        """Return the same call about the connector `place` DRC indexes further on."""
        at = _DRC_ARGUMENT[self.call]
        arguments = (*self.arguments[:at], self.arguments[at] + place, *self.arguments[at + 1 :])
        return replace(self, messages=self.messages + messages, arguments=arguments)


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

    def of_following(self, place: int, messages: int) -> Self:
        """Return the same change of the LMB `place` LMBs further on."""
        first, drc_index = self.first + place, self.drc_index + place
        return replace(self, messages=self.messages + messages, first=first, drc_index=drc_index)


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

    def of_following(self, place: int, messages: int) -> Self:
        """Return the same of the block `place` blocks further on."""
        return replace(self, messages=self.messages + messages, block=self.block + place)


@dataclass(frozen=True, slots=True)
class _Following:
    """The events of `count` LMBs after one, which repeat that one's; `messages` is how many it printed."""

    events: tuple[TraceEvent, ...]
    messages: int
    count: int

    def __iter__(self) -> Iterator[TraceEvent]:
        # Without events, as `of_kind` may leave it, the count is not walked through: it can be 2^32.
        for place in range(1, self.count + 1 if self.events else 1):
            for event in self.events:
                yield event.of_following(place, place * self.messages)

    def __len__(self) -> int:
        return self.count * len(self.events)

    def of_kind(self, kind: type[TraceEvent]) -> _Following:
        """Return only the events of a kind."""
        return replace(self, events=tuple(event for event in self.events if isinstance(event, kind)))


class Trace(Sequence[TraceEvent]):
    """Events in their order. Those of LMBs that are alike are made when they are looked at."""

    def __init__(self) -> None:
        self._parts: list[list[TraceEvent] | _Following] = []

    def append(self, event: TraceEvent) -> None:
        """Add an event."""
        last = self._parts[-1] if self._parts else None
        if isinstance(last, list):
            last.append(event)
        else:
            self._parts.append([event])

    def new_part(self) -> Sequence[TraceEvent]:
        """Begin a part and return it: a list, still empty, to which `append` adds."""
        part: list[TraceEvent] = []
        self._parts.append(part)
        return part

    def repeat(self, events: Sequence[TraceEvent], messages: int, count: int) -> None:
        """Repeat events for the `count` LMBs after one; each printed `messages` messages."""
        self._parts.append(_Following(tuple(events), messages, count))

    def __iter__(self) -> Iterator[TraceEvent]:
        return chain.from_iterable(self._parts)

    def block_writes(self) -> Iterator[BlockWrite]:
        """Yield the memory blocks that come and go, without making the other events."""
        for part in self._parts:
            events = part.of_kind(BlockWrite) if isinstance(part, _Following) else part
            yield from (event for event in events if isinstance(event, BlockWrite))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @overload
    def __getitem__(self, index: int) -> TraceEvent: ...

    @overload
    def __getitem__(self, index: slice) -> list[TraceEvent]: ...

    def __getitem__(self, index: int | slice) -> TraceEvent | list[TraceEvent]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]


_collector: ContextVar[Trace | None] = ContextVar("collector", default=None)


def collector() -> Trace | None:
    """Return where events go to, None where nobody collects them."""
    return _collector.get()


@contextmanager
def recorded() -> Iterator[Trace]:
    """Collect the events of all that is simulated meanwhile (by this thread or task)."""
    events = Trace()
    token = _collector.set(events)
    try:
        yield events
    finally:
        _collector.reset(token)
