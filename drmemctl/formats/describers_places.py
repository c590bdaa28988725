# SPDX-License-Identifier: MIT
"""From bytes to lines, as in `describers`: connectors, and where memory is."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.formats.fields import Context, Description, Field
from drmemctl.wording import range_text


def drc_words(data: bytes, context: Context, property: str) -> Description:
    """Describe `ibm,drc-indexes` or `ibm,drc-power-domains`."""
    from drmemctl.formats.drc import INDEXES, decode_drc_indexes, decode_drc_power_domains

    decode = decode_drc_indexes if property == INDEXES else decode_drc_power_domains
    found = decode(data, context.total)

    def fields() -> Iterator[Field]:
        if len(data) >= 4:
            yield Field(0, 4, "connectors", found.declared, str(found.declared))
        for position, cell in enumerate(found.cells):
            yield Field(4 + 4 * position, 4, f"[{position}]", cell, hex(cell))

    return Description(fields(), found.defects)


def drc_strings(data: bytes, context: Context, property: str) -> Description:
    """Describe `ibm,drc-names` or `ibm,drc-types`."""
    from drmemctl.formats.drc import NAMES, decode_drc_names, decode_drc_types

    decode = decode_drc_names if property == NAMES else decode_drc_types
    found = decode(data, context.total)

    def fields() -> Iterator[Field]:
        if len(data) >= 4:
            yield Field(0, 4, "connectors", found.declared, str(found.declared))
        offset = 4
        for position, item in enumerate(found):
            # A character for each byte: see `to_text`.
            yield Field(offset, len(item) + 1, f"[{position}]", item, item)
            offset += len(item) + 1

    return Description(fields(), found.defects)


def drc_info(data: bytes, context: Context) -> Description:
    """Describe `ibm,drc-info`: a line for each sequence, however many connectors it has."""
    from drmemctl.formats.drc_info import decode_drc_info

    found = decode_drc_info(data, context.total)

    def fields() -> Iterator[Field]:
        if len(data) >= 4:
            yield Field(0, 4, "sequences", found.declared, str(found.declared))
        for position, one in enumerate(found.entries):
            text = (
                f"{one.n_sequential} of type {one.type} named {one.name(0)} and on, DRC {one.index(0):#x} and on"
                f" by {one.increment}, power domain {one.power_domain:#x}"
            )
            yield Field(one.offset, one.size, f"[{position}]", None, text)

    return Description(fields(), found.defects)


def reg(data: bytes, context: Context, short: str) -> Description:
    """Describe `reg` or `linux,usable-memory` of a memory node."""
    from drmemctl.formats.memory_reg import decode_reg

    found = decode_reg(data, context.address_cells, context.size_cells, context.total, short)
    fields = (
        Field(position * found.stride, found.stride, f"[{position}]", None, range_text(one.base, one.size))
        for position, one in enumerate(found.ranges)
    )
    return Description(fields, found.defects)


def usable_memory(data: bytes, context: Context) -> Description:
    """Describe `linux,drconf-usable-memory`: the counters with their ranges, whichever LMBs they belong to."""
    from drmemctl.formats.usable_memory import decode_usable_memory

    found = decode_usable_memory(data, context.address_cells, context.size_cells, context.total)
    head, stride = 4 * found.size_cells, 4 * (found.address_cells + found.size_cells)

    def fields() -> Iterator[Field]:
        for position, one in enumerate(found):
            ranges = ", ".join(range_text(part.base, part.size) for part in one.ranges) or "nothing"
            size = head + stride * len(one.ranges)
            yield Field(one.offset, size, f"[{position}]", one.counter, ranges)

    return Description(fields(), found.defects)
