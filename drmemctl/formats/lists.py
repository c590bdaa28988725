# SPDX-License-Identifier: MIT
"""What many properties share: lists of u32, with or without a count before them, and their length faults.

Source: LoPAR 2.9 (encode-int: a big-endian 32-bit cell); Linux drivers/of/property.c
`of_property_read_u32_array`.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drmemctl.defect import Defect
from drmemctl.formats.rows import pack_words, words
from drmemctl.formats.seam import building
from drmemctl.wording import count_of

COUNT_SIZE = 4


def counted() -> Any:
    """Return the declaration of a u32 count with that many u32 behind it."""
    from construct import Int32ub, PrefixedArray

    return PrefixedArray(Int32ub, Int32ub)


def judge_length(
    short: str, content: str, size: int, expected: int, *, total: int | None = None
) -> tuple[Defect, ...]:
    """Return the defect, if any, of a value of `size` bytes that should have `expected`.

    `short` begins the defect's code, `content` names what should be there ("3 domains"), `total` is the true
    length where only the beginning is at hand. The offset is that of the first byte missing or too much.
    """
    if total is not None and size < total:
        return (Defect(f"{short}-cut", f"the source shows {size} of {total} bytes: {content}"),)
    if size < expected:
        message = f"{content}: {count_of(expected, 'byte')} expected, there are {size:,}"
        return (Defect(f"{short}-too-short", message, offset=size),)
    if size > expected:
        extra = size - expected
        verb = "follows" if extra == 1 else "follow"
        return (Defect(f"{short}-trailing", f"{count_of(extra, 'byte')} {verb} {content}", offset=expected),)
    return ()


@dataclass(frozen=True, slots=True)
class Words:
    """A list of u32 as a column: four bytes each, however many there are.

    Attributes:
        declared: how many the count says; without a count, how many there are.
        cells: those that are there in full, at most `declared`.
        defects: length and count faults; their property is not filled in.

    """

    declared: int
    cells: array[int]
    defects: tuple[Defect, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, position: int) -> int:
        return self.cells[position]


def decode_words(short: str, thing: str, data: bytes, total: int | None = None) -> Words:
    """Return all whole u32 of a property that is a list without a count; `thing` names one of them."""
    cells = words(data)
    tail = len(data) % 4
    if total is not None and len(data) < total:
        return Words(total // 4, cells, judge_length(short, f"{thing}s", len(data), total, total=total))
    return Words(len(cells), cells, judge_length(short, count_of(len(cells), thing), len(data), len(data) - tail))


def decode_counted_words(short: str, thing: str, data: bytes, total: int | None = None) -> Words:
    """Return the u32 of a property that opens with their count; `thing` names one of them."""
    if len(data) < COUNT_SIZE:
        return Words(
            0, array("I"), judge_length(short, f"the count of {thing}s", len(data), COUNT_SIZE, total=total)
        )
    declared = int.from_bytes(data[:COUNT_SIZE], "big")
    end = COUNT_SIZE + 4 * declared
    defects = judge_length(short, count_of(declared, thing), len(data), end, total=total)
    return Words(declared, words(memoryview(data)[COUNT_SIZE:end]), defects)


def encode_words(property: str, cells: Sequence[int]) -> bytes:
    """Return u32 without a count as bytes."""
    with building(property):
        return pack_words(cells)
