# SPDX-License-Identifier: MIT
"""What a recorded hypervisor delivered, and what the recorded kernel's property says: read with `struct` alone.

Nothing here is the package's: LoPAR 2.9 says how these bytes are laid out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

V1, V2, LOOKUP = "ibm,dynamic-memory", "ibm,dynamic-memory-v2", "ibm,associativity-lookup-arrays"
DRMEM = "/ibm,dynamic-reconfiguration-memory"

Rows = list[tuple[int, ...]]
Lmbs = dict[int, tuple[int, int]]
"""aa_index and flags by DRC index."""


def rows_of(data: bytes) -> Rows:
    """Return the lists of the lookup arrays; none where they are longer than the property."""
    if len(data) < 8:
        return []
    count, width = struct.unpack_from(">II", data)
    if len(data) < 8 + 4 * count * width:
        return []
    return [struct.unpack_from(f">{width}I", data, 8 + 4 * width * number) for number in range(count)]


def lmbs_of(name: str, data: bytes) -> Lmbs:
    """Return the LMBs of either property."""
    found: Lmbs = {}
    size, wide = (24, ">QIIII") if name == V1 else (24, ">IQIII")
    for offset in range(4, min(len(data) - size + 1, 4 + size * struct.unpack_from(">I", data)[0]), size):
        if name == V1:
            _, drc, _, aa, flags = struct.unpack_from(wide, data, offset)
            found.setdefault(drc, (aa, flags))
        else:
            count, _, drc, aa, flags = struct.unpack_from(wide, data, offset)
            found.update({drc + number: (aa, flags) for number in range(count) if drc + number not in found})
    return found


def is_assigned(flags: int) -> bool:
    return flags & 0x88 == 0x8


def place_of(lmb: tuple[int, int] | None, rows: Rows) -> tuple[int, ...] | None:
    """Return where an LMB is by its property; None where it is not assigned, or its index leads nowhere."""
    if lmb is None or not is_assigned(lmb[1]) or lmb[1] & 0x40 or lmb[0] >= len(rows):
        return None
    return rows[lmb[0]]


def deliveries(answers: list[dict[str, Any]], phandle: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield the properties of a node that recorded answers of ibm,update-properties bring, in their order."""
    name, value = "", b""
    for answer in answers:
        area = bytes.fromhex(answer["answer"]).ljust(4096, b"\0")  # zeros at the end were not recorded
        if answer["call"] != "update-properties" or int.from_bytes(area[:4], "big") != phandle:
            continue
        at, left = 20, int.from_bytes(area[16:20], "big")
        while left and at < len(area):
            end = area.index(b"\0", at)
            new, word = area[at:end].decode(), int.from_bytes(area[end + 1 : end + 5], "big")
            at, left = end + 5, left - 1
            if word == 0x80000000:
                yield new, None
            elif word:
                size = 0x100000000 - word if word & 0x80000000 else word
                name, value, at = name or new, value + area[at : at + size], at + size
                if not word & 0x80000000:
                    if new or name:
                        yield name, value
                    name, value = "", b""


