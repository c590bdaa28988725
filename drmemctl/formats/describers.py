# SPDX-License-Identifier: MIT
"""From bytes to lines, one function for each layout. Each imports its decoder when it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import isqrt

from drmemctl.formats.fields import Context, Description, Field
from drmemctl.wording import count_of, size_text

Describer = Callable[[bytes, Context], Description]


def _u32(offset: int, name: str, value: int, text: str = "") -> Field:
    return Field(offset, 4, name, value, text or str(value))


def _listed(cells: Iterable[int], offset: int, text: Callable[[int], str] = str) -> Iterator[Field]:
    """Yield a field for each u32 of a list that begins at byte `offset`."""
    for position, cell in enumerate(cells):
        yield Field(offset + 4 * position, 4, f"[{position}]", cell, text(cell))


def _chain(*parts: Iterable[Field]) -> Iterator[Field]:
    for part in parts:
        yield from part


def number(
    data: bytes, context: Context, text: Callable[[int], str] = str, name: str = "value", cells: int | None = 1
) -> Description:
    """Describe a number in `cells` cells; in one or two by its length where that is None."""
    from drmemctl.formats.cells import decode_number

    width = cells or (2 if (context.total or len(data)) == 8 else 1)
    found = decode_number("number", data, width, context.total)
    fields = [] if found.value is None else [Field(0, 4 * width, name, found.value, text(found.value))]
    return Description(fields, found.defects)


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

    found = decode_words("list", "number", data, context.total)
    return Description(_listed(found.cells, 0, text), found.defects)


def strings(data: bytes, _context: Context) -> Description:
    """Describe text."""
    from drmemctl.formats.strings import decode_strings

    def fields() -> Iterator[Field]:
        offset = 0
        for position, item in enumerate(found.items):
            # A character for each byte: see `to_text`.
            size = min(len(item) + 1, len(data) - offset)
            yield Field(offset, size, f"[{position}]", item, item)
            offset += size

    found = decode_strings(data)
    return Description(fields(), found.defects)


def lmb_size(data: bytes, context: Context) -> Description:
    """Describe `ibm,lmb-size`."""
    from drmemctl.formats.cells import decode_lmb_size

    found = decode_lmb_size(data, context.size_cells, context.total)
    fields = []
    if found.value is not None:
        fields.append(Field(0, 4 * context.size, "lmb_size", found.value, size_text(found.value)))
    return Description(fields, found.defects)


def flags_mask(data: bytes, context: Context) -> Description:
    """Describe `ibm,memory-flags-mask`."""
    from drmemctl.formats.dynamic_memory import flag_names

    return number(data, context, lambda value: f"{value:#x}: {' '.join(flag_names(value))}", "mask")


def _aa_text(aa_index: int) -> str:
    """Return an index into the lookup arrays; the one of an LMB that has none as -1, as people write it."""
    return "-1" if aa_index == 0xFFFFFFFF else str(aa_index)


def entries(data: bytes, context: Context, property: str) -> Description:
    """Describe `ibm,dynamic-memory` or `ibm,dynamic-memory-v2`: a line for each entry."""
    from drmemctl.formats.dynamic_memory import V2, decode_entries, flag_names

    found = decode_entries(property, data, context.address_cells, context.total)

    def rows() -> Iterator[Field]:
        for position, (base, count, drc, aa, flags) in enumerate(found):
            lmbs = f"{count_of(count, 'LMB')} from " if property == V2 else ""
            names = " ".join(flag_names(flags)) or "none"
            text = f"{lmbs}{base:#x}, DRC {drc:#x}, aa_index {_aa_text(aa)}, flags {flags:#x} ({names})"
            yield Field(found.offset(position), found.rows.size, f"[{position}]", None, text)

    what = "sets" if property == V2 else "LMBs"
    head = [_u32(0, what, found.declared)] if len(data) >= 4 else []
    return Description(_chain(head, rows()), found.defects)


def lookup_arrays(data: bytes, context: Context) -> Description:
    """Describe `ibm,associativity-lookup-arrays`: a line for each array."""
    from drmemctl.formats.lookup_arrays import decode_lookup_arrays

    found = decode_lookup_arrays(data, context.total)
    stride = 4 * found.array_sz

    def rows() -> Iterator[Field]:
        # Arrays of no domains are as many as the count likes to say, and say nothing.
        for index in range(found.present if stride else 0):
            domains = " ".join(map(str, found.row(index) or ()))
            yield Field(8 + index * stride, stride, f"[{index}]", None, domains)

    head = [_u32(0, "n_arrays", found.n_arrays), _u32(4, "array_sz", found.array_sz)] if len(data) >= 8 else []
    return Description(_chain(head, rows()), found.defects)


def reference_points(data: bytes, context: Context) -> Description:
    """Describe `ibm,associativity-reference-points`."""
    from drmemctl.formats.reference_points import decode_reference_points

    found = decode_reference_points(data, context.total)
    return Description(_listed(found.points, 0, lambda point: f"domain {point} of a list"), found.defects)


def domains(data: bytes, context: Context) -> Description:
    """Describe `ibm,max-associativity-domains` and `ibm,current-associativity-domains`."""
    from drmemctl.formats.domains import decode_domains

    found = decode_domains(data, context.total)
    head = [_u32(0, "levels", found.declared)] if len(data) >= 4 else []
    return Description(
        _chain(head, _listed(found.counts, 4, lambda count: count_of(count, "domain"))), found.defects
    )


def associativity(data: bytes, context: Context) -> Description:
    """Describe `ibm,associativity`: the length of each list, and its domains."""
    from drmemctl.formats.associativity import decode_associativity

    found = decode_associativity(data, context.total)

    def lists() -> Iterator[Field]:
        offset = 0
        for domains in (found.domains, *found.more) if len(data) >= 4 else ():
            length = int.from_bytes(data[offset : offset + 4], "big")
            yield _u32(offset, "length", length, count_of(length, "domain"))
            yield from _listed(domains, offset + 4)
            offset += 4 + 4 * len(domains)

    return Description(lists(), found.defects)


def architecture_vec5(data: bytes, context: Context) -> Description:
    """Describe `ibm,architecture-vec-5`: what is on, by byte, and what nobody defines."""
    from drmemctl.formats.architecture_vec5 import decode_architecture_vec5

    found = decode_architecture_vec5(data, context.total)
    fields = [Field(one.byte, 1, one.name, one.value, one.meaning) for one in found.features]
    if found.max_cpus:
        fields.append(Field(9, 4, "MAX_CPUS", found.max_cpus, f"at most {count_of(found.max_cpus, 'processor')}"))
    fields += (Field(bits.byte, 1, "unknown", bits.mask, f"bits {bits.mask:#04x}") for bits in found.unknown)
    head = [Field(0, 1, "length", data[0], count_of(data[0] + 1, "option byte"))] if data else []
    return Description(_chain(head, sorted(fields, key=lambda field: field.offset)), found.defects)


def lrdr_capacity(data: bytes, context: Context) -> Description:
    """Describe `ibm,lrdr-capacity`."""
    from drmemctl.formats.lrdr_capacity import decode_lrdr_capacity

    found = decode_lrdr_capacity(data, context.address_cells, context.size_cells, context.total)
    address, size = 4 * context.address, 4 * context.size
    parts: list[tuple[int, int, str, int | None, Callable[[int], str]]] = [
        (0, address, "max_address", found.max_address, size_text),
        (address, size, "lmb_size", found.lmb_size, size_text),
        (address + size, 4, "max_cpus", found.max_cpus, str),
        (address + size + 4, 4, "second", found.second, str),
    ]
    fields = [
        Field(offset, length, name, value, text(value))
        for offset, length, name, value, text in parts
        if value is not None
    ]
    return Description(fields, found.defects)


def index_table(data: bytes, context: Context) -> Description:
    """Describe `ibm,numa-lookup-index-table`."""
    from drmemctl.formats.numa_tables import decode_index_table

    found = decode_index_table(data, context.total)
    head = [_u32(0, "nodes", found.declared)] if len(data) >= 4 else []
    return Description(_chain(head, _listed(found.ids, 4, lambda one: f"domain {one}")), found.defects)


def distance_table(data: bytes, context: Context) -> Description:
    """Describe `ibm,numa-distance-table`: a line for each row, where the count is a square."""
    from drmemctl.formats.numa_tables import decode_distance_table

    found = decode_distance_table(data, context.total)
    width = isqrt(found.declared)
    if width * width != found.declared:
        width = len(found.distances)

    def rows() -> Iterator[Field]:
        for start in range(0, len(found.distances), width or 1):
            row = found.distances[start : start + width]
            yield Field(4 + start, len(row), f"[{start // width}]", None, " ".join(map(str, row)))

    head = [_u32(0, "distances", found.declared)] if len(data) >= 4 else []
    return Description(_chain(head, rows()), found.defects)
