# SPDX-License-Identifier: MIT
"""`drmemctl fleet report`: the page has what `fleet ask` answers, loads nothing, and takes no text for markup."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.fleet.datasets import add_inputs, add_part, captures, with_row
from tests.fleet.judged import tables
from tests.pages import parsed

TREES = [FIXTURES / "boot" / "aa-out-of-range.dtb.gz", FIXTURES / "tutorial" / "lpar7-after.tar.xz"]
QUESTIONS = ("rules", "wrong-node", "lookup-arrays", "lmb-sizes", "worst", "unreadable")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    torn = folder / "torn.dtb"
    torn.write_bytes(b"\xd0\x0d\xfe\xed\0\0")
    add_inputs(folder / "fleet", 1, [*TREES, *captures(folder), torn])
    return folder / "fleet"


def test_the_page_has_what_ask_answers(dataset: Path) -> None:
    page = parsed(run("fleet", "report", dataset, "-o", "-").out)
    for question in QUESTIONS:
        section = page.one("section", id=question)
        rows = json.loads(run("fleet", "ask", dataset, question, "--format", "json").out)["rows"]
        words = {None: "-", True: "yes", False: "no"}
        assert section.one("table").rows() == [
            [words[value] if value is None or isinstance(value, bool) else str(value) for value in row.values()]
            for row in rows
        ]
        sql = run("fleet", "ask", dataset, question, "--sql").out.partition("\n")[2].strip().removesuffix(";")
        assert section.one("pre").raw.strip() == sql
    drift = json.loads(run("fleet", "ask", dataset, "drift", "lpar7", "--format", "json").out)["rows"]
    rows = page.one("section", id="drift").one("table").rows()
    assert [row[0] for row in rows] == [row["taken"] for row in drift]
    tiles = [tile.text for tile in page.one("ul", class_="tiles").all("li")]
    captured = len(drift)
    assert tiles[:3] == [f"{captured + 3} inputs", f"{captured + 2} trees", "3 partitions"]
    assert tiles[-1] == "1 unreadable"


def test_the_page_loads_nothing_and_is_the_same_again(dataset: Path, tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        assert run("fleet", "report", dataset, "-o", tmp_path / name, "--title", "<b>lpar\x1b[1m</b>").code == 0
    text = (tmp_path / "one.html").read_text()
    assert (tmp_path / "two.html").read_text() == text
    page = parsed(text)
    assert page.one("h1").text == r"<b>lpar\x1b[1m</b>"
    assert not [
        name for element in page.walk() for name in element.attributes if name in ("src", "srcset", "style")
    ]
    assert {element.tag for element in page.walk()}.isdisjoint({"script", "link", "iframe", "img", "object"})
    assert all(link.attributes["href"].startswith("#") for link in page.all("a") if link.attributes["href"])
    assert not re.search(r"https?://", text)


def test_no_text_of_a_data_set_is_markup(tmp_path: Path) -> None:
    part = tables([TREES[0]])
    evil = "<script>alert(1)</script>\x1b[31m\u202e"
    part["inputs"] = with_row(part["inputs"], {"url": f"file:///{evil}", "partition": evil, "model": evil})
    for table in ("findings", "lmb_runs", "nodes"):
        rows = [row | {"url": f"file:///{evil}"} for row in part[table].to_pylist()]
        part[table] = type(part[table]).from_pylist(rows, schema=part[table].schema)
    add_part(tmp_path / "fleet", 1, part)
    text = run("fleet", "report", tmp_path / "fleet", "-o", "-").out
    assert "alert(1)" in text
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_is_no_data_set_is_an_error(tmp_path: Path) -> None:
    outcome = run("fleet", "report", tmp_path, "-o", tmp_path / "page.html")
    assert (outcome.code, outcome.err.count("\n"), (tmp_path / "page.html").exists()) == (3, 1, False)


def test_the_page_does_not_replace_a_part_of_its_data_set(dataset: Path) -> None:
    for part in sorted(dataset.rglob("*.parquet")):
        outcome = run("fleet", "report", dataset, "-o", part)
        assert (outcome.code, outcome.err) == (3, f"drmemctl: {part}: this is an input; name another file\n")
