# SPDX-License-Identifier: MIT
"""The work area of ibm,update-properties: new values of a node's properties.

Source: LoPAR 2.9, "ibm,update-properties RTAS call"; Linux arch/powerpc/platforms/pseries/mobility.c
`update_dt_node`, `struct update_props_workarea`. A header of 20 bytes, then descriptors: a NUL-terminated name, a
word that says how much of the value follows, and the value. The first descriptor of a node's first work area has
an empty name and the node's path for its value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from construct import Int32ub, Int64ub, Struct

from drmemctl.formats.rows import Rows
from drmemctl.formats.update_nodes import WORK_AREA

HEADER = Struct("phandle" / Int32ub, "state" / Int32ub, "reserved" / Int64ub, "nprops" / Int32ub)
_header = Rows(HEADER)
HEADER_SIZE = _header.size

NAME_ONLY = 0x00000000
DELETED = 0x80000000
PARTIAL = 0x80000000
"""Bit of a value that goes on in the next work area; the word is then the negated length."""


@dataclass(frozen=True, slots=True)
class Change:
    """A property's new value, None for one that is to be removed."""

    name: bytes
    value: bytes | None


def encode_update_properties(phandle: int, path: bytes, changes: Iterable[Change]) -> list[bytes]:
    """Return the work areas for a node's changes; each but the last is to be returned with status 1.

    A value that does not fit goes on in the next work area, as LoPAR wants it: the part is the last descriptor.
    """
    areas = [_Area()]
    areas[0].add(b"", path + b"\0")
    for change in changes:
        if change.value is None:
            _with_room(areas, len(change.name) + 5).add_word(change.name, DELETED)
        else:
            _put_value(areas, change.name, change.value)
    return [area.bytes(phandle, number) for number, area in enumerate(areas)]


def _put_value(areas: list[_Area], name: bytes, value: bytes) -> None:
    while True:
        area = _with_room(areas, len(name) + 5 + min(4, len(value)))
        room = area.room - len(name) - 5
        if len(value) <= room:
            area.add(name, value)
            return
        area.add_word(name, (1 << 32) - room, value[:room])
        areas.append(_Area())
        value = value[room:]


def _with_room(areas: list[_Area], size: int) -> _Area:
    if areas[-1].room < size:
        areas.append(_Area())
    return areas[-1]


class _Area:
    def __init__(self) -> None:
        self._data = b""
        self._count = 0

    @property
    def room(self) -> int:
        return WORK_AREA - HEADER_SIZE - len(self._data)

    def add(self, name: bytes, value: bytes) -> None:
        self.add_word(name, len(value), value)

    def add_word(self, name: bytes, word: int, value: bytes = b"") -> None:
        self._data += name + b"\0" + Int32ub.build(word) + value
        self._count += 1

    def bytes(self, phandle: int, number: int) -> bytes:
        return (_header.pack_one(phandle, number, 0, self._count) + self._data).ljust(WORK_AREA, b"\0")
