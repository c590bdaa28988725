# SPDX-License-Identifier: MIT
"""A group of commands that are imported when they are looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from drmemctl.cli.option_sources import name_variables
from drmemctl.wording import nearest


class LazyGroup(click.Group):
    """A group whose commands are the modules of a package, each with its `command`."""

    def __init__(
        self,
        *args: Any,
        package: str,
        names: Sequence[str],
        sections: tuple[str, Mapping[str, Sequence[str]]] = ("Commands", {}),
        **kwargs: Any,
    ) -> None:
        """Make one of the commands `names`, in the order in which they are listed.

        `sections` are the headings under which help has them; the first is that of commands without another.
        """
        super().__init__(*args, **kwargs)
        self._package = package
        self._names = tuple(names)
        self._sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self._names)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        first, sections = self._sections
        placed = {name for names in sections.values() for name in names}
        room = formatter.width - 6 - max(map(len, self._names))
        for heading, names in {first: self._names, **sections}.items():
            commands = {
                name: command
                for name in self._names
                if (name in names if heading != first else name not in placed)
                and (command := self.get_command(ctx, name)) is not None
            }
            if commands:
                with formatter.section(heading):
                    formatter.write_dl(
                        [(name, command.get_short_help_str(room)) for name, command in commands.items()]
                    )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None."""
        if cmd_name not in self._names:
            return None
        command: click.Command = import_module(f"{self._package}.{cmd_name}").command
        name_variables(command, (*self._package.split(".")[2:], cmd_name))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a wrong name gets the nearest right one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest(args[0], self._names)
            if not near or "Did you mean" in error.message:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None
