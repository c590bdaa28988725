# SPDX-License-Identifier: MIT
"""The file of settings as Click's defaults, read only when a command asks for a value."""

from __future__ import annotations

from typing import Any

import click

from drmemctl.cli.found_settings import chosen_file


def use_settings(ctx: click.Context) -> None:
    """Make what the file of settings says of the command the defaults of its options."""
    name = ctx.invoked_subcommand
    if name is not None:
        ctx.default_map = {name: _Defaults(ctx.command, name)}


class _Defaults(dict[str, Any]):
    """What the file of settings says of a command, read when a value is asked for: `--isolated` is known then."""

    def __init__(self, group: click.Command, name: str) -> None:
        super().__init__()
        self._group, self._name = group, name
        self._is_read = False

    def _read(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        if chosen_file() is not None:
            from drmemctl.cli.configuration import defaults_of

            self.update(defaults_of(self._group, self._name))

    def __contains__(self, key: object) -> bool:
        self._read()
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self._read()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None, /) -> Any:
        self._read()
        return super().get(key, default)
