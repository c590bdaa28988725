# SPDX-License-Identifier: MIT
"""Any property of a tree in decoded fields, read with the cells of that tree's root."""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.formats import describers
from drmemctl.formats.fields import Field
from drmemctl.formats.registry import describe, describer
from drmemctl.model.drmem import RootCells
from drmemctl.model.sizes import most_decoded
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.dts_text import is_strings
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Node, Property, Tree

_LARGEST_TEXT = 1 << 20
"""Bytes of text that are taken apart string by string: longer ones cost more than they tell."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """Decodes the properties of one tree.

    Attributes:
        cells: the root's cells.
        limit: how many fields of a value are wanted.

    """

    cells: RootCells
    limit: int

    @classmethod
    def of(cls, tree: Tree, limit: int) -> Decoder:
        """Return the decoder for a tree."""
        return cls(RootCells.from_tree(tree), limit)

    def fields(self, path: str, kind: str, prop: Property) -> list[Field] | None:
        """Return a property's fields in their order, what is wrong with it last; `kind` is its node's.

        None if its layout is unknown, or it is far larger than that of any partition: some of its fields would
        not be worth reading all of it.
        """
        size = len(prop.value)
        if size > LIMITS.max_value and size > most_decoded(prop.name):
            return None
        if size > _LARGEST_TEXT and describer(path, prop.name, kind) is describers.strings:
            return None
        return describe(
            path,
            prop.name,
            prop.value,
            self.cells.address,
            self.cells.size,
            device_type=kind,
            limit=self.limit,
            total=prop.total,
        )


def kind_of(node: Node) -> str:
    """Return a node's device_type, which tells layouts of its properties and is looked for among all of them."""
    return device_type(node) or ""


def is_text(path: str, kind: str, prop: Property) -> bool:
    """Whether a value is strings: it looks so to dtc, and nothing else is known about it; `kind` is its node's.

    A phandle of 0x3e647200 looks like the text ">dr".
    """
    describe = describer(path, prop.name, kind)
    return describe in (None, describers.strings) and is_strings(prop.value)
