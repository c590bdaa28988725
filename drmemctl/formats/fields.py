# SPDX-License-Identifier: MIT
"""A decoded value as lines for a reader: which bytes, what they are called, what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drmemctl.defect import Defect

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@dataclass(frozen=True, slots=True)
class Field:
    """One part of a property's value.

    Attributes:
        offset: where it begins in the value, in bytes.
        size: how many bytes it takes; 0 for a remark about the value.
        name: what it is called, e.g. `aa_index`; `[3]` for the fourth of a list.
        value: the number or the text that the bytes hold; None for a remark or for several numbers at once.
        text: the same for people, e.g. `256 MiB`.

    """

    offset: int
    size: int
    name: str
    value: int | str | None
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a value has to be read with, beside its own bytes.

    Attributes:
        address_cells: #address-cells of the root.
        size_cells: #size-cells of the root.
        total: the true length where only the beginning is at hand.

    """

    address_cells: int = 2
    size_cells: int = 2
    total: int | None = None

    @property
    def address(self) -> int:
        """The cells of an address as decoders read it; see `usable_cells`."""
        return self.address_cells if 1 <= self.address_cells <= 4 else 2

    @property
    def size(self) -> int:
        """The cells of a size, likewise."""
        return self.size_cells if 1 <= self.size_cells <= 4 else 2


@dataclass(frozen=True, slots=True)
class Description:
    """What a describer returns: fields, made only as far as they are asked for, and the decoder's defects."""

    fields: Iterable[Field]
    defects: tuple[Defect, ...] = ()


def count_of(number: int, thing: str) -> str:
    """Return e.g. `1 byte` or `3 bytes`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def size_text(size: int) -> str:
    """Return a number of bytes in the largest binary unit that divides it, e.g. `256 MiB`."""
    power = 0
    while size and size % 1024 == 0 and power < len(_UNITS) - 1:
        size //= 1024
        power += 1
    return f"{size} {_UNITS[power]}" if power else count_of(size, "byte")


def range_text(base: int, size: int) -> str:
    """Return an address range with its size, the last address included."""
    if size == 0:
        return f"{base:#x}, empty"
    return f"{base:#x}-{base + size - 1:#x} ({size_text(size)})"
