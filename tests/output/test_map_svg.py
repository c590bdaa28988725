# SPDX-License-Identifier: MIT
"""The map as SVG: well-formed, the picture of the terminal, nothing in it that a document could not use."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from drmemctl.model.run import Run
from drmemctl.tree.writer import write_fdt
from tests.cases import each
from tests.cli.running import run
from tests.compare.trees import partition
from tests.conftest import FIXTURES, fixture_trees, tree_name
from tests.wide import share

NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) != "trees/precas"]
SVG = "{http://www.w3.org/2000/svg}"


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


def drawing(name: str) -> ET.Element:
    outcome = run("map", fixture(name), "--format", "svg")
    assert outcome.code == 0
    assert outcome.out.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<svg ')
    return ET.fromstring(outcome.out)


def bars(root: ET.Element) -> list[ET.Element]:
    """Return the bars of the lines, which have words; those of the legend have none."""
    return [one for one in root.iter(f"{SVG}g") if one.find(f"{SVG}title") is not None]


def words(root: ET.Element) -> list[str]:
    return [one.findtext(f"{SVG}title", "") for one in bars(root)]


@each("name", share(NAMES, 0, 3))
def test_it_is_the_picture_of_the_terminal(name: str) -> None:
    root = drawing(name)
    assert root.findtext(f"{SVG}title") == "Address map"
    # With as many cells a line, the terminal has the same lines and letters.
    scale = next(one.text or "" for one in root.iter(f"{SVG}text") if one.get("class") == "scale")
    text = run("map", fixture(name), "--width", "80").out
    pictured = [one.text or "" for one in root.iter(f"{SVG}text") if one.get("class") == "address"]
    if scale == text.splitlines()[0]:
        assert pictured == re.findall(r"^(0x[0-9a-f]+)  ", text.split("\n\n")[1], re.MULTILINE)
    mentioned = " ".join(words(root))
    for node in re.findall(r"^[a-z ] [A-Z ]  node (\d+):", text, re.MULTILINE):
        assert f"node {node}, " in mentioned
    legend = [" ".join(line.split()) for line in text.split("\n\n")[-1].splitlines()]
    shown = [one.text or "" for one in root.iter(f"{SVG}text") if one.get("class") == "words"]
    assert [entry for entry in legend if not any(entry.endswith(one) for one in shown)] in ([], [legend[-1]])


@each("name", NAMES)
def test_bars_lie_side_by_side_within_the_picture(name: str) -> None:
    lines = 0
    for line in drawing(name).iter(f"{SVG}g"):
        places = [one.find(f"{SVG}rect") for one in line if one.find(f"{SVG}title") is not None]
        edges = [(float(one.get("x", "")), float(one.get("width", ""))) for one in places if one is not None]
        for (x, width), (following, _) in pairwise(edges):
            assert x + width <= following + 0.02
        assert all(x >= 0 and x + width <= 1000.02 for x, width in edges)
        lines += bool(edges)
    assert lines


def test_bars_worked_out_by_hand() -> None:
    # 64 LMBs in one line: 4 and 4 of boot memory, then what 'lmb' shows.
    assert words(drawing("kernel-arrays/numa2-plug2")) == [
        "node 0, memory@: 0x0-0x3fffffff (1 GiB)",
        "node 1, memory@: 0x40000000-0x7fffffff (1 GiB)",
        "node 1, LMBs: 0x80000000-0xbfffffff (1 GiB)",
        "node 0, LMBs: 0xc0000000-0xdfffffff (512 MiB)",
        "free LMBs: 0xe0000000-0x3ffffffff (12.5 GiB)",
    ]


def test_clashes_and_memory_without_a_node_are_told_apart() -> None:
    assert "bar clash" in {one.get("class") for one in bars(drawing("boot/lmb-not-power-of-two"))}
    assert any(one.startswith("mostly ") for one in words(drawing("boot/lmb-not-power-of-two")))
    assert "bar nowhere" in {one.get("class") for one in bars(drawing("trees/v1-nvdimm"))}


def test_a_large_hole_is_left_out_and_named(tmp_path: Path) -> None:
    file = tmp_path / "gap.dtb"
    file.write_bytes(write_fdt(partition([Run(0, 4, 0x80000000, 0, 8), Run(1 << 40, 4, 0x80001000, 1, 8)])))
    root = ET.fromstring(run("map", file, "--format", "svg").out)
    assert [one.text for one in root.iter(f"{SVG}text") if one.get("class") == "gap-words"] == ["1023 GiB hole"]
    assert words(root) == [
        "node 0, LMBs: 0x0-0x3fffffff (1 GiB)",
        "node 1, LMBs: 0x10000000000-0x1003fffffff (1 GiB)",
    ]


def test_it_needs_nothing_from_anywhere() -> None:
    text = run("map", fixture("kernel-arrays/numa2-plug2"), "--format", "svg").out
    assert re.findall(r"(?:href|src)=|@import|url\((?!#)|<script|var\(", text) == []
    assert "prefers-color-scheme: dark" in text


def test_a_huge_partition_is_a_small_picture() -> None:
    outcome = run("map", fixture("trees/v2-huge-1T"), "--format", "svg")
    assert len(outcome.out) < 100_000
