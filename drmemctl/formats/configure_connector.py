# SPDX-License-Identifier: MIT
"""The work area of ibm,configure-connector: one node or one property of what a connector holds, at a time.

Source: LoPAR 2.9, "ibm,configure-connector RTAS call"; Linux arch/powerpc/platforms/pseries/dlpar.c
`dlpar_configure_connector`, `struct cc_workarea`; QEMU hw/ppc/spapr_drc.c `rtas_ibm_configure_connector`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from drmemctl.defect import Defect
from drmemctl.errors import FormatError
from drmemctl.formats.fields import Field, preview
from drmemctl.formats.rows import Rows
from drmemctl.formats.rtas_labels import LARGEST, NO_LABELS, Labels, with_label
from drmemctl.formats.seam import building
from drmemctl.formats.strings import to_bytes, to_string, to_text
from drmemctl.wording import count_of

NAME = "configure-connector"

HEADER = Rows(drc_index=32, zero=32, name_offset=32, value_length=32, value_offset=32)
HEADER_SIZE = HEADER.size

COMPLETE, NEXT_SIBLING, NEXT_CHILD, NEXT_PROPERTY, PREVIOUS_PARENT, MORE_MEMORY = range(6)
BUSY = -2
EXTENDED_BUSY = range(9900, 9906)
"""Statuses of any call that say for how long it is busy: the last digit is a power of ten, in ms."""


@dataclass(frozen=True, slots=True)
class ConnectorArea:
    """A work area as it was returned.

    Attributes:
        drc_index: the connector; None where even these words are cut.
        zero: 0 from the caller.
        name_offset: where the name of the node or property is.
        value_length: bytes of the property's value.
        value_offset: where that is.
        name: what is at `name_offset`, None if it is not in the area or has no end.
        value: what is at `value_offset`, None if it is not in the area.
        rest: the area from its sixth word on, without the zeros at its end; name and value go over it.
        length: bytes in all; None, when it is made, for no zeros at the end.
        defects: `connector-…`: `header-cut`, `name-outside`, `value-outside`.

    """

    kind: ClassVar[str] = NAME

    drc_index: int | None
    name_offset: int = 0
    value_length: int = 0
    value_offset: int = 0
    zero: int = 0
    name: str | None = None
    value: bytes | None = None
    rest: bytes = b""
    length: int | None = None
    defects: tuple[Defect, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> ConnectorArea:
        """Return what any bytes hold."""
        if len(data) < HEADER_SIZE:
            message = f"{len(data)} of the first {HEADER_SIZE} bytes"
            fault = Defect("connector-header-cut", message, offset=len(data))
            return cls(None, rest=data.rstrip(b"\0"), length=len(data), defects=(fault,))
        drc_index, zero, name_offset, value_length, value_offset = HEADER.unpack_one(data, 0)
        end = data.find(b"\0", name_offset) if name_offset >= HEADER_SIZE else -1
        name = None if end < 0 else to_text(data[name_offset:end])
        end = value_offset + value_length
        has_value = value_length > 0 and value_offset >= HEADER_SIZE and end <= len(data)
        value = data[value_offset:end] if has_value else None
        tail, defects = data[HEADER_SIZE:].rstrip(b"\0"), []
        if name is None and name_offset:
            defects.append(Defect("connector-name-outside", f"no name at {name_offset:#x}", offset=8))
        if value is None and value_length:
            message = f"{count_of(value_length, 'byte')} at {value_offset:#x} are not all in the area"
            defects.append(Defect("connector-value-outside", message, offset=12))
        facts = (drc_index, name_offset, value_length, value_offset, zero)
        return cls(*facts, name, value, tail, len(data), tuple(defects))

    def encode(self) -> bytes:
        """Return the bytes; `FormatError` for values that no bytes hold."""
        if self.length is not None and not 0 <= self.length <= LARGEST:
            raise FormatError(f"a length of {self.length:,} bytes: at most {LARGEST:,} can be", property=NAME)
        header = b""
        if self.drc_index is not None:
            with building(NAME):
                words = (self.drc_index, self.zero, self.name_offset, self.value_length, self.value_offset)
                header = HEADER.pack_one(*words)
        data = bytearray(header + self.rest)
        if self.name is not None:
            _put(data, self.name_offset, to_string(self.name, NAME))
        if self.value is not None:
            _put(data, self.value_offset, self.value)
        if self.length is not None and len(data) > self.length:
            raise FormatError(f"{len(data):,} bytes in an area of {self.length:,}", property=NAME)
        return bytes(data).ljust(self.length or 0, b"\0")

    def fields(self, labels: Labels = NO_LABELS) -> Iterator[Field]:
        """Yield the fields for a reader: the words, then what they point to."""
        if self.drc_index is None:
            yield Field(0, self.length or 0, "cut", None, "less than the first five words")
            return
        label = labels.drc(self.drc_index)
        yield Field(0, 4, "drc_index", self.drc_index, with_label(f"{self.drc_index:#010x}", label))
        yield Field(4, 4, "zero", self.zero, f"{self.zero:#x}")
        yield Field(8, 4, "name_offset", self.name_offset, f"{self.name_offset:#x}")
        yield Field(12, 4, "value_length", self.value_length, count_of(self.value_length, "byte"))
        yield Field(16, 4, "value_offset", self.value_offset, f"{self.value_offset:#x}")
        if self.name is not None:
            yield Field(self.name_offset, len(to_bytes(self.name)) + 1, "name", self.name, self.name)
        if self.value is not None:
            yield Field(self.value_offset, len(self.value), "value", None, preview(self.value, 4))


def _put(data: bytearray, offset: int, part: bytes) -> None:
    end = offset + len(part)
    if not 0 <= offset <= end <= LARGEST:
        raise FormatError(f"{len(part):,} bytes at offset {offset:#x}: too far", property=NAME)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    data[offset:end] = part


def status_text(status: int) -> str:
    """Return what a status of the call means."""
    if status in EXTENDED_BUSY:
        return f"busy, call again in {10 ** EXTENDED_BUSY.index(status)} ms"
    return STATUSES.get(status, "not known")


STATUSES = {
    COMPLETE: "complete",
    NEXT_SIBLING: "next sibling: a node beside the last",
    NEXT_CHILD: "next child: a node below the last",
    NEXT_PROPERTY: "next property of the node",
    PREVIOUS_PARENT: "previous parent: one level up",
    MORE_MEMORY: "more memory needed",
    -1: "hardware error",
    BUSY: "busy, call again",
    -9001: "not supported",
    -9002: "not supported",
    -9003: "not configurable: the connector is in another state",
}
