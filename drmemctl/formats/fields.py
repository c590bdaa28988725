# SPDX-License-Identifier: MIT
"""A decoded value as lines for a reader: which bytes, what they are called, what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drmemctl.defect import Defect
from drmemctl.formats.cells import usable

_PREVIEWED = 16


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


def preview(data: bytes, group: int = 1) -> str:
    """Return the first bytes of a value in hex, `group` of them at a time, and whether there are more."""
    return data[:_PREVIEWED].hex(" ", group) + (" ..." if len(data) > _PREVIEWED else "")


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
        """The cells of an address as decoders read it."""
        return usable(self.address_cells)

    @property
    def size(self) -> int:
        """The cells of a size, likewise."""
        return usable(self.size_cells)


@dataclass(frozen=True, slots=True)
class Description:
    """What a describer returns: fields, made only as far as they are asked for, and the decoder's defects."""

    fields: Iterable[Field]
    defects: tuple[Defect, ...] = ()
