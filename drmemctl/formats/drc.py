# SPDX-License-Identifier: MIT
"""The dynamic reconfiguration connectors of a node's children: indexes, names, types, power domains.

Source: LoPAR 2.9, "Properties for Dynamic Reconfiguration" (`ibm,drc-indexes`, `ibm,drc-names`,
`ibm,drc-types`, `ibm,drc-power-domains`). Each opens with a u32 count; indexes and power domains are u32,
names and types strings with a NUL each. The four correspond by position only: firmware may list them in any
order.

A partition of 262,144 LMBs has as many connectors here, so numbers stay a column of four bytes each and
strings stay in the property's bytes until someone asks for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TypeVar

from drmemctl.defect import Defect
from drmemctl.formats.lists import COUNT_SIZE, Words, decode_counted_words, judge_length
from drmemctl.formats.strings import iterate_strings, skip_strings
from drmemctl.wording import count_of

INDEXES = "ibm,drc-indexes"
NAMES = "ibm,drc-names"
TYPES = "ibm,drc-types"
POWER_DOMAINS = "ibm,drc-power-domains"
MY_DRC_INDEX = "ibm,my-drc-index"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DrcStrings:
    """Names or types, decoded on demand.

    Attributes:
        data: the raw value.
        declared: how many the first word claims.
        present: how many of them are there with their NUL.
        defects: length and count faults; their property is not filled in.

    """

    data: bytes
    declared: int
    present: int
    defects: tuple[Defect, ...] = ()

    def __len__(self) -> int:
        return self.present

    def __iter__(self) -> Iterator[str]:
        return iterate_strings(self.data, COUNT_SIZE, self.present)

    def get(self, position: int) -> str | None:
        """Return the string at a position, or None if there is none."""
        start = skip_strings(self.data, COUNT_SIZE, position) if 0 <= position < self.present else None
        return None if start is None else next(iterate_strings(self.data, start, 1))


@dataclass(frozen=True, slots=True)
class Connector:
    """One connector; what a property lacks or does not reach is None."""

    index: int
    name: str | None = None
    type: str | None = None
    power_domain: int | None = None


@dataclass(frozen=True, slots=True)
class Connectors:
    """The four properties of a node side by side: as many connectors as there are indexes.

    Attributes:
        indexes: the DRC indexes.
        names: their names; None where the node has no such property.
        types: their types, likewise.
        power_domains: their power domains, likewise.
        defects: of all four and of their counts against each other; property filled in, path not.

    """

    indexes: Words
    names: DrcStrings | None = None
    types: DrcStrings | None = None
    power_domains: Words | None = None
    defects: tuple[Defect, ...] = ()

    def __len__(self) -> int:
        return len(self.indexes)

    def __iter__(self) -> Iterator[Connector]:
        # The indexes come first: zip ends with them and takes nothing more from the endless others.
        columns = zip(
            self.indexes.cells,
            _padded(self.names),
            _padded(self.types),
            _padded(None if self.power_domains is None else self.power_domains.cells),
            strict=False,
        )
        return (Connector(*column) for column in columns)

    def find(self, index: int) -> Connector | None:
        """Return the first connector of a DRC index, or None."""
        try:
            position = self.indexes.cells.index(index)
        except ValueError:
            return None
        domains = self.power_domains
        return Connector(
            index,
            None if self.names is None else self.names.get(position),
            None if self.types is None else self.types.get(position),
            domains[position] if domains is not None and position < len(domains) else None,
        )


def _padded(column: Iterable[_T] | None) -> Iterator[_T | None]:
    return chain(column or (), repeat(None))


def decode_drc_indexes(data: bytes, total: int | None = None) -> Words:
    """Return the DRC indexes of `ibm,drc-indexes`."""
    return decode_counted_words("drc-indexes", "connector", data, total)


def decode_drc_power_domains(data: bytes, total: int | None = None) -> Words:
    """Return the power domains of `ibm,drc-power-domains`."""
    return decode_counted_words("drc-power-domains", "power domain", data, total)


def decode_drc_names(data: bytes, total: int | None = None) -> DrcStrings:
    """Return the names of `ibm,drc-names`."""
    return _decode_strings("drc-names", "name", data, total)


def decode_drc_types(data: bytes, total: int | None = None) -> DrcStrings:
    """Return the types of `ibm,drc-types`."""
    return _decode_strings("drc-types", "type", data, total)


def _decode_strings(short: str, thing: str, data: bytes, total: int | None) -> DrcStrings:
    if len(data) < COUNT_SIZE:
        faults = judge_length(short, f"the count of {thing}s", len(data), COUNT_SIZE, total=total)
        return DrcStrings(data, 0, 0, faults)
    declared = int.from_bytes(data[:COUNT_SIZE], "big")
    end = skip_strings(data, COUNT_SIZE, declared)
    content = count_of(declared, thing)
    if end is not None:
        return DrcStrings(data, declared, declared, judge_length(short, content, len(data), end, total=total))
    present = data.count(b"\0", COUNT_SIZE)
    if total is not None and len(data) < total:
        return DrcStrings(data, declared, present, judge_length(short, content, len(data), total, total=total))
    message = f"{content} declared, {present} are there"
    return DrcStrings(data, declared, present, (Defect(f"{short}-too-short", message, offset=len(data)),))


def decode_connectors(
    indexes: bytes,
    names: bytes | None = None,
    types: bytes | None = None,
    power_domains: bytes | None = None,
) -> Connectors:
    """Return the connectors that the four properties of a node describe together."""
    connectors = Connectors(
        decode_drc_indexes(indexes),
        None if names is None else decode_drc_names(names),
        None if types is None else decode_drc_types(types),
        None if power_domains is None else decode_drc_power_domains(power_domains),
    )
    columns = {
        INDEXES: connectors.indexes,
        NAMES: connectors.names,
        TYPES: connectors.types,
        POWER_DOMAINS: connectors.power_domains,
    }
    declared = connectors.indexes.declared
    defects: list[Defect] = []
    for property, column in columns.items():
        if column is not None:
            defects += (replace(defect, property=property) for defect in column.defects)
            if column.declared != declared:
                message = f"declares {column.declared} connectors, {INDEXES} declares {declared}"
                code = f"{property.removeprefix('ibm,')}-count"
                defects.append(Defect(code, message, property=property, offset=0))
    return replace(connectors, defects=tuple(defects))
