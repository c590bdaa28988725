# SPDX-License-Identifier: MIT
"""`drmemctl assoc`: tables and JSON checked by hand, CSV against JSON, refusals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cases import each
from tests.cli.running import on_terminal, run
from tests.conftest import FIXTURES, WITHOUT_LMBS, fixture_trees, tree_name
from tests.wide import share

NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) not in WITHOUT_LMBS]
MIB, GIB = 1 << 20, 1 << 30


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


def record(name: str) -> Any:
    return json.loads(run("assoc", fixture(name), "--format", "json").out)


def users(assigned: int, free: int, reserved: int, *ranges: tuple[int, int]) -> dict[str, Any]:
    lmbs = assigned + free + reserved
    return {
        "lmbs": lmbs,
        "assigned": assigned,
        "free": free,
        "reserved": reserved,
        "bytes": lmbs * 256 * MIB,
        "ranges": [{"base": base, "count": count} for base, count in ranges],
        "n_ranges": len(ranges),
    }


def test_json_worked_out_by_hand() -> None:
    assert record("boot/aa-out-of-range") == {
        "schema": "drmemctl.assoc/1",
        "n_arrays": 2,
        "array_sz": 1,
        "usable": True,
        "lmb_size": 256 * MIB,
        "arrays": [
            {"aa_index": 0, "associativity": [0], "node": 0, "same_as": None, **users(1, 0, 0, (1536 * MIB, 1))},
            {"aa_index": 1, "associativity": [1], "node": 1, "same_as": None, **users(1, 0, 0, (GIB, 1))},
        ],
        "without_array": [
            {"reason": "unset", "aa_index": 0xFFFFFFFF, **users(0, 24, 4, (0, 4), (2 * GIB, 24))},
            {"reason": "ai-invalid", "aa_index": None, **users(1, 0, 0, (1792 * MIB, 1))},
            {"reason": "out-of-range", "aa_index": 5, **users(1, 0, 0, (1280 * MIB, 1))},
        ],
    }


TABLE = """\
4 lookup arrays of 4 domains: 2 unused
aa  domains  node  LMBs  memory  addresses                   note
 0  0 0 0 0     0     -       -  -                           unused
 1  0 0 1 1     1     -       -  -                           unused
 2  0 0 0 2     2     4   1 GiB  0x100000000-0x13fffffff
 3  0 0 0 3     3     4   1 GiB  0x140000000-0x17fffffff
 -  -           -    56  14 GiB  0x000000000-0x0ffffffff +1  no array
"""


def test_a_table_checked_by_hand() -> None:
    assert run("assoc", fixture("trees/numa4-form1-dist")) == (0, TABLE, "")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("trees/")])
def test_it_fits_a_terminal_of_80_columns(name: str) -> None:
    shown = on_terminal("assoc", fixture(name), COLUMNS="80", NO_COLOR="1").decode().replace("\r\n", "\n")
    lines = [line for line in shown.splitlines() if not line.startswith("drmemctl: ")]
    assert max(len(line) for line in lines) <= 80


@each("name", share(NAMES, 2, 3))
def test_csv_has_a_line_for_every_record_of_json(name: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run("assoc", fixture(name), "--format", "csv").out)))
    found = record(name)
    records = found["arrays"] + found["without_array"]
    assert [row["lmbs"] for row in rows] == [str(one["lmbs"]) for one in records]
    assert [row["reason"] for row in rows] == [one.get("reason", "") for one in records]


@pytest.mark.parametrize("name", sorted(WITHOUT_LMBS))
def test_trees_without_dynamic_memory_are_refused(name: str) -> None:
    outcome = run("assoc", fixture(name))
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.count("\n") == 1


def test_more_arrays_than_the_limit_are_refused() -> None:
    outcome = run("assoc", fixture("trees/numa4-form1-dist"), "--limit", "3")
    assert (outcome.code, outcome.out) == (3, "")
    assert "raise --limit" in outcome.err


@each("name", NAMES)
def test_every_bundled_tree_has_a_table(name: str) -> None:
    assert run("assoc", fixture(name)).code == 0
