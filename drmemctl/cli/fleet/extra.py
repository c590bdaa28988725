# SPDX-License-Identifier: MIT
"""The packages of the extra `fleet`: which of them are missing, in one line."""

from __future__ import annotations

from importlib.util import find_spec

import click

_PACKAGES = ("cryptography", "dask", "distributed", "duckdb", "fsspec", "pyarrow")


class MissingExtraError(click.ClickException):
    """A command of which a package is not installed: a usage error of one line."""

    exit_code = 2


def check_extra() -> None:
    """Raise `MissingExtraError` if a package is not installed; every command of the group begins with it."""
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise MissingExtraError(f"{', '.join(missing)}: not installed; pip install 'drmemctl[fleet]'")
