# SPDX-License-Identifier: MIT
"""A DRC index is a number and its text in hex, wherever JSON and CSV have one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import run
from tests.conftest import FIXTURES

TREE = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"
RACES = FIXTURES / "races"
NVDIMM = FIXTURES / "trees" / "v1-nvdimm.dtb.gz"


def with_drc_index(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "drc_index" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from with_drc_index(item)


@pytest.mark.parametrize(
    "arguments",
    [
        ("lmb", TREE),
        ("lmb", TREE, "--expand"),
        ("blocks", NVDIMM, "--kernel", "4.19"),
        ("memblock", NVDIMM, "--kernel", "4.19"),
        ("removable", TREE),
        ("check", FIXTURES / "boot" / "aa-out-of-range.dtb.gz"),
        ("diff", RACES / "before.dts", RACES / "after.dts"),
        ("simulate", TREE, "dlpar memory remove count 1"),
        ("kexec", RACES / "before.dts", "dlpar memory remove count 1", "--load", "file"),
        ("repair", TREE, "dlpar memory remove count 1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_json_has_both(arguments: tuple[str | Path, ...]) -> None:
    records = list(with_drc_index(json.loads(run(*arguments, "--json").out)))
    assert len(records) > 0
    for record in records:
        number = record["drc_index"]
        assert record["drc_index_hex"] == (None if number is None else f"0x{number:08x}")


@pytest.mark.parametrize("arguments", [("lmb",), ("lmb", "--expand"), ("memblock",), ("blocks",)], ids=" ".join)
def test_csv_has_it_last(arguments: tuple[str, ...]) -> None:
    command, *options = arguments
    out = run(command, NVDIMM, *options, "--format", "csv", "--kernel", "4.19").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0])[-1] == "drc_index_hex"
    given = [row for row in rows if row["drc_index"]]
    assert len(given) > 0
    assert all(int(row["drc_index_hex"], 16) == int(row["drc_index"]) for row in given)
    assert all(row["drc_index_hex"] == "" for row in rows if not row["drc_index"])
