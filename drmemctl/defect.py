# SPDX-License-Identifier: MIT
"""What a reader or a decoder saw that is wrong, while going on with what is there."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Defect:
    """One fault in some bytes: facts only, the judgement is a rule's.

    Attributes:
        code: stable name of the fault, `<what>-<fault>`, e.g. `v2-too-short`.
        message: the fault in a sentence, with its figures.
        path: the node's path; empty for the blob itself.
        property: the property's name; empty for a node or the blob.
        offset: byte offset in the property (in the blob where `property` is empty), or None.

    """

    code: str
    message: str
    path: str = ""
    property: str = ""
    offset: int | None = None

    def at(self, path: str, property: str) -> Defect:
        """Return the defect with its place in the tree; a decoder knows only its bytes."""
        return replace(self, path=path, property=property)

    def __str__(self) -> str:
        place = f"{self.path}:{self.property}" if self.property else self.path
        offset = "" if self.offset is None else f" (at offset {self.offset:#x})"
        return f"{place}: {self.message}{offset}" if place else f"{self.message}{offset}"
