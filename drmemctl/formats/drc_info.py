# SPDX-License-Identifier: MIT
"""`ibm,drc-info`: the connectors of a node's children as sequences, in place of the four properties of `drc`.

Source: LoPAR 2.9, "Properties for Dynamic Reconfiguration" (`ibm,drc-info`); Linux
arch/powerpc/platforms/pseries/of_helpers.c `of_read_drc_info_cell`. A u32 count, then entries of two strings
and five u32 each; the strings make everything behind them unaligned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any

from drmemctl.defect import Defect
from drmemctl.formats.drc import Connector
from drmemctl.formats.lists import COUNT_SIZE, judge_length
from drmemctl.formats.rows import Rows
from drmemctl.formats.strings import string, to_text
from drmemctl.wording import count_of

DRC_INFO_PROPERTY = "ibm,drc-info"

NUMBERS = Rows(index_start=32, suffix_start=32, n_sequential=32, increment=32, power_domain=32)
_WORD = 1 << 32


def drc_info() -> Any:
    """Return the declaration of the property."""
    from construct import Int32ub, PrefixedArray, Struct

    entry = Struct("type" / string(), "prefix" / string(), *NUMBERS.declaration.subcons)
    return PrefixedArray(Int32ub, entry)


@dataclass(frozen=True, slots=True)
class DrcInfoEntry:
    """A sequence of connectors, which costs nothing until it is expanded.

    Attributes:
        type: the connectors' type, e.g. `MEM`.
        prefix: what their names begin with, e.g. `LMB `.
        index_start: DRC index of the first.
        suffix_start: the number that ends the first one's name.
        n_sequential: how many connectors there are.
        increment: what DRC index and name grow by from one to the next.
        power_domain: their power domain; 0xffffffff means live insertion.
        offset: where the entry begins in the property.
        size: its length in bytes.

    """

    type: str
    prefix: str
    index_start: int
    suffix_start: int
    n_sequential: int
    increment: int
    power_domain: int
    offset: int = 0
    size: int = 0

    def index(self, position: int) -> int:
        """Return the DRC index of the connector at `position`, in u32 arithmetic as in Linux."""
        return (self.index_start + position * self.increment) % _WORD

    def name(self, position: int) -> str:
        """Return the name of the connector at `position`."""
        return f"{self.prefix}{(self.suffix_start + position * self.increment) % _WORD}"

    def position(self, index: int) -> int | None:
        """Return the first position that has a DRC index, or None; without looking at them one by one."""
        ahead = (index - self.index_start) % _WORD
        step = gcd(self.increment, _WORD)
        if ahead % step or not 0 <= index < _WORD:
            return None
        # position · increment ≡ ahead (mod 2^32): divide by the common factor, then by an odd number.
        position = ahead // step * pow(self.increment // step, -1, _WORD // step) % (_WORD // step)
        return position if position < self.n_sequential else None

    def connector(self, position: int) -> Connector:
        """Return the connector at `position`."""
        return Connector(self.index(position), self.name(position), self.type, self.power_domain)

    def __iter__(self) -> Iterator[Connector]:
        return map(self.connector, range(self.n_sequential))


@dataclass(frozen=True, slots=True)
class DrcInfoEntries:
    """The entries of a value, decoded whenever they are iterated: each is ten times as large as its bytes.

    Attributes:
        data: the raw value.
        present: how many entries are there in full.

    """

    data: bytes
    present: int

    def __len__(self) -> int:
        return self.present

    def __iter__(self) -> Iterator[DrcInfoEntry]:
        offset = COUNT_SIZE
        for _ in range(self.present):
            prefix, numbers, end = _parts(self.data, offset)
            start, suffix, count, increment, domain = NUMBERS.unpack_one(self.data, 0, numbers)
            kind, name = to_text(self.data[offset : prefix - 1]), to_text(self.data[prefix : numbers - 1])
            yield DrcInfoEntry(kind, name, start, suffix, count, increment, domain, offset, end - offset)
            offset = end


@dataclass(frozen=True, slots=True)
class DrcInfo:
    """The sequences of a node.

    Attributes:
        declared: the number of entries that the first word claims.
        entries: those that are there in full.
        defects: length and count faults; their property is not filled in.

    """

    declared: int
    entries: DrcInfoEntries
    defects: tuple[Defect, ...] = ()

    @property
    def count(self) -> int:
        """The number of connectors, which can be far more than anyone wants to see."""
        return sum(entry.n_sequential for entry in self.entries)

    def __iter__(self) -> Iterator[Connector]:
        for entry in self.entries:
            yield from entry

    def find(self, index: int) -> Connector | None:
        """Return the first connector of a DRC index, or None."""
        for entry in self.entries:
            position = entry.position(index)
            if position is not None:
                return entry.connector(position)
        return None


def _parts(data: bytes, offset: int) -> tuple[int, int, int]:
    """Return where the prefix, the numbers and the next entry begin; 0 for the last if the entry is not whole."""
    prefix = data.find(b"\0", offset) + 1
    numbers = data.find(b"\0", prefix) + 1 if prefix else 0
    end = numbers + NUMBERS.size
    return prefix, numbers, end if numbers and end <= len(data) else 0


def decode_drc_info(data: bytes, total: int | None = None) -> DrcInfo:
    """Return the entries of the property, as many as are there in full."""
    if len(data) < COUNT_SIZE:
        defects = judge_length("drc-info", "the count of entries", len(data), COUNT_SIZE, total=total)
        return DrcInfo(0, DrcInfoEntries(data, 0), defects)
    declared = int.from_bytes(data[:COUNT_SIZE], "big")
    content = count_of(declared, "sequence")
    present, offset = 0, COUNT_SIZE
    while present < declared:
        *_, end = _parts(data, offset)
        if not end:
            break
        present, offset = present + 1, end
    if present == declared or (total is not None and len(data) < total):
        content = content if present == declared else f"{present} of {declared} sequences"
        defects = judge_length("drc-info", content, len(data), offset, total=total)
    else:
        message = f"{content} declared, {present} are whole"
        defects = (Defect("drc-info-too-short", message, offset=offset),)
    return DrcInfo(declared, DrcInfoEntries(data, present), defects)
