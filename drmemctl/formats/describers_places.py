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
    decoded = decode(data, context.total)

    def fields() -> Iterator[Field]:
        if len(data) >= 4:
            yield Field(0, 4, "connectors", decoded.declared, str(decoded.declared))
        for position, cell in enumerate(decoded.cells):
            yield Field(4 + 4 * position, 4, f"[{position}]", cell, hex(cell))

    return Description(fields(), decoded.defects)


def drc_strings(data: bytes, context: Context, property: str) -> Description:
    """Describe `ibm,drc-names` or `ibm,drc-types`."""
    from drmemctl.formats.drc import NAMES, decode_drc_names, decode_drc_types

    decode = decode_drc_names if property == NAMES else decode_drc_types
    decoded = decode(data, context.total)

    def fields() -> Iterator[Field]:
        if len(data) >= 4:
            yield Field(0, 4, "connectors", decoded.declared, str(decoded.declared))
        offset = 4
        for position, item in enumerate(decoded):
            # A character for each byte: see `to_text`.
            yield Field(offset, len(item) + 1, f"[{position}]", item, item)
            offset += len(item) + 1

    return Description(fields(), decoded.defects)


def drc_info(data: bytes, context: Context) -> Description:
    """Describe `ibm,drc-info`: a line for each sequence, however many connectors it has."""
    from drmemctl.formats.drc_info import decode_drc_info

    decoded = decode_drc_info(data, context.total)

    def fields() -> Iterator[Field]:
        if len(data) >= 4:
            yield Field(0, 4, "sequences", decoded.declared, str(decoded.declared))
        for position, entry in enumerate(decoded.entries):
            text = (
                f"{entry.n_sequential} of type {entry.type} named {entry.name(0)} and on,"
                f" DRC {entry.index(0):#010x} and on by {entry.increment}, power domain {entry.power_domain:#x}"
            )
            yield Field(entry.offset, entry.size, f"[{position}]", None, text)

    return Description(fields(), decoded.defects)


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
