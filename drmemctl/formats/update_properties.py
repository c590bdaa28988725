# SPDX-License-Identifier: MIT
"""The work area of ibm,update-properties: new values of a node's properties.

Source: LoPAR 2.9, "ibm,update-properties RTAS call"; Linux arch/powerpc/platforms/pseries/mobility.c
`update_dt_node`, `struct update_props_workarea`. A header of 20 bytes, then descriptors: a NUL-terminated name, a
word that says how much of the value follows, and the value. The first descriptor of a node's first work area has
an empty name and the node's path for its value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from drmemctl.defect import Defect
from drmemctl.formats.fields import Field, preview
from drmemctl.formats.rows import Rows, pack_words
from drmemctl.formats.rtas_labels import NO_LABELS, Labels, padded, tail_field, with_label
from drmemctl.formats.seam import building
from drmemctl.formats.strings import to_bytes, to_string, to_text
from drmemctl.formats.update_nodes import WORK_AREA
from drmemctl.wording import count_of

NAME = "update-properties"

HEADER = Rows(phandle=32, state=32, reserved=64, nprops=32)
HEADER_SIZE = HEADER.size

NAME_ONLY = 0x00000000
DELETED = 0x80000000
PARTIAL = 0x80000000
"""Bit of a value that goes on in the next work area; the word is then the negated length."""


FIELDS_OF_VALUE = 64
"""Fields shown of one property's value."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One property, or the node's path where the name is empty.

    Attributes:
        name: the property's name.
        word: the length, the negated length of a part, or `NAME_ONLY`, `DELETED`.
        value: as much of the value as is there.
        offset: where it begins in the work area.

    """

    name: str
    word: int
    value: bytes = b""
    offset: int = 0

    @property
    def is_part(self) -> bool:
        """Whether the value goes on in the next work area."""
        return bool(self.word & PARTIAL) and self.word != DELETED

    @property
    def size(self) -> int:
        """How many bytes of a value the word announces."""
        if self.word == DELETED:
            return 0
        return (1 << 32) - self.word if self.is_part else self.word

    @property
    def value_offset(self) -> int:
        """Where the value begins."""
        return self.offset + len(to_bytes(self.name)) + 5

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.value_offset + len(self.value)

    @property
    def meaning(self) -> str:
        """What the word says."""
        if self.word == DELETED:
            return "remove the property"
        if self.word == NAME_ONLY:
            return "name only"
        return f"{count_of(self.size, 'byte')}{', to be continued' if self.is_part else ''}"

    def encode(self) -> bytes:
        """Return its bytes."""
        with building(NAME):
            return to_string(self.name, NAME) + pack_words([self.word]) + self.value

    def fields(self, name: str, path: str, labels: Labels) -> Iterator[Field]:
        """Yield the fields for a reader; `name` is what the descriptor is called there, `path` its node's path.

        Of a whole value of a known property they say what it holds, of any other its first bytes.
        """
        from drmemctl.formats.registry import describe

        at = self.value_offset
        if self.name:
            yield Field(self.offset, at - 4 - self.offset, name, self.name, self.name)
        yield Field(at - 4, 4, f"{name}.length", self.word, f"{self.word:#x}, {self.meaning}")
        if not self.value:
            return
        if name == "path":
            text = to_text(self.value.rstrip(b"\0"))
            yield Field(at, len(self.value), name, text, text)
            return
        yield Field(at, len(self.value), f"{name}.value", None, preview(self.value, 4))
        if path and not self.is_part and len(self.value) == self.size:
            parts = describe(path, self.name, self.value, *labels.cells, limit=FIELDS_OF_VALUE)
            for part in islice(parts or (), FIELDS_OF_VALUE):
                yield Field(at + part.offset, part.size, f"{name}.{part.name}", part.value, part.text)


@dataclass(frozen=True, slots=True)
class UpdateProperties:
    """A work area as it was returned.

    Attributes:
        phandle: the node; None where even the header is cut.
        state: firmware's own, to be handed back in the next call.
        reserved: the rest of the header.
        nprops: how many descriptors there are said to be.
        descriptors: those that are there.
        tail: bytes after them, without the zeros at their end.
        length: bytes in all; None, when it is made, for no zeros at the end.
        defects: `properties-…`: `header-cut`, `name-unterminated`, `cut`, `value-cut`, `too-many`, `left-over`.

    """

    kind: ClassVar[str] = NAME

    phandle: int | None
    state: int
    nprops: int
    descriptors: tuple[Descriptor, ...]
    reserved: int = 0
    tail: bytes = b""
    length: int | None = None
    defects: tuple[Defect, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> UpdateProperties:
        """Return what any bytes hold."""
        if len(data) < HEADER_SIZE:
            message = f"{len(data)} of the header's {HEADER_SIZE} bytes"
            fault = Defect("properties-header-cut", message, offset=len(data))
            return cls(None, 0, 0, (), 0, data.rstrip(b"\0"), len(data), (fault,))
        phandle, state, reserved, nprops = HEADER.unpack_one(data, 0)
        descriptors, fault_found = _descriptors(data, nprops)
        tail = data[descriptors[-1].end if descriptors else HEADER_SIZE :].rstrip(b"\0")
        if fault_found is None and tail:
            message = f"{count_of(len(tail), 'byte')} after the {nprops:,} that are counted"
            offset = len(data.rstrip(b"\0")) - len(tail)
            fault_found = Defect("properties-left-over", message, offset=offset)
        defects = () if fault_found is None else (fault_found,)
        return cls(phandle, state, nprops, descriptors, reserved, tail, len(data), defects)

    @property
    def end(self) -> int:
        """The offset behind the last descriptor."""
        if self.phandle is None:
            return 0
        return self.descriptors[-1].end if self.descriptors else HEADER_SIZE

    @property
    def path(self) -> str | None:
        """The node's path, if the first descriptor is one."""
        first = self.descriptors[0] if self.descriptors else None
        return None if first is None or first.name else to_text(first.value.rstrip(b"\0"))

    @property
    def changes(self) -> tuple[Descriptor, ...]:
        """The descriptors without that of the path, as Linux tells them apart: by an empty name."""
        return self.descriptors[1:] if self.path is not None else self.descriptors

    def encode(self) -> bytes:
        """Return the bytes; `FormatError` for values that no bytes hold."""
        header = b""
        if self.phandle is not None:
            with building(NAME):
                header = HEADER.pack_one(self.phandle, self.state, self.reserved, self.nprops)
        return padded(
            header + b"".join(descriptor.encode() for descriptor in self.descriptors), self.tail, self.length
        )

    def fields(self, labels: Labels = NO_LABELS) -> Iterator[Field]:
        """Yield the fields for a reader, those of known properties with what their values hold."""
        if self.phandle is not None:
            node_path = labels.path(self.phandle)
            yield Field(0, 4, "phandle", self.phandle, with_label(f"{self.phandle:#x}", node_path))
            yield Field(4, 4, "state", self.state, f"{self.state:#x}")
            yield Field(8, 8, "reserved", self.reserved, f"{self.reserved:#x}")
            yield Field(16, 4, "nprops", self.nprops, f"{self.nprops:,}")
            # What comes first in a work area without a path may be the rest of a value.
            is_rest = self.path is None
            for number, descriptor in enumerate(self.descriptors):
                is_path = number == 0 and not descriptor.name
                path = "" if is_path or is_rest else self.path or node_path
                is_rest = descriptor.is_part
                name = "path" if is_path else f"property[{number}]"
                yield from descriptor.fields(name, path, labels)
        yield from tail_field(self.end, self.tail)


