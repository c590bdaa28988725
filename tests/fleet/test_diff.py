# SPDX-License-Identifier: MIT
"""`drmemctl fleet diff`: its findings are those of `diff`, and what became of LMBs is what a kernel did."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.fleet.datasets import add_inputs, captures
from tests.fleet.judged import pa

KEPT = "captures/4.19-form1-9101"
"""A 4.19 gets another aa_index for 3 LMBs (state 13), and writes the old ones back with a removal (state 15)."""

BEFORE, AFTER = (FIXTURES / "tutorial" / f"lpar7-{when}.tar.xz" for when in ("before", "after"))


class Fleet:
    """Captures of two partitions, and of one that was taken only once.

    Attributes:
        dataset: where they are.
        captures: their trees by partition.

    """

    def __init__(self, folder: Path) -> None:
        self.dataset = folder / "fleet"
        self.captures = {
            "bank1": captures(folder, KEPT, "bank1"),
            "lpar7": captures(folder, "captures/6.1-lpm", "lpar7")[:4],
        }
        add_inputs(self.dataset, 1, [*self.captures["bank1"], *self.captures["lpar7"], BEFORE])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def document(fleet: Fleet) -> Any:
    outcome = run("fleet", "diff", fleet.dataset, "--format", "json")
    assert (outcome.code, outcome.err) == (1, "")
    return json.loads(outcome.out)


def of_pair(row: dict[str, Any]) -> tuple[object, ...]:
    """Return what of a row diff says as well."""
    ranges = [(lmbs["base"], lmbs["lmbs"], lmbs["drc_index"], lmbs["aa_index"]) for lmbs in row["lmb_ranges"]]
    return row["rule"], row["severity"], row["message"], row["path"], row["property"], row["offset"], ranges


def test_each_pair_is_what_diff_says_of_it(fleet: Fleet, document: Any) -> None:
    pairs = [both for trees in fleet.captures.values() for both in pairwise(trees)]
    same, rows = 0, []
    for old, new in pairs:
        difference = json.loads(run("diff", old, new, "--format", "json").out)
        same += difference["same"]
        for finding in difference["findings"]:
            lmbs = finding["lmbs"]
            ranges = [(run["base"], run["count"], run["drc_index"], run["aa_index"]) for run in lmbs]
            keys = ("rule", "severity", "message", "path", "property", "offset")
            rows.append((f"file://{old}", f"file://{new}", *(finding[key] for key in keys), ranges))
    assert [(row["before_url"], row["after_url"], *of_pair(row)) for row in document["rows"]] == rows
    assert (document["pairs"], document["same"], document["unreadable"]) == (len(pairs), same, 0)
    assert document["with_findings"] == len({row[:2] for row in rows})


def test_memory_that_stayed_is_told_from_an_aa_index_that_was_written_back(document: Any) -> None:
    found = {}
    for row in document["rows"]:
        if row["partition"] == "bank1":
            numbers = (row["memory_stayed"], row["stale"], row["written_back"])
            if any(numbers):
                found[int(row["after_url"].split("bank1-")[1].split("/")[0]), row["rule"]] = numbers
    assert found == {
        (6, "DRM075"): (0, 1, 0),  # only the lookup arrays came
        (13, "DRM075"): (3, 0, 0),  # the destination's aa_index came
        (15, "DRM075"): (0, 0, 3),  # and the kernel put the old ones back
        (15, "DRM076"): (0, 0, 3),
    }
    assert (document["stale"], document["written_back"]) == (1, 3)


def test_a_partition_and_pairs_by_name(fleet: Fleet, document: Any) -> None:
    rows = [row for row in document["rows"] if row["partition"] == "lpar7"]
    one = json.loads(run("fleet", "diff", fleet.dataset, "--partition", "lpar7", "--format", "json").out)
    assert (one["rows"], one["pairs"]) == (rows, 3)
    outcome = run("fleet", "diff", fleet.dataset, "--partition", "none'")
    assert outcome.code == 0
    assert 'nothing to compare: there is no partition "none\'" with two captures' in outcome.err
    outcome = run("fleet", "diff", "--before", BEFORE, "--after", f"file://{AFTER}", "--format", "json")
    assert outcome.code == 1
    explicit = json.loads(outcome.out)
    assert {row["rule"] for row in explicit["rows"]} == {"DRM075", "DRM076"}
    assert explicit["memory_stayed"] == 2
    assert {row["after_release"] for row in explicit["rows"]} == {"5.10.262"}


def test_parquet_csv_and_text_say_the_same(fleet: Fleet, document: Any, tmp_path: Path) -> None:
    place = tmp_path / "pairs.parquet"
    outcome = run("fleet", "diff", fleet.dataset, "--parquet", place, "--format", "csv")
    assert outcome.code == 1
    table = pa.parquet.read_table(place)
    assert table.schema.metadata[b"schema"] == b"drmemctl.fleet.diff/1"
    rows = table.to_pylist()
    times = [
        f"{moment:%Y-%m-%dT%H:%M:%SZ}" for row in rows for moment in (row["before_taken"], row["after_taken"])
    ]
    assert times == [row[name] for row in document["rows"] for name in ("before_taken", "after_taken")]
    for row, expected in zip(rows, document["rows"], strict=True):
        assert {key: row[key] for key in row if "taken" not in key} == {
            key: expected[key] for key in expected if "taken" not in key
        }
    records = list(csv.DictReader(io.StringIO(outcome.out)))
    assert [record["message"] for record in records] == [row["message"] for row in document["rows"]]
    text = run("fleet", "diff", fleet.dataset).out
    assert "    3 LMBs: aa_index of before the migration written back\n" in text
    assert all(len(line) <= 80 or "file://" in line for line in text.splitlines())


def test_a_capture_that_is_gone_or_torn_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    dataset, trees = tmp_path / "fleet", captures(tmp_path)
    add_inputs(dataset, 1, trees)
    (trees[1] / "ibm,dynamic-reconfiguration-memory").rename(tmp_path / "elsewhere")
    torn = tmp_path / "torn\x1b[31m.dtb"
    torn.write_bytes(b"\xd0\x0d\xfe\xed")
    outcome = run("fleet", "diff", dataset, "--format", "json")
    assert outcome.code == 1
    assert json.loads(outcome.out)["unreadable"] == 0  # a tree without LMBs has no migration to judge
    outcome = run("fleet", "diff", "--before", torn, "--after", BEFORE, "--before", BEFORE, "--after", AFTER)
    assert outcome.code == 3
    assert "error" in outcome.out
    assert "DRM075" in outcome.out
    assert "\x1b" not in outcome.out


def test_what_diff_says_of_a_named_kernel_is_said_here_too() -> None:
    kernel = ("--kernel", "5.10.3-custom")
    outcome = run("fleet", "diff", "--before", BEFORE, "--after", AFTER, *kernel)
    assert outcome.err
    assert outcome.err == run("diff", BEFORE, AFTER, *kernel).err


def test_wrong_arguments(fleet: Fleet) -> None:
    assert run("fleet", "diff").code == 2
    assert run("fleet", "diff", fleet.dataset, "--before", BEFORE, "--after", AFTER).code == 2
    assert run("fleet", "diff", "--before", BEFORE).code == 2
    assert run("fleet", "diff", fleet.dataset / "none").code == 3
