# SPDX-License-Identifier: MIT
"""What counts for the options of commands, and where each value comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from drmemctl.cli.found_settings import chosen_file, found_settings, settings_error
from drmemctl.cli.option_sources import (
    PREFIX,
    FileValue,
    SourceError,
    file_values,
    key_of,
    long_name,
    name_variables,
    options_of,
)
from drmemctl.output.config import Setting
from drmemctl.output.pager import PAGER_VARIABLES
from drmemctl.tree.limits import RAISE_VARIABLE
from drmemctl.tree.plain_input import SYMBOLS

TABLE = "tool.drmemctl"

GENERAL_VARIABLES = {
    RAISE_VARIABLE: "inputs may be as large as so many MiB allow",
    SYMBOLS: "--symbols of every command",
    "DRMEMCTL_DEBUG": "1 shows where in the program an error arose",
    **PAGER_VARIABLES,
    "NO_COLOR": "no colour",
    "FORCE_COLOR": "colour in pipes as well",
}
"""Variables that are no option's, and what they do."""

_FOR_ALL = ("kernel", "hypervisor")
"""The general keys that are not about `check` alone."""

_OWN_KERNELS = ("fleet check", "fleet simulate", "fleet explore", "qualify", "rules")
"""Commands that take several kernels, or all, where none is named."""

Commands = Mapping[tuple[str, ...], click.Command]

General = Mapping[str, tuple[str, Any]]
"""How a general key stands in the file, and its value, by key."""


