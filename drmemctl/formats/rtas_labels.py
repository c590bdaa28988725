# SPDX-License-Identifier: MIT
"""What RTAS work areas and events share: who knows the names behind their numbers, and how long they may be."""

from __future__ import annotations

from drmemctl.errors import FormatError
from drmemctl.formats.fields import Field, preview

LARGEST = 1 << 20
"""Bytes of one area or event that are made from JSON: an order of magnitude beyond any firmware's."""


class Labels:
    """The names behind numbers; this one knows none, one that has a tree does."""

    cells: tuple[int, int] = (2, 2)
    """#address-cells and #size-cells of the root."""

    def path(self, phandle: int) -> str:
        """Return the path of a node, or nothing."""
        del phandle
        return ""

    def drc(self, drc_index: int) -> str:
        """Return what a DRC index stands for, or nothing."""
        del drc_index
        return ""


NO_LABELS = Labels()


def with_label(text: str, label: str) -> str:
    """Return a number's text with the name behind it, if there is one."""
    return f"{text}, {label}" if label else text


def padded(data: bytes, tail: bytes, length: int | None) -> bytes:
    """Return the bytes with what comes after their end, and with zeros up to a length."""
    whole = data + tail
    if length is None:
        return whole
    if not len(whole) <= length <= LARGEST:
        raise FormatError(f"a length of {length:,} bytes: at least {len(whole):,} and at most {LARGEST:,} can be")
    return whole.ljust(length, b"\0")


def tail_field(offset: int, tail: bytes) -> list[Field]:
    """Return the field for bytes that belong to nothing, if there are any."""
    if not tail:
        return []
    return [Field(offset, len(tail), "after the end", None, preview(tail))]
