# SPDX-License-Identifier: MIT
"""Options of commands that print a table: which columns, in which order of rows, how sizes are written.

They are lsmem's: `-o COL,…`, `--output-all`, `-b`, `-n`, `-P`, with `--sort` besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import click

if TYPE_CHECKING:
    from drmemctl.output.table import Column, TableChoice

_KEY = "drmemctl.table."
_NO_MORE: Mapping[str, str] = MappingProxyType({})


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a table; `table_choice` tells what was chosen."""
    for declarations, kind in reversed(_OPTIONS):
        command = click.option(*declarations, **kind, expose_value=False, callback=_remember)(command)
    return command


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    ctx.meta[f"{_KEY}{param.name}"] = value


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("-o", "--output"),
        {
            "metavar": "COL,...",
            "help": "Only these columns, in this order; +COL,... puts columns in front of all others.",
        },
    ),
    (
        ("--output-all",),
        {"is_flag": True, "help": "All columns, also where the terminal has no room for them."},
    ),
    (("--sort",), {"metavar": "COL", "help": "Sort rows by this column."}),
    (("-b", "--bytes"), {"is_flag": True, "help": "Sizes as numbers of bytes."}),
    (("-n", "--noheadings"), {"is_flag": True, "help": "No title and no headings."}),
    (("-P", "--pairs"), {"is_flag": True, "help": 'Each row as NAME="value" ..., for scripts.'}),
)
"""How each option is called, and what else Click is to know of it."""


def table_choice(columns: Sequence[Column], format: str) -> TableChoice:
    """Return what was chosen of a table that has these columns; a usage error for what does not go with it."""
    from drmemctl.output.table import TableChoice

    meta = click.get_current_context().meta
    names = [column.name for column in columns]
    output, sort = meta.get(f"{_KEY}output"), meta.get(f"{_KEY}sort")
    chosen = tuple(names) if meta.get(f"{_KEY}output_all") else None
    if output is not None:
        front = _names(output.removeprefix("+"), names, "--output")
        behind = [name for name in names if name not in front] if output.startswith("+") else []
        chosen = (*front, *behind)
    if sort is not None:
        by, *more = _names(sort, names, "--sort")
        if more:
            raise click.BadParameter("rows are sorted by one column", param_hint="'--sort'")
        sort = by
    pairs, headings = bool(meta.get(f"{_KEY}pairs")), not meta.get(f"{_KEY}noheadings")
    choice = TableChoice(chosen, sort, bool(meta.get(f"{_KEY}bytes")), headings, pairs)
    if format != "text" and choice != TableChoice():
        options = "-o, --output-all, --sort, -b, -n and -P"
        raise click.UsageError(f"{options} are about the table; --format {format} has all of it.")
    return choice


def _names(text: str, names: Sequence[str], option: str) -> tuple[str, ...]:
    columns = tuple(part.strip().lower().replace(" ", "-").replace("_", "-") for part in text.split(","))
    unknown = [name for name in columns if name not in names]
    if unknown:
        message = f"there is no column {unknown[0]!r}; the columns are {', '.join(names)}"
        raise click.BadParameter(message, param_hint=f"'{option}'")
    return columns


class TableCommand(click.Command):
    """A command whose help explains its tables: their columns, and words in them.

    `tables` has a heading for each, and as `module:NAME` its columns, or its words with their meaning: they are
    loaded only for the help.
    """

    tables: ClassVar[tuple[tuple[str, str], ...]] = ()

    @classmethod
    def of(cls, columns: str, further: Mapping[str, str] = _NO_MORE) -> type[TableCommand]:
        """Return the class of a command with a table of these columns, and what stands under further headings."""
        return cls.with_tables({"Columns": columns, **further})

    @classmethod
    def with_tables(cls, tables: Mapping[str, str]) -> type[TableCommand]:
        """Return the class of a command with what stands under these headings."""
        return type("TableCommand", (cls,), {"tables": tuple(tables.items())})

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the columns."""
        super().format_options(ctx, formatter)
        for heading, explained in self.explanations():
            with formatter.section(heading):
                formatter.write_dl(explained)

    def explanations(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield each heading, with columns or words and what they mean."""
        is_chosen = any(param.name == "output_all" for param in self.params)
        for heading, place in self.tables:
            module, _, name = place.partition(":")
            table: Sequence[Column] | Mapping[str, str] = getattr(import_module(module), name)
            if isinstance(table, Mapping):
                yield heading, list(table.items())
            else:
                # A column that can be chosen is called as `--output` calls it, others as they are headed.
                yield heading, [(column.name if is_chosen else column.title, column.help) for column in table]
