# SPDX-License-Identifier: MIT
"""The files about memory that lie beside a tree, as values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """Files by their path without a leading slash, and the names of links and directories that say something."""

    files: dict[str, bytes] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.files)