def commands_below(group: click.Group, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Return the commands of a group by their words, those of groups in it as well."""
    ctx = click.Context(group)
    commands: dict[tuple[str, ...], click.Command] = {}
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            commands |= commands_below(command, (*words, name))
        elif command is not None:
            commands[*words, name] = command
    return commands


def defaults_of(program: click.Command, name: str) -> dict[str, Any]:
    """Return what the file of settings says of a command, or of those of a group, as Click takes it."""
    path = chosen_file()
    if path is None or not isinstance(program, click.Group):
        return {}
    tables = _tables(path, program)
    command = program.get_command(click.Context(program), name)
    return {} if command is None or name not in tables else _defaults(command, tables[name], path, (name,))


def _defaults(
    command: click.Command, table: Mapping[str, Any], path: str, words: tuple[str, ...]
) -> dict[str, Any]:
    if isinstance(command, click.Group):
        return {
            name: _defaults(inner, inner_table, path, (*words, name))
            for name, (inner, inner_table) in _inner(command, table, path, words).items()
        }
    return {name: entry.value for name, entry in _file_values(command, table, path, words).items()}


def _inner(
    group: click.Group, table: Mapping[str, Any], path: str, words: tuple[str, ...]
) -> dict[str, tuple[click.Command, Mapping[str, Any]]]:
    ctx = click.Context(group)
    inner: dict[str, tuple[click.Command, Mapping[str, Any]]] = {}
    for name, value in table.items():
        command = group.get_command(ctx, name)
        if command is None or not isinstance(value, dict):
            raise settings_error(f"{path}: {'.'.join((TABLE, *words, name))}: there is no such command")
        inner[name] = (command, value)
    return inner


def _file_values(
    command: click.Command, table: Mapping[str, Any], path: str, words: tuple[str, ...]
) -> dict[str, FileValue]:
    try:
        return file_values(command, table)
    except SourceError as error:
        raise settings_error(f"{path}: {'.'.join((TABLE, *words))}.{error}") from error


def _tables(path: str, group: click.Group) -> dict[str, Mapping[str, Any]]:
    """Return the tables of commands."""
    from drmemctl.check.settings import SettingsError, command_tables

    try:
        tables = command_tables(path)
    except SettingsError as error:
        raise settings_error(str(error)) from error
    names = group.list_commands(click.Context(group))
    for name in tables:
        if name not in names:
            from drmemctl.wording import did_you_mean, nearest

            near = nearest(name, names)
            hint = f"; {did_you_mean(near)}" if near else ""
            raise settings_error(f"{path}: {TABLE}.{name}: there is no such command{hint}")
    return tables


def settings_shown(group: click.Group, words: Sequence[str]) -> Iterator[Setting]:
    """Yield what is set, or of the commands that begin with `words` each option."""
    path = chosen_file()
    tables: Mapping[str, Mapping[str, Any]] = {}
    if path is not None:
        tables = _tables(path, group)
        # What stands in the table of a group and is no table of one of its commands is refused, as the group does.
        for name, table in tables.items():
            inner_group = group.get_command(click.Context(group), name)
            if isinstance(inner_group, click.Group):
                _inner(inner_group, table, path, (name,))
    for words_of, command in commands_below(group).items():
        if words_of[: len(words)] == tuple(words):
            yield from _of_command(command, words_of, tables, path, everything=bool(words))
    if not words:
        name_variables(group, ())
        general = _general(path)
        yield from (_general_setting(("", f"--{key}"), general, key, path) for key in _FOR_ALL if key in general)
        yield from _of_command(group, (), {}, path, everything=False)
        yield from (
            Setting("", "", os.environ[name], "environment", name, about)
            for name, about in GENERAL_VARIABLES.items()
            if os.environ.get(name)
        )


def _of_command(
    command: click.Command,
    words: tuple[str, ...],
    tables: Mapping[str, Any],
    path: str | None,
    *,
    everything: bool,
) -> Iterator[Setting]:
    table: Any = tables
    for word in words:
        table = table.get(word, {}) if isinstance(table, dict) else {}
    in_file = _file_values(command, table, path or "", words) if words else {}
    general = _general(path)
    for option in options_of(command):
        name = option.name or ""
        head = (" ".join(words), long_name(option))
        variable = option.envvar if isinstance(option.envvar, str) else ""
        if os.environ.get(variable):
            ctx = click.Context(command, resilient_parsing=True)
            try:
                option.process_value(ctx, option.value_from_envvar(ctx))
            except click.UsageError as error:
                raise settings_error(f"{variable}: {error.message}") from error
            yield Setting(*head, os.environ[variable], "environment", variable)
        elif name in in_file:
            place = ".".join((TABLE, *words, key_of(option)))
            yield Setting(*head, in_file[name].written, "file", f"{path}: {place}")
        elif key_of(option) in general and _takes_general(words, key_of(option), everything=everything):
            yield _general_setting(head, general, key_of(option), path)
        elif everything:
            default = option.to_info_dict()["default"]
            if callable(default) or default is None:
                default = False if option.is_flag else None
            value = list(default) if isinstance(default, tuple) else default
            yield Setting(*head, value, "default", "", option.help or "")


def _takes_general(words: tuple[str, ...], key: str, *, everything: bool) -> bool:
    """Whether a command goes by a general key, and is shown with it: what is about all is shown once for all."""
    if words == ("check",):
        return everything or key not in _FOR_ALL
    return everything and key in _FOR_ALL and " ".join(words) not in _OWN_KERNELS


def _general_setting(head: tuple[str, str], general: General, key: str, path: str | None) -> Setting:
    place, value = general[key]
    return Setting(*head, value, "file", f"{path}: {TABLE}.{place}")


def _general(path: str | None) -> General:
    from drmemctl.check.settings import general_keys

    found_settings()  # what `check` refuses is refused
    return {} if path is None else general_keys(path)


def unknown_variables(group: click.Group) -> list[str]:
    """Return the variables that begin as ours do, and are none."""
    commands: Commands = {(): group, **commands_below(group)}
    name_variables(group, ())
    variables = set(GENERAL_VARIABLES)
    for command in commands.values():
        variables |= {option.envvar for option in options_of(command) if isinstance(option.envvar, str)}
    return sorted(name for name in os.environ if name.startswith(f"{PREFIX}_") and name not in variables)
