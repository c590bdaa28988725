# SPDX-License-Identifier: MIT
"""The section HP of an RTAS event: what is to be added or removed.

Source: LoPAR 2.9, "Platform Event Log Format, Hotplug Section"; Linux arch/powerpc/include/asm/rtas.h
`pseries_hp_errorlog`; QEMU hw/ppc/spapr_events.c `rtas_event_log_v6_hp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.formats.fields import Field, preview
from drmemctl.formats.rows import Rows, pack_words, words
from drmemctl.formats.rtas_labels import NO_LABELS, Labels, with_label
from drmemctl.formats.strings import to_bytes, to_string, to_text

HOTPLUG = 0x4850

HEAD = Rows(resource=8, action=8, id_type=8, capabilities=8)
HEAD_SIZE = HEAD.size

CPU, MEMORY, SLOT, PHB, PCI, PMEM = range(1, 7)
RESOURCES = {CPU: "CPU", MEMORY: "memory", SLOT: "slot", PHB: "PHB", PCI: "PCI", PMEM: "PMEM"}

ADD, REMOVE = 1, 2
ACTIONS = {ADD: "add", REMOVE: "remove"}

BY_NAME, BY_INDEX, BY_COUNT, BY_INDEXED_COUNT = range(1, 5)
ID_TYPES = {BY_NAME: "by name", BY_INDEX: "by index", BY_COUNT: "by count", BY_INDEXED_COUNT: "by indexed count"}

TOKEN_PRESENT, NON_TRANSACTIONAL = 0x80, 0x40
"""Capabilities (LoPAR bits 0 and 1), which Linux ignores: a request is done whole or not at all."""

_WORDS = {BY_INDEX: 1, BY_COUNT: 1, BY_INDEXED_COUNT: 2}


@dataclass(frozen=True, slots=True)
class Hotplug:
    """What a hotplug event asks for.

    Attributes:
        resource: what kind of it: `CPU`, `MEMORY`, …
        action: `ADD` or `REMOVE`.
        id_type: how it is named: `BY_NAME`, `BY_INDEX`, `BY_COUNT`, `BY_INDEXED_COUNT`.
        capabilities: `TOKEN_PRESENT`, `NON_TRANSACTIONAL`.
        count: how many, where that is said.
        index: the DRC index, likewise.
        name: the DRC name, likewise.
        rest: bytes after that.

    """

    resource: int
    action: int
    id_type: int
    capabilities: int = 0
    count: int | None = None
    index: int | None = None
    name: str | None = None
    rest: bytes = b""

    @classmethod
    def decode(cls, body: bytes) -> Hotplug | None:
        """Return what the bytes after a section's header hold, None where there is less than that takes."""
        if len(body) < HEAD_SIZE:
            return None
        resource, action, id_type, capabilities = HEAD.unpack_one(body, 0)
        head = (resource, action, id_type, capabilities)
        at = HEAD_SIZE + 4 * _WORDS.get(id_type, 0)
        cells = words(body[HEAD_SIZE:at])
        if len(body) < at:
            return None
        if id_type == BY_NAME:
            end = body.find(b"\0", at)
            return None if end < 0 else cls(*head, name=to_text(body[at:end]), rest=body[end + 1 :])
        index = cells[-1] if id_type in (BY_INDEX, BY_INDEXED_COUNT) else None
        count = cells[0] if id_type in (BY_COUNT, BY_INDEXED_COUNT) else None
        return cls(*head, count=count, index=index, rest=body[at:])

    def encode(self) -> bytes:
        """Return the bytes after the section's header."""
        head = HEAD.pack_one(self.resource, self.action, self.id_type, self.capabilities)
        named = b"" if self.name is None else to_string(self.name, "HP")
        return (
            head + pack_words([cell for cell in (self.count, self.index) if cell is not None]) + named + self.rest
        )

    @property
    def request(self) -> str:
        """The request in words, as it is written to /sys/kernel/dlpar."""
        words_of = [RESOURCES.get(self.resource, f"resource {self.resource}")]
        words_of.append(ACTIONS.get(self.action, f"action {self.action}"))
        words_of.append(ID_TYPES.get(self.id_type, f"id type {self.id_type}"))
        words_of += [] if self.count is None else [f"{self.count:,}"]
        words_of += [] if self.index is None else [f"{self.index:#010x}"]
        return " ".join(words_of)

    def fields(self, at: int, labels: Labels = NO_LABELS) -> Iterator[Field]:
        """Yield the fields for a reader; `at` is the offset of the first byte."""
        named = (("resource", RESOURCES), ("action", ACTIONS), ("id_type", ID_TYPES))
        for position, (name, values) in enumerate(named):
            value = getattr(self, name)
            yield Field(at + position, 1, f"HP.{name}", value, f"{value}, {values.get(value, 'not known')}")
        bits = ((TOKEN_PRESENT, "token"), (NON_TRANSACTIONAL, "non-transactional"))
        set_bits = " ".join(name for bit, name in bits if self.capabilities & bit)
        text = with_label(f"{self.capabilities:#04x}", set_bits)
        yield Field(at + 3, 1, "HP.capabilities", self.capabilities, text)
        at += HEAD_SIZE
        if self.count is not None:
            yield Field(at, 4, "HP.count", self.count, f"{self.count:,}")
            at += 4
        if self.index is not None:
            yield Field(at, 4, "HP.index", self.index, with_label(f"{self.index:#010x}", labels.drc(self.index)))
            at += 4
        if self.name is not None:
            size = len(to_bytes(self.name)) + 1
            yield Field(at, size, "HP.name", self.name, self.name)
            at += size
        if self.rest:
            label = "HP.token" if self.capabilities & TOKEN_PRESENT and len(self.rest) == 4 else "HP.rest"
            yield Field(at, len(self.rest), label, None, preview(self.rest))