def _descriptors(data: bytes, nprops: int) -> tuple[tuple[Descriptor, ...], Defect | None]:
    """Return the descriptors that are there, and what ends them too early; the bytes bound them, not nprops."""
    descriptors: list[Descriptor] = []
    at, last = HEADER_SIZE, len(data.rstrip(b"\0"))
    while len(descriptors) < nprops:
        if at >= last and (descriptors or nprops > 1 or at >= len(data)):
            message = f"nprops is {nprops:,}, but there are {len(descriptors):,}"
            return tuple(descriptors), Defect("properties-too-many", message, offset=16)
        descriptor = _descriptor(data, at)
        if isinstance(descriptor, Defect):
            return tuple(descriptors), descriptor
        descriptors.append(descriptor)
        if len(descriptor.value) < descriptor.size:
            message = f"{descriptor.size:,} bytes of a value expected, there are {len(descriptor.value):,}"
            return tuple(descriptors), Defect("properties-value-cut", message, offset=descriptor.value_offset)
        at = descriptor.end
    return tuple(descriptors), None


def _descriptor(data: bytes, at: int) -> Descriptor | Defect:
    end = data.find(b"\0", at)
    if end < 0:
        return Defect("properties-name-unterminated", "a name that nothing ends", offset=at)
    if end + 5 > len(data):
        return Defect("properties-cut", "a name without the word that belongs after it", offset=at)
    word = int.from_bytes(data[end + 1 : end + 5], "big")
    bare = Descriptor(to_text(data[at:end]), word)
    return Descriptor(bare.name, word, data[end + 5 : end + 5 + bare.size], at)


