# SPDX-License-Identifier: MIT
"""The options of tables, on every command that has them."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.cli.running import Outcome, run
from tests.conftest import FIXTURES

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
