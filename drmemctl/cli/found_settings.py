# SPDX-License-Identifier: MIT
"""The settings that are found: `[tool.drmemctl]` of the nearest pyproject.toml, or drmemctl.toml."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drmemctl.check.settings import Settings

_NAMES = ("drmemctl.toml", "pyproject.toml")


def found_settings() -> Settings | None:
    """Return the settings for this directory, None without any; a usage error for those that make no sense."""
    if not _may_be_there():
        return None
    from drmemctl.check.settings import SettingsError, find_settings, read_settings
    from drmemctl.output.text import safe

    try:
        path = find_settings()
        return None if path is None else read_settings(path)
    except SettingsError as error:
        raise click.UsageError(safe(str(error), 2000)) from error


def _may_be_there() -> bool:
    """Whether any directory above has such a file at all: to read settings takes as long as to read a tree."""
    place, above = "", os.path.abspath(".")  # noqa: PTH100
    while place != above:
        place, above = above, os.path.dirname(above)  # noqa: PTH120
        if any(os.path.exists(f"{place.rstrip('/')}/{name}") for name in _NAMES):  # noqa: PTH110
            return True
    return False
