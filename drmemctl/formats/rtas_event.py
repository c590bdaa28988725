# SPDX-License-Identifier: MIT
"""RTAS events: the fixed part, the extended log of version 6 and its sections.

Source: LoPAR 2.9, "RTAS Event Return Format", "Platform Event Log Format, Version 6"; Linux
arch/powerpc/include/asm/rtas.h `rtas_error_log`, `rtas_ext_event_log_v6`, `pseries_errorlog`; QEMU
hw/ppc/spapr_events.c. What is returned by event-scan and check-exception: 8 bytes, then as many as they say; a
reassignment event (PRRN) has its scope in place of that length, and nothing after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from drmemctl.defect import Defect
from drmemctl.formats.fields import Field
from drmemctl.formats.hotplug_section import HOTPLUG, Hotplug
from drmemctl.formats.rows import Rows
from drmemctl.formats.rtas_labels import NO_LABELS, Labels, tail_field
from drmemctl.formats.seam import build, building
from drmemctl.formats.section_fields import section_fields

NAME = "rtas-event"

FIXED = {
    "version": 8,
    "severity": 3,
    "disposition": 2,
    "extended": 1,
    "reserved": 2,
    "initiator": 4,
    "target": 4,
    "type": 8,
    "length": 32,
}
"""The fixed part: its fields and the bits of each."""

FIXED_SIZE = sum(FIXED.values()) // 8

EXTENDED = {
    "flags": 8,
    "reserved1": 8,
    "powerpc_format": 1,
    "reserved2": 3,
    "log_format": 4,
    "reserved3": 72,
    "company": 32,
}
"""The header of an extended log."""

EXTENDED_SIZE = sum(EXTENDED.values()) // 8

SECTION = Rows(id=16, length=16, version=8, subtype=8, creator=16)
SECTION_SIZE = SECTION.size

VERSIONS = range(1, 7)
"""Of the fixed part. Linux looks at none of them, but most other files have another byte here."""

PRRN, HOTPLUG_EVENT, EPOW = 0xA0, 0xE5, 0x40
PLATFORM_LOG, IBM = 14, 0x49424D00
"""The format and the company that Linux wants of an extended log; it finds no section in any other."""

LEAST_EXTENDED = 20
"""Bytes that Linux wants it to have: `sizeof(struct rtas_ext_event_log_v6)`."""

SEVERITIES = (
    "no error",
    "event",
    "warning",
    "error, synchronised",
    "error",
    "fatal",
    "already reported",
    "reserved",
)
DISPOSITIONS = ("fully recovered", "limited recovery", "not recovered", "reserved")
SOURCES = ("unknown", "CPU", "PCI", "ISA", "memory", "power management", "hot plug")
TYPES = {
    1: "retry", 2: "TCE error", 3: "internal device failure", 4: "timeout", 5: "data parity",
    6: "address parity", 7: "cache parity", 8: "invalid address", 9: "ECC, uncorrected", 10: "ECC, corrected",
    EPOW: "EPOW: environmental and power warning", PRRN: "PRRN: platform resource reassignment",
    224: "platform error", 225: "I/O", 226: "platform information", 227: "resource deallocation",
    228: "dump notification", HOTPLUG_EVENT: "hotplug",
}  # fmt: skip
_LOG_FLAGS = (
    "valid", "unrecoverable", "recoverable", "degraded", "predictive", "new", "big-endian", "reserved",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FixedPart:
    """The first 8 bytes; `length` is that of the extended log, or the scope of a reassignment."""

    version: int
    severity: int
    disposition: int
    extended: int
    reserved: int
    initiator: int
    target: int
    type: int
    length: int

    @property
    def scope(self) -> int:
        """The length word as a signed number, which it is for a reassignment."""
        return self.length - (1 << 32 if self.length >> 31 else 0)

    def fields(self) -> Iterator[Field]:
        """Yield the fields for a reader."""
        yield Field(0, 1, "version", self.version, str(self.version))
        yield Field(1, 1, "severity", self.severity, _named(SEVERITIES, self.severity))
        yield Field(1, 1, "disposition", self.disposition, _named(DISPOSITIONS, self.disposition))
        yield Field(
            1, 1, "extended", self.extended, "an extended log follows" if self.extended else "no extended log"
        )
        yield Field(2, 1, "initiator", self.initiator, _named(SOURCES, self.initiator))
        yield Field(2, 1, "target", self.target, _named(SOURCES, self.target))
        yield Field(3, 1, "type", self.type, _named(TYPES, self.type))
        if self.type == PRRN:
            text = f"{self.scope}: asks for updates of scope {-self.scope}"
            yield Field(4, 4, "scope", self.scope, text)
        else:
            yield Field(4, 4, "length", self.length, f"{self.length:,} bytes of extended log")


@dataclass(frozen=True, slots=True)
class ExtendedHeader:
    """The header of an extended log of version 6."""

    flags: int
    reserved1: int
    powerpc_format: int
    reserved2: int
    log_format: int
    reserved3: int
    company: int

    @property
    def is_platform_log(self) -> bool:
        """Whether Linux looks for sections in it."""
        return self.log_format == PLATFORM_LOG and self.company == IBM

    def fields(self) -> Iterator[Field]:
        """Yield the fields for a reader."""
        names = [name for bit, name in enumerate(_LOG_FLAGS) if self.flags & 0x80 >> bit]
        at = FIXED_SIZE
        yield Field(at, 1, "log.flags", self.flags, f"{self.flags:#04x}, {' '.join(names) or 'none'}")
        meaning = "platform event" if self.log_format == PLATFORM_LOG else "not known to Linux"
        yield Field(at + 2, 1, "log.format", self.log_format, f"{self.log_format}, {meaning}")
        company = "IBM" if self.company == IBM else "not IBM"
        yield Field(at + 12, 4, "log.company", self.company, f"{self.company:#010x}, {company}")


@dataclass(frozen=True, slots=True)
class LogSection:
    """A section of the extended log.

    Attributes:
        id: two letters, e.g. 0x4850 for HP.
        length: bytes that it says it has, its header included.
        version: of its layout.
        subtype: of its kind.
        creator: the component that made it.
        body: what is there after the header; empty where `hotplug` has it.
        hotplug: what a whole section HP holds.
        offset: where it begins in the event.

    """

    id: int
    length: int
    version: int
    subtype: int
    creator: int
    body: bytes = b""
    hotplug: Hotplug | None = None
    offset: int = 0

    @property
    def name(self) -> str:
        """Its two letters, or the number."""
        letters = self.id.to_bytes(2, "big")
        return letters.decode("ascii") if letters.isalnum() and letters.isascii() else f"{self.id:#06x}"

    @property
    def content(self) -> bytes:
        """The bytes after its header."""
        return self.body if self.hotplug is None else self.hotplug.encode()

    @property
    def end(self) -> int:
        """The offset behind what is there of it."""
        return self.offset + SECTION_SIZE + len(self.content)


@dataclass(frozen=True, slots=True)
class RtasEvent:
    """An event.

    Attributes:
        fixed: the fixed part; None where even that is cut, or for a hotplug section alone.
        header: that of the extended log, None where there is none of this version.
        sections: those of the extended log.
        tail: bytes that belong to none of these.
        defects: `event-…`: `header-cut`, `cut`, `section-stuck`, `section-cut`.

    """

    kind: ClassVar[str] = NAME

    fixed: FixedPart | None
    header: ExtendedHeader | None = None
    sections: tuple[LogSection, ...] = ()
    tail: bytes = b""
    defects: tuple[Defect, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> RtasEvent:
        """Return what any bytes hold."""
        if data[:2] == HOTPLUG.to_bytes(2, "big"):
            # No event has version 0x48: this is a section alone, as logs and documents show it.
            sections, defects = _sections(data, 0)
            # What is left out of it then is the unused part of the union.
            defects = () if sections and sections[0].hotplug else defects
            return cls(None, None, sections, data[sections[-1].end :] if sections else data, defects)
        if len(data) < FIXED_SIZE:
            message = f"{len(data)} of the fixed part's {FIXED_SIZE} bytes"
            return cls(None, tail=data, defects=(Defect("event-header-cut", message, offset=len(data)),))
        fixed = FixedPart(**_values(FIXED, data[:FIXED_SIZE]))
        if fixed.type == PRRN or not fixed.extended:
            return cls(fixed, tail=data[FIXED_SIZE:])
        end = FIXED_SIZE + fixed.length
        cut = (Defect("event-cut", f"{end:,} bytes expected, there are {len(data):,}", offset=len(data)),)
        defects = cut if end > len(data) else ()
        if fixed.version < 6 or min(end, len(data)) < FIXED_SIZE + EXTENDED_SIZE:
            return cls(fixed, tail=data[FIXED_SIZE:], defects=defects)
        header = ExtendedHeader(**_values(EXTENDED, data[FIXED_SIZE : FIXED_SIZE + EXTENDED_SIZE]))
        sections, faults = (
            _sections(data[:end], FIXED_SIZE + EXTENDED_SIZE) if header.is_platform_log else ((), ())
        )
        at = sections[-1].end if sections else FIXED_SIZE + EXTENDED_SIZE
        return cls(fixed, header, sections, data[at:], defects + faults)

    @property
    def end(self) -> int:
        """The offset behind the last section."""
        if self.sections:
            return self.sections[-1].end
        return (FIXED_SIZE if self.fixed else 0) + (EXTENDED_SIZE if self.header else 0)

    def section(self, section_id: int) -> LogSection | None:
        """Return the first section of that id, which is the one that Linux takes."""
        return next((section for section in self.sections if section.id == section_id), None)

    def encode(self) -> bytes:
        """Return the bytes; `FormatError` for values that no bytes hold."""
        data = b"" if self.fixed is None else build(bit_fields(FIXED), asdict(self.fixed), NAME)
        data += b"" if self.header is None else build(bit_fields(EXTENDED), asdict(self.header), NAME)
        with building(NAME):
            for section in self.sections:
                data += SECTION.pack_one(
                    section.id, section.length, section.version, section.subtype, section.creator
                )
                data += section.content
        return data + self.tail

    def fields(self, labels: Labels = NO_LABELS) -> Iterator[Field]:
        """Yield the fields for a reader."""
        if self.fixed is not None:
            yield from self.fixed.fields()
        if self.header is not None:
            yield from self.header.fields()
        for section in self.sections:
            yield Field(section.offset, 2, section.name, section.id, f"{section.id:#06x}")
            yield Field(section.offset + 2, 2, f"{section.name}.length", section.length, f"{section.length}")
            yield Field(section.offset + 4, 1, f"{section.name}.version", section.version, f"{section.version}")
            yield Field(section.offset + 5, 1, f"{section.name}.subtype", section.subtype, f"{section.subtype}")
            yield Field(
                section.offset + 6, 2, f"{section.name}.creator", section.creator, f"{section.creator:#06x}"
            )
            at = section.offset + SECTION_SIZE
            if section.hotplug is not None:
                yield from section.hotplug.fields(at, labels)
            else:
                yield from section_fields(section.name, at, section.body)
        yield from tail_field(self.end, self.tail)


def bit_fields(bits: Mapping[str, int]) -> Any:
    """Return the declaration of fields of so many bits each."""
    from construct import BitsInteger, BitStruct

    return BitStruct(*(name / BitsInteger(size) for name, size in bits.items()))


def _values(bits: Mapping[str, int], data: bytes) -> dict[str, int]:
    parsed = bit_fields(bits).parse(data)
    return {name: parsed[name] for name in bits}


def _sections(data: bytes, at: int) -> tuple[tuple[LogSection, ...], tuple[Defect, ...]]:
    """Return the sections from a byte on, and what ends them: each has its header at least, so there is an end."""
    sections: list[LogSection] = []
    while at + SECTION_SIZE <= len(data):
        section_id, length, version, subtype, creator = SECTION.unpack_one(data, 0, at)
        body = data[at + SECTION_SIZE : at + length]
        hotplug = Hotplug.decode(body) if section_id == HOTPLUG else None
        facts = (section_id, length, version, subtype, creator)
        sections.append(LogSection(*facts, body=b"" if hotplug else body, hotplug=hotplug, offset=at))
        if length < SECTION_SIZE:
            message = f"a section of {length} bytes, less than the {SECTION_SIZE} of its header"
            return tuple(sections), (Defect("event-section-stuck", message, offset=at),)
        if at + length > len(data):
            message = f"a section of {length:,} bytes, of which {len(data) - at:,} are there"
            return tuple(sections), (Defect("event-section-cut", message, offset=at),)
        at += length
    return tuple(sections), ()


def _named(names: tuple[str, ...] | dict[int, str], value: int) -> str:
    texts = dict(enumerate(names)) if isinstance(names, tuple) else names
    return f"{value}, {texts.get(value, 'not known')}"
