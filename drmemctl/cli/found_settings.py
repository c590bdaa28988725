# SPDX-License-Identifier: MIT
"""The settings that are found: `[tool.drmemctl]` of the nearest pyproject.toml, or drmemctl.toml."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drmemctl.check.settings import Settings

_OWN, _SHARED = "drmemctl.toml", "pyproject.toml"

_LOOKED_AT = 1 << 20
"""Bytes of a file that are looked at; settings are refused in larger ones."""

_TABLE = re.compile(
    rb"""^\s*(?:\[\s*["']?tool["']?\s*(?:\]|\.\s*["']?drmemctl)|["']?tool["']?\s*[.=])""", re.MULTILINE
)


def found_settings() -> Settings | None:
    """Return the settings for this directory, None without any; a usage error for those that make no sense."""
    if not _may_be_there():
        return None
    from drmemctl.check.settings import SettingsError, find_settings, read_settings
    from drmemctl.output.text import worded

    try:
        path = find_settings()
        return None if path is None else read_settings(path)
    except SettingsError as error:
        raise click.UsageError(worded(str(error))) from error


def _may_be_there() -> bool:
    """Whether a directory above may have any of ours: to import what reads them takes longer than a tree."""
    place, above = "", os.path.abspath(".")  # noqa: PTH100
    while place != above:
        place, above = above, os.path.dirname(above)  # noqa: PTH120
        if os.path.exists(f"{place.rstrip('/')}/{_OWN}") or _mentions_us(f"{place.rstrip('/')}/{_SHARED}"):  # noqa: PTH110
            return True
    return False


def _mentions_us(path: str) -> bool:
    """Whether a pyproject.toml may have a table of ours, however TOML lets it be written."""
    if not os.path.isfile(path):  # noqa: PTH113
        return False
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            return _TABLE.search(stream.read(_LOOKED_AT)) is not None
    except OSError:
        return True  # whoever reads it in earnest says what is wrong
