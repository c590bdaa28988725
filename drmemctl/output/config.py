# SPDX-License-Identifier: MIT
"""What options are set to, and from where, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from drmemctl.output.screen import Screen
from drmemctl.output.table import AS_IT_IS, Column, TableChoice, show_table
from drmemctl.output.text import safe


class Setting(NamedTuple):
    """What an option is set to.

    Attributes:
        command: the command's words, empty for what is about all.
        option: its long name, empty for a variable that is no option's.
        value: text, number, truth value or list of texts; None where the option is not set.
        origin: `environment`, `file` or `default`.
        where: the variable, or file and key.
        about: what it does.

    """

    command: str
    option: str
    value: Any
    origin: str
    where: str
    about: str = ""


COLUMNS = (
    Column("command", help="the command, - for all"),
    Column("option", help="its option, - for what is a variable alone"),
    Column("value", help="what counts where the command line has nothing else", prose=True),
    Column("from", gives_way=1, help="environment, file or default"),
    Column("where", help="the variable, or the file and the key in it", prose=True),
)

_KEYS = ("command", "option", "value", "from", "where")


_NOTHING = "-"


def show_config(
    screen: Screen, file: str | None, settings: Sequence[Setting], format: str, choice: TableChoice = AS_IT_IS
) -> None:
    """Print settings as `text`, `json` or `csv`; `file` is the one in which they were looked for."""
    if format == "json":
        from drmemctl.output.json import document, schema

        records = [_record(setting) for setting in settings]
        head = {"schema": schema("config"), "file": None if file is None else safe(file, None)}
        screen.write(document({**head, "settings": records}))
    elif format == "csv":
        from drmemctl.output.csv import csv_lines

        screen.write_all(csv_lines(_KEYS, map(_record, settings)))
    else:
        title = "there is no file of settings" if file is None else f"settings of {safe(file)}"
        if settings:
            rows = ([record[key] or _NOTHING for key in _KEYS] for record in map(_record, settings))
            show_table(screen, COLUMNS, rows, title=title, choice=choice)
        else:
            screen.write_text([f"{title}; every option has its default, which `drmemctl config COMMAND` shows\n"])


def _record(setting: Setting) -> dict[str, Any]:
    return {
        "command": setting.command or None,
        "option": setting.option or None,
        "value": None if (text := _text(setting.value)) == _NOTHING else text,
        "from": setting.origin,
        "where": safe(setting.where, None) or None,
    }


def _text(value: Any) -> str:
    if value is None or value == "":
        return _NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(safe(str(item), None) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{safe(str(key), None)} = {_text(item)}" for key, item in value.items())
    return safe(str(value), None)
