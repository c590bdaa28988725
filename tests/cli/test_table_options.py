# SPDX-License-Identifier: MIT
"""The options of tables, on every command that has them."""

from __future__ import annotations

import csv
import importlib
import io
import json
import pkgutil

import click
import pytest

import drmemctl.output
from drmemctl.cli.app import app
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.table import Column
from tests.cli.running import Outcome, run
from tests.conftest import FIXTURES
from tools.manual import command_contexts

TREE = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"
NVDIMM = FIXTURES / "trees" / "v1-nvdimm.dtb.gz"
COMMANDS = ("lmb", "map", "blocks", "memblock", "assoc", "numa", "rules", "kernels", "config")


def shown(command: str, *options: str) -> Outcome:
    return run(command, *([] if command in ("rules", "kernels", "config") else [TREE]), *options)


def columns(command: str) -> list[str]:
    """Return the columns that the help names."""
    listed = run(command, "--help").out.partition("\nColumns:\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines() if line[2] != " "]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_column_can_be_asked_for_and_sorted_by(command: str) -> None:
    names = columns(command)
    assert len(names) > 3
    for name in names:
        assert shown(command, "-o", name).code == 0
        assert shown(command, "--sort", name).code == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-o", "nonsense"), "the columns are"),
        (("--sort", "nonsense"), "the columns are"),
        (("-b", "--format", "json"), "about the table"),
        (("-P", "--json"), "about the table"),
        (("-n", "--format", "csv"), "about the table"),
    ],
)
def test_what_makes_no_sense_is_refused(command: str, options: tuple[str, ...], said: str) -> None:
    outcome = shown(command, *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err


@pytest.mark.parametrize("command", COMMANDS)
def test_rows_are_sorted_by_one_column(command: str) -> None:
    outcome = shown(command, "--sort", ",".join(columns(command)[:2]))
    assert outcome.code == 2
    assert "one column" in outcome.err


@pytest.mark.parametrize(
    ("command", "ordinary", "of_drivers"),
    [("blocks", "blocks", "pmem"), ("memblock", "regions", "driver_managed")],
)
def test_csv_has_a_row_for_each_record_of_json(command: str, ordinary: str, of_drivers: str) -> None:
    options = ("--kernel", "4.19")
    document = json.loads(run(command, NVDIMM, "--json", *options).out)
    rows = list(csv.DictReader(io.StringIO(run(command, NVDIMM, "--format", "csv", *options).out)))
    assert len(rows) == len(document[ordinary]) + len(document[of_drivers])
    assert len(document[of_drivers]) > 0
    expected = [(record["path"], str(record["drc_index"]), str(record["size"])) for record in document[of_drivers]]
    assert [(row["path"], row["drc_index"], row["size"]) for row in rows if row["path"]] == expected


def tables_of_columns() -> dict[int, str]:
    """Return the tables of the package, by what they are, with their names."""
    tables = {}
    for module in pkgutil.iter_modules(drmemctl.output.__path__, "drmemctl.output."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, tuple) and value and isinstance(value[0], Column):
                tables[id(value)] = f"{module.name}:{name}"
    return tables


def help_of_tables() -> list[tuple[str, TableCommand]]:
    """Return the commands that have tables, with how they are called."""
    with click.Context(app, info_name="drmemctl", **app.context_settings) as ctx:
        contexts = list(command_contexts(ctx))
    return [(ctx.command_path, ctx.command) for ctx in contexts if isinstance(ctx.command, TableCommand)]


def test_every_table_is_explained_by_a_command() -> None:
    explained = set()
    for _, command in help_of_tables():
        for _, place in command.tables:
            module, _, name = place.partition(":")
            explained.add(id(getattr(importlib.import_module(module), name)))
    assert [name for table, name in tables_of_columns().items() if table not in explained] == []


def test_every_column_and_word_is_explained() -> None:
    for path, command in help_of_tables():
        shown = run(*path.split()[1:], "--help").out
        for heading, words in command.explanations():
            assert f"\n{heading}:\n" in shown, (path, heading)
            assert [word for word, meaning in words if not meaning or f"\n  {word}" not in shown] == [], path