@dataclass
class Hypervisor:
    """A hypervisor: what it delivered last, and what its connectors would say.

    Attributes:
        name: the LMB property that it delivered last.
        lmbs: what that says.
        rows: the lookup arrays that it delivered last.
        connected: what connectors gave since that property came, by DRC index: which of its lists that was, None
            for one that the guest appends, and where it is by now.
        devices: those that they would give.
        boot_rows: the lookup arrays of boot.

    """

    name: str
    lmbs: Lmbs
    rows: Rows
    boot_rows: Rows
    connected: dict[int, tuple[int | None, tuple[int, ...] | None]] = field(default_factory=dict)
    devices: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def at_boot(cls, properties: dict[str, str]) -> Hypervisor:
        """Return the one that handed out these properties."""
        name = V1 if V1 in properties else V2
        lmbs, rows = lmbs_of(name, bytes.fromhex(properties[name])), rows_of(bytes.fromhex(properties[LOOKUP]))
        places = {drc: place_of(lmb, rows) for drc, lmb in lmbs.items()}
        devices = {drc: place for drc, place in places.items() if place is not None}
        return cls(name, lmbs, rows, rows, devices=devices)

    def deliver(self, name: str, value: bytes | None, guest: Rows) -> None:
        """Deliver a property to a guest with these lookup arrays."""
        if name == LOOKUP:
            self.rows = [] if value is None else rows_of(value)
            for drc, (index, _) in self.connected.items():
                if index is not None:
                    self.connected[drc] = index, self.rows[index] if index < len(self.rows) else None
        elif name in (V1, V2) and (value is not None or name == self.name):
            self.name, self.lmbs, self.connected = name, {} if value is None else lmbs_of(name, value), {}
            # An index beyond firmware's own lists can only mean one that the guest had appended.
            self.rows = [*self.rows, *guest[len(self.rows) :]] if value is not None else self.rows

    def plug(self, drc: int, count: int, where: list[str]) -> None:
        """Attach LMBs: QEMU's lists end with the node."""
        place = self.boot_rows[0]
        if where[:1] == ["node"]:
            place = next(row for row in self.boot_rows if row[-1] == int(where[1]))
        elif where[:1] == ["assoc"]:
            place = tuple(int(word, 0) for word in where[1].split(","))
        self.devices.update({drc + number: place for number in range(count)})

    def has_at(self, drc: int) -> tuple[int, ...] | None:
        """Return where it has an LMB, as far as it has told."""
        if drc in self.connected:
            return self.connected[drc][1]
        return place_of(self.lmbs.get(drc), self.rows)

    def connect(self, drc: int) -> None:
        """Let an LMB's connector say where it is."""
        place = self.devices[drc]
        self.connected[drc] = self.rows.index(place) if place in self.rows else None, place


def lost(hypervisor: Hypervisor, properties: dict[str, str]) -> set[int]:
    """Return the DRC indexes of assigned LMBs that a kernel's property leads elsewhere."""
    name = V1 if V1 in properties else V2
    if name not in properties or not hypervisor.rows:
        return set()
    rows = rows_of(bytes.fromhex(properties.get(LOOKUP, "")))
    lmbs = lmbs_of(name, bytes.fromhex(properties[name]))
    told = {drc: hypervisor.has_at(drc) for drc, (_, flags) in lmbs.items() if is_assigned(flags)}
    return {drc for drc, place in told.items() if place is not None and place_of(lmbs[drc], rows) != place}


def lost_by_step(record: dict[str, Any], phandle: int, size: int) -> Iterator[set[int]]:
    """Yield what is lost after each step of a record; a new memory block is one whose connector was asked."""
    before = record["boot"]
    hypervisor = Hypervisor.at_boot(before["properties"])
    for step in record["steps"]:
        words = step["step"].split()
        guest = rows_of(bytes.fromhex(before["properties"].get(LOOKUP, "")))
        if words[0] == "firmware" and words[1] == DRMEM:
            hypervisor.deliver(words[2], None if words[3] == "-" else bytes.fromhex(words[3]), guest)
        for name, value in deliveries(step.get("answers", []), phandle):
            hypervisor.deliver(name, value, guest)
        if words[0] == "plug":
            hypervisor.plug(int(words[1], 0), int(words[2], 0), words[3:])
        new = {block["block"] for block in step["blocks"]} - {block["block"] for block in before["blocks"]}
        for drc in _drcs(step["properties"], new, size):
            hypervisor.connect(drc)
        for drc in _taken_back(step, words):
            hypervisor.connect(drc)
        yield lost(hypervisor, step["properties"])
        before = step


def _taken_back(step: dict[str, Any], words: list[str]) -> Iterator[int]:
    """Yield the LMBs that a request for a range removed and added again, until one that could not be moved."""
    if words[0] == "unplug" and any("failed, adding any removed LMBs" in line for line in step["log"]):
        stuck = min(int(drc, 0) for drc in step["unmovable"])
        yield from range(int(words[1], 0), stuck)


def _drcs(properties: dict[str, str], blocks: set[int], size: int) -> Iterator[int]:
    """Yield the DRC indexes of the LMBs in these memory blocks, which are as large as LMBs."""
    for name in (V1, V2):
        data = bytes.fromhex(properties.get(name, ""))
        for offset in range(4, len(data) - 23, 24):
            if name == V1:
                (base, drc), count = struct.unpack_from(">QI", data, offset), 1
            else:
                count, base, drc = struct.unpack_from(">IQI", data, offset)
            yield from (drc + number for number in range(count) if base // size + number in blocks)
