# SPDX-License-Identifier: MIT
"""Which plugins installed packages have: `drmemctl -V` lists them, so nothing is imported that need not be."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "drmemctl.plugins"
"""The group of entry points by which an installed package names its plugins."""

_LARGEST = 1 << 20
"""Bytes of a list of entry points that are looked at."""


def installed() -> list[EntryPoint]:
    """Return the entry points of installed packages, which are not imported for that."""
    if not any(map(_names_group, sys.path)):
        return []  # as nearly always; importlib.metadata takes as long as all else that a command begins with
    metadata: Any = import_module("importlib.metadata")
    return sorted(metadata.entry_points(group=GROUP), key=lambda point: str(point.name))


def _names_group(place: str) -> bool:
    """Whether a package in a directory has entry points of the group."""
    try:
        names = os.listdir(place or ".")  # noqa: PTH208
    except OSError:
        return False
    for name in (name for name in names if name.endswith((".dist-info", ".egg-info"))):
        with suppress(OSError), open(os.path.join(place, name, "entry_points.txt"), "rb") as file:  # noqa: PTH118, PTH123
            if GROUP.encode() in file.read(_LARGEST):
                return True
    return False


def source_of(point: EntryPoint) -> str:
    """Return an entry point and the package that it is of."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"
    return f"{point.name} of {package}"
