# SPDX-License-Identifier: MIT
"""The settings that count here: of the nearest pyproject.toml or drmemctl.toml, or of a file that is named."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from drmemctl.read_files import note

if TYPE_CHECKING:
    from drmemctl.check.engine import Plan
    from drmemctl.check.settings import Settings
    from drmemctl.kernel.profiles import Profile

_OWN, _SHARED = "drmemctl.toml", "pyproject.toml"

_LOOKED_AT = 1 << 20
"""Bytes of a file that are looked at; settings are refused in larger ones."""

_TABLE = re.compile(
    rb"""^\s*(?:\[\s*["']?tool["']?\s*(?:\]|\.\s*["']?drmemctl)|["']?tool["']?\s*[.=])""", re.MULTILINE
)


_PATH = click.Path(dir_okay=False, path_type=str)
_FILE, _ISOLATED = "drmemctl.settings.file", "drmemctl.settings.isolated"


def settings_error(message: str) -> click.UsageError:
    """Return the error for settings that make no sense."""
    from drmemctl.output.text import worded

    return click.UsageError(worded(message))


def chosen_file() -> str | None:
    """Return the file of settings: the one named, or the nearest; None for none."""
    ctx = click.get_current_context(silent=True)
    meta = {} if ctx is None else ctx.meta
    if meta.get(_ISOLATED):
        return None
    if _named_file() is not None:
        return _named_file()
    if not _may_be_there():
        return None
    from drmemctl.check.settings import SettingsError, find_settings

    try:
        return find_settings()
    except SettingsError as error:
        raise settings_error(str(error)) from error


def _named_file() -> str | None:
    ctx = click.get_current_context(silent=True)
    path: str | None = None if ctx is None else ctx.meta.get(_FILE)
    return path


def found_settings() -> Settings | None:
    """Return the settings for this directory, None without any; a usage error for those that make no sense."""
    path = chosen_file()
    if path is None:
        return None
    from drmemctl.check.settings import SettingsError, check_baseline_is_beside, read_settings

    try:
        settings = read_settings(path)
        if path != _named_file():
            check_baseline_is_beside(settings, path)
    except SettingsError as error:
        raise settings_error(str(error)) from error
    return settings


def found_plan(kernel: Profile | None) -> Plan:
    """Return which rules `check` runs here, and how grave their findings are: other commands tell the same."""
    from drmemctl.check.engine import Plan

    settings = found_settings()
    plan = Plan() if settings is None else settings.plan
    return plan if kernel is None else plan._replace(kernel=kernel)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config` and `--isolated`, which are the program's as well."""
    kind: dict[str, Any] = {"is_eager": True, "expose_value": False, "callback": _choose}
    isolated = click.option("--isolated", is_flag=True, help="Take no settings from any file.", **kind)
    config = click.option("--config", metavar="FILE", type=_PATH, help="Take settings from this file.", **kind)
    return config(isolated(command))


def _choose(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value:
        ctx.meta[_FILE if param.name == "config" else _ISOLATED] = value
        if ctx.meta.get(_FILE) is not None and ctx.meta.get(_ISOLATED):
            raise click.UsageError("--config and --isolated exclude each other.")


def _may_be_there() -> bool:
    """Whether a directory above may have any of ours: to import what reads them takes longer than a tree."""
    try:
        place, above = "", os.path.abspath(".")  # noqa: PTH100
    except FileNotFoundError:  # a current directory that was removed
        return False
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
            note(os.fstat(stream.fileno()))  # also one that is none of our business is no place for an output
            return _TABLE.search(stream.read(_LOOKED_AT)) is not None
    except OSError:
        return True  # whoever reads it in earnest says what is wrong
