# SPDX-License-Identifier: MIT
"""`drmemctl map`: whole pictures checked by hand, JSON and CSV, and what any width and colour may not change."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from tests.cases import each
from tests.cli.running import on_terminal, process, run
from tests.conftest import FIXTURES, fixture_trees, tree_name
from tests.wide import share

NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) != "trees/precas"]
MIB, GIB = 1 << 20, 1 << 30


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


TWO_NODES = """\
1 cell = 1 LMB = 256 MiB, 1 line = 16 GiB

0x000000000  aaaabbbbBBBBAA..................................................

a A  node 0: memory@ 1 GiB, LMBs 512 MiB
b B  node 1: memory@ 1 GiB, LMBs 1 GiB
.    free LMBs 12.5 GiB
"""

# Narrow: 16 cells do for a line, so that a cell still is an LMB in 4 lines.
NARROW = """\
1 cell = 1 LMB = 256 MiB, 1 line = 4 GiB

0x000000000  aaaabbbbBBBBAA..
0x100000000  ................
0x200000000  ................
0x300000000  ................

a A  node 0: memory@ 1 GiB, LMBs 512 MiB
b B  node 1: memory@ 1 GiB, LMBs 1 GiB
.    free LMBs 12.5 GiB
"""

NO_NODE = """\
1 cell = 1 LMB = 256 MiB, 1 line = 16 GiB

0x00000000  aaaaAA??A.......

a A  node 0: memory@ 1 GiB, LMBs 768 MiB
.    free LMBs 1792 MiB
?    no node found by Linux: 512 MiB
"""


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [
        ("kernel-arrays/numa2-plug2", "80", TWO_NODES),
        ("kernel-arrays/numa2-plug2", "30", NARROW),
        ("trees/v1-nvdimm", "80", NO_NODE),
    ],
)
def test_pictures_checked_by_hand(name: str, width: str, expected: str) -> None:
    assert run("map", fixture(name), "--width", width) == (0, expected, "")


def test_a_cell_of_several_lmbs_shows_the_most_and_marks_what_is_mixed() -> None:
    lines = run("map", fixture("kernel-arrays/big-boot")).out.splitlines()
    # 16,384 LMBs: 8 of boot memory and 8 free ones are in the first cell.
    assert lines[0] == "1 cell = 16 LMBs = 4 GiB, 1 line = 256 GiB"
    assert lines[2] == "0x00000000000  a" + "." * 63
    assert lines[3] == "               ^"
    assert lines[4:19] == [f"{i << 38:#013x}  " + "." * 64 for i in range(1, 16)]
    assert lines[-1].startswith("^    more than one kind")


@each("name", share(NAMES, 1, 3))
@pytest.mark.parametrize("width", ["24", "80", "200"])
def test_no_line_is_wider_than_asked_for(name: str, width: str) -> None:
    outcome = run("map", fixture(name), "--width", width)
    assert outcome.code == 0
    picture = outcome.out.split("\n\n")[1].splitlines()
    assert max(map(len, picture)) <= int(width)
    assert len([line for line in picture if line.strip(" ^")]) <= 16


@each("name", NAMES)
def test_segments_in_json_cover_the_address_space_without_a_seam(name: str) -> None:
    found = json.loads(run("map", fixture(name), "--format", "json").out)
    assert found["schema"] == "drmemctl.map/1"
    ends = [one["start"] + one["size"] for one in found["segments"]]
    assert [one["start"] for one in found["segments"]] == [0, *ends[:-1]]
    assert {one["kind"] for one in found["segments"]} <= {"memory@", "assigned", "free", "reserved", "hole"}
    # LMBs overlap where their size was edited, and where one is in memory of boot.
    overlaps = name == "boot/lmb-not-power-of-two" or name.endswith("-odd-lmbs")
    assert any(one["overlap"] for one in found["segments"]) == overlaps


def test_json_worked_out_by_hand() -> None:
    def segment(start: int, size: int, kind: str, node: int | None) -> dict[str, object]:
        return {"start": start, "size": size, "kind": kind, "node": node, "overlap": False}

    assert json.loads(run("map", fixture("trees/v1-nvdimm"), "--format", "json").out) == {
        "schema": "drmemctl.map/1",
        "lmb_size": 256 * MIB,
        "clipped_runs": 0,
        "segments": [
            segment(0, GIB, "memory@", 0),
            segment(GIB, 512 * MIB, "assigned", 0),
            segment(1536 * MIB, 512 * MIB, "assigned", None),
            segment(2 * GIB, 256 * MIB, "assigned", 0),
            segment(2304 * MIB, 1792 * MIB, "free", None),
        ],
    }


def test_csv_has_the_segments_of_json() -> None:
    rows = list(csv.DictReader(io.StringIO(run("map", fixture("trees/v1-nvdimm"), "--format", "csv").out)))
    records = json.loads(run("map", fixture("trees/v1-nvdimm"), "--format", "json").out)["segments"]
    assert [row["start"] for row in rows] == [str(record["start"]) for record in records]
    assert [row["node"] for row in rows] == ["0", "0", "", "0", ""]


def test_it_takes_the_terminals_width_and_a_pipes_is_80() -> None:
    wide = on_terminal("map", fixture("kernel-arrays/numa2-plug2"), COLUMNS="160", NO_COLOR="1").decode()
    assert "1 line = 32 GiB" in wide
    assert process("map", fixture("kernel-arrays/numa2-plug2"), COLUMNS="160").stdout.decode() == TWO_NODES


def test_colour_changes_nothing_but_colour() -> None:
    coloured = process("map", fixture("kernel-arrays/numa2-plug2"), "--color", "always").stdout.decode()
    assert "\x1b[36maaaa\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == TWO_NODES


CLASHES = """\
1 cell = 1 LMB = 384 MiB, 1 line = 24 GiB

0x000000000  ab!!!!........................
              ^^^^^                       ^

a A  node 0: memory@ 512 MiB, LMBs 256 MiB
b B  node 1: memory@ 512 MiB, LMBs 768 MiB
.    free LMBs 9088 MiB
-    reserved LMBs 128 MiB
!    claimed twice: 896 MiB
^    more than one kind in the cell: the largest shows
"""


def test_lmbs_that_overlap_are_seen_at_once() -> None:
    assert run("map", fixture("boot/lmb-not-power-of-two")) == (0, CLASHES, "")


def test_large_holes_are_left_out_and_named() -> None:
    lines = run("map", fixture("captures/7.2-vectors-2"), "--width", "24").out.splitlines()
    assert lines[2:8] == [
        "0x000000000  aabbBBAA",
        "0x080000000      BB",
        "… 8704 MiB hole",
        "0x300000000  ...",
        "… 15.25 GiB hole",
        "0x700000000  .",
    ]


def test_a_partition_without_dynamic_memory_has_its_boot_memory() -> None:
    outcome = run("map", fixture("trees/nomaxmem"))
    assert (outcome.code, outcome.err) == (0, "")
    assert "0x00000000  aaaaaaaa\n" in outcome.out


def test_a_tree_from_before_client_architecture_support_is_refused() -> None:
    assert run("map", fixture("trees/precas")).code == 3


@pytest.mark.parametrize("width", ["0", "23", "x"])
def test_a_width_that_holds_no_picture_is_refused(width: str) -> None:
    assert run("map", fixture("trees/v2-gap"), "--width", width).code == 2