@dataclass(frozen=True, slots=True)
class Change:
    """A property's new value, None for one that is to be removed."""

    name: bytes
    value: bytes | None


def encode_update_properties(phandle: int, path: bytes, changes: Iterable[Change]) -> list[bytes]:
    """Return the work areas for a node's changes; each but the last is to be returned with status 1.

    A value that does not fit goes on in the next work area, as LoPAR wants it: the part is the last descriptor.
    """
    areas = [[b"\0" + pack_words([len(path) + 1]) + path + b"\0"]]

    def room() -> int:
        return WORK_AREA - HEADER_SIZE - sum(map(len, areas[-1]))

    for change in changes:
        head, value = len(change.name) + 5, change.value or b""
        while True:
            if room() < head + min(4, len(value)):
                areas.append([])
            size = room() - head
            word = DELETED if change.value is None else len(value) if len(value) <= size else (1 << 32) - size
            areas[-1].append(change.name + b"\0" + pack_words([word]) + value[:size])
            value = value[size:]
            if not value:
                break
            areas.append([])
    return [
        (HEADER.pack_one(phandle, number, 0, len(descriptors)) + b"".join(descriptors)).ljust(WORK_AREA, b"\0")
        for number, descriptors in enumerate(areas)
    ]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A node's new values, as far as its work areas, taken one after the other, have brought them.

    Attributes:
        name: the property of which only the beginning has come; None without one.
        value: that beginning.
        changes: what the last work area brought to its end, in its order.

    """

    name: str | None = None
    value: bytes = b""
    changes: tuple[Change, ...] = ()

    def taken(self, area: bytes) -> Delivery:
        """Return what is delivered once another work area has come."""
        name, value = self.name, self.value
        changes: list[Change] = []
        # Whoever recorded a work area may have left out the zeros at its end.
        for descriptor in UpdateProperties.decode(area.ljust(WORK_AREA, b"\0")).changes:
            if descriptor.word == NAME_ONLY or len(descriptor.value) < descriptor.size:
                continue  # without a value, or with one that is cut, nothing is delivered
            if descriptor.word == DELETED:
                changes.append(Change(to_bytes(descriptor.name), None))
                name, value = None, b""
                continue
            name, value = name or descriptor.name, value + descriptor.value
            if not descriptor.is_part:
                changes.append(Change(to_bytes(name), value))
                name, value = None, b""
        return Delivery(name, value, tuple(changes))
