# SPDX-License-Identifier: MIT
"""Encoders of properties that the package only reads: each the inverse of a decoder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from drmemctl.errors import FormatError
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, BY_NAME, vector
from drmemctl.formats.associativity import ASSOCIATIVITY, encode_associativity
from drmemctl.formats.cells import DEFAULT_CELLS, FLAGS_MASK, LMB_SIZE, PRESERVATION_TIME, cells
from drmemctl.formats.domains import MAX_DOMAINS
from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.formats.drc_info import DRC_INFO_PROPERTY, NUMBERS, DrcInfoEntry, drc_info
from drmemctl.formats.lists import COUNT_SIZE, encode_words
from drmemctl.formats.lrdr_capacity import LRDR_CAPACITY, lrdr_capacity
from drmemctl.formats.numa_tables import DISTANCE_TABLE, LOOKUP_INDEX_TABLE
from drmemctl.formats.pmemory import (
    APPLICATION,
    BLOCK_SIZE,
    CACHE_FLUSH,
    HCALL_FLUSH,
    METADATA_SIZE,
    NUMBER_OF_BLOCKS,
    REG,
    UNIT_GUID,
    Pmemory,
)
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.formats.seam import build, building
from drmemctl.formats.strings import to_string
from drmemctl.formats.system_tables import BlockLine


def encode_number(property: str, value: int, number: int = 1) -> bytes:
    """Return `value` in `number` cells as bytes."""
    return build(cells(number), value, property)


def encode_counted_words(property: str, words: Sequence[int], count: int | None = None) -> bytes:
    """Return the count and the u32 as bytes; `count` overrides the true one, to make faulty values."""
    return encode_words(property, [len(words) if count is None else count, *words])


def distances_table() -> Any:
    """Return the declaration of the distance table."""
    from construct import Byte, Int32ub, PrefixedArray

    return PrefixedArray(Int32ub, Byte)


def encode_lmb_size(value: int, size_cells: int = DEFAULT_CELLS) -> bytes:
    """Return the bytes of `ibm,lmb-size`."""
    return encode_number(LMB_SIZE, value, size_cells)


def encode_flags_mask(value: int) -> bytes:
    """Return the bytes of `ibm,memory-flags-mask`."""
    return encode_number(FLAGS_MASK, value)


def encode_preservation_time(minutes: int) -> bytes:
    """Return the bytes of `ibm,memory-preservation-time`."""
    return encode_number(PRESERVATION_TIME, minutes)


def encode_domains(counts: Sequence[int], property: str = MAX_DOMAINS) -> bytes:
    """Return the bytes of either property."""
    return encode_counted_words(property, counts)


def encode_reference_points(points: Sequence[int]) -> bytes:
    """Return the property's bytes."""
    return encode_words(REFERENCE_POINTS, points)


def encode_index_table(ids: Sequence[int]) -> bytes:
    """Return the index table's bytes."""
    return encode_counted_words(LOOKUP_INDEX_TABLE, ids)


def encode_distance_table(distances: Sequence[int], count: int | None = None) -> bytes:
    """Return the distance table's bytes; `count` overrides the true one, to make faulty values."""
    data = build(distances_table(), list(distances), DISTANCE_TABLE)
    return data if count is None else encode_counted_words(DISTANCE_TABLE, (), count) + data[COUNT_SIZE:]


def encode_drc_words(property: str, values: Sequence[int], count: int | None = None) -> bytes:
    """Return the bytes of `ibm,drc-indexes` or `ibm,drc-power-domains`; `count` overrides the true one."""
    return encode_counted_words(property, values, count)


def encode_drc_strings(property: str, values: Sequence[str], count: int | None = None) -> bytes:
    """Return the bytes of `ibm,drc-names` or `ibm,drc-types`; `count` overrides the true one."""
    head = encode_counted_words(property, (), len(values) if count is None else count)
    return head + b"".join(to_string(value, property) for value in values)


def encode_drc_info(entries: Iterable[DrcInfoEntry]) -> bytes:
    """Return the property's bytes; offset and size of the entries play no part."""
    values = [
        {name: getattr(entry, name) for name in NUMBERS.names}
        | {name: to_string(getattr(entry, name), DRC_INFO_PROPERTY)[:-1] for name in ("type", "prefix")}
        for entry in entries
    ]
    return build(drc_info(), values, DRC_INFO_PROPERTY)


def encode_features(names: Collection[str], max_cpus: int = 0, size: int = 26) -> bytes:
    """Return the value with `size` option bytes in which the named features are on."""
    options = bytearray(size + 1)
    for name in names:
        feature = BY_NAME.get(name)
        if feature is None or feature.byte > size:
            raise FormatError(f"no feature {name} in {size} option bytes", property=ARCHITECTURE_VEC5)
        options[feature.byte] |= feature.value
    if max_cpus:
        options[9:13] = encode_number(ARCHITECTURE_VEC5, max_cpus)
    return encode_architecture_vec5(bytes(options[1:]))


def encode_lrdr_capacity(
    max_address: int, lmb_size: int, max_cpus: int, address_cells: int = 2, size_cells: int = 2
) -> bytes:
    """Return the property's bytes."""
    values = {"max_address": max_address, "lmb_size": lmb_size, "max_cpus": max_cpus}
    return build(lrdr_capacity(address_cells, size_cells), values, LRDR_CAPACITY)


def encode_pmemory(region: Pmemory) -> dict[str, bytes]:
    """Return the properties that say what `region` does, in the order of its attributes."""
    numbers = {
        REG: (region.reg, 1),
        MY_DRC_INDEX: (region.drc_index, 1),
        BLOCK_SIZE: (region.block_size, 2),
        NUMBER_OF_BLOCKS: (region.blocks, 2),
        METADATA_SIZE: (region.metadata_size, 1),
    }
    strings = {UNIT_GUID: region.unit_guid, APPLICATION: region.application}
    flags = {CACHE_FLUSH: region.cache_flush_required, HCALL_FLUSH: region.hcall_flush_required}
    properties = {
        **{
            name: encode_number(name, value, cells)
            for name, (value, cells) in numbers.items()
            if value is not None
        },
        **{name: encode_strings([value], property=name) for name, value in strings.items() if value is not None},
        **{name: b"" for name, is_there in flags.items() if is_there},
    }
    if region.associativity is not None:
        lists = region.associativity
        properties[ASSOCIATIVITY] = encode_associativity(lists.domains, *lists.more)
    return properties


def encode_blocks(blocks: Iterable[BlockLine]) -> str:
    """Return the table of memory blocks as the capture script writes it."""
    return "".join(
        f"{line.block} {line.block:08x} {line.state} {_listed(line.nodes)} {_listed(line.zones)} -\n"
        for line in blocks
    )


def _listed(items: Iterable[object]) -> str:
    return ",".join(map(str, items)) or "-"


def encode_architecture_vec5(options: bytes, length: int | None = None) -> bytes:
    """Return the value for option bytes 1 to n; `length` overrides byte 0, to make faulty values."""
    data = build(vector(), {"length": len(options) - 1, "options": options}, ARCHITECTURE_VEC5)
    if length is None:
        return data
    with building(ARCHITECTURE_VEC5):
        return length.to_bytes(1) + data[1:]


def encode_strings(items: Sequence[str], *, terminated: bool = True, property: str = "") -> bytes:
    """Return the strings as a property's value; without the last NUL where `terminated` is false."""
    data = b"".join(to_string(item, property) for item in items)
    return data if terminated else data[:-1]
