# SPDX-License-Identifier: MIT
"""What the kernel did in a step, call by call and write by write, between the messages that it printed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED, aa_text, flag_names
from drmemctl.kernel.trace import ArrayWrite, BlockWrite, RtasCall, TraceEvent, TreeWrite
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.simulate.partition import StepResult
from drmemctl.wording import count_of

MOST = 400
"""Events of a step that are shown without -v: an add by count asks for every connector."""

_FUNCTION = 34


def trace_lines(screen: Screen, result: StepResult, most: int | None = MOST) -> Iterator[str]:
    """Yield events and messages in their order; messages are dim."""
    log = [screen.style(safe(line, None), "dim") for line in result.log]
    printed = 0
    for event in islice(result.trace, most):
        yield from log[printed : event.messages]
        printed = max(printed, event.messages)
        yield f"  {screen.style(f'{event.function:{_FUNCTION}}', 'cyan')} {_event_words(event)}"
    if most is not None and len(result.trace) > most:
        yield f"  … {count_of(len(result.trace) - most, 'more event')}; -v shows them"
    yield from log[printed:]


def _event_words(event: TraceEvent) -> str:
    match event:
        case RtasCall():
            return rtas_text(event)
        case ArrayWrite():
            last = f"-{event.first + event.count - 1}" if event.count > 1 else ""
            return f"array[{event.first}{last}] {event.drc_index:#010x}: {', '.join(_written(event))}"
        case TreeWrite():
            name = f"{safe(event.path)}:{safe(event.property)}" if event.property else safe(event.path)
            if event.size is None:
                return f"{name} is removed"
            return f"{name} = {count_of(event.size, 'byte')}" if event.property else f"{name} is attached"
        case BlockWrite():
            where = "goes" if event.node is None else f"comes on node {event.node}"
            return f"memory block {event.block} {where}"
    return ""


def rtas_text(event: RtasCall) -> str:
    """Return a call with its arguments and its answer."""
    # Numbers from 2^16 on are DRC indexes and phandles; indicators, sensors and scopes are known in decimal.
    arguments = (f"{number:#x}" if number >> 16 > 0 else str(number) for number in event.arguments)
    return f"{' '.join([event.call, *arguments])} -> {' '.join(map(str, event.answer))}"


def _written(event: ArrayWrite) -> Iterator[str]:
    if event.aa_index is not None:
        yield f"aa = {aa_text(event.aa_index)}"
    if event.flags is not None:
        marked = " and the mark" if event.flags & KERNEL_TOUCHED else ""
        names = ",".join(flag_names(event.flags & ~KERNEL_TOUCHED)) or "none"
        yield f"flags = {names}{marked}"
