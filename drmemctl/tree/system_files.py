# SPDX-License-Identifier: MIT
"""The files about memory that lie beside a tree, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from drmemctl.errors import LimitError
from drmemctl.formats.capture_text import NAME, Provenance, decode_capture_text

MEMORY, NODES = "sys/devices/system/memory", "sys/devices/system/node"
"""Where Linux has a directory for each memory block, and for each node."""

ARRAY, REPLACED = "memory/array.json", "memory/replaced.json"
"""Where a capture keeps the LMB array of a dump, and the values that were replaced."""


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """Files by their path without a leading slash, and the names of links and directories that say something."""

    files: dict[str, bytes] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.files)


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """What lies beside a tree in an archive or a dump, or why it could not be kept."""

    system: SystemFiles
    error: LimitError | None = None

    def files(self) -> SystemFiles:
        """Return the files; `LimitError` where they are too many."""
        if self.error is not None:
            raise self.error
        return self.system

    @property
    def provenance(self) -> Provenance:
        """What the capture says of itself."""
        return decode_capture_text(self.system.files.get(NAME, b""))
