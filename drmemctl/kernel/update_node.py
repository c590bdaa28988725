# SPDX-License-Identifier: MIT
"""Parsing ibm,update-properties as Linux does, partial values and all (mobility.c `update_dt_node`)."""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.update_nodes import WORK_AREA
from drmemctl.formats.update_properties import DELETED, HEADER_SIZE, NAME_ONLY, PARTIAL, Delivery
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.firmware import UpdateSource
from drmemctl.kernel.job import Job, OopsError
from drmemctl.kernel.notifier import remove_property, set_property
from drmemctl.kernel.plugins import replaceable
from drmemctl.kernel.task import Action, Footprint, StatePart, Task
from drmemctl.tree.node import decode_name

UPDATE_PROPERTIES = "update-properties"

_NPROPS = HEADER_SIZE - 4
_FUNCTION = "update_dt_node"


@dataclass(slots=True)
class _PartialProperty:
    """A property of which only the beginning has come."""

    name: str
    value: bytes


class _WorkArea:
    """A work area and the offset that the kernel reads at; `update_dt_node` does not check it against the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data[:WORK_AREA].ljust(WORK_AREA, b"\0")
        self.at = HEADER_SIZE

    def word(self) -> int:
        value = self.word_at(self.at)
        self.at += 4
        return value

    def word_at(self, offset: int) -> int:
        if offset + 4 > WORK_AREA:
            raise self._out_of_area()
        return int.from_bytes(self.data[offset : offset + 4], "big")

    def name(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise self._out_of_area()
        name = decode_name(self.data[self.at : end])
        self.at = end + 1
        return name

    def value(self, size: int) -> bytes:
        """Return a value without moving on; what is beyond the work area comes as zeros."""
        return self.data[self.at : self.at + size].ljust(min(size, 2 * WORK_AREA), b"\0")

    def _out_of_area(self) -> OopsError:
        message = f"descriptors are read at offset {self.at:#x} of a work area of {WORK_AREA:#x} bytes"
        return OopsError(Fault("oops", message, _FUNCTION))


_CALLS = Footprint(reads=frozenset({StatePart.CONNECTORS}))
_DELIVERS = Footprint(frozenset({StatePart.LOOKUP}), frozenset({StatePart.DELIVERED}))


def fetch_updates(  # noqa: PLR0913, PLR0917 - what is called, by whom, and the call's own arguments
    job: Job,
    function: str,
    source: UpdateSource,
    name: str,
    area: bytes,
    scope: int,
    earlier: Delivery | None = None,
) -> Task[tuple[bytes, int]]:
    """Call ibm,update-nodes or ibm,update-properties; return (work area, status).

    `earlier` is what the calls before this one delivered of the drmem node, None for other nodes: firmware notes
    the LMB properties as delivered once they are complete.
    """
    del job

    def fetch(actor: Job) -> tuple[bytes, int]:
        answer, status = source.call(name, area, scope, actor.firmware)
        arguments = (int.from_bytes(area[:4], "big"), scope) if name == UPDATE_PROPERTIES else (scope,)
        actor.called(function, name, arguments, (status,))
        if earlier is not None and status >= 0:
            for change in earlier.taken(answer).changes:
                actor.firmware = actor.firmware.updated(decode_name(change.name), change.value, actor.state.tree)
        return answer, status

    answer: tuple[bytes, int] = yield Action("call", fetch, _CALLS if earlier is None else _CALLS | _DELIVERS)
    return answer


@replaceable("update_dt_node")
def update_dt_node(job: Job, source: UpdateSource, path: str, phandle: int, scope: int) -> Task[None]:
    """Fetch a node's new properties until there are no more; errors end it silently."""
    area = phandle.to_bytes(4, "big").ljust(WORK_AREA, b"\0")
    pending: _PartialProperty | None = None
    delivery = Delivery() if path == NODE else None
    while True:
        area, status = yield from fetch_updates(job, _FUNCTION, source, UPDATE_PROPERTIES, area, scope, delivery)
        delivery = None if delivery is None else delivery.taken(area)
        if status < 0:
            return
        pending = yield from _apply(job, _WorkArea(area), path, pending)
        if status != 1:
            return


def _apply(
    job: Job, reader: _WorkArea, path: str, pending: _PartialProperty | None
) -> Task[_PartialProperty | None]:
    """Take in one work area; return the property that still lacks its end."""
    n_descriptors = reader.word_at(_NPROPS)
    if reader.data[HEADER_SIZE] == 0:
        # The node's path, if this is the first work area; any other that begins with a NUL passes for it. Without
        # descriptors at all the count wraps around.
        reader.at += 1
        size = reader.word()
        reader.at += size
        n_descriptors = (n_descriptors - 1) & 0xFFFFFFFF
    for _ in range(n_descriptors):
        name, word = reader.name(), reader.word()
        if word == NAME_ONLY:
            continue
        if word == DELETED:
            yield from remove_property(job, path, name)
            pending = None
            continue
        size = (1 << 32) - word if word & PARTIAL else word
        value = reader.value(size)
        # A part's negative length is added as it is: the kernel is 4 GiB further on, and dies of the next read.
        reader.at += word
        if pending is not None:
            name, value = pending.name, pending.value + value
        pending = _PartialProperty(name, value)
        if not word & PARTIAL:
            yield from set_property(job, path, name, value, "update_dt_property")
            pending = None
    return pending
