# SPDX-License-Identifier: MIT
"""From bytes to lines, one function for each layout. Each imports its decoder when it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from math import isqrt

from drmemctl.formats.fields import Context, Description, Field
from drmemctl.wording import count_of, range_text, size_text

Describer = Callable[[bytes, Context], Description]


def _u32(offset: int, name: str, value: int, text: str = "") -> Field:
    return Field(offset, 4, name, value, text or str(value))


def _listed(cells: Iterable[int], offset: int, text: Callable[[int], str] = str) -> Iterator[Field]:
    """Yield a field for each u32 of a list that begins at byte `offset`."""
    for position, cell in enumerate(cells):
        yield Field(offset + 4 * position, 4, f"[{position}]", cell, text(cell))


def _count(data: bytes, name: str, number: int) -> list[Field]:
    """Return the field of the count that a property opens with, if that is there."""
    return [_u32(0, name, number)] if len(data) >= 4 else []


def _texts(items: Iterable[str], offset: int, end: int) -> Iterator[Field]:
    """Yield a field for each string from byte `offset` on; the last one may lack its NUL."""
    for position, item in enumerate(items):
        # A character for each byte: see `to_text`.
        size = min(len(item) + 1, end - offset)
        yield Field(offset, size, f"[{position}]", item, item)
        offset += size


def number(
    data: bytes, context: Context, text: Callable[[int], str] = str, name: str = "value", cells: int | None = 1
) -> Description:
    """Describe a number in `cells` cells; in one or two by its length where that is None."""
    from drmemctl.formats.cells import decode_number

    width = cells or (2 if (context.total or len(data)) == 8 else 1)
    decoded = decode_number("number", data, width, context.total)
    fields = [] if decoded.value is None else [Field(0, 4 * width, name, decoded.value, text(decoded.value))]
    return Description(fields, decoded.defects)


handle = partial(number, text=hex)
decimal = partial(number, cells=None)
hertz = partial(number, text=lambda value: f"{value} Hz", cells=None)
byte_size = partial(number, text=size_text, cells=None)
minutes = partial(number, text=lambda value: count_of(value, "minute"))


def flag(data: bytes, _context: Context) -> Description:
    """Describe a property that counts by being there."""
    return Description([Field(0, len(data), "present", None, "yes")])


def words(data: bytes, context: Context, text: Callable[[int], str] = hex) -> Description:
    """Describe a list of u32 without a count."""
    from drmemctl.formats.lists import decode_words

    decoded = decode_words("list", "number", data, context.total)
    return Description(_listed(decoded.cells, 0, text), decoded.defects)


def strings(data: bytes, _context: Context) -> Description:
    """Describe text."""
    from drmemctl.formats.strings import decode_strings

    decoded = decode_strings(data)
    return Description(_texts(decoded.items, 0, len(data)), decoded.defects)


def lmb_size(data: bytes, context: Context) -> Description:
    """Describe `ibm,lmb-size`."""
    from drmemctl.formats.cells import decode_lmb_size

    decoded = decode_lmb_size(data, context.size_cells, context.total)
    fields = []
    if decoded.value is not None:
        fields.append(Field(0, 4 * context.size, "lmb_size", decoded.value, size_text(decoded.value)))
    return Description(fields, decoded.defects)


def flags_mask(data: bytes, context: Context) -> Description:
    """Describe `ibm,memory-flags-mask`."""
    from drmemctl.formats.dynamic_memory import flag_names

    return number(data, context, lambda value: f"{value:#x}: {' '.join(flag_names(value))}", "mask")


def entries(data: bytes, context: Context, property: str) -> Description:
    """Describe `ibm,dynamic-memory` or `ibm,dynamic-memory-v2`: a line for each entry."""
    from drmemctl.formats.dynamic_memory import V2, aa_text, decode_entries, flag_names

    listed = decode_entries(property, data, context.address_cells, context.total)
    # They ascend, but for hostile ones.
    highest = listed.columns(listed.present - 1, 1).bases[0] if listed.present else 0
    width = len(f"{highest:#x}")

    def rows() -> Iterator[Field]:
        for position, (base, count, drc, aa, flags) in enumerate(listed):
            lmbs = f"{count_of(count, 'LMB')} from " if property == V2 else ""
            names = " ".join(flag_names(flags)) or "none"
            text = f"{lmbs}{base:#0{width}x}, DRC {drc:#010x}, aa_index {aa_text(aa)}, flags {flags:#x} ({names})"
            yield Field(listed.offset(position), listed.rows.size, f"[{position}]", None, text)

    unit = "sets" if property == V2 else "LMBs"
    head = _count(data, unit, listed.declared)
    return Description(chain(head, rows()), listed.defects)


def lookup_arrays(data: bytes, context: Context) -> Description:
    """Describe `ibm,associativity-lookup-arrays`: a line for each array."""
    from drmemctl.formats.lookup_arrays import decode_lookup_arrays

    lookup = decode_lookup_arrays(data, context.total)
    stride = 4 * lookup.array_sz

    def rows() -> Iterator[Field]:
        # Arrays of no domains are as many as the count likes to say, and say nothing.
        for index in range(lookup.present if stride else 0):
            domains = " ".join(map(str, lookup.row(index) or ()))
            yield Field(8 + index * stride, stride, f"[{index}]", None, domains)

    head = [_u32(0, "n_arrays", lookup.n_arrays), _u32(4, "array_sz", lookup.array_sz)] if len(data) >= 8 else []
    return Description(chain(head, rows()), lookup.defects)


def reference_points(data: bytes, context: Context) -> Description:
    """Describe `ibm,associativity-reference-points`."""
    from drmemctl.formats.reference_points import decode_reference_points

    decoded = decode_reference_points(data, context.total)
    return Description(_listed(decoded.points, 0, lambda point: f"domain {point} of a list"), decoded.defects)


def domains(data: bytes, context: Context) -> Description:
    """Describe `ibm,max-associativity-domains` and `ibm,current-associativity-domains`."""
    from drmemctl.formats.domains import decode_domains

    decoded = decode_domains(data, context.total)
    head = _count(data, "levels", decoded.declared)
    return Description(
        chain(head, _listed(decoded.counts, 4, lambda count: count_of(count, "domain"))), decoded.defects
    )


def associativity(data: bytes, context: Context) -> Description:
    """Describe `ibm,associativity`: the length of each list, and its domains."""
    from drmemctl.formats.associativity import decode_associativity

    decoded = decode_associativity(data, context.total)

    def lists() -> Iterator[Field]:
        offset = 0
        for domains in (decoded.domains, *decoded.more) if len(data) >= 4 else ():
            length = int.from_bytes(data[offset : offset + 4], "big")
            yield _u32(offset, "length", length, count_of(length, "domain"))
            yield from _listed(domains, offset + 4)
            offset += 4 + 4 * len(domains)

    return Description(lists(), decoded.defects)


def architecture_vec5(data: bytes, context: Context) -> Description:
    """Describe `ibm,architecture-vec-5`: what is on, by byte, and what nobody defines."""
    from drmemctl.formats.architecture_vec5 import decode_architecture_vec5

    vector = decode_architecture_vec5(data, context.total)
    fields = [Field(feature.byte, 1, feature.name, feature.value, feature.meaning) for feature in vector.features]
    if vector.max_cpus:
        fields.append(
            Field(9, 4, "MAX_CPUS", vector.max_cpus, f"at most {count_of(vector.max_cpus, 'processor')}")
        )
    fields += (Field(bits.byte, 1, "unknown", bits.mask, f"bits {bits.mask:#04x}") for bits in vector.unknown)
    head = [Field(0, 1, "length", data[0], count_of(data[0] + 1, "option byte"))] if data else []
    return Description(chain(head, sorted(fields, key=lambda field: field.offset)), vector.defects)


def lrdr_capacity(data: bytes, context: Context) -> Description:
    """Describe `ibm,lrdr-capacity`."""
    from drmemctl.formats.lrdr_capacity import decode_lrdr_capacity, layout

    limits = decode_lrdr_capacity(data, context.address_cells, context.size_cells, context.total)
    fields, offset = [], 0
    for name, cells in (*layout(context.address, context.size), ("second", 1)):
        value = getattr(limits, name)
        if value is not None:
            text = size_text(value) if name in ("max_address", "lmb_size") else str(value)
            fields.append(Field(offset, 4 * cells, name, value, text))
        offset += 4 * cells
    return Description(fields, limits.defects)


def index_table(data: bytes, context: Context) -> Description:
    """Describe `ibm,numa-lookup-index-table`."""
    from drmemctl.formats.numa_tables import decode_index_table

    table = decode_index_table(data, context.total)
    head = _count(data, "nodes", table.declared)
    return Description(chain(head, _listed(table.ids, 4, lambda domain: f"domain {domain}")), table.defects)


def distance_table(data: bytes, context: Context) -> Description:
    """Describe `ibm,numa-distance-table`: a line for each row, where the count is a square."""
    from drmemctl.formats.numa_tables import decode_distance_table

    table = decode_distance_table(data, context.total)
    width = isqrt(table.declared)
    if width * width != table.declared:
        width = len(table.distances)

    def rows() -> Iterator[Field]:
        for start in range(0, len(table.distances), width or 1):
            row = table.distances[start : start + width]
            yield Field(4 + start, len(row), f"[{start // width}]", None, " ".join(map(str, row)))

    head = _count(data, "distances", table.declared)
    return Description(chain(head, rows()), table.defects)


def drc_words(data: bytes, context: Context, property: str) -> Description:
    """Describe `ibm,drc-indexes` or `ibm,drc-power-domains`."""
    from drmemctl.formats.drc import INDEXES, decode_drc_indexes, decode_drc_power_domains

    decode = decode_drc_indexes if property == INDEXES else decode_drc_power_domains
    decoded = decode(data, context.total)
    head = _count(data, "connectors", decoded.declared)
    return Description(chain(head, _listed(decoded.cells, 4, hex)), decoded.defects)


def drc_strings(data: bytes, context: Context, property: str) -> Description:
    """Describe `ibm,drc-names` or `ibm,drc-types`."""
    from drmemctl.formats.drc import NAMES, decode_drc_names, decode_drc_types

    decode = decode_drc_names if property == NAMES else decode_drc_types
    decoded = decode(data, context.total)
    head = _count(data, "connectors", decoded.declared)
    return Description(chain(head, _texts(decoded, 4, len(data))), decoded.defects)


def drc_info(data: bytes, context: Context) -> Description:
    """Describe `ibm,drc-info`: a line for each sequence, however many connectors it has."""
    from drmemctl.formats.drc_info import decode_drc_info

    decoded = decode_drc_info(data, context.total)

    def sequences() -> Iterator[Field]:
        for position, entry in enumerate(decoded.entries):
            text = (
                f"{entry.n_sequential} of type {entry.type} named {entry.name(0)} and on,"
                f" DRC {entry.index(0):#010x} and on by {entry.increment}, power domain {entry.power_domain:#x}"
            )
            yield Field(entry.offset, entry.size, f"[{position}]", None, text)

    return Description(chain(_count(data, "sequences", decoded.declared), sequences()), decoded.defects)


def reg(data: bytes, context: Context, short: str) -> Description:
    """Describe `reg` or `linux,usable-memory` of a memory node."""
    from drmemctl.formats.memory_reg import decode_reg

    decoded = decode_reg(data, context.address_cells, context.size_cells, context.total, short)
    fields = (
        Field(position * decoded.stride, decoded.stride, f"[{position}]", None, range_text(part.base, part.size))
        for position, part in enumerate(decoded.ranges)
    )
    return Description(fields, decoded.defects)


def usable_memory(data: bytes, context: Context) -> Description:
    """Describe `linux,drconf-usable-memory`: the counters with their ranges, whichever LMBs they belong to."""
    from drmemctl.formats.usable_memory import decode_usable_memory

    decoded = decode_usable_memory(data, context.address_cells, context.size_cells, context.total)
    head, stride = 4 * decoded.size_cells, 4 * (decoded.address_cells + decoded.size_cells)

    def fields() -> Iterator[Field]:
        for position, record in enumerate(decoded):
            ranges = ", ".join(range_text(part.base, part.size) for part in record.ranges) or "nothing"
            size = head + stride * len(record.ranges)
            yield Field(record.offset, size, f"[{position}]", record.counter, ranges)

    return Description(fields(), decoded.defects)
